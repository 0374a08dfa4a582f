"""The order of examples within an epoch, so that a training resumed in its midst goes on with the examples to come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import TrainerCallback


class EpochOrder:
    """The part of a checkpoint from which the trainer's sampler draws the same order again.

    The sampler draws an order when an epoch begins, from torch's random numbers as they are then; the trainer saves
    those of the moment of saving.
    """

    def __init__(self) -> None:
        self._state: Any = None
        self._restores = False

    def save(self, checkpoint: Path, rank: int) -> None:
        """Write the random state with which the present epoch began."""
        import torch

        torch.save(self._state, self._file(checkpoint, rank))

    def load(self, checkpoint: Path, rank: int) -> None:
        """Begin the next epoch with it."""
        import torch

        self._state, self._restores = torch.load(self._file(checkpoint, rank), weights_only=True), True

    def callback(self) -> TrainerCallback:
        """Remembers the state, or brings it back; the first epoch of a resumed training is the one it was saved in."""
        import torch
        from transformers import TrainerCallback

        order = self

        class Epochs(TrainerCallback):
            def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                if order._restores:
                    torch.set_rng_state(order._state)
                    order._restores = False
                else:
                    order._state = torch.get_rng_state()

            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                if float(state.epoch).is_integer():
                    # A checkpoint of now is one with which the next epoch begins.
                    order._state = torch.get_rng_state()

        return Epochs()

    @staticmethod
    def _file(checkpoint: Path, rank: int) -> Path:
        return checkpoint / f"epoch-order-rank{rank:03d}.pth"
