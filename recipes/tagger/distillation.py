"""What teachers make of texts, kept per text, so that a student can learn from it many times.

Legend: B texts, T words of the longest, C tags of an axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from ar1_rl.driving.tagger.tags import DECISIONS
from ar1_rl.report.progress import Progress

from .examples import Example
from .model import Output

BATCH = 64
LEAST = -30.0
"""Log-probability of padding: it weighs nothing."""


class View(NamedTuple):
    """What teachers make of one text of T words, as log-probabilities: tags and sides of words, decisions."""

    words: dict[str, np.ndarray]
    """Axis -> [T, C], "side" -> [T, 3]."""
    decisions: dict[str, np.ndarray]


def views_of(teachers: Sequence[nn.Module], examples: Sequence[Example], bar: Progress) -> list[View]:
    """The mean probabilities of all teachers for each text."""
    views: dict[int, View] = {}
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].words))
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        texts = [examples[i] for i in rows]
        with torch.no_grad():
            outputs = [teacher(texts) for teacher in teachers]
        words = {name: _mean([_words(output)[name] for output in outputs]) for name in (*DECISIONS, "side")}
        decisions = {name: _mean([output.decisions[name] for output in outputs]) for name in outputs[0].decisions}
        for place, row in enumerate(rows):
            count = len(examples[row].words)
            views[row] = View(
                {name: values[place, :count].numpy().astype(np.float16) for name, values in words.items()},
                {name: values[place].numpy() for name, values in decisions.items()},
            )
        bar.advance(len(rows))
    return [views[i] for i in range(len(examples))]


def padded(views: Sequence[View]) -> Output:
    """Views of several texts as one output."""
    longest = max(len(view.words["side"]) for view in views)
    words = {}
    for name in views[0].words:
        values = np.full((len(views), longest, views[0].words[name].shape[-1]), LEAST, np.float32)
        for row, view in enumerate(views):
            values[row, : len(view.words[name])] = view.words[name]
        words[name] = torch.from_numpy(values)
    decisions = {n: torch.from_numpy(np.stack([v.decisions[n] for v in views])) for n in views[0].decisions}
    return Output({axis: words[axis] for axis in DECISIONS}, words["side"], decisions)


def _words(output: Output) -> dict[str, torch.Tensor]:
    return {**output.tags, "side": output.side_BT3}


def _mean(logarithms: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.logsumexp(torch.stack(list(logarithms)), dim=0) - math.log(len(logarithms))
