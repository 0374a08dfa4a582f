"""report.html: what stands in it, what is chosen for it, and that no text of a policy or a critic can act in it."""

from __future__ import annotations

import html.parser
import io
import json
import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import page_run
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ar1_rl.driving import Trajectory
from ar1_rl.errors import RunError
from ar1_rl.report.page.answer import marked, meta_actions
from ar1_rl.report.page.assemble import embedded, page
from ar1_rl.report.page.panels import curve_panels
from ar1_rl.report.page.road import drawn_scene, path_of
from recipes import cli
from recipes.report import report_after_run
from recipes.report_change import verdict
from recipes.report_choice import Moved, choose, moved
from recipes.report_page import page_content, write_page
from recipes.report_run import read_run
from recipes.report_sides import SceneFigures

HOSTILE = 'stop <script>alert(1)</script> and </script><img src=x onerror="alert(2)"> because the light is red'
QUIET = Console(file=io.StringIO())


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_run.make(tmp_path_factory.mktemp("report") / "run", scenes=4, samples=3, trace=HOSTILE)


@pytest.fixture(scope="module")
def content(run_folder: Path) -> dict[str, Any]:
    return page_content(read_run(run_folder), 10, QUIET)


@pytest.fixture(scope="module")
def written(run_folder: Path) -> str:
    return write_page(run_folder, QUIET).read_text()


def content_of(page_text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', page_text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


class Elements(html.parser.HTMLParser):
    """Names of all elements, and everything that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "data", "action", "srcset")]
        self.fetched += [value or "" for name, value in attrs if name == "href" and not (value or "").startswith("#")]


def test_the_page_is_one_file_that_fetches_nothing_and_names_the_scripts_that_may_run(written: str) -> None:
    elements = Elements()
    elements.feed(written)
    assert elements.fetched == []
    assert elements.names.count("script") == 3 and "link" not in elements.names and "iframe" not in elements.names
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', written)[1])  # type: ignore[index]
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]


def test_a_trace_with_script_tags_stays_text_inside_the_embedded_json(written: str) -> None:
    assert "alert(1)</script>" not in written and "<img" not in written
    assert HOSTILE in content_of(written)["texts"]


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=())))
def test_any_text_comes_back_from_the_embedded_json_and_cannot_end_its_script(text: str) -> None:
    inside = embedded({"text": text})
    assert not set(inside) & set("<>&\u2028\u2029")
    inside.encode("utf-8")
    assert json.loads(inside)["text"] == text


def test_what_is_put_into_a_template_is_not_itself_a_template() -> None:
    told = page({"title": "{{script}} <b>", "anything": "{{style}}"})
    assert "<title>{{script}} &lt;b&gt;</title>" in told and '"{{style}}"' in told


def test_the_words_that_a_claim_rests_on_are_marked_and_the_pieces_are_the_text() -> None:
    text = "stop because the light is red, do not turn left"
    told = marked(text)
    assert "".join(words for words, _ in told["pieces"]) == text
    marks = {mark["what"]: mark for mark in told["marks"] if not mark["notes"]}
    assert marks["longitudinal"]["name"] == "stop" and marks["cause"]["name"] == "red_light"
    stop = told["marks"].index(marks["longitudinal"])
    assert [words for words, on in told["pieces"] if stop in on] == [marks["longitudinal"]["words"]]
    assert all("negated" in mark["notes"] for mark in told["marks"] if mark["what"] == "lateral")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_the_pieces_of_any_text_are_the_text(text: str) -> None:
    assert "".join(words for words, _ in marked(text)["pieces"]) == text


def test_meta_actions_cover_the_whole_horizon_on_both_axes() -> None:
    future = tiny.scenes(1)[0].future_T3
    assert future is not None
    told, nothing = meta_actions([Trajectory(future, "expert"), None])
    assert nothing is None and told is not None
    for axis in told:
        assert axis[0][0] == 0 and axis[-1][1] == 64
        assert all(end == start for (_, end, _), (start, _, _) in pairwise(axis))


def test_a_scene_is_drawn_in_centimetres_with_its_ends_and_unknown_parts_stay_unknown() -> None:
    scene = next(scene for scene in tiny.scenes(16) if scene.agents)
    drawn = drawn_scene(scene)
    assert scene.future_T3 is not None and scene.agents is not None
    assert drawn["expert"][-2:] == [round(100 * value) for value in scene.future_T3[-1, :2].tolist()]
    assert len(drawn["agents"]) == len(scene.agents) and drawn["ego"][0] == round(100 * scene.ego_size_m[0])
    unknown = drawn_scene(page_run.without_surroundings(scene))
    assert unknown["agents"] is None and unknown["lanes"] is None and unknown["controls"] is None
    assert path_of(scene.future_T3[:3]) == [round(100 * v) for v in scene.future_T3[[0, 2], :2].ravel().tolist()]


def test_every_rollout_has_its_rewards_with_their_whys_and_those_of_the_mix_that_were_not_asked(
    content: dict[str, Any],
) -> None:
    assert len(content["scenes"]) == 4
    rollouts = [r for scene in content["scenes"] for side in ("before", "after") for r in scene[side]["rollouts"]]
    assert len(rollouts) == 4 * 3 * 2
    for rollout in rollouts:
        scores = {score["name"]: score for score in rollout["scores"]}
        assert set(scores) == {"consistency", "critic", "imitation", "safety", "comfort", "format"}
        assert all(content["texts"][score["why"]] for score in scores.values())
        assert scores["imitation"]["later"] and "later" not in scores["critic"]
        assert "grade:" in content["texts"][scores["critic"]["record"]["reply"]]
        assert "model a critic" in scores["critic"]["record"]["about"]


def test_the_page_says_what_was_trained_with_which_rewards_and_versions(content: dict[str, Any]) -> None:
    facts = dict(content["run"]["facts"])
    assert "loss dapo, 40 steps of 24 scenes × 8 rollouts" in facts["Post-training"]
    assert "trl 1.16.0" in facts["Versions"] and facts["Seed"] == "0"
    rewards = {row[0]: row for row in content["run"]["rewards"]}
    assert rewards["consistency"][1:3] == ["1.5", "1"] and rewards["comfort"][1] == "0 (recorded only)"
    assert content["missing"] == []


def test_the_most_likely_sample_is_the_one_with_the_highest_log_probability(content: dict[str, Any]) -> None:
    # The helper writes log-probability -1 - sample.
    assert {scene[side]["likely"] for scene in content["scenes"] for side in ("before", "after")} == {0}


def test_evaluation_folders_are_read_with_the_rollout_that_answers_and_the_scenario_types(tmp_path: Path) -> None:
    folder = page_run.make(tmp_path / "run", scenes=3, samples=2)
    page_run.into_evaluation_folders(folder, answers=1)
    run = read_run(folder)
    content = page_content(run, 10, QUIET)
    assert run.missing == [] and len(content["scenes"]) == 3
    assert {scene[side]["likely"] for scene in content["scenes"] for side in ("before", "after")} == {1}
    # Where the scenes are not at hand their types still are.
    config = (folder / "config.yaml").read_text().replace("source: synthetic", "source: gone.py:scenes")
    (folder / "config.yaml").write_text(config)
    run = read_run(folder)
    content = page_content(run, 10, QUIET)
    assert {scene["kind"] for scene in content["scenes"]} == {"as evaluated"}
    assert all(scene["road"] is None for scene in content["scenes"])
    assert any(line.startswith("The scenes cannot be drawn") for line in run.missing)


@pytest.mark.parametrize(
    ("interval", "better", "told"),
    [
        ([0.1, 0.3], "up", "better"),
        ([0.1, 0.3], "down", "worse"),
        ([-0.3, -0.1], "down", "better"),
        ([-0.1, 0.3], "up", "same"),
        ([0.0, 0.3], "up", "same"),
        ([0.1, 0.3], "", "same"),
        ([None, None], "up", "unknown"),
    ],
)
def test_an_interval_shows_better_worse_or_no_difference(interval: list[float | None], better: str, told: str) -> None:
    assert verdict(interval, better) == told


def test_a_scene_is_repaired_where_its_most_likely_rollout_became_consistent() -> None:
    before = SceneFigures(consistency=0.0, consistency_mean=0.25, reasoning_mean=2.0)
    after = SceneFigures(consistency=1.0, consistency_mean=0.75, reasoning_mean=1.0)
    found = moved(before, after)
    # 0.5 of consistency up, 1 of 5 grades down.
    assert found.repaired and not found.broken
    assert (found.change, found.gain) == pytest.approx((0.7, 0.3))
    assert moved(after, before).broken and moved(None, after) == Moved()


def test_where_not_all_scenes_fit_the_mix_has_the_biggest_changes_broken_repaired_flagged_and_an_even_rest() -> None:
    scenes = {f"s{i}": Moved(change=i / 100, broken=i % 7 == 0, repaired=i % 7 == 1) for i in range(100)}
    chosen, reasons = choose(scenes, 16, flagged={"s3"})
    assert len(chosen) == 16 and sum(reasons.values()) == 16
    assert chosen == sorted(chosen, key=lambda name: int(name[1:]))
    assert {"s99", "s98", "s97", "s96", "s3"} <= set(chosen)
    assert reasons == {
        "flagged": 1, "of the biggest change": 4, "broken": 2, "repaired": 2, "evenly from all others": 7,
    }  # fmt: skip
    assert choose(scenes, 100) == (list(scenes), {})


def test_the_page_says_how_many_scenes_of_how_many_are_shown(run_folder: Path) -> None:
    told = page_content(read_run(run_folder), 2, QUIET)["scenes_told"]
    assert told.startswith("2 of 4 scenes are shown, with 12 of 24 rollouts")


def test_curves_have_coverage_and_failures_beside_the_rewards() -> None:
    panels = {(panel["group"], panel["title"]): panel["series"] for panel in curve_panels(page_run.metrics())}
    reward = {series["name"]: series for series in panels["Rewards", "reward"]}
    assert reward["training"]["values"][0] == 1.05 and reward["validation"]["steps"] == [4, 8, 12]
    assert panels["What could be judged", "share of rollouts judged, by reward"][0]["name"] == "critic"
    failures = panels["Failed judgements", "failed judgements by reward and cause"]
    assert failures[0]["name"] == "critic: Timeout" and sum(failures[0]["values"]) == 4.0
    assert ("Fine-tuning", "loss") in panels and ("Time and cost", "seconds of a step") in panels


def test_flags_stand_on_the_page_and_mark_their_scenes(run_folder: Path) -> None:
    shown = page_run.Shown("after", 40, "synthetic/test/0/2", 0)
    flag = page_run.Raised("templates", "62 of 96 traces are the same.", (shown,))
    calm = page_run.Raised("length_drift", "-", (shown._replace(scene_id="synthetic/test/0/1"),), raised=False)
    content = page_content(read_run(run_folder), 10, QUIET, [flag, calm])
    assert content["flags"][0] == {
        "name": "templates", "raised": True, "score": 0.8, "threshold": 0.4, "evidence": flag.evidence,
        "rollouts": [["synthetic/test/0/2", "after, step 40, synthetic/test/0/2, sample 1"]],
    }  # fmt: skip
    assert [scene["id"] for scene in content["scenes"] if "flagged" in scene["tags"]] == ["synthetic/test/0/2"]


@pytest.mark.parametrize("gone", [["summary.json"], ["environment.json", "metrics.jsonl"], ["config.yaml"]])
def test_what_is_missing_of_a_run_is_said_and_the_rest_is_shown(
    run_folder: Path, tmp_path: Path, gone: list[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    for name in gone:
        (folder / name).unlink()
    content = content_of(write_page(folder, QUIET).read_text())
    assert all(any(line.startswith(name) for line in content["missing"]) for name in gone)
    assert len(content["scenes"]) == 4


def test_a_run_that_has_only_begun_has_a_page(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text((run_folder / "config.yaml").read_text())
    (tmp_path / "metrics.jsonl").write_text('{"stage": "sft", "step": 1, "loss": 2.0}\n{"stage": "sft", "st')
    content = content_of(write_page(tmp_path, QUIET).read_text())
    assert content["scenes"] == [] and len(content["curves"]) == 1
    assert any("no rollouts" in line for line in content["missing"])


def test_where_a_run_was_not_evaluated_its_first_and_last_validation_stand_in(tmp_path: Path, run_folder: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    for name, step in (("before", 0), ("after", 8)):
        (folder / f"rollouts/{name}-rank000.parquet").rename(folder / f"rollouts/validation-{step:06d}-rank000.parquet")
    content = page_content(read_run(folder), 10, QUIET)
    assert content["side_names"] == {"before": "Validation at step 0", "after": "Validation at step 8"}
    assert any("first and last validation" in line for line in content["missing"])


def test_the_verb_writes_the_page_and_refuses_what_is_no_run(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["report", str(run_folder), "--scenes", "1"]) == 0
    assert len(content_of((run_folder / "report.html").read_text())["scenes"]) == 1
    assert cli.main(["report", str(tmp_path)]) == 1
    assert "no run folder" in capsys.readouterr().out
    with pytest.raises(RunError):
        read_run(tmp_path)


def test_a_run_of_one_training_step_has_its_page_and_says_why_no_flag_was_looked_for(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    (folder / "report.html").unlink(missing_ok=True)
    shutil.copy(folder / "rollouts/before-rank000.parquet", folder / "rollouts/train-000000-rank000.parquet")
    report_after_run(folder, Console(width=200))
    told = capsys.readouterr().out
    assert "not looked for" in told and "two or more" in told
    assert (folder / "report.html").is_file()
    assert cli.main(["report", str(folder)]) == 0
    assert "two or more" in capsys.readouterr().out


def test_the_table_has_every_metric_of_the_evaluations_and_says_which_grader_was_held_out(tmp_path: Path) -> None:
    folder = page_run.make(tmp_path / "run", scenes=8, samples=2)
    page_run.into_evaluation_folders(folder, answers=0)
    rows = {row["label"]: row for row in page_content(read_run(folder), 2, QUIET)["change"]["rows"]}
    trained, held_out = rows["reasoning-action consistency [share]"], rows["consistency, held out [share]"]
    # Eight scenes, all from 0 to 1: of 2^8 sign flips two are as far out.
    assert (trained["before"], trained["after"], trained["mean"], trained["ci95"]) == (0.0, 1.0, 1.0, [1.0, 1.0])
    assert trained["verdict"] == trained["shade"] == "better" and trained["grader"] == "trained on"
    assert held_out["mean"] == 0.0 and held_out["verdict"] == "no difference shown" and held_out["grader"] == "held out"
    assert trained["headline"] and held_out["headline"]
