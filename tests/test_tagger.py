"""The tagger: words and places, marks, the trained network against the one that reads, and what it makes of a text."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ar1_rl.driving.claims import first_actions
from ar1_rl.driving.decisions import Decisions
from ar1_rl.driving.tagger.network import Network, load, unpacked
from ar1_rl.driving.tagger.reading import LONGEST_WORDS, tagged_claims
from ar1_rl.driving.tagger.tags import DECISIONS, STANDINGS, meaning_of, tag_count, tag_of
from ar1_rl.driving.tagger.words import Word, words_of
from ar1_rl.errors import ConfigError
from recipes.tagger import train
from recipes.tagger.examples import UNKNOWN, Example, augmented, can_be_mirrored, example_of, joined, labelled, mirrored
from recipes.tagger.marks import Mark, read_marked, unmarked
from recipes.tagger.model import Shape, WordTagger, batch_of, distillation_loss, loss_of, stored, vocabulary_of
from recipes.tagger.plain import plain_sentences
from rewards.gold_files import gold_texts

TEXT = "[Slow down|speed_adaptation] for the bend, then [drift to the left|in_lane_nudge.left] by 0.5 m."
SMALL = Shape(word_features=8, layer_features=12, layers=3, spelling_buckets=64)


def test_words_have_their_places_and_numbers_read_alike() -> None:
    assert words_of("Don’t pass  at 30.5!") == [
        Word("don't", 0, 5), Word("pass", 6, 10), Word("at", 12, 14), Word("0", 15, 19), Word("!", 19, 20),
    ]  # fmt: skip
    # The lower case of this letter has two characters, which must not shift what follows.
    assert words_of("İ stop")[-1] == Word("stop", 2, 6)


@given(st.text(max_size=60))
def test_any_text_has_words_that_stand_where_they_say(text: str) -> None:
    words = words_of(text)
    assert all(0 <= word.start < word.end <= len(text) for word in words)
    assert all(one.end <= other.start for one, other in pairwise(words))


def test_tags_are_numbered_by_decision_and_standing() -> None:
    assert tag_of("longitudinal", "set_speed_tracking", "first") == 1
    assert tag_of("lateral", "merge_split", "later") == 1 + 1 * 4 + 1
    assert (tag_count("longitudinal"), tag_count("lateral")) == (29, 33)
    for axis, names in DECISIONS.items():
        for name in names:
            assert all(meaning_of(axis, tag_of(axis, name, s)) == (name, s) for s in STANDINGS)


def test_marks_are_taken_off_a_line() -> None:
    marked = unmarked("Do not [stop|!stop]; [pull in left|pull_over.left], [hold on|yield+>lane_keeping].")
    assert marked.text == "Do not stop; pull in left, hold on."
    assert marked.marks == (
        Mark(7, 11, "longitudinal", "stop", None, "negated"),
        Mark(13, 25, "lateral", "pull_over", "left", "first"),
        Mark(27, 34, "longitudinal", "yield", None, "first"),
        Mark(27, 34, "lateral", "lane_keeping", None, "later"),
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("[Stop|halt]", "no decision 'halt'"),
        ("[Stop|stop.left]", "side 'left'"),
        ("[Stop|stop] and [yield|yield]", "two first actions"),
        ("[Stop stop]", "a bracket or bar"),
    ],
)
def test_a_mark_that_breaks_a_rule_is_named(line: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        unmarked(line)
    (tmp_path / "a.txt").write_text(f"fine\n{line}\n")
    with pytest.raises(ConfigError, match=r"a\.txt, line 2"):
        list(read_marked(tmp_path))


def test_the_sentences_keep_the_rules_and_hold_no_text_of_a_gold_that_is_only_measured() -> None:
    texts = {" ".join(marked.text.lower().split()) for marked in read_marked(train.SENTENCES)}
    assert len(texts) > 21_000
    for gold in gold_texts(3):
        assert " ".join(gold.text.lower().split()) not in texts


def test_plain_sentences_keep_the_rules_and_name_every_decision() -> None:
    marks = [mark for marked in plain_sentences(2000) for mark in marked.marks if mark.standing == STANDINGS[0]]
    assert {mark.decision for mark in marks} == {name for names in DECISIONS.values() for name in names}
    assert {mark.side for mark in marks} == {None, "left", "right"}
    assert [marked.text for marked in plain_sentences(20)] == [marked.text for marked in plain_sentences(20)]


def example() -> Example:
    return example_of(unmarked(TEXT))


def test_an_example_has_the_tags_of_its_marks() -> None:
    one = example()
    slow, drift = tag_of("longitudinal", "speed_adaptation", "first"), tag_of("lateral", "in_lane_nudge", "first")
    assert one.words[:2] == ("slow", "down")
    assert one.longitudinal_T == (slow, slow, *[0] * (len(one.words) - 2))
    assert [i for i, tag in enumerate(one.lateral_T) if tag == drift] == [7, 8, 9, 10]
    assert [side for side in one.side_T if side != UNKNOWN] == [1, 1, 1, 1]
    assert one.decisions == Decisions("speed_adaptation", "in_lane_nudge", "left")


def test_a_mirrored_example_goes_to_the_other_side() -> None:
    other = mirrored(example())
    assert "right" in other.words and "left" not in other.words
    assert other.decisions == Decisions("speed_adaptation", "in_lane_nudge", "right")
    assert mirrored(other) == example()
    assert not can_be_mirrored(labelled("give right of way", Decisions("yield")))
    assert not can_be_mirrored(labelled("the car has left", Decisions()))


def test_texts_are_joined_where_they_claim_different_axes_only() -> None:
    slow, turn, stop = (
        example_of(unmarked(line)) for line in ("[Slow|speed_adaptation].", "[Turn left|turn.left].", "[Halt|stop].")
    )
    both = joined(slow, turn, random.Random(0))
    assert both.decisions == Decisions("speed_adaptation", "turn", "left")
    assert len(both.words) == len(both.longitudinal_T) == len(both.lateral_T) == len(both.side_T)
    assert joined(slow, stop, random.Random(0)) is slow


def test_a_changed_example_keeps_its_decisions_up_to_the_side() -> None:
    rng = random.Random(1)
    for _ in range(50):
        other = augmented(example(), [labelled("nothing here", Decisions())], rng)
        assert (other.decisions.longitudinal, other.decisions.lateral) == ("speed_adaptation", "in_lane_nudge")
        assert len(other.words) == len(other.longitudinal_T) == len(other.side_T)


def small_model() -> tuple[WordTagger, dict[str, int]]:
    torch.manual_seed(0)
    vocabulary = vocabulary_of([example(), example()])
    return WordTagger(len(vocabulary), SMALL).eval(), vocabulary


def test_the_network_that_reads_computes_what_was_trained() -> None:
    """Rounding to 8 and 16 bits is all that differs: below 0.05 of a logarithm, and padding changes nothing."""
    model, vocabulary = small_model()
    network = unpacked(stored(model, vocabulary))
    texts = [example(), labelled("Turn right.", Decisions(None, "turn", "right")), labelled("stop", Decisions("stop"))]
    with torch.no_grad():
        output = model(batch_of(texts, vocabulary, SMALL.spelling_buckets))
    for row, text in enumerate(texts):
        scores = network._score(text.words)
        for axis in DECISIONS:
            trained = output.tags[axis][row, : len(text.words)].numpy()
            np.testing.assert_allclose(scores.tags[axis], trained, atol=0.05)
            np.testing.assert_allclose(scores.decisions[axis], output.decisions[axis][row].numpy(), atol=0.05)
        np.testing.assert_allclose(scores.side_T3, output.side_BT3[row, : len(text.words)].numpy(), atol=0.05)


def test_a_teacher_that_agrees_teaches_nothing() -> None:
    model, vocabulary = small_model()
    batch = batch_of([example()], vocabulary, SMALL.spelling_buckets)
    output = model(batch)
    assert distillation_loss(output, output, batch.present_BT).item() == pytest.approx(0.0, abs=1e-5)
    other = model(batch_of([mirrored(example())], vocabulary, SMALL.spelling_buckets))
    assert distillation_loss(output, other, batch.present_BT).item() > 1e-4


def test_training_learns_what_it_is_shown() -> None:
    model, vocabulary = small_model()
    texts = [example(), example_of(unmarked("[Stop|stop] and [turn right|turn.right]."))]
    batch = batch_of(texts, vocabulary, SMALL.spelling_buckets)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        loss = loss_of(model(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network = unpacked(stored(model, vocabulary))
    for text, written in zip(texts, (unmarked(TEXT).text, "Stop and turn right."), strict=True):
        assert first_actions(tagged_claims(written, network)).decisions == text.decisions
    slow, drift = tagged_claims(unmarked(TEXT).text, network)
    assert (slow.words, drift.words) == ("Slow down", "drift to the left")


def shipped() -> Network:
    return load()


SIDED = [
    "Nudge left around the parked van.",
    "Change to the right lane since the left lane is closed.",
    "Keep left at the fork, then stop.",
    "Abort the lane change to the right; a car is coming up on the right.",
]


@pytest.mark.parametrize("text", SIDED)
def test_a_mirrored_text_has_mirrored_claims(text: str) -> None:
    mirror = re.sub(r"left|right", lambda found: {"left": "right", "right": "left"}[found.group()], text)
    here, there = shipped().score([w.word for w in words_of(text)]), shipped().score([w.word for w in words_of(mirror)])
    for axis in DECISIONS:
        np.testing.assert_allclose(here.tags[axis], there.tags[axis], atol=1e-5)
        np.testing.assert_allclose(here.decisions[axis], there.decisions[axis], atol=1e-5)
    np.testing.assert_allclose(here.side_T3, there.side_T3[:, [0, 2, 1]], atol=1e-5)


def test_claims_stand_in_the_text_in_reading_order_with_one_first_action_an_axis() -> None:
    text = "Do not stop. Slow down for the bend, then speed up, and move over into the left lane."
    claims = tagged_claims(text)
    assert [text[c.start : c.end] for c in claims] == [c.words for c in claims]
    assert [c.start for c in claims] == sorted(c.start for c in claims)
    for axis in DECISIONS:
        assert sum(c.axis == axis and c.counts and c.order == 0 for c in claims) <= 1
    assert [(c.name, c.negated, c.order) for c in claims if c.axis == "longitudinal"] == [
        ("stop", True, 0), ("speed_adaptation", False, 0), ("set_speed_tracking", False, 1),
    ]  # fmt: skip


def test_texts_without_words_and_very_long_ones_are_read() -> None:
    assert tagged_claims("") == [] == tagged_claims(" \n ")
    long = "Stop at the red light. " + "The sky is grey over the town today. " * 2_000
    read = len(" ".join(long.split()[:LONGEST_WORDS]))
    assert all(claim.end <= read for claim in tagged_claims(long))


def test_the_weights_stay_small() -> None:
    assert train.WEIGHTS.stat().st_size < 2_000_000
