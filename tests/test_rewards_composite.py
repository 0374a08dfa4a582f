"""The callable a trainer is handed: TRL's signature, one number or None per completion."""

from __future__ import annotations

import pytest
from driving_cases import a_scene, driven, straight, undecodable

from ar1_rl.errors import RewardError
from rewards import CompositeReward, Format, Imitation, Mix, Term

SCENES = {"a": a_scene("a"), "b": a_scene("b", has_future=False)}
FUTURES = {1: driven(straight()), 2: driven(straight(11.0)), 3: undecodable()}


def parse(token_ids, scenes):
    assert len(token_ids) == len(scenes)
    return [FUTURES[ids[0]] for ids in token_ids]


def composite(**settings):
    return CompositeReward(
        Mix([Term(reward=Imitation()), Term(reward=Format())]), **{"parse": parse, "scenes": SCENES, **settings}
    )


def call(reward, ids, scene_id, **more):
    """As TRL 1.16 calls a reward function: by keyword, with every column of the dataset and a few extras."""
    return reward(
        prompts=[[]] * len(ids),
        completions=[[{"role": "assistant", "content": ""}]] * len(ids),
        completion_ids=ids,
        scene_id=scene_id,
        another_column=[0] * len(ids),
        trainer_state=object(),
        log_extra=lambda column, values: None,
        **{"log_metric": lambda name, value: None, **more},
    )


def test_it_scores_token_ids_in_the_scene_of_each_row():
    values = call(composite(), [[1], [2], [3], [1]], ["a", "a", "a", "b"])
    assert values == [pytest.approx(1.0), pytest.approx(-2.25), pytest.approx(-5.6), None]
    assert all(type(v) is float for v in values[:3])


def test_it_logs_each_term_once_a_batch_and_how_rows_ended():
    logged = {}

    def log_metric(name, value):
        assert name not in logged and isinstance(value, float)
        logged[name] = value

    call(composite(), [[1], [2], [3], [1]], ["a", "a", "a", "b"], log_metric=log_metric)
    assert logged == pytest.approx(
        {
            "terms/imitation": -1.625,
            "terms/imitation/judged": 0.5,
            "terms/format": 0.75,
            "terms/format/judged": 1.0,
            "outcome/undecodable": 0.25,
            "outcome/gated": 0.0,
            "outcome/unjudged": 0.25,
            "outcome/dropped": 0.0,
        }
    )


def test_the_recorder_sees_every_completion_with_its_scores():
    seen = []
    reward = composite(on_scored=lambda completions, mixed: seen.append((completions, mixed)))
    values = call(reward, [[1], [3]], ["a", "a"])
    ((completions, mixed),) = seen
    assert completions == [FUTURES[1], FUTURES[3]]
    assert [m.value for m in mixed] == values


def test_it_has_a_name_of_its_own_to_be_logged_under():
    assert composite().__name__ == "mix"
    assert composite(name="second").__name__ == "second"


def test_what_does_not_fit_is_named():
    with pytest.raises(RewardError, match="no scene 'z' among the 2"):
        call(composite(), [[1]], ["z"])
    with pytest.raises(RewardError, match="the dataset needs a column 'scene_id'"):
        composite()(prompts=[[]], completions=[""], completion_ids=[[1]])
    with pytest.raises(RewardError, match="2 completions, 2 scenes, 1 parsed"):
        call(composite(parse=lambda ids, scenes: [FUTURES[1]]), [[1], [1]], ["a", "a"])


@pytest.mark.engine
def test_trl_takes_it_as_a_reward_function_by_its_name():
    utils = pytest.importorskip("trl.trainer.utils")
    assert utils.get_callable_name(composite()) == "mix"
    assert not utils.is_async_callable(composite())
