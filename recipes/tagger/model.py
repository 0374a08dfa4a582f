"""The tagger as a torch module, its loss, and its way into the arrays that `ar1_rl.driving.tagger.network` reads.

Legend: B texts, T words of the longest, D features of a word, H features of a layer, C tags of an axis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ar1_rl.driving.tagger.network import NORM_EPSILON, POOLED_LAYER
from ar1_rl.driving.tagger.tags import DECISIONS, SIDES, STANDINGS, tag_count
from ar1_rl.driving.tagger.words import spelling_pieces

from .examples import UNKNOWN, Example

EMBEDDINGS = ("words", "pieces")
_pieces = cache(spelling_pieces)
NEGLIGIBLE = 1e-6
"""Weight of words that claim nothing in the mean over words that tells the side."""


@dataclass(frozen=True)
class Shape:
    """Sizes of the network."""

    word_features: int = 96
    layer_features: int = 128
    layers: int = 4
    spelling_buckets: int = 8192
    dropout: float = 0.3
    word_dropout: float = 0.15
    """Share of words that are seen by their spelling only, as words that are in no vocabulary will be."""


class Batch(NamedTuple):
    """Texts of up to T words, padded; labels are UNKNOWN where there are none."""

    words_BT: torch.Tensor
    """Numbers in the vocabulary, 0 for a word that is not in it."""
    present_BT: torch.Tensor
    pieces: torch.Tensor
    """Spelling pieces of all words, one after the other, and where each word begins."""
    offsets: torch.Tensor
    tags: Mapping[str, torch.Tensor]
    """Axis -> [B, T]."""
    side_BT: torch.Tensor
    decisions: Mapping[str, torch.Tensor]
    """Axis -> [B], 0 for none; "side" -> [B]."""


class Output(NamedTuple):
    """Natural logarithms of probabilities."""

    tags: Mapping[str, torch.Tensor]
    """Axis -> [B, T, C]."""
    side_BT3: torch.Tensor
    decisions: Mapping[str, torch.Tensor]
    """Axis -> [B, 1 + decisions]; "side" -> [B, 3]."""


def vocabulary_of(examples: Sequence[Example], at_least: int = 2) -> dict[str, int]:
    """Words that occur in several texts, numbered from 1."""
    counts = Counter(word for example in examples for word in set(example.words))
    return {word: number for number, word in enumerate(sorted(w for w, n in counts.items() if n >= at_least), 1)}


def batch_of(
    examples: Sequence[Example], vocabulary: Mapping[str, int], buckets: int, hidden: Any = lambda: False
) -> Batch:
    """Pad and number examples; `hidden()` tells of each word whether its place in the vocabulary is kept from us."""
    size = (len(examples), max(len(example.words) for example in examples))
    words_BT, present_BT = np.zeros(size, np.int64), np.zeros(size, np.float32)
    labels = {name: np.full(size, UNKNOWN, np.int64) for name in ("longitudinal", "lateral", "side")}
    pieces: list[int] = []
    offsets: list[int] = []
    for row, example in enumerate(examples):
        count = len(example.words)
        present_BT[row, :count] = 1.0
        for name, tags_T in zip(labels, (example.longitudinal_T, example.lateral_T, example.side_T), strict=True):
            labels[name][row, :count] = tags_T
        for place, word in enumerate(example.words):
            words_BT[row, place] = 0 if hidden() else vocabulary.get(word, 0)
            offsets.append(len(pieces))
            pieces.extend(_pieces(word, buckets))
    decisions = {
        axis: torch.tensor([_number((None, *names), getattr(e.decisions, axis)) for e in examples])
        for axis, names in DECISIONS.items()
    }
    return Batch(
        torch.from_numpy(words_BT),
        torch.from_numpy(present_BT),
        torch.tensor(pieces),
        torch.tensor(offsets),
        {axis: torch.from_numpy(labels[axis]) for axis in DECISIONS},
        torch.from_numpy(labels["side"]),
        decisions | {"side": torch.tensor([_number(SIDES, example.decisions.side) for example in examples])},
    )


class Heads(nn.Module):
    """From what is known of each word to tags, and from those to the decisions of the text."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.tags = nn.ModuleDict({axis: nn.Linear(features, tag_count(axis)) for axis in DECISIONS})
        self.side = nn.Linear(features, len(SIDES))
        self.none = nn.ParameterDict({axis: nn.Parameter(torch.full((1,), -1.0)) for axis in DECISIONS})

    def forward(self, states_BTH: torch.Tensor, present_BT: torch.Tensor) -> Output:
        """See `Output`."""
        absent_BT1 = (1.0 - present_BT)[..., None] * -1e9
        tags = {axis: functional.log_softmax(head(states_BTH), dim=-1) for axis, head in self.tags.items()}
        decisions = {}
        for axis, tags_BTC in tags.items():
            claimed = torch.logsumexp(tags_BTC[..., 1 :: len(STANDINGS)] + absent_BT1, dim=1)
            none = self.none[axis].expand(len(claimed), 1)
            decisions[axis] = functional.log_softmax(torch.cat([none, claimed], dim=1), dim=1)
        side_BT3 = functional.log_softmax(self.side(states_BTH), dim=-1)
        first_BT = tags["lateral"][..., 1 :: len(STANDINGS)].exp().sum(dim=-1) * present_BT + NEGLIGIBLE
        mean_B3 = (side_BT3 * first_BT[..., None]).sum(dim=1) / first_BT.sum(dim=1, keepdim=True)
        return Output(tags, side_BT3, decisions | {"side": functional.log_softmax(mean_B3, dim=1)})


class WordTagger(nn.Module):
    """What `ar1_rl.driving.tagger.network` computes, to be trained."""

    def __init__(self, words: int, shape: Shape) -> None:
        super().__init__()
        width = shape.layer_features
        self.words = nn.Embedding(words + 1, shape.word_features, padding_idx=0)
        self.pieces = nn.EmbeddingBag(shape.spelling_buckets, shape.word_features, mode="mean")
        nn.init.normal_(self.words.weight, std=0.3)
        nn.init.normal_(self.pieces.weight, std=0.3)
        with torch.no_grad():
            self.words.weight[0] = 0.0
        self.input = nn.Linear(shape.word_features, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=NORM_EPSILON) for _ in range(shape.layers))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, width, 3, padding=2**layer, dilation=2**layer) for layer in range(shape.layers)
        )
        self.pooled = nn.Linear(width, width)
        self.heads = Heads(width)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, batch: Batch) -> Output:
        """See `Output`."""
        present_BT1 = batch.present_BT[..., None]
        features_BTD = self.words(batch.words_BT)
        spelled_ND = self.pieces(batch.pieces, batch.offsets)
        features_BTD = features_BTD.masked_scatter(
            present_BT1.bool(), features_BTD[batch.present_BT.bool()] + spelled_ND
        )
        states_BTH = self.input(self.dropout(features_BTD))
        for layer, (norm, convolution) in enumerate(zip(self.norms, self.convolutions, strict=True)):
            normed_BHT = (norm(states_BTH) * present_BT1).transpose(1, 2)
            update_BTH = functional.relu(convolution(normed_BHT)).transpose(1, 2)
            if layer == POOLED_LAYER:
                strongest_BH = states_BTH.masked_fill(present_BT1 == 0.0, -1e9).amax(dim=1)
                update_BTH = update_BTH + self.pooled(strongest_BH)[:, None]
            states_BTH = states_BTH + self.dropout(update_BTH)
        return self.heads(self.dropout(states_BTH), batch.present_BT)


def loss_of(output: Output, batch: Batch, smoothing: float = 0.05) -> torch.Tensor:
    """Cross entropies of the tags, of the decisions of the text (smoothed), and of the sides."""
    loss = output.side_BT3.new_zeros(())
    for axis in DECISIONS:
        loss = loss + _tag_loss(output.tags[axis], batch.tags[axis])
        decided_B = output.decisions[axis]
        loss = loss + functional.cross_entropy(decided_B, batch.decisions[axis], label_smoothing=smoothing)
    loss = loss + 0.5 * _tag_loss(output.side_BT3, batch.side_BT)
    lateral_B = batch.decisions["lateral"] > 0
    if lateral_B.any():
        loss = loss + functional.nll_loss(output.decisions["side"][lateral_B], batch.decisions["side"][lateral_B])
    return loss


def distillation_loss(output: Output, teacher: Output, present_BT: torch.Tensor) -> torch.Tensor:
    """Divergence from what a teacher makes of the same texts: of every word's tags, and of the decisions."""
    total = present_BT.sum()
    loss = output.side_BT3.new_zeros(())
    for axis in DECISIONS:
        told_BT = functional.kl_div(output.tags[axis], teacher.tags[axis], reduction="none", log_target=True).sum(-1)
        loss = loss + (told_BT * present_BT).sum() / total
    for name, decided in teacher.decisions.items():
        loss = loss + functional.kl_div(output.decisions[name], decided, reduction="batchmean", log_target=True)
    return loss


def stored(model: WordTagger, vocabulary: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The arrays of the weights' file: of words and pieces 8 bits a number with a scale a row, of the rest 16."""
    state = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    arrays = {
        "pieces": state["pieces.weight"],
        "words": state["words.weight"][1:],
        "input": state["input.weight"].T,
        "input_bias": state["input.bias"],
        "pooled": state["pooled.weight"].T,
        "pooled_bias": state["pooled.bias"],
        "side": state["heads.side.weight"].T,
        "side_bias": state["heads.side.bias"],
    }
    for layer in range(len(model.convolutions)):
        kernel = state[f"convolutions.{layer}.weight"]  # [out, in, 3]
        arrays[f"convolution_{layer}"] = kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0])
        arrays[f"convolution_{layer}_bias"] = state[f"convolutions.{layer}.bias"]
        arrays[f"norm_{layer}"] = state[f"norms.{layer}.weight"]
        arrays[f"norm_{layer}_bias"] = state[f"norms.{layer}.bias"]
    for axis in DECISIONS:
        arrays[axis] = state[f"heads.tags.{axis}.weight"].T
        arrays[f"{axis}_bias"] = state[f"heads.tags.{axis}.bias"]
        arrays[f"{axis}_none"] = state[f"heads.none.{axis}"]
    packed: dict[str, np.ndarray] = {"vocabulary": np.array(" ".join(vocabulary))}
    for name, array in arrays.items():
        if name in EMBEDDINGS:
            scale = np.maximum(np.abs(array).max(axis=1, keepdims=True), 1e-12) / 127.0
            packed[name] = np.round(array / scale).astype(np.int8)
            packed[f"{name}.scale"] = scale.astype(np.float16)
        else:
            packed[name] = array.astype(np.float16)
    return packed


def _tag_loss(tags_BTC: torch.Tensor, labels_BT: torch.Tensor) -> torch.Tensor:
    if (labels_BT == UNKNOWN).all():
        return tags_BTC.new_zeros(())
    return functional.nll_loss(tags_BTC.flatten(0, 1), labels_BT.flatten(), ignore_index=UNKNOWN)


def _number(names: Sequence[str | None], name: str | None) -> int:
    return list(names).index(name)
