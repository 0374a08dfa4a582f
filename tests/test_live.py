"""What a person sees while a policy trains: in a terminal, in a file, and in trackers."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from ar1_rl.config import check_config, load_config
from ar1_rl.errors import ConfigError, MissingDependencyError
from ar1_rl.report import live
from ar1_rl.report.config import ReportConfig
from ar1_rl.report.live import LiveTraining, TrainingView, live_training, span, sparkline
from ar1_rl.report.progress import progress
from recipes import catalogue, trackers
from recipes.run_config import RunConfig
from recipes.run_folder import check_folder
from recipes.step_times import REWARDS, ROLLOUTS, UPDATE, StepTimes
from rewards.critic.limits import Limiter, Limits

STEP = {
    "reward": 0.5, "terms/consistency": 0.75, "terms/critic": 3.25, "terms/critic/judged": 0.96, "loss": 0.1,
    "seconds/rollouts": 1.25, "seconds/rewards": 0.5, "seconds/update": 2.0, "failures/critic/Timeout": 2.0,
}  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def shown(view: TrainingView, width: int = 110) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(view)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_sparkline_has_a_block_a_value_from_the_lowest_to_the_highest() -> None:
    assert sparkline([0.0, 1.0, 2.0, 7.0, 8.0]) == "▁▂▃██"
    assert sparkline([3.0, 3.0]) == "▅▅" and sparkline([]) == ""


def test_spans_of_time_are_told_in_minutes_and_hours() -> None:
    assert [span(s) for s in (5, 75, 3725)] == ["0:05", "1:15", "1:02:05"]


def test_time_left_is_told_by_recent_steps_and_a_resumed_run_does_not_count_what_was_done_before() -> None:
    clock = Clock()
    view = TrainingView(40, clock=clock, before=20)
    assert view.left_s is None
    for _ in range(2):
        clock.now_s += 3.0
        view.advance(1)
    assert view.done == 22 and view.left_s == pytest.approx(18 * 3.0)


def test_the_display_shows_step_reward_parts_with_sparklines_times_critic_in_flight_and_failures() -> None:
    clock = Clock()
    view = TrainingView(40, in_flight=lambda: 12, clock=clock)
    view.take({"validation/reward": 0.45})
    for reward in (0.5, 0.6):
        clock.now_s += 4.0
        view.advance(1)
        view.take({**STEP, "reward": reward})
    view.doing = "rollouts"
    told = shown(view)
    assert "step 2/40" in told and "0:08, 2:32 left" in told
    rows = {line.split()[1]: line for line in reversed(told.splitlines()) if len(line.split()) > 2}
    assert "0.600" in rows["reward"] and "0.450" in rows["reward"] and "▁█" in rows["reward"]
    assert "3.250" in rows["critic"] and "96%" in rows["critic"]
    assert "rollouts 1.2 s + rewards 0.5 s + update 2.0 s" in told
    assert "now: rollouts" in told and "loss" not in told
    assert "critic in flight: 12 · failed judgements: critic Timeout 4" in told


def test_a_narrow_terminal_sees_the_newest_steps() -> None:
    view = TrainingView(40)
    for step in range(40):
        view.take({"reward": float(step == 39)})
    assert "▁█" in shown(view, width=60) and "…" not in shown(view, width=60)


def test_a_terminal_gets_the_live_display_which_is_left_standing() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=110)
    with live_training(console, 2) as training:
        for _ in range(2):
            training.advance()
            training.take(STEP)
    written = file.getvalue()
    assert "\x1b[" in written and "step 2/2" in written and "critic" in written
    assert "GRPO steps 2/2" not in written


def test_what_is_no_terminal_gets_plain_lines_with_reward_and_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ar1_rl.report.progress.PLAIN_INTERVAL_S", 0.0)
    file = io.StringIO()
    with live_training(Console(file=file, width=200), 4) as training:
        training.take(STEP)
        training.advance(1, note="failed: critic Timeout 2")
    first = file.getvalue().splitlines()[0]
    assert first.startswith("GRPO steps 1/4, ") and "\x1b" not in first
    assert first.endswith("left, reward 0.500, rollouts 1.2 s, rewards 0.5 s, update 2.0 s, failed: critic Timeout 2")


def test_a_plain_line_of_resumed_work_tells_the_speed_of_what_was_done_since(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ar1_rl.report.progress.PLAIN_INTERVAL_S", 0.0)
    clock = Clock()
    monkeypatch.setattr("ar1_rl.report.progress.time.monotonic", clock)
    file = io.StringIO()
    with progress(Console(file=file, width=200), "rollouts", 1000, before=900) as bar:
        clock.now_s += 5.0
        bar.advance(50)
    assert file.getvalue().splitlines()[0] == "rollouts 950/1000, 10.0/s, 5 s left"


def test_a_rank_that_is_not_the_first_stays_silent() -> None:
    file = io.StringIO()
    training = LiveTraining(Console(file=file, force_terminal=True, quiet=True), 2)
    training.advance()
    training.close()
    assert file.getvalue() == ""


def test_the_display_ends_when_training_breaks_off() -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    with pytest.raises(KeyError), live_training(console, 2):
        raise KeyError
    with live_training(console, 2):  # a second live display on a console is refused while one is open
        pass


def test_seconds_of_a_step_go_to_its_parts_and_what_lies_between_steps_to_none() -> None:
    clock = Clock()
    times = StepTimes(clock)
    for part, seconds in ((UPDATE, 0.0), (ROLLOUTS, 1.5), (REWARDS, 0.5), (UPDATE, 2.0)):
        times.begin(part)
        clock.now_s += seconds
    assert times.take() == {"seconds/update": 2.0, "seconds/rollouts": 1.5, "seconds/rewards": 0.5}
    clock.now_s += 60.0  # a checkpoint, a validation
    times.begin(UPDATE)
    clock.now_s += 1.0
    assert times.take() == {"seconds/update": 1.0}


def test_requests_in_flight_are_those_that_have_their_turn() -> None:
    async def count() -> list[int]:
        limiter, seen = Limiter(Limits(in_flight=2)), []

        async def one() -> None:
            async with limiter.slot(1.0):
                seen.append(limiter.open)
                await asyncio.sleep(0.01)

        with pytest.raises(ZeroDivisionError):
            async with limiter.slot(1.0):
                1 / 0  # noqa: B018
        await asyncio.gather(one(), one(), one())
        assert limiter.open == 0
        return seen

    seen = asyncio.run(count())
    assert seen[:2] == [1, 2] and len(seen) == 3 and max(seen) == 2


def test_trackers_are_checked_by_name() -> None:
    with pytest.raises(ConfigError, match=r"trackers.*tensorbord"):
        check_config(ReportConfig, {"trackers": ["tensorbord"]}, source="test")
    assert check_config(ReportConfig, {"trackers": ["wandb"]}, source="test").trackers == ("wandb",)


def test_a_tracker_that_is_not_installed_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None if name in ("wandb", "trackio") else object())
    with pytest.raises(MissingDependencyError, match="wandb, trackio is not installed here; pip install wandb trackio"):
        trackers.check_trackers(ReportConfig(trackers=("tensorboard", "wandb", "trackio")))
    trackers.check_trackers(ReportConfig(trackers=("tensorboard",)))


def test_tensorboard_writes_into_the_run_folder_unless_the_user_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = trackers.TENSORBOARD_VARIABLE
    monkeypatch.delenv(variable, raising=False)
    with trackers.tensorboard_folder(tmp_path):
        assert os.environ[variable] == str(tmp_path / "tensorboard")
    assert variable not in os.environ
    monkeypatch.setenv(variable, "mine")
    with trackers.tensorboard_folder(tmp_path):
        assert os.environ[variable] == "mine"
    assert os.environ[variable] == "mine"


def test_a_run_goes_on_with_other_trackers_and_with_nothing_else_changed(tmp_path: Path) -> None:
    config = load_config(RunConfig, catalogue.path_of("quickstart"))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    shown = load_config(RunConfig, catalogue.path_of("quickstart"), ["report.trackers=[wandb]", "report.scenes=9"])
    check_folder(tmp_path, shown, resume=True)
    other = load_config(RunConfig, catalogue.path_of("quickstart"), ["grpo.steps=9"])
    with pytest.raises(ConfigError, match="different: grpo"):
        check_folder(tmp_path, other, resume=True)


def test_the_live_display_knows_the_figures_by_the_names_that_runs_write() -> None:
    """`seconds/` is written by the recipes, `failures/` by the rewards: a rename there would empty the display."""
    from recipes import step_times, training

    assert (live.SECONDS, live.FAILURES) == (step_times.PREFIX, training.FAILURES)
