"""Weights of a trainer whose parameters may be divided over the ranks: gather them, and put saved ones in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@contextmanager
def whole(parameters: Iterable[torch.nn.Parameter], *, write: bool = False) -> Iterator[None]:
    """While open, every rank has all of these parameters; with `write`, what rank 0 makes of them is kept.

    Does nothing where they are not divided. All ranks call this together.
    """
    divided = [p for p in parameters if hasattr(p, "ds_id")]
    if not divided:
        yield
        return
    import deepspeed

    with deepspeed.zero.GatheredParameters(divided, modifier_rank=0 if write else None):
        yield


def load_into(trainer: Any, folder: Path) -> None:
    """Put the weights saved in `folder`, a whole model or an adapter, into the trainer's model.

    For sampling and saving: an optimizer of DeepSpeed's has copies of its own, and would go on from those.
    """
    import torch
    from peft import PeftModel

    from ar1_rl.policy.loading import load_policy

    model = trainer.accelerator.unwrap_model(trainer.model)
    with torch.no_grad():
        if isinstance(model, PeftModel):
            from peft import load_peft_weights, set_peft_model_state_dict

            with whole((p for p in model.parameters() if p.requires_grad), write=True):
                set_peft_model_state_dict(model, load_peft_weights(str(folder)))
            return
        saved = load_policy(str(folder), str(model.dtype).removeprefix("torch.")).model
        for target, source in zip(model.parameters(), saved.parameters(), strict=True):
            with whole([target, source], write=True):
                target.copy_(source)
