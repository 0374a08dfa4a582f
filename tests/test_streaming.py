"""Completions as a stream: what an engine tells and when, and what the policy makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import TinyPolicy

from ar1_rl.driving import Completion
from ar1_rl.errors import StallError
from rollouts.config import SamplingConfig
from rollouts.engine import Event, Request, Sample, TextReady, Whole, collect
from rollouts.policy import Policy
from rollouts.vectorised import VectorisedEngine

SAMPLING = SamplingConfig(temperature=1.0, max_completion_tokens=64)


class Listening:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, Completion]] = []

    def text_ready(self, row: int, completion: Completion) -> None:
        self.told.append(("text", row, completion))

    def ready(self, row: int, completion: Completion) -> None:
        self.told.append(("whole", row, completion))


class Scripted:
    """An engine that writes given completions, a token of each a step."""

    def __init__(self, completions: Sequence[Sequence[int]]) -> None:
        self.completions = [tuple(ids) for ids in completions]

    def stream(
        self, requests: Sequence[Request], sampling: SamplingConfig, stop: int, text_end: int | None = None
    ) -> Iterator[list[Event]]:
        for step in range(max(map(len, self.completions))):
            events: list[Event] = []
            for row, ids in enumerate(self.completions):
                if step == len(ids) - 1:
                    events.append(Whole(row, Sample(ids, (-1.0,) * len(ids))))
                elif step < len(ids) and ids[step] == text_end and text_end not in ids[:step]:
                    events.append(TextReady(row, ids[: step + 1]))
            if events:
                yield events

    def sample(self, requests: Any, sampling: Any, stop: int, progress: Any = None) -> list[Sample]:
        return collect(self.stream(requests, sampling, stop), progress)

    def logprobs(self, *_: Any) -> Any:
        raise NotImplementedError


@pytest.fixture(scope="module")
def written(tiny_policy: TinyPolicy) -> list[list[int]]:
    """Good completions, and some that are malformed: no end of the text, two of them, text after the end."""
    dialogue, scenes = tiny_policy.dialogue, tiny_policy.scenes[:6]
    histories = np.stack([s.observation.history_T3 for s in scenes])
    futures = np.stack([s.future_T3 for s in scenes if s.future_T3 is not None])
    texts = [s.reference.text for s in scenes if s.reference is not None]
    good = [list(ids) for ids in dialogue.token_ids(dialogue.completion_texts(texts, histories, futures))]
    end = dialogue.layout.cot_end
    good[1] = [token for token in good[1] if token != end]
    good[2] = [*good[2][:5], end, *good[2][5:]]
    good[3] = good[3][: good[3].index(end) + 1]
    good[4] = good[4][1:]
    return good


def test_a_policy_tells_its_listener_of_texts_and_wholes_and_returns_the_same_objects(
    tiny_policy: TinyPolicy, written: list[list[int]]
) -> None:
    scenes, listener = tiny_policy.scenes[:6], Listening()
    policy = Policy(Scripted(written), tiny_policy.dialogue, SAMPLING, "scripted")
    rollouts = policy.rollouts(scenes, [0] * 6, run_seed=0, step=0, listener=listener)
    plain = policy.rollouts(scenes, [0] * 6, run_seed=0, step=0)
    texts = {row: completion for kind, row, completion in listener.told if kind == "text"}
    wholes = {row: completion for kind, row, completion in listener.told if kind == "whole"}
    assert sorted(texts) == [0, 2, 4, 5], "not the one that never closes its text, nor the one that ends with it"
    assert all(rollouts[row].completion is completion for row, completion in wholes.items()) and len(wholes) == 6
    for one, other in zip(rollouts, plain, strict=True):
        assert one.completion.token_ids == other.completion.token_ids and one.logprobs == other.logprobs
        a, b = one.completion.trajectory, other.completion.trajectory
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            assert np.array_equal(a.poses_T3, b.poses_T3), "decoded alone and decoded in a batch"
    for row, text in texts.items():
        assert fields(text) == fields(rollouts[row].completion.text_part())
        order = [kind for kind, told_row, _ in listener.told if told_row == row]
        assert order == ["text", "whole"]


def fields(completion: Completion) -> tuple[Any, ...]:
    return tuple(vars(completion).values())


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_the_text_part_is_the_same_cut_off_early_or_late(tiny_policy: TinyPolicy, data: st.DataObject) -> None:
    """For any tokens whatsoever, delimiters in the wrong places included."""
    dialogue = tiny_policy.dialogue
    layout = dialogue.layout
    special = st.sampled_from([layout.cot_start, layout.cot_end, layout.future_start, layout.future_end])
    ids = data.draw(st.lists(special | st.integers(0, len(dialogue.tokenizer) - 1), min_size=1, max_size=30))
    history = tiny_policy.scenes[0].observation.history_T3[None]
    (whole,) = dialogue.parse([ids], history)
    if layout.cot_end not in ids:
        assert whole.text_tokens is None and whole.text_part() is whole
        return
    first = ids.index(layout.cot_end) + 1
    assert whole.text_tokens == first
    assert fields(whole.text_part()) == fields(dialogue.read_text(ids[:first]))


# vLLM for real


@pytest.mark.engine
def test_vllm_tells_of_the_text_at_its_end_and_draws_the_same_whether_or_not_anyone_listens(
    taught_policy: Any, tiny_policy: TinyPolicy
) -> None:
    from transformers import AutoTokenizer

    from rollouts.config import EngineConfig
    from rollouts.dialogue import Dialogue
    from rollouts.vectorised import open_engine

    dialogue = Dialogue.of(AutoTokenizer.from_pretrained(taught_policy), tiny_policy.dialogue.codec)
    engine = open_engine(str(taught_policy), EngineConfig(max_model_tokens=192, max_sequences=3), "float32")
    prompts = dialogue.token_ids(
        [dialogue.prompt_text(p) for p in dialogue.prompts([s.observation for s in tiny_policy.scenes[:8]])]
    )
    requests, layout = [Request(prompt, seed) for seed, prompt in enumerate(prompts)], dialogue.layout
    steps = list(engine.stream(requests, SAMPLING, layout.future_end, layout.cot_end))
    silent = engine.sample(requests, SAMPLING, layout.future_end)
    assert collect(steps) == silent, "tokens and their log-probabilities"
    events = [event for events in steps for event in events]
    texts = {event.request: event.token_ids for event in events if isinstance(event, TextReady)}
    closed = {row for row, sample in enumerate(silent) if layout.cot_end in sample.token_ids[:-1]}
    assert set(texts) == closed and len(closed) >= 6, "a taught policy closes its texts"
    for row, ids in texts.items():
        assert ids == silent[row].token_ids[: silent[row].token_ids.index(layout.cot_end) + 1]
    firsts = [i for i, event in enumerate(events) if isinstance(event, Whole)]
    lasts = [i for i, event in enumerate(events) if isinstance(event, TextReady)]
    assert firsts[0] < lasts[-1], "of three at once, the first is whole before the last has its text"

    listening = engine.stream(requests, SAMPLING, layout.future_end, layout.cot_end)
    next(listening)
    listening.close()
    assert engine.sample(requests, SAMPLING, layout.future_end) == silent, (
        "one who stops listening leaves nothing behind"
    )


# an engine that stops


class Stuck:
    """vLLM's interface, over an engine that takes requests and then draws nothing."""

    def __init__(self, step: Any) -> None:
        self.llm_engine = self
        self.model_config = SimpleNamespace(hf_config=SimpleNamespace())
        self.step = step
        self.requests: list[str] = []
        self.aborted: list[str] = []

    def add_request(self, request_id: str, prompt: Any, parameters: Any) -> None:
        self.requests.append(request_id)

    def has_unfinished_requests(self) -> bool:
        return True

    def abort_request(self, request_ids: list[str]) -> None:
        self.aborted += request_ids


@pytest.mark.engine
@pytest.mark.parametrize("step", ["returns nothing", "never returns"])
def test_an_engine_that_draws_nothing_is_named_in_time(step: str) -> None:
    import time

    stuck = Stuck((lambda: []) if step == "returns nothing" else (lambda: time.sleep(60)))
    engine = VectorisedEngine(stuck, stall_s=0.2)
    with pytest.raises(
        StallError, match=r"sampling engine \(vLLM\), asked for 2 completions.*--resume.*rollouts\.stall_s"
    ):
        engine.sample([Request((1,), 0), Request((2,), 1)], SAMPLING, 3)
    assert stuck.aborted == ["0", "1"]
