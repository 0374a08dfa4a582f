"""Train the tagger: `python -m recipes.tagger.train`; the README beside this file says what came of it.

Two stages. A teacher, a pretrained encoder with the same heads, learns the marked sentences (`recipes.tagger.teacher`).
The small network that ships learns the sentences too, and what the teacher makes of them in ever new mixtures.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from ar1_rl.driving.claims import first_actions
from ar1_rl.driving.tagger import network as tagger
from ar1_rl.driving.tagger.reading import tagged_claims
from ar1_rl.report.progress import progress
from ar1_rl.scenes.synthetic.generate import generate_scenes
from rewards.accuracy import measure_texts
from rewards.gold_files import gold_texts

from .distillation import View, padded, views_of
from .examples import Example, augmented, example_of, labelled
from .marks import read_marked
from .model import Shape, WordTagger, batch_of, distillation_loss, loss_of, stored, vocabulary_of
from .plain import plain_sentences

SENTENCES = Path(__file__).parent / "sentences"
WEIGHTS = Path(tagger.__file__).parent / tagger.WEIGHTS
SYNTHETIC_SCENES, SYNTHETIC_SEED = 600, 104_729
"""Traces of the embedded benchmark, of which policies write first; the seed is no run's."""
Text = tuple[Example, View | None]
"""A text with its labels, and what teachers make of it."""
PLAIN_SENTENCES = 3000
SORTED_BATCHES = 8
"""Batches within which texts are sorted by length, so that little is padded."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(prog="python -m recipes.tagger.train", description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=Path, default=SENTENCES, help="folder of marked *.txt files")
    parser.add_argument("--gold", type=int, nargs="*", default=[1, 2], help="parts of the gold that are learned too")
    parser.add_argument("--measure", type=int, nargs="*", default=[], help="parts of the gold to measure at the end")
    parser.add_argument("--teacher", type=Path, nargs="*", default=[], help="trained teachers to learn from as well")
    parser.add_argument("--copies", type=int, default=3, help="changed copies of each text that teachers look at")
    parser.add_argument("--start", type=Path, help="go on from this network, kept earlier; its width and words stay")
    parser.add_argument("--keep", type=Path, help="keep the unrounded weights here, for this network to be a teacher")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--width", type=int, default=Shape.layer_features)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    console = Console()
    examples = load_examples(options.sentences, options.gold)
    shape = Shape(layer_features=options.width)
    vocabulary = vocabulary_of(examples)
    if options.start is not None:
        kept = torch.load(options.start, weights_only=True)
        vocabulary, shape = kept["vocabulary"], Shape(layer_features=kept["width"])
    model = WordTagger(len(vocabulary), shape)
    if options.start is not None:
        model.load_state_dict(kept["state"])
    console.print(
        f"{len(examples)} texts, {len(vocabulary)} words, {sum(p.numel() for p in model.parameters()):,} weights"
    )
    fit(model, _texts(examples, options, console), vocabulary, shape, options, console)
    if options.keep is not None:
        torch.save({"vocabulary": vocabulary, "width": shape.layer_features, "state": model.state_dict()}, options.keep)
    arrays = stored(model, vocabulary)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(options.out, **arrays)  # type: ignore[arg-type]
    trained = tagger.unpacked(arrays)
    for part in options.measure:
        told = "learned" if part in options.gold else "never seen"
        measured = measure_texts(part, gold_texts(part), lambda text: first_actions(tagged_claims(text, trained)))
        console.print(
            f"gold part {part} ({told}): {measured.agreement.share:.3f} right, "
            f"{measured.abstained.share:.3f} nothing read, sides {measured.side_words.share:.3f}"
        )
    return 0


def load_examples(sentences: Path, gold: Sequence[int]) -> list[Example]:
    """The marked sentences, plain ones, the texts of parts of the gold, and reference traces of synthetic scenes."""
    examples = [example_of(marked) for marked in (*read_marked(sentences), *plain_sentences(PLAIN_SENTENCES))]
    examples += [labelled(text.text, text.decisions) for part in gold for text in gold_texts(part)]
    traces = (scene.reference for scene in generate_scenes(SYNTHETIC_SEED, "train", SYNTHETIC_SCENES))
    written = {trace.text: trace.decisions for trace in traces if trace is not None}
    examples += [labelled(text, decisions) for text, decisions in written.items()]
    return [example for example in examples if example.words]


def fit(
    model: WordTagger,
    texts: Callable[[random.Random], Sequence[Text]],
    vocabulary: dict[str, int],
    shape: Shape,
    options: argparse.Namespace,
    console: Console,
) -> None:
    """Minimise the loss over the `texts` of every epoch; what teachers make of them counts as much as the labels."""
    rng = random.Random(options.seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.rate, weight_decay=0.01)
    steps = options.epochs * -(-len(texts(rng)) // options.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.rate, total_steps=steps + 1, pct_start=0.1)
    with progress(console, "steps", steps) as bar:
        for _ in range(options.epochs):
            model.train()
            for near in batches(texts(rng), options.batch, rng):
                batch = batch_of(
                    [example for example, _ in near],
                    vocabulary,
                    shape.spelling_buckets,
                    lambda: rng.random() < shape.word_dropout,
                )
                output = model(batch)
                loss = loss_of(output, batch)
                views = [view for _, view in near if view is not None]
                if views:
                    loss = loss + distillation_loss(output, padded(views), batch.present_BT)
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                bar.advance(1)
    model.eval()


def batches(texts: Sequence[Text], size: int, rng: random.Random) -> Iterator[list[Text]]:
    """All texts in random batches, with those of like length together."""
    shuffled = rng.sample(list(texts), len(texts))
    # Only the last batch may be smaller, so that their number is known beforehand.
    for start in range(0, len(shuffled), size * SORTED_BATCHES):
        near = sorted(shuffled[start : start + size * SORTED_BATCHES], key=lambda text: len(text[0].words))
        parts = [near[i : i + size] for i in range(0, len(near), size)]
        yield from rng.sample(parts, len(parts))


def changed(examples: Sequence[Example], rng: random.Random) -> list[Text]:
    """Every example once, each changed anew."""
    return [(augmented(example, examples, rng), None) for example in examples]


def _texts(
    examples: Sequence[Example], options: argparse.Namespace, console: Console
) -> Callable[[random.Random], Sequence[Text]]:
    """The texts of an epoch: changed anew each time, or with teachers a fixed set that they have looked at."""
    if not options.teacher:
        return lambda rng: changed(examples, rng)
    from .teacher import load

    rng = random.Random(options.seed + 1)
    fixed = list(examples)
    for _ in range(options.copies):
        fixed += [example for example, _ in changed(examples, rng)]
    with progress(console, "texts that teachers look at", len(fixed)) as bar:
        views = views_of([load(file) for file in options.teacher], fixed, bar)
    texts: list[Text] = list(zip(fixed, views, strict=True))
    return lambda rng: texts


if __name__ == "__main__":
    raise SystemExit(main())
