"""The bench of losses: its cells are valid runs, what is finished is not run again, and its figures by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ar1_rl.config import load_config
from ar1_rl.driving import Completion, Trajectory
from ar1_rl.scenes.synthetic import generate_scenes
from recipes import catalogue
from recipes.bench import losses
from recipes.bench.losses import BASE, VARIANTS, Plan, cell_overrides, measure, run_missing, show
from recipes.run_config import RunConfig
from rollouts.record import Rollout, ScoreColumns
from rollouts.store import RolloutStore, rollout_row


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(tmp_path, seeds=(0, 1), variants=(BASE, "dapo, split"), steps=4, test=2)


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_every_cell_is_a_valid_run_that_begins_with_the_policy_of_its_seed(plan: Plan, variant: str) -> None:
    config = load_config(RunConfig, catalogue.path_of("quickstart"), cell_overrides(plan, 1, variant))
    assert config.sft is None and config.seed == 1
    assert config.policy.path == str(plan.policy(1).resolve())
    assert config.scenes.train == config.grpo.steps * config.grpo.scenes_per_step == 96
    assert (config.grpo.loss, config.grpo.credit) == {
        "dapo": ("dapo", "shared"),
        "grpo": ("grpo", "shared"),
        "gspo": ("gspo", "shared"),
        "ar1": ("ar1", "shared"),
        "ar1, uncentred": ("ar1", "shared"),
        "dapo, split": ("dapo", "split"),
        "dapo, weighted": ("dapo", "weighted"),
    }[variant]


def test_what_is_finished_is_left_alone_and_what_was_interrupted_goes_on(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []

    class Done:
        returncode = 0

    monkeypatch.setattr(losses.subprocess, "run", lambda command, **_: ran.append(command) or Done())
    plan.policy(0).mkdir(parents=True)
    for cell in (plan.cell(0, BASE), plan.cell(1, BASE)):
        cell.mkdir(parents=True)
        (cell / "config.yaml").write_text("")
    (plan.cell(0, BASE) / "summary.json").write_text("{}")
    run_missing(plan)
    told = [(command[3], Path(command[command.index("--out") + 1]), "--resume" in command) for command in ran]
    assert told == [
        ("sft", plan.out / "seed-1" / "sft", False),
        ("grpo", plan.out / "seed-1" / "dapo", True),
        ("grpo", plan.out / "seed-0" / "dapo-split", False),
        ("grpo", plan.out / "seed-1" / "dapo-split", False),
    ]


def write_evaluation(run: Path, label: str, seed: int, off_m: float, consistency: float) -> None:
    """Two scenes with two rollouts each: one drives as the expert, the other `off_m` beside it."""
    rows: list[dict[str, Any]] = []
    for scene in generate_scenes(seed, "test", 2):
        assert scene.future_T3 is not None
        for sample, beside in enumerate((0.0, off_m)):
            poses = scene.future_T3 + np.array([0.0, beside, 0.0])
            completion = Completion("", (1,), "text", Trajectory(poses, "tokens"), None)
            rollout = Rollout(
                scene_id=scene.id, episode=scene.episode, t0_us=0, sample=sample, seed=sample, step=0,
                policy_version=label, prompt_text="", prompt_token_ids=(1,), completion=completion, logprobs=(0.0,),
            )  # fmt: skip
            scores = {"consistency": ScoreColumns(value=consistency), "critic": ScoreColumns(value=4.0 * sample)}
            rows.append(rollout_row(rollout, None, scores))
    RolloutStore(run / "rollouts").write(label, rows)


def test_figures_are_means_over_a_scene_s_rollouts_and_differences_are_paired(plan: Plan) -> None:
    for seed in plan.seeds:
        for variant, off_m, consistency in ((BASE, 1.0, 0.5), ("dapo, split", 0.6, 0.75)):
            run = plan.cell(seed, variant)
            write_evaluation(run, "before", seed, 2.0, 0.25)
            write_evaluation(run, "after", seed, off_m, consistency)
            (run / "config.yaml").write_text(yaml.safe_dump({"scenes": {"train": 1, "validation": 1, "test": 2}}))
            (run / "summary.json").write_text(json.dumps({"wall_s": {"grpo": 12.0}}))
    result = measure(plan)
    assert result["before"] == pytest.approx(
        {"consistency": 0.25, "reasoning": 2.0, "ade_m": 1.0, "minade_m": 0.0, "parsed": 1.0}
    )
    split = result["table"]["dapo, split"]
    assert split["ade_m"]["after"] == pytest.approx(0.3)
    assert split["ade_m"]["gain"]["mean"] == pytest.approx(-0.7)
    assert split["ade_m"]["gain"]["ci95"] == pytest.approx([-0.7, -0.7])
    assert split["ade_m"]["to_base"]["mean"] == pytest.approx(-0.2)
    assert split["consistency"]["gain_by_seed"] == pytest.approx([0.5, 0.5])
    assert result["table"][BASE]["ade_m"]["to_base"] is None
    text = show(result)
    assert "| dapo, split | 2 | +0.500 (+0.500 … +0.500; seeds +0.500 to +0.500) |" in text
    assert "| less dapo |" in text


def test_cells_that_are_not_there_are_left_out_of_the_table(plan: Plan) -> None:
    assert measure(plan)["table"] == {}
