"""`ar1-rl export`: which policy is taken, what is refused, and that adapters survive a move of their run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import seeing
import yaml
from tiny import TinyPolicy

from recipes import cli

pytestmark = pytest.mark.engine


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_what_holds_no_policy_and_a_folder_that_is_taken_are_refused(
    tiny_policy: TinyPolicy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["export", str(tmp_path), str(tmp_path / "out")]) == 2
    assert "holds no policy: allowed are a run folder" in said(capsys)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    assert cli.main(["export", str(tiny_policy.path), str(tmp_path / "taken")]) == 2
    assert "taken is not empty" in said(capsys)


def test_of_a_run_the_best_is_taken_in_the_type_that_it_was_trained_in(tiny_policy: TinyPolicy, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run = tmp_path / "run"
    for name in ("sft", "best"):
        shutil.copytree(tiny_policy.path, run / "checkpoints" / name)
    model = AutoModelForCausalLM.from_pretrained(tiny_policy.path)
    with torch.no_grad():
        model.model.norm.weight.fill_(3.0)
    model.save_pretrained(run / "checkpoints" / "best")
    (run / "config.yaml").write_text(yaml.safe_dump({"policy": {"dtype": "bfloat16"}}))
    assert cli.main(["export", str(run), str(tmp_path / "out")]) == 0
    written = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto")
    assert written.dtype == torch.bfloat16 and written.model.norm.weight.unique().tolist() == [3.0]
    assert len(AutoTokenizer.from_pretrained(tmp_path / "out")) == len(tiny_policy.dialogue.tokenizer)
    assert not list(tmp_path.glob("*.partial"))


def test_an_adapter_finds_its_base_in_a_run_that_was_moved(
    tiny_policy: TinyPolicy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    run = tmp_path / "run"
    shutil.copytree(tiny_policy.path, run / "checkpoints" / "sft")
    (run / "config.yaml").write_text(yaml.safe_dump({"policy": {"dtype": "float32"}}))
    base = AutoModelForCausalLM.from_pretrained(run / "checkpoints" / "sft")
    model = get_peft_model(base, LoraConfig(r=2, lora_alpha=6.0, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    adapted = model.base_model.model.model.layers[0].self_attn.q_proj
    with torch.no_grad():
        adapted.lora_A["default"].weight.fill_(1.0)
        adapted.lora_B["default"].weight.fill_(0.5)
    model.save_pretrained(run / "checkpoints" / "best")
    tiny_policy.dialogue.tokenizer.save_pretrained(run / "checkpoints" / "best")
    before = adapted.base_layer.weight.detach().clone()

    moved = run.rename(tmp_path / "moved")
    assert cli.main(["export", str(moved / "checkpoints" / "best"), str(tmp_path / "out")]) == 0
    written = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    # B A is 2 x 0.5 x 1 = 1 everywhere, scaled by alpha / rank = 3.
    assert torch.allclose(written.model.layers[0].self_attn.q_proj.weight, before + 3.0)

    shutil.rmtree(moved / "checkpoints" / "sft")
    assert cli.main(["export", str(moved), str(tmp_path / "again")]) == 2
    assert "is an adapter of" in said(capsys)


def test_an_adapter_of_a_policy_that_sees_is_merged_and_its_processor_comes_along(tmp_path: Path) -> None:
    """As GRPO leaves it: adapter and processor in one folder, which has no configuration of the model."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText, AutoProcessor

    run = tmp_path / "run"
    policy = seeing.make(run / "checkpoints" / "sft")
    (run / "config.yaml").write_text(yaml.safe_dump({"policy": {"dtype": "float32"}}))
    base = AutoModelForImageTextToText.from_pretrained(policy.path)
    get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(run / "checkpoints" / "best")
    policy.dialogue.processor.save_pretrained(run / "checkpoints" / "best")
    assert cli.main(["export", str(run), str(tmp_path / "out")]) == 0
    assert hasattr(AutoModelForImageTextToText.from_pretrained(tmp_path / "out").config, "vision_config")
    assert type(AutoProcessor.from_pretrained(tmp_path / "out")) is type(policy.dialogue.processor)
