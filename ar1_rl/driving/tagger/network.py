"""The network: words in, log-probabilities of tags per word and of decisions per text out. Numpy only.

A residual stack of dilated convolutions over words, each seeing three words at a distance of 1, 2, 4 ..., with the
strongest activations of the whole text added once. Legend: T words, D features of a word, H features of a layer,
C tags of an axis.

A decision is claimed as strongly as its words together are tagged as its first action:
score(decision) = log sum_t p(word t has the tag (decision, first)), beside a trained score for no decision. So what is
decided and the words it rests on cannot part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np

from ..claims import Axis
from .tags import STANDINGS
from .words import spelling_pieces

WEIGHTS = "weights.npz"
CACHED_WORDS = 16_384
ONE_THREAD_PRODUCT = 4 * 2**16
"""Multiplications up to which OpenBLAS keeps a matrix product in one thread (its GEMM_MULTITHREAD_THRESHOLD of 4)."""
POOLED_LAYER = 1
"""The layer at which words are told of the whole text."""
NORM_EPSILON = 1e-5
_SIDES = "left right leftmost rightmost leftward rightward leftwards rightwards lefthand righthand l r lh rh lhs rhs"
MIRRORED = {
    word: other
    for left, right in zip(_SIDES.split()[::2], _SIDES.split()[1::2], strict=True)
    for word, other in ((left, right), (right, left))
}
"""Words that change places when a text is mirrored."""


class Scores(NamedTuple):
    """What the network makes of a text; all natural logarithms, decision 0 is none."""

    tags: Mapping[Axis, np.ndarray]
    """Axis -> [T, C]."""
    decisions: Mapping[Axis, np.ndarray]
    """Axis -> [1 + number of decisions]."""
    side_T3: np.ndarray
    """Of the lateral claim that a word may belong to: none, left, right."""


@dataclass(frozen=True, eq=False)
class Network:
    """Trained weights. `load` gives those that ship."""

    vocabulary: Mapping[str, int]
    weights: Mapping[str, np.ndarray]
    embedded: dict[str, np.ndarray] = field(default_factory=dict)
    """Words seen so far, with what is known of each."""

    @property
    def layers(self) -> int:
        """Convolutions, of dilation 1, 2, 4 ..."""
        return sum(name.startswith("convolution_") and not name.endswith("_bias") for name in self.weights)

    def score(self, words: Sequence[str]) -> Scores:
        """Score a text of T >= 1 words. Mirroring the text mirrors the sides and changes nothing else."""
        scores = self._score(words)
        mirror = [MIRRORED.get(word, word) for word in words]
        if mirror == list(words):
            return scores
        other = self._score(mirror)
        return Scores(
            {axis: _mean(tags, other.tags[axis]) for axis, tags in scores.tags.items()},
            {axis: _mean(decisions, other.decisions[axis]) for axis, decisions in scores.decisions.items()},
            _mean(scores.side_T3, other.side_T3[:, [0, 2, 1]]),
        )

    def _score(self, words: Sequence[str]) -> Scores:
        weights = self.weights
        features_TD = np.stack([self._embed(word) for word in words])
        states_TH = _product(features_TD, weights["input"]) + weights["input_bias"]
        for layer in range(self.layers):
            update_TH = np.maximum(self._convolve(layer, states_TH), 0.0)
            if layer == POOLED_LAYER:
                update_TH += states_TH.max(axis=0) @ weights["pooled"] + weights["pooled_bias"]
            states_TH = states_TH + update_TH
        tags: dict[Axis, np.ndarray] = {}
        decisions: dict[Axis, np.ndarray] = {}
        for axis in ("longitudinal", "lateral"):
            tags[axis] = _log_softmax(_product(states_TH, weights[axis]) + weights[f"{axis}_bias"])
            claimed = np.logaddexp.reduce(tags[axis][:, 1 :: len(STANDINGS)], axis=0)
            decisions[axis] = _log_softmax(np.concatenate([weights[f"{axis}_none"], claimed]))
        return Scores(tags, decisions, _log_softmax(_product(states_TH, weights["side"]) + weights["side_bias"]))

    def _embed(self, word: str) -> np.ndarray:
        known_D = self.embedded.get(word)
        if known_D is None:
            if len(self.embedded) >= CACHED_WORDS:
                self.embedded.clear()
            known_D = self.embedded[word] = self._spell(word)
        return known_D

    def _spell(self, word: str) -> np.ndarray:
        pieces_D = self.weights["pieces"]
        spelled_D = pieces_D[list(spelling_pieces(word, len(pieces_D)))].mean(axis=0)
        known = self.vocabulary.get(word)
        return spelled_D if known is None else spelled_D + self.weights["words"][known]

    def _convolve(self, layer: int, states_TH: np.ndarray) -> np.ndarray:
        weights, far = self.weights, 2**layer
        centred_TH = states_TH - states_TH.mean(axis=1, keepdims=True)
        variance_T = np.einsum("th,th->t", centred_TH, centred_TH) / centred_TH.shape[1]
        normed_TH = (
            centred_TH / np.sqrt(variance_T + NORM_EPSILON)[:, None] * weights[f"norm_{layer}"]
            + weights[f"norm_{layer}_bias"]
        )
        count = len(normed_TH)
        before_HH, here_HH, after_HH = weights[f"convolution_{layer}"].reshape(3, *weights["pooled"].shape)
        result_TH = _product(normed_TH, here_HH) + weights[f"convolution_{layer}_bias"]
        if count > far:
            result_TH[far:] += _product(normed_TH[:-far], before_HH)
            result_TH[:-far] += _product(normed_TH[far:], after_HH)
        return result_TH


@cache
def load() -> Network:
    """The network that ships, read once."""
    with (resources.files(__package__) / WEIGHTS).open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return unpacked(stored)


def unpacked(stored: Mapping[str, np.ndarray]) -> Network:
    """A network from the arrays of its file: numbers of 16 bits, or of 8 with a scale a row, and the vocabulary."""
    vocabulary = {word: number for number, word in enumerate(str(stored["vocabulary"]).split(" "))}
    weights = {
        name: stored[name].astype(np.float32) * stored.get(f"{name}.scale", 1.0)
        for name in stored
        if name != "vocabulary" and not name.endswith(".scale")
    }
    return Network(vocabulary, weights)


def _product(rows_TI: np.ndarray, matrix_IO: np.ndarray) -> np.ndarray:
    """A matrix product in pieces that BLAS keeps in one thread: threads that wait for each other cost more than help.

    Measured on two cores that others use too: a text takes 0.8 ms of processor time instead of 60 ms.
    """
    step = max(1, ONE_THREAD_PRODUCT // matrix_IO.size)
    if len(rows_TI) <= step:
        return rows_TI @ matrix_IO
    return np.concatenate([rows_TI[i : i + step] @ matrix_IO for i in range(0, len(rows_TI), step)])


def _log_softmax(values: np.ndarray) -> np.ndarray:
    return values - np.logaddexp.reduce(values, axis=-1, keepdims=True)


def _mean(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return 0.5 * (one + other)
