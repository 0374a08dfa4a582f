"""Tables and pictures of a run."""

from __future__ import annotations

import io
from pathlib import Path

import tiny
from rich.console import Console

from ar1_rl.driving import Completion, Trajectory
from ar1_rl.errors import DecodeError
from ar1_rl.report.plots import curve_panels, plot_scenes
from ar1_rl.report.progress import Progress
from ar1_rl.report.tables import SHOWN, comparison_table
from rollouts.record import Rollout


def test_the_table_shows_before_after_and_the_interval_and_a_dash_for_what_is_unknown() -> None:
    known = {"mean": 0.2, "ci95": [0.1, 0.3], "p": 0.0012}
    unknown = {"mean": None, "ci95": [None, None], "p": None}
    summary = {
        "recipe": "quickstart",
        "seed": 3,
        "wall_s": {"total": 12.3},
        "eval": {"scenes": 10, "samples_per_scene": 6},
        "before": {name: 0.5 for name, *_ in SHOWN} | {"off_road_rate": None},
        "after": {name: 0.7 for name, *_ in SHOWN} | {"off_road_rate": None},
        "delta": {name: known for name, *_ in SHOWN} | {"off_road_rate": unknown},
    }
    out = io.StringIO()
    Console(file=out, width=120).print(comparison_table(summary))
    lines = {line.split("│")[1].strip(): line for line in out.getvalue().splitlines() if line.startswith("│")}
    consistency = lines["reasoning-action consistency ↑"]
    assert all(figure in consistency for figure in ("0.500", "0.700", "+0.200", "+0.100 … +0.300", "0.0012"))
    assert lines["off the road ↓"].count(" - ") >= 4
    assert "(m)" in out.getvalue()


def test_curves_put_training_and_validation_of_a_term_into_one_panel() -> None:
    metrics = [
        {"stage": "sft", "step": 25, "loss": 3.0, "grad_norm": 1.0},
        {"stage": "grpo", "step": 1, "reward": 0.4, "terms/critic": 2.0, "terms/critic/judged": 1.0, "epoch": 0.1},
        {"stage": "grpo", "step": 2, "validation/critic": 3.0},
    ]
    assert curve_panels(metrics) == {
        "SFT loss": {"training": [(25, 3.0)]},
        "reward": {"training": [(1, 0.4)]},
        "critic": {"training": [(1, 2.0)], "validation": [(2, 3.0)]},
    }


def test_scenes_are_drawn_also_where_a_completion_has_no_trajectory(tmp_path: Path) -> None:
    scenes = tiny.scenes(7)

    def rollout(completion: Completion) -> Rollout:
        return Rollout(
            scene_id="s", episode="e", t0_us=0, sample=0, seed=0, step=0, policy_version="x", prompt_text="",
            prompt_token_ids=(), completion=completion, logprobs=(),
        )  # fmt: skip

    broken = Completion(text="", token_ids=(), reasoning=None, trajectory=None, error=DecodeError("no end"))
    before = [rollout(broken) for _ in scenes]
    after = [
        rollout(
            Completion(text="", token_ids=(), reasoning="go", trajectory=Trajectory(s.future_T3, "expert"), error=None)
        )
        for s in scenes
        if s.future_T3 is not None
    ]
    plot_scenes(scenes, before, after, tmp_path / "scenes.png")
    assert (tmp_path / "scenes.png").read_bytes()[:4] == b"\x89PNG"


def test_progress_outside_a_terminal_is_plain_lines_with_rate_and_time() -> None:
    out = io.StringIO()
    bar = Progress(Console(file=out, width=100), "GRPO steps", 4)
    bar.advance(4, note="reward 0.5")
    bar.close()
    assert out.getvalue().startswith("GRPO steps 4/4, ")
