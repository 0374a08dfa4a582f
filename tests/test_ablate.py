"""`ar1-rl ablate`: what a cell is made of, what is run and what is left alone, and figures by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from evaluations import write_evaluation

from ar1_rl.config import check_config, load_config
from ar1_rl.errors import ConfigError
from recipes import catalogue
from recipes.ablation import running
from recipes.ablation.cells import Command, Plan, overrides
from recipes.ablation.config import AblationConfig
from recipes.ablation.results import results_of
from recipes.ablation.tables import grids, markdown
from recipes.cli import main
from recipes.launch import EXIT_STOPPED
from recipes.stopping import StopFlag

SMALL: dict[str, Any] = {
    "ablation": "small",
    "recipe": "quickstart",
    "seeds": [0, 1],
    "jobs": 2,
    "changes": {"scenes": {"test": 20}, "grpo": {"steps": 4}},
    "baseline": "sft",
    "metrics": ["consistency", "ade_m"],
    "cells": {
        "sft": {"title": "SFT", "train": "none", "paper": {"consistency": 0.62}},
        "reasoning": {"title": "+ reasoning", "weights": {"consistency": 0.0}, "paper": {"consistency": 0.53}},
    },
    "directions": [
        {"says": "falls", "cell": "reasoning", "against": "sft", "metric": "consistency", "goes": "down"},
        {"says": "rises", "cell": "reasoning", "against": "sft", "metric": "consistency", "goes": "up"},
        {"says": "errs", "cell": "reasoning", "against": "sft", "metric": "ade_m", "goes": "up"},
    ],
}


def ablation(**changed: Any) -> AblationConfig:
    return check_config(AblationConfig, {**SMALL, **changed}, source="small")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(ablation(), tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL))
    return str(tmp_path / "small.yaml")


Ran = list[list[str]]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """The commands that would have been run; each succeeds at once and leaves an evaluation where one belongs."""
    commands: Ran = []

    def succeed(words: Sequence[str], *_: Any) -> int:
        commands.append(list(words))
        out = Path(words[list(words).index("--out") + 1])
        seed = next(int(word.removeprefix("seed=")) for word in [*words, "seed=0"] if word.startswith("seed="))
        folder = {"eval": out / "policy", "grpo": out / "evaluations" / "after"}.get(words[0])
        if folder is not None:
            seed = int(words[list(words).index("--seed") + 1]) if words[0] == "eval" else seed
            write_evaluation(folder, {"consistency": [0.5] * 4, "ade_m": [1.0] * 4}, training_seed=seed)
        return 0

    monkeypatch.setattr(running, "_outcome", succeed)
    monkeypatch.setattr(running, "environment", lambda: {"git_commit": "abc", "packages": {"trl": "1.16.0"}})
    return commands


def outs(commands: Ran, root: Path) -> list[tuple[str, str]]:
    return sorted((words[0], str(Path(words[words.index("--out") + 1]).relative_to(root))) for words in commands)


# What a cell is made of


@pytest.mark.parametrize("name", catalogue.ablations())
def test_every_cell_of_a_shipped_ablation_is_a_valid_run(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ablate", name, "--out", str(tmp_path / "none"), "--dry-run"]) == 0
    config = load_config(AblationConfig, catalogue.ablation_path_of(name))
    assert f"{len(config.cells)} cells x {len(config.seeds)} seeds" in capsys.readouterr().out
    assert len(config.seeds) >= 3
    assert not (tmp_path / "none").exists()


def test_nested_keys_become_overrides() -> None:
    changes = {"grpo": {"loss": "ar1", "kl_coef": 0.03}, "sft": None, "eval": {"held_out": {}}}
    assert overrides(changes) == ["grpo.loss=ar1", "grpo.kl_coef=0.03", "sft=null", "eval.held_out={}"]


def test_a_cell_of_rl_begins_with_the_sft_policy_of_its_seed_and_changes_weights_by_name(plan: Plan) -> None:
    (command,) = plan.commands(1, "reasoning")
    assert command.words == (
        "grpo", "quickstart", "seed=1", "scenes.test=20", "grpo.steps=4", "scenes.train=96",
        "rewards.terms.0.weight=0.0", "sft=null", f"policy.path={plan.out}/seed-1/sft/checkpoints/sft",
        "--out", f"{plan.out}/seed-1/reasoning",
    )  # fmt: skip
    assert command.run == plan.out / "seed-1" / "reasoning"


def test_the_sft_policy_is_evaluated_as_it_is_or_decoded_otherwise(tmp_path: Path) -> None:
    cells = {
        "sft": {"title": "SFT", "train": "none"},
        "greedy": {"title": "greedy", "train": "none", "decoding": {"decoding": "greedy"}},
        "best": {"title": "best of 6", "train": "none", "best_by": "quickstart"},
    }
    plan = Plan(ablation(cells=cells, directions=[]), tmp_path)
    sft = f"{tmp_path}/seed-0/sft"
    ask = ("eval", sft, "--scenes", sft, "--seed", "0")
    assert [plan.commands(0, name)[0].words for name in cells] == [
        (*ask, "--out", f"{sft}/evaluations"),
        (*ask, "eval.decoding=greedy", "--out", f"{tmp_path}/seed-0/greedy/evaluations"),
        (*ask, "--best-of", "6", "--by", "quickstart", "--out", f"{tmp_path}/seed-0/best/evaluations"),
    ]


def test_rejection_sampling_draws_as_many_rollouts_as_rl_and_learns_from_as_many_sequences(tmp_path: Path) -> None:
    cells = {"sft": SMALL["cells"]["sft"], "rejection": {"title": "rejection", "train": "rejection"}}
    plan = Plan(ablation(cells=cells, directions=[]), tmp_path)
    draw, learn, evaluate = plan.commands(2, "rejection")
    # 4 steps of 24 scenes x 8 rollouts: 96 scenes, 768 rollouts, which are 48 batches of 16.
    assert draw.words[:6] == ("eval", f"{tmp_path}/seed-2/sft", "--scenes", "synthetic:2:96:train", "--seed", "2")
    assert {"eval.samples_per_scene=8", "eval.temperature=0.6", "eval.top_p=1.0"} <= {*draw.words}
    assert any(word.startswith('eval.best_by={"terms":[{"reward":"consistency"') for word in draw.words)
    assert "sft.steps=48" in learn.words
    assert f"sft.answers={tmp_path}/seed-2/rejection.rollouts/sft-best-of-8" in learn.words
    assert evaluate.words[:2] == ("eval", f"{tmp_path}/seed-2/rejection")


def test_curated_scenes_are_found_with_the_sft_policy_first(tmp_path: Path) -> None:
    curated = {"title": "curated", "curated_from": 200, "changes": {"curate": {"keep": 48}}}
    plan = Plan(ablation(cells={"sft": SMALL["cells"]["sft"], "curated": curated}, directions=[]), tmp_path)
    curate, grpo = plan.commands(0, "curated")
    dataset = f"{tmp_path}/seed-0/curated.scenes"
    assert curate.words[0] == "curate" and {"scenes.train=200", "curate.keep=48"} <= {*curate.words}
    assert curate.words[-4:] == ("--policy", f"{tmp_path}/seed-0/sft/checkpoints/sft", "--out", dataset)
    assert f"scenes.curated={dataset}" in grpo.words


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"baseline": "stf"}, r"got cells \['stf'\], allowed \['sft', 'reasoning'\]"),
        ({"metrics": ["consistancy"]}, r"got \['consistancy'\]"),
        ({"seeds": [1, 1]}, "allowed is each seed once"),
        ({"cells": {"sft": {"title": "", "train": "none", "weights": {"critic": 1.0}}}}, "train none has no rewards"),
        ({"cells": {"sft": {"title": "", "train": "none", "changes": {"seed": 1}}}}, "train none takes none"),
        ({"cells": {"sft": {"title": "", "train": "none"}, "../x": {"title": ""}}}, "small letters"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        ablation(directions=[], **changed)


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ({"title": "", "weights": {"speed": 1.0}}, r"cell wrong: weights: got \['speed'\], allowed are the terms"),
        ({"title": "", "changes": {"grpo": {"stepz": 1}}}, "cell wrong: .*nearest name: steps"),
    ],
)
def test_a_cell_that_is_no_valid_run_is_told_by_name(tmp_path: Path, cell: dict[str, Any], told: str) -> None:
    plan = Plan(ablation(cells={"sft": SMALL["cells"]["sft"], "wrong": cell}, directions=[]), tmp_path)
    with pytest.raises(ConfigError, match=f"(?s){told}"):
        plan.check()


def test_an_ablation_is_no_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grpo", "table9", "--dry-run"]) == 2
    assert "ar1-rl ablate table9" in capsys.readouterr().out
    assert main(["ablate", "quickstart", "--dry-run"]) == 2
    assert main(["recipes", "show", "table9"]) == 0


# What is run


def test_sft_is_run_once_a_seed_and_what_is_finished_is_never_run_again(
    file: str, tmp_path: Path, ran: Ran, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["ablate", file, "--out", str(out), "--cells", "reasoning", "--seeds", "1"]) == 0
    assert outs(ran, out) == [("grpo", "seed-1/reasoning"), ("sft", "seed-1/sft")]
    ran.clear()
    assert main(["ablate", file, "--out", str(out)]) == 0
    assert outs(ran, out) == [
        ("eval", "seed-0/sft/evaluations"),
        ("eval", "seed-1/sft/evaluations"),
        ("grpo", "seed-0/reasoning"),
        ("sft", "seed-0/sft"),
    ]
    ran.clear()
    capsys.readouterr()
    assert main(["ablate", file, "--out", str(out)]) == 0
    assert not ran and "6 of 6 are finished" in capsys.readouterr().out
    result = json.loads((out / "result.json").read_text())
    assert result["cells"]["reasoning"]["seeds"] == 2 and result["made"]["packages"] == {"trl": "1.16.0"}


def test_a_finished_cell_of_other_settings_is_refused(
    file: str, tmp_path: Path, ran: Ran, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ablate", file, "--out", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    assert main(["ablate", file, "--out", str(tmp_path / "out"), "changes.grpo.steps=5"]) == 2
    told = capsys.readouterr().out
    assert "was finished with other settings" in told and "grpo.steps=5" in told and "grpo.steps=4" in told


def test_a_folder_of_cells_can_be_moved(file: str, tmp_path: Path, ran: Ran) -> None:
    assert main(["ablate", file, "--out", str(tmp_path / "out")]) == 0
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    ran.clear()
    assert main(["ablate", file, "--out", str(tmp_path / "elsewhere")]) == 0
    assert not ran


def test_a_run_that_was_interrupted_goes_on(plan: Plan) -> None:
    command = Command(("grpo", "quickstart"), plan.out / "run")
    assert command.to_run() == ["grpo", "quickstart"]
    command.run.mkdir()  # type: ignore[union-attr]
    (plan.out / "run" / "config.yaml").write_text("")
    assert command.to_run() == ["grpo", "quickstart", "--resume"]


def test_a_cell_that_fails_is_told_with_its_last_words_and_the_others_are_run(
    file: str, tmp_path: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    succeed = running._outcome

    def sometimes(words: Sequence[str], jobs: int, output: int, stop: StopFlag) -> int:
        if words[0] == "grpo" and "seed=0" in words:
            import os

            os.write(output, b"no room on the disk\n")
            return 1
        return succeed(words, jobs, output, stop)

    monkeypatch.setattr(running, "_outcome", sometimes)
    assert main(["ablate", file, "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().out
    assert "seed 0, reasoning: exit code 1" in told and "no room on the disk" in told
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert {name: cell["seeds"] for name, cell in result["cells"].items()} == {"sft": 2, "reasoning": 1}


def test_a_signal_ends_it_with_75_and_nothing_is_called_finished(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(words: Sequence[str], jobs: int, output: int, stop: StopFlag) -> int:
        stop.signal_name = "SIGTERM"
        return EXIT_STOPPED

    monkeypatch.setattr(running, "_outcome", stopped)
    assert main(["ablate", file, "--out", str(tmp_path / "out")]) == EXIT_STOPPED
    assert "The same command goes on" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.done.json"))


# Figures


@pytest.fixture
def measured(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The record of cells whose evaluations were written by hand: cell -> metric -> seed -> values of two scenes."""
    monkeypatch.setattr(
        running,
        "environment",
        lambda: {"git_commit": "abc", "cpu_count": 2},
    )

    def of(figures: dict[str, dict[str, list[list[float]]]]) -> dict[str, Any]:
        for cell, metrics in figures.items():
            for seed in range(len(next(iter(metrics.values())))):
                values = {name: by_seed[seed] for name, by_seed in metrics.items()}
                folder = plan.folder(seed, cell) / "evaluations" / "after"
                write_evaluation(folder, values, training_seed=seed)
                job = running.cell_job(plan, seed, cell)
                content = {"commands": job.told(plan.out), "wall_s": 10.0, "environment": running.environment()}
                job.done_file.write_text(json.dumps(content))
        return results_of(plan)

    return of


def test_differences_are_paired_within_a_seed_and_their_interval_is_over_seeds(
    measured: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    result = measured(
        {
            "sft": {"consistency": [[0.0, 1.0], [0.0, 1.0]], "ade_m": [[1.0, 2.0], [1.0, 2.0]]},
            "reasoning": {"consistency": [[1.0, 1.0], [0.0, 1.0]], "ade_m": [[2.0, 3.0], [2.0, 3.0]]},
        }
    )
    consistency = result["cells"]["reasoning"]["metrics"]["consistency"]
    assert consistency["mean"] == pytest.approx(0.75)
    assert consistency["by_seed"] == {"0": 1.0, "1": 0.5}
    # Differences .5 and 0: mean .25, standard error .25, t of one degree of freedom 12.706.
    difference = consistency["difference"]
    assert (difference["mean"], difference["over"]) == (pytest.approx(0.25), "seeds")
    assert difference["ci95"] == pytest.approx([0.25 - 12.706 * 0.25, 0.25 + 12.706 * 0.25], abs=1e-3)
    assert result["cells"]["sft"]["metrics"]["consistency"]["difference"] is None
    assert result["made"] == {"wall_s": 40.0, "jobs": 2, "git_commit": "abc", "cpu_count": 2}
    verdicts = {d["says"]: (d["verdict"], d["paper"]) for d in result["directions"]}
    # ADE rises by exactly 1 in both seeds; of consistency nothing can be told.
    assert verdicts == {
        "falls": ("not shown", pytest.approx(-0.09)),
        "rises": ("not shown", pytest.approx(-0.09)),
        "errs": ("shown", None),
    }
    text = markdown(grids(result))
    assert "| + reasoning | 2 | 0.750 (+0.250 ± 3.177) | 2.500 (+1.000 ± 0.000) |" in text
    assert "| SFT | 2 | 0.500 | 1.500 |" in text
    assert "| + reasoning | 0.530 | 0.750 |" in text


def test_a_direction_can_be_contradicted(measured: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    up = [[0.0, 0.5], [0.0, 0.5]]
    result = measured(
        {
            "sft": {"consistency": up, "ade_m": up},
            "reasoning": {"consistency": [[0.5, 1.0]] * 2, "ade_m": up},
        }
    )
    verdicts = {d["says"]: d["verdict"] for d in result["directions"]}
    assert verdicts == {"falls": "the opposite is shown", "rises": "shown", "errs": "not shown"}


def test_of_one_seed_no_interval_is_told(measured: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    result = measured(
        {
            "sft": {"consistency": [[0.0, 1.0]], "ade_m": [[1.0, 1.0]]},
            "reasoning": {"consistency": [[1.0, 1.0]], "ade_m": [[1.0, 2.0]]},
        }
    )
    assert "| + reasoning | 1 | 1.000 (+0.500) | 1.500 (+0.500) |" in markdown(grids(result))


def test_cells_that_are_not_finished_are_left_out(plan: Plan) -> None:
    result = results_of(plan)
    assert result["cells"] == {} and result["directions"] == [] and grids(result) == []


def test_versions_that_differ_between_cells_are_all_told(plan: Plan) -> None:
    for seed, commit in ((0, "abc"), (1, "def")):
        write_evaluation(
            plan.folder(seed, "sft") / "evaluations" / "sft", {"consistency": np.zeros(2), "ade_m": np.zeros(2)},
            training_seed=seed,
        )  # fmt: skip
        job = running.cell_job(plan, seed, "sft")
        told = {"commands": job.told(plan.out), "wall_s": 1.0, "environment": {"git_commit": commit}}
        job.done_file.write_text(json.dumps(told))
    assert results_of(plan)["made"]["git_commit"] == ["abc", "def"]


# The documented results

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.mark.parametrize("file", sorted((DOCS / "results").glob("*.json")), ids=lambda path: path.stem)
def test_documented_tables_are_those_of_the_committed_result(file: Path) -> None:
    result = json.loads(file.read_text())
    made = result["made"]
    assert made["git_commit"] and made["machine"] and made["packages"] and made["wall_s"] > 0
    assert all(cell["seeds"] >= 3 for cell in result["cells"].values())
    documents = [path.read_text() for path in DOCS.glob("*.md")]
    for grid in grids(result):
        assert any(grid.markdown() in text for text in documents), grid.title
