"""Which scenes GRPO practises on in which step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ar1_rl.driving import Scene
from ar1_rl.errors import ConfigError
from rollouts.dialogue import Dialogue, images_of, without_images

if TYPE_CHECKING:
    from datasets import Dataset


def check_enough(scenes: int, per_batch: int) -> None:
    """ConfigError where there are fewer scenes than a batch takes."""
    if scenes < per_batch:
        raise ConfigError(f"grpo.scenes_per_step: got {per_batch}, allowed up to {scenes}, the train scenes there are")


def practice_order(scenes: int, per_batch: int, batches: int, seed: int) -> list[int]:
    """Places of the scenes of every batch, one batch after another; no batch has a scene twice.

    Epoch after epoch in random order, each without what does not fill a batch. The order is that of TRL's sampler,
    which would start it anew in a resumed run; here step N has the same scenes however often a run was interrupted.
    Empty where there are fewer scenes than a batch takes.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    order: list[int] = []
    while scenes >= per_batch and len(order) < batches * per_batch:
        order += torch.randperm(scenes, generator=generator).tolist()[: scenes // per_batch * per_batch]
    return order[: batches * per_batch]


def practice_rows(scenes: Sequence[Scene], dialogue: Dialogue) -> Dataset:
    """One row a scene: its place among them, its id, its prompt and images, made when the row is asked for.

    TRL puts the images into the places that the prompt has for them; rows of one scene share them by reference.
    """
    from datasets import Dataset

    def rows(columns: dict[str, list[int]]) -> dict[str, list[Any]]:
        distinct = {place: scenes[place] for place in dict.fromkeys(columns["place"])}
        messages = dialogue.prompts_about(list(distinct.values()))
        prompts = dict(zip(distinct, [without_images(m) for m in messages], strict=True))
        row: dict[str, list[Any]] = {
            "place": columns["place"],
            "scene_id": [distinct[place].id for place in columns["place"]],
            "prompt": [prompts[place] for place in columns["place"]],
        }
        if dialogue.processor is not None:
            images = dict(zip(distinct, [list(images_of(m)) for m in messages], strict=True))
            row["images"] = [images[place] for place in columns["place"]]
        return row

    return Dataset.from_dict({"place": range(len(scenes))}).with_transform(rows)
