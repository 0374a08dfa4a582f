"""Scenes that are not in memory, and the order in which GRPO takes them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.errors import ConfigError
from ar1_rl.scenes.synthetic import generate_scenes
from recipes.practice import check_enough, practice_order
from recipes.spool import Picked, Spool


def test_a_spool_gives_back_what_was_put_in_and_leaves_nothing_in_its_folder(tmp_path: Path) -> None:
    scenes = list(generate_scenes(0, "train", 5))
    spool: Spool = Spool(tmp_path)
    spool.extend(scenes[:3])
    assert spool[1].id == scenes[1].id, "read in the midst of writing"
    spool.extend(scenes[3:])
    assert len(spool) == 5 and os.listdir(tmp_path) == []
    for got, scene in zip(spool, scenes, strict=True):
        assert got.to_row() == scene.to_row()
        assert got.observation.history_T3.dtype == scene.observation.history_T3.dtype


@settings(max_examples=60, deadline=None)
@given(items=st.lists(st.one_of(st.integers(), st.text(), st.binary(max_size=40))), data=st.data())
def test_a_spool_and_a_choice_of_it_read_like_lists(items: list[object], data: st.DataObject) -> None:
    spool: Spool = Spool()
    spool.extend(items)
    assert list(spool) == items == spool[:]
    cut = data.draw(st.slices(len(items)))
    assert spool[cut] == items[cut]
    if items:
        places = data.draw(st.lists(st.integers(-len(items), len(items) - 1)))
        picked = Picked(spool, np.array(places, dtype=int))
        assert list(picked) == [items[place] for place in places] == list(picked[:])
    with pytest.raises(IndexError):
        spool[len(items)]


@settings(max_examples=60, deadline=None)
@given(scenes=st.integers(1, 40), per_batch=st.integers(1, 8), batches=st.integers(1, 12), seed=st.integers(0, 5))
def test_every_batch_has_different_scenes_and_every_epoch_takes_each_at_most_once(
    scenes: int, per_batch: int, batches: int, seed: int
) -> None:
    if scenes < per_batch:
        with pytest.raises(ConfigError, match=f"got {per_batch}, allowed up to {scenes}"):
            check_enough(scenes, per_batch)
        assert practice_order(scenes, per_batch, batches, seed) == []
        return
    check_enough(scenes, per_batch)
    order = practice_order(scenes, per_batch, batches, seed)
    assert len(order) == batches * per_batch and set(order) <= set(range(scenes))
    epoch = scenes // per_batch * per_batch
    for start in range(0, len(order), epoch):
        assert len(set(order[start : start + epoch])) == len(order[start : start + epoch])
    longer = practice_order(scenes, per_batch, batches + 3, seed)
    assert longer[: len(order)] == order, "the scenes of a step do not depend on how many there will be"


@pytest.mark.engine
def test_the_order_is_that_of_trl_s_sampler_over_all_epochs() -> None:
    from trl.trainer.utils import RepeatSampler

    sampler = RepeatSampler(range(7), mini_repeat_count=1, batch_size=3, shuffle=True, seed=5)
    assert practice_order(7, 3, 6, seed=5) == [*sampler, *sampler, *sampler]
