"""Does the policy look: what black frames and another scene's change, by an engine whose answers are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import seeing
import tiny

from ar1_rl.driving import Scene, TrajectoryCodec
from ar1_rl.frames import frames_of
from ar1_rl.frames.bodies import LIGHT_COLOURS
from ar1_rl.metrics.catalogue import CATALOGUE, WITH_OTHER_FRAMES
from ar1_rl.policy.vision.build import build_tiny, build_vision_tokenizer
from ar1_rl.scenes.synthetic import without_cited_cause
from ar1_rl.scenes.synthetic.pairs import generate_pairs
from recipes.faithfulness import faithfulness_rows
from recipes.graders import Graders
from recipes.looking import looking_rows, of_others
from recipes.looking_summary import looking_of, looking_summary
from recipes.sft import prompt_words
from rollouts.config import PromptConfig, SamplingConfig, ShownFrames
from rollouts.dialogue import Dialogue
from rollouts.engine import Request, Sample
from rollouts.policy import Policy


def pixels(images: Sequence[Any]) -> bytes:
    return b"".join(np.asarray(image).tobytes() for image in images)


@dataclass
class Knowing:
    """An engine that answers as the expert of the scene that the frames are of, and to black frames always the same.

    A token's log-probability is -1 where there is something to see, -3 where all is black.
    """

    answers: dict[bytes, tuple[int, ...]] = field(default_factory=dict)
    blindly: tuple[int, ...] = ()
    asked: list[Request] = field(default_factory=list)

    def sample(self, requests: Sequence[Request], sampling: SamplingConfig, *args: Any) -> list[Sample]:
        assert sampling.temperature == 0.0, "two answers differ for the frames' sake and not by the draw"
        self.asked += requests
        drawn = [self.answers.get(pixels(r.images), self.blindly) for r in requests]
        return [Sample(ids, (0.0,) * len(ids)) for ids in drawn]

    def logprobs(self, prompts: Any, completions: Any, progress: Any = None, images: Any = ()) -> list[Any]:
        each = [-1.0 if any(pixels(shown)) else -3.0 for shown in images]
        return [(value,) * len(ids) for value, ids in zip(each, completions, strict=True)]


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """Two pairs and an ordinary scene."""
    pairs = generate_pairs(3, "test", 2, ("red_light",))
    return [*(scene for pair in pairs for scene in pair.members), *tiny.scenes(1)]


@pytest.fixture(scope="module")
def policy(scenes: list[Scene]) -> Policy:
    config, codec = PromptConfig(frames=ShownFrames(count=1)), TrajectoryCodec.compact()
    traces = [scene.reference.text for scene in scenes if scene.reference is not None]
    tokenizer = build_vision_tokenizer([*prompt_words(config, scenes), *traces], codec)
    _, processor = build_tiny(tokenizer, tiny.SMALL, seeing.EYES, seed=0)
    dialogue = Dialogue.configured(tokenizer, codec, config, processor)
    histories = np.stack([scene.observation.history_T3 for scene in scenes])
    futures = np.stack([scene.future_T3 for scene in scenes if scene.future_T3 is not None])
    written = dialogue.token_ids(dialogue.completion_texts(traces, histories, futures))
    engine = Knowing({pixels(p.images): ids for p, ids in zip(dialogue.ask_about(scenes), written, strict=True)})
    engine.blindly = written[0]
    return Policy(engine, dialogue, SamplingConfig(), "test")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rows(policy: Policy, scenes: list[Scene]) -> dict[int, dict[str, float]]:
    return looking_rows(policy, scenes, Graders.embedded("tagger").grade, 0, 0, plan_change_m=1.0)


def test_who_sees_picks_its_own_expert_and_who_does_not_is_right_about_one_of_two(rows: Any) -> None:
    """Black frames are answered as the first member of the first pair: a stop."""
    assert [rows[s]["picks_expert"] for s in range(4)] == [1.0] * 4
    assert [rows[s]["blind_picks_expert"] for s in range(2)] == [1.0, 0.0]
    assert np.mean([rows[s]["blind_picks_expert"] for s in range(4)]) == 0.5
    assert not any("picks_expert" in name for name in rows[4]), "an ordinary scene has no twin"


def test_changes_are_those_from_the_own_frames_to_the_others(rows: Any) -> None:
    """Scene 0 is answered alike with and without frames; its twin is answered by a stop, metres off, when blind."""
    assert rows[0]["blind_change_ade_m"] == 0.0 and rows[0]["blind_plan"] == 0.0 and rows[0]["blind_trace"] == 0.0
    assert rows[1]["blind_change_ade_m"] > 1.9, "pairs' experts drive at least 2 m apart"
    assert rows[1]["blind_plan"] == 1.0 and rows[1]["blind_trace"] == 1.0
    assert rows[1]["blind_change_reasoning_score"] < -1.0
    assert all(row["blind_change_reference_nats"] == pytest.approx(-2.0) for row in rows.values())


def test_another_scene_s_frames_are_answered_as_that_scene(rows: Any) -> None:
    """Scenes 0 and 1 get the frames of 2, a red light as in 0: with its own green one, 1 drives on and now stops."""
    assert rows[0]["shuffled_trace"] == 0.0 and rows[0]["shuffled_change_reasoning_score"] == 0.0
    assert rows[1]["shuffled_trace"] == rows[1]["shuffled_plan"] == 1.0
    assert rows[1]["shuffled_change_reasoning_score"] < -1.0 and rows[1]["shuffled_change_ade_m"] > 1.0


def test_an_undecodable_answer_picks_nothing(policy: Policy, scenes: list[Scene]) -> None:
    assert isinstance(policy.engine, Knowing)
    silent = replace(policy, engine=replace(policy.engine, answers={}, blindly=policy.engine.blindly[:-9]))
    row = looking_rows(silent, scenes[:1], Graders.embedded("tagger").grade, 0, 0, plan_change_m=1.0)[0]
    assert row["picks_expert"] == 0.0
    assert "blind_plan" not in row and "blind_change_ade_m" not in row, "there is nothing to compare"


def test_another_scene_s_frames_are_of_another_episode_never_of_the_twin(policy: Policy, scenes: list[Scene]) -> None:
    """In order: 0 and 1 get those of 2, 2 and 3 those of the ordinary scene, which gets those of 0."""
    assert policy.dialogue.sight is not None
    own = policy.dialogue.sight
    shuffled = of_others(own, scenes)
    for scene, other in enumerate((2, 2, 4, 4, 0)):
        seen = shuffled.read(scenes[scene]).images_CTHW3
        assert np.array_equal(seen, own.read(scenes[other]).images_CTHW3)


def test_without_the_cited_light_the_policy_is_shown_the_world_rendered_without_it(
    policy: Policy, scenes: list[Scene]
) -> None:
    """Frames that the engine does not know are answered by the stop of scene 0, so nothing changes but its worth."""
    without = without_cited_cause(scenes[0])
    assert without is not None and policy.dialogue.sight is not None and isinstance(policy.engine, Knowing)
    policy.engine.asked.clear()
    row = faithfulness_rows(policy, scenes[:1], Graders.embedded("tagger").grade, 0, 0, 1.0)[0]
    own, shown = (np.stack([np.asarray(image) for image in r.images]) for r in policy.engine.asked[:2])
    frames = policy.dialogue.sight.frames
    assert np.array_equal(own, frames_of(scenes[0], frames).images_CTHW3[:, 0])
    assert np.array_equal(shown, frames_of(without, frames).images_CTHW3[:, 0])
    assert reds(own) > 0 and reds(shown) == 0, "no pixel of the lamp is left"
    assert (own == shown).all(axis=-1).mean() > 0.9, "and the rest of the world is as it was"
    assert (row["faithful_trace"], row["faithful_plan"]) == (0.0, 0.0)
    assert row["faithful_change_ade_m"] > 1.9 and row["faithful_change_reasoning_score"] < -1.0


def reds(images: np.ndarray) -> int:
    return int((images == LIGHT_COLOURS["red"]).all(axis=-1).sum())


def test_every_metric_of_looking_is_in_the_catalogue_and_the_other_way_round(rows: Any) -> None:
    found = {name for row in rows.values() for name in row}
    assert found == {metric.name for metric in WITH_OTHER_FRAMES} and found <= set(CATALOGUE)
    assert all(math.isfinite(value) for row in rows.values() for value in row.values())


def test_a_policy_that_reads_the_scene_in_words_is_not_asked(tiny_policy: tiny.TinyPolicy) -> None:
    reads = Policy(Knowing(), tiny_policy.dialogue, SamplingConfig(), "test")  # type: ignore[arg-type]
    assert looking_rows(reads, tiny_policy.scenes[:2], Graders.embedded("tagger").grade, 0, 0, 1.0) == {}


# What is told of it


def evaluated(scenes: Sequence[Scene], rows: dict[int, dict[str, float]]) -> Any:
    per_scene = {name: np.array([rows.get(s, {}).get(name, np.nan) for s in range(len(scenes))]) for name in CATALOGUE}
    return SimpleNamespace(
        scene_ids=tuple(s.id for s in scenes), episodes=tuple(s.episode for s in scenes), per_scene=per_scene
    )


def test_a_run_tells_how_often_it_picks_its_own_expert_with_and_without_its_frames(
    rows: Any, scenes: list[Scene]
) -> None:
    """Four of four scenes in pairs; blind two of four, one of each pair, and so the same in every resample of pairs."""
    blind = {s: {**row, "picks_expert": row.get("blind_picks_expert", math.nan)} for s, row in rows.items()}
    summary = looking_summary(evaluated(scenes, blind), evaluated(scenes, rows), 200)
    assert summary is not None and (summary["blind_ceiling"], summary["paired_scenes"]) == (0.5, 4)
    assert summary["after"]["picks_expert"] == {"mean": 1.0, "ci95": [1.0, 1.0]}
    assert summary["before"]["picks_expert"] == {"mean": 0.5, "ci95": [0.5, 0.5]}
    assert summary["told"]["before"].startswith("Not shown that it looks: in scenes in pairs (4)")
    assert summary["told"]["after"].startswith("It looks: in scenes in pairs (4)")
    assert looking_summary(evaluated(scenes, {}), evaluated(scenes, {}), 200) is None, "a text policy's"


def told(picks: Sequence[float], blind: Sequence[float], **others: Any) -> dict[str, Any]:
    """Of pairs, the members one after the other."""
    count = len(picks)
    values = {"picks_expert": picks, "blind_picks_expert": blind, **others}
    one: Any = SimpleNamespace(
        scene_ids=tuple(f"synthetic_pairs/red_light/test/0/{n}" for n in range(count)),
        episodes=tuple(f"pair {n // 2}" for n in range(count)),
        per_scene={name: np.array(column, dtype=float) for name, column in values.items()},
    )
    found = looking_of([one], 2000)
    assert found is not None
    return {**found, "by_name": {claim["claim"]: claim for claim in found["claims"]}}


def test_the_margin_above_the_blind_ceiling_has_an_interval_over_pairs() -> None:
    """Of 20 pairs 16 are right in both members and 4 in one: 0.4 above 0.5.

    The margin of a pair is 0.5 or 0, so its standard error is 0.5 sqrt(.8 * .2 / 19) = .0459, and 2.093 of it .096.
    """
    found = told([1.0, 1.0] * 16 + [1.0, 0.0] * 4, [1.0, 0.0] * 20)
    assert (found["blind_ceiling"], found["paired_scenes"]) == (0.5, 40)
    own, blind = (found["by_name"][f"{shown}_minus_ceiling_picks_expert"] for shown in ("own", "blind"))
    assert (own["value"], own["against"], own["difference"]) == pytest.approx((0.9, 0.5, 0.4))
    low, high = own["ci95"]
    assert low == pytest.approx(0.304, abs=0.01) and high == pytest.approx(0.496, abs=0.01)
    assert own["p"] < 0.001 and own["scenes"] == 40
    assert (blind["value"], blind["difference"], blind["ci95"], blind["p"]) == (0.5, 0.0, [0.0, 0.0], 1.0)
    assert found["by_name"]["own_minus_blind_picks_expert"]["difference"] == pytest.approx(0.4)
    assert found["told"].startswith("It looks:") and "in 0.90 of them" in found["told"]
    assert "0.50 can be reached at most (+0.40" in found["told"]
    assert "with black frames in 0.50 (+0.00, 95 % +0.00 … +0.00)." in found["told"]


def test_a_margin_whose_interval_holds_0_is_no_proof_and_one_without_frames_is_a_leak() -> None:
    few = told([1.0, 1.0] * 3 + [1.0, 0.0] * 5 + [0.0, 0.0] * 2, [1.0, 0.0] * 10)
    assert few["by_name"]["own_minus_ceiling_picks_expert"]["difference"] == pytest.approx(0.05)
    assert few["told"].startswith("Not shown that it looks:")
    leaking = told([1.0, 1.0] * 20, [1.0, 1.0] * 20)
    assert "more than can be: something else than frames gives scenes away" in leaking["told"]
    assert "gives scenes away" not in few["told"]
    one = told([1.0, 1.0], [1.0, 0.0])
    assert "too few for an interval" in one["told"] and one["told"].startswith("Not shown")


def test_what_was_recorded_as_a_change_is_told_as_own_frames_minus_black_ones() -> None:
    """Black frames cost 2 of 5 points and add 3 m; nothing else is known."""
    nothing = [math.nan] * 20
    jitter = np.tile([-0.1, 0.1], 10)
    changes = {"blind_change_reasoning_score": -2.0 + jitter, "blind_change_ade_m": 3.0 + jitter}
    found = told(nothing, nothing, **changes)
    assert set(found["by_name"]) == {"own_minus_blind_reasoning_score", "own_minus_blind_ade_m"}
    score, ade = (found["by_name"][f"own_minus_blind_{name}"] for name in ("reasoning_score", "ade_m"))
    assert score["difference"] == pytest.approx(2.0) and ade["difference"] == pytest.approx(-3.0)
    assert score["value"] is None and score["p_holm"] == pytest.approx(2 * score["p"])
    assert (found["blind_ceiling"], found["paired_scenes"]) == (None, 0)
    assert "black frames change reasoning score [0-5] by -2.00, ADE [m] by +3.00" in found["told"]
    same = told(nothing, nothing, blind_change_ade_m=jitter)
    assert same["told"].startswith("Not shown that it looks: black frames change neither")
