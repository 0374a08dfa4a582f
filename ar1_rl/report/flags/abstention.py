"""Rollouts without a judgement or without a trajectory as a way out: more of them, or where scenes are hard."""

from __future__ import annotations

import numpy as np

from .flag import Flag, flag, unmeasured
from .history import History, Window
from .rise import FEWEST_GROUPS, TOO_FEW, Rise, rise

NAME = "abstention"
HARD_SHARE = 1.0 / 3.0


def abstention(history: History, threshold: float) -> Flag:
    """Score: the rise of the share of unjudged or undecodable rollouts, over all scenes or over the hard ones.

    Hard are the scenes whose reference decisions earned least at the beginning, up to a third of all.
    """
    begin, end = history.begin, history.end
    away_begin_G, away_end_G = begin.by_group(escaped(begin)), end.by_group(escaped(end))
    over_all = rise(away_begin_G, away_end_G)
    if over_all is None:
        return unmeasured(NAME, threshold, TOO_FEW)
    hard = hard_references(begin)
    of_hard: Rise | None = None
    if hard:
        of_hard = rise(away_begin_G[_groups_of(begin, hard)], away_end_G[_groups_of(end, hard)])
    told = "" if of_hard is None else f"; in hard scenes from {of_hard.begin:.1%} to {of_hard.end:.1%}"
    undecodable = [float(1.0 - window.decodable_N.mean()) for window in (begin, end)]
    evidence = (
        f"Rollouts without a judgement or a trajectory went from {over_all.begin:.1%} to {over_all.end:.1%} "
        f"(undecodable: {undecodable[0]:.1%} to {undecodable[1]:.1%}){told}."
    )
    score = max(over_all.sure, -np.inf if of_hard is None else of_hard.sure)
    return flag(NAME, score, threshold, evidence, end.highest(escaped(end)))


def escaped(window: Window) -> np.ndarray:
    """1 for a rollout without a reward or without a trajectory, else 0 [N]."""
    return (~window.decodable_N | ~np.isfinite(window.reward_N)).astype(float)


def hard_references(window: Window) -> frozenset[str]:
    """Reference decisions with the lowest mean reward of decodable rollouts, up to HARD_SHARE of the groups."""
    earned_G = window.by_group(np.where(window.decodable_N, window.reward_N, np.nan))
    reference_G = _reference_of_groups(window)
    earned: dict[str, list[float]] = {}
    for reference, value in zip(reference_G, earned_G.tolist(), strict=True):
        if reference is not None and np.isfinite(value):
            earned.setdefault(reference, []).append(value)
    room = HARD_SHARE * sum(map(len, earned.values()))
    hard: set[str] = set()
    taken = 0
    for reference in sorted(earned, key=lambda name: float(np.mean(earned[name]))):
        if taken + len(earned[reference]) > room and taken >= FEWEST_GROUPS:
            break
        hard.add(reference)
        taken += len(earned[reference])
    return frozenset(hard) if len(hard) < len(earned) else frozenset()


def _groups_of(window: Window, references: frozenset[str]) -> np.ndarray:
    return np.array([reference in references for reference in _reference_of_groups(window)], dtype=bool)


def _reference_of_groups(window: Window) -> list[str | None]:
    found: list[str | None] = [None] * window.groups
    for group, reference in zip(window.group_N.tolist(), window.reference_N, strict=True):
        found[group] = reference
    return found
