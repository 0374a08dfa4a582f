"""A completion: the reasoning trace and the trajectory that a policy wrote, parsed by token ids.

Layout (Alpamayo-R1's own special tokens):
`<|cot_start|>` reasoning `<|cot_end|><|traj_future_start|>` K trajectory tokens `<|traj_future_end|>`.
A policy whose prompt already ends in `<|cot_start|>` leaves it out of the completion; both are read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DecodeError
from .codec import TrajectoryCodec
from .trajectory import Trajectory

COT_START, COT_END = "<|cot_start|>", "<|cot_end|>"
HISTORY_START, HISTORY_END = "<|traj_history_start|>", "<|traj_history_end|>"
FUTURE_START, FUTURE_END = "<|traj_future_start|>", "<|traj_future_end|>"
SPECIAL_TOKENS = (COT_START, COT_END, HISTORY_START, HISTORY_END, FUTURE_START, FUTURE_END)


@dataclass(frozen=True)
class TokenLayout:
    """Where the special and trajectory tokens lie in a tokenizer's vocabulary."""

    cot_start: int
    cot_end: int
    future_start: int
    future_end: int
    trajectory_first: int
    """Id of `<i0>`; `<ik>` is k further on."""
    trajectory_count: int
    """Number of trajectory tokens, those of the history included."""
    endings: frozenset[int] = frozenset()
    """Ids that may follow `<|traj_future_end|>`: end of text, padding."""


@dataclass(frozen=True, eq=False)
class Completion:
    """What the policy wrote. Either `trajectory` is there, or `error` says why it is not; see also `text_part`."""

    text: str
    token_ids: tuple[int, ...]
    reasoning: str | None
    trajectory: Trajectory | None
    error: DecodeError | None
    text_tokens: int | None = None
    """How many tokens there are up to `<|cot_end|>`, itself included; None where the trace was never closed."""

    def text_part(self) -> Completion:
        """What is there as soon as the trace is closed: its text, and neither a trajectory nor an error.

        A completion whose trace was never closed is its own text part.
        """
        if self.reasoning is None:
            return self
        return _text_part(self.reasoning, self.token_ids[: self.text_tokens], self.text_tokens)


def read_text(
    token_ids: Sequence[int], *, layout: TokenLayout, decode_text: Callable[[Sequence[int]], str]
) -> Completion:
    """The text part of a completion of which only the tokens up to `<|cot_end|>` are there yet."""
    trace = _reasoning_ids(token_ids, layout)
    assert trace is not None, "there is no text part before <|cot_end|>"
    return _text_part(decode_text(trace).strip(), tuple(token_ids), len(token_ids))


def _text_part(reasoning: str, token_ids: tuple[int, ...], text_tokens: int | None) -> Completion:
    text = f"{reasoning}{COT_END}"
    return Completion(text, token_ids, reasoning, trajectory=None, error=None, text_tokens=text_tokens)


def parse_completions(
    token_ids: Sequence[Sequence[int]],
    histories_B16x3: np.ndarray,
    *,
    layout: TokenLayout,
    codec: TrajectoryCodec,
    decode_text: Callable[[Sequence[int]], str],
) -> list[Completion]:
    """Parse a batch; a malformed completion carries its DecodeError and never a guessed trajectory.

    `decode_text` turns ids into text and keeps special tokens. All decodable trajectories are integrated at once.
    """
    texts = [decode_text(ids) for ids in token_ids]
    traces = [_reasoning_ids(ids, layout) for ids in token_ids]
    # Siblings often write the same trace.
    reasonings = {trace: decode_text(trace).strip() for trace in set(traces) if trace is not None}
    futures: list[tuple[int, ...] | DecodeError] = []
    for ids in token_ids:
        try:
            futures.append(split_future(ids, layout, codec))
        except DecodeError as error:
            futures.append(error)
    good = [i for i, future in enumerate(futures) if not isinstance(future, DecodeError)]
    poses = {}
    if good:
        decoded = codec.decode(np.array([futures[i] for i in good]), histories_B16x3[good])
        poses = dict(zip(good, decoded, strict=True))
    return [
        Completion(
            text=texts[i],
            token_ids=tuple(ids),
            reasoning=None if (trace := traces[i]) is None else reasonings[trace],
            trajectory=Trajectory(poses_T3=poses[i], source="tokens") if i in poses else None,
            error=future if isinstance(future, DecodeError) else None,
            text_tokens=list(ids).index(layout.cot_end) + 1 if layout.cot_end in ids else None,
        )
        for i, (ids, future) in enumerate(zip(token_ids, futures, strict=True))
    ]


def split_future(token_ids: Sequence[int], layout: TokenLayout, codec: TrajectoryCodec) -> tuple[int, ...]:
    """The K codec tokens of a completion, or DecodeError naming what is wrong with it."""
    ids = list(token_ids)
    while ids and ids[-1] in layout.endings:
        ids.pop()
    for name, token in (
        (COT_END, layout.cot_end),
        (FUTURE_START, layout.future_start),
        (FUTURE_END, layout.future_end),
    ):
        if ids.count(token) != 1:
            raise DecodeError(f"{name} occurs {ids.count(token)} times, once is right")
    cot_end, start, end = (ids.index(t) for t in (layout.cot_end, layout.future_start, layout.future_end))
    if layout.cot_start in ids[1:]:
        raise DecodeError(f"{COT_START} occurs after the first token")
    if start != cot_end + 1:
        raise DecodeError(f"{FUTURE_START} must follow {COT_END} at once, it comes {start - cot_end} tokens after it")
    if end != len(ids) - 1:
        raise DecodeError(f"{len(ids) - 1 - end} tokens follow {FUTURE_END}")
    tokens = tuple([token - layout.trajectory_first for token in ids[start + 1 : end]])
    if len(tokens) != codec.tokens_per_future:
        raise DecodeError(f"{len(tokens)} trajectory tokens, {codec.tokens_per_future} are right")
    if min(tokens) < 0 or max(tokens) >= codec.bins:
        foreign = [token + layout.trajectory_first for token in tokens if not 0 <= token < codec.bins]
        raise DecodeError(f"token ids {foreign[:4]} between the delimiters are not future trajectory tokens")
    return tokens


def _reasoning_ids(token_ids: Sequence[int], layout: TokenLayout) -> tuple[int, ...] | None:
    """What comes before `<|cot_end|>`, or None where the trace was never closed."""
    if layout.cot_end not in token_ids:
        return None
    ids = tuple(token_ids)
    return ids[1 if ids[0] == layout.cot_start else 0 : ids.index(layout.cot_end)]
