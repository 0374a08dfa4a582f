"""Completions parsed by token ids: what is well-formed decodes, everything else carries a DecodeError."""

from __future__ import annotations

import numpy as np
import pytest
from drives import random_drives
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.driving.codec import TrajectoryCodec
from ar1_rl.driving.completion import TokenLayout, parse_completions, split_future
from ar1_rl.errors import DecodeError

CODEC = TrajectoryCodec.compact()
FIRST = 100
LAYOUT = TokenLayout(
    cot_start=1,
    cot_end=2,
    future_start=3,
    future_end=4,
    trajectory_first=FIRST,
    trajectory_count=CODEC.vocabulary_size,
    endings=frozenset({0, 5}),
)
WORDS = {10: " slow", 11: " down", 12: " now"}
HISTORY, FUTURE = random_drives(3, seed=0)
TOKENS = CODEC.encode(HISTORY, FUTURE)
BODY = [FIRST + int(token) for token in TOKENS[0]]
GOOD = [1, 10, 11, 2, 3, *BODY, 4]


def decode_text(ids):
    return "".join(WORDS.get(token, f"<{token}>") for token in ids)


def parse(*rows, histories=HISTORY):
    return parse_completions(rows, histories[: len(rows)], layout=LAYOUT, codec=CODEC, decode_text=decode_text)


def test_a_well_formed_completion_has_reasoning_and_the_decoded_trajectory():
    (completion,) = parse(GOOD)
    assert completion.error is None
    assert completion.reasoning == "slow down"
    assert completion.token_ids == tuple(GOOD)
    assert completion.text == decode_text(GOOD)
    assert completion.trajectory.source == "tokens"
    np.testing.assert_allclose(completion.trajectory.poses_T3, CODEC.decode(TOKENS[:1], HISTORY[:1])[0])


def test_the_opening_delimiter_may_be_in_the_prompt_and_endings_may_follow():
    (completion,) = parse([*GOOD[1:], 5, 0, 0])
    assert completion.error is None and completion.reasoning == "slow down"


def test_one_malformed_completion_leaves_its_neighbours_alone():
    first, broken, third = parse(GOOD, GOOD[:-3], [1, 12, 2, 3, *(FIRST + TOKENS[2]).tolist(), 4])
    assert first.trajectory is not None and third.trajectory is not None
    assert broken.trajectory is None and isinstance(broken.error, DecodeError)
    assert broken.reasoning == "slow down"
    np.testing.assert_allclose(third.trajectory.poses_T3, CODEC.decode(TOKENS[2:], HISTORY[2:])[0])


def test_an_empty_batch_has_no_completions():
    assert parse() == []


def test_a_trace_that_was_never_closed_is_no_reasoning():
    (completion,) = parse([1, 10, 11])
    assert completion.reasoning is None and completion.trajectory is None


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([], "occurs 0 times"),
        (GOOD[:-1], "traj_future_end.* occurs 0 times"),
        ([*GOOD, 4], "traj_future_end.* occurs 2 times"),
        ([1, 10, 2, 3, 3, *BODY, 4], "traj_future_start.* occurs 2 times"),
        ([1, 10, 3, *BODY, 4], "cot_end.* occurs 0 times"),
        ([10, 1, 2, 3, *BODY, 4], "cot_start.* after the first token"),
        ([1, 10, 2, 11, 3, *BODY, 4], "must follow"),
        ([3, *BODY, 4, 1, 10, 2], "after the first token|must follow"),
        ([*GOOD, 10], "1 tokens follow"),
        ([1, 2, 3, *BODY[:-1], 4], "31 trajectory tokens, 32 are right"),
        ([1, 2, 3, *BODY, FIRST, 4], "33 trajectory tokens, 32 are right"),
        ([1, 2, 3, 10, *BODY[1:], 4], r"\[10\].* not future trajectory tokens"),
        ([1, 2, 3, FIRST + CODEC.bins, *BODY[1:], 4], "not future trajectory tokens"),
        ([1, 2, 3, 5, *BODY[1:], 4], "not future trajectory tokens"),
    ],
)
def test_each_fault_is_named(ids, message):
    with pytest.raises(DecodeError, match=message):
        split_future(ids, LAYOUT, CODEC)
    (completion,) = parse(ids)
    assert completion.trajectory is None and isinstance(completion.error, DecodeError)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_every_damaged_completion_carries_a_decode_error(data):
    """Take one token out, put a foreign one in, or cut the end: never a guessed trajectory."""
    ids = list(GOOD)
    structural = range(ids.index(2), len(ids))  # from <|cot_end|> on: words before it are free
    at = data.draw(st.sampled_from(structural))
    damage = data.draw(st.sampled_from(["delete", "insert", "replace", "cut"]))
    foreign = data.draw(st.sampled_from([1, 2, 3, 4, 10, 99, FIRST + CODEC.bins, FIRST + CODEC.vocabulary_size]))
    if damage == "delete":
        del ids[at]
    elif damage == "insert":
        at = max(at, ids.index(2) + 1)
        ids.insert(at, foreign)
    elif damage == "replace":
        if ids[at] == foreign:
            return
        ids[at] = foreign
    else:
        ids = ids[:at]
    (completion,) = parse(ids)
    assert completion.trajectory is None
    assert isinstance(completion.error, DecodeError)


@settings(max_examples=200, deadline=None)
@given(ids=st.lists(st.integers(0, FIRST + CODEC.vocabulary_size + 5), max_size=60))
def test_any_ids_give_a_trajectory_or_an_error_and_never_both(ids):
    (completion,) = parse(ids)
    assert (completion.trajectory is None) != (completion.error is None)
