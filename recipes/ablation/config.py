"""What an ablation file says: a recipe, what every cell changes of it, and the cells."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, model_validator

from ar1_rl.config import ConfigModel
from ar1_rl.metrics.catalogue import CATALOGUE

NAME = r"[a-z0-9][a-z0-9_-]*"
Training = Literal["grpo", "sft", "rejection", "none"]


class CellConfig(ConfigModel):
    """One row of the table: what becomes of the policy that SFT has left, for every seed."""

    title: str
    train: Training = "grpo"
    """`grpo`: RL from the SFT policy. `sft`: another SFT from scratch. `rejection`: SFT on the SFT policy's own best
    rollouts, as many drawn and as many learned from as in the RL of `grpo`. `none`: the SFT policy as it is."""
    changes: dict[str, Any] = Field(default_factory=dict)
    """Keys of the recipe that this cell changes, nested as in the recipe."""
    weights: dict[str, float] = Field(default_factory=dict)
    """Weights of rewards in the recipe's mix; the others keep theirs."""
    curated_from: int | None = Field(None, ge=1)
    """So many train scenes are curated first (by the recipe's section `curate`), and the cell practises on those that
    were kept."""
    decoding: dict[str, Any] = Field(default_factory=dict)
    """Keys of `eval` that this cell changes."""
    best_by: str | None = None
    """The answer to a scene is chosen by this mix instead of by likelihood: a recipe, preset or YAML file."""
    paper: dict[str, float] = Field(default_factory=dict)
    """Metric -> the paper's figure."""

    @model_validator(mode="after")
    def _only_rl_has_rewards(self) -> CellConfig:
        if self.train == "none" and self.changes:
            raise ValueError("changes: train none takes none; what is decoded otherwise goes under decoding")
        if self.weights and self.train not in ("grpo", "rejection"):
            raise ValueError(f"weights: train {self.train} has no rewards; allowed with grpo and rejection")
        if self.curated_from is not None and self.train != "grpo":
            raise ValueError(f"curated_from: allowed with train grpo, got train {self.train}")
        return self


class DirectionConfig(ConfigModel):
    """A direction that was reported, to be held against what is measured here."""

    says: str
    cell: str
    against: str
    metric: str
    goes: Literal["up", "down"]


class AblationConfig(ConfigModel):
    """A recipe, seeds and cells. All cells of a seed begin with the same SFT policy."""

    ablation: str
    recipe: str
    seeds: tuple[int, ...] = Field((0, 1, 2), strict=False, min_length=1)
    jobs: int = Field(1, ge=1)
    """Commands that run at the same time."""
    changes: dict[str, Any] = Field(default_factory=dict)
    """Keys of the recipe that all cells and the SFT change."""
    baseline: str
    """The cell that the others are compared with."""
    metrics: tuple[str, ...] = Field(strict=False, min_length=1)
    """Columns of the table; names of `ar1_rl.metrics.catalogue`."""
    cells: dict[str, CellConfig] = Field(min_length=1)
    directions: tuple[DirectionConfig, ...] = Field((), strict=False)

    @model_validator(mode="after")
    def _names_are_known(self) -> AblationConfig:
        cells = (self.baseline, *(name for d in self.directions for name in (d.cell, d.against)))
        if unknown := sorted({*cells} - {*self.cells}):
            raise ValueError(f"baseline and directions: got cells {unknown}, allowed {list(self.cells)}")
        names = (
            *self.metrics,
            *(d.metric for d in self.directions),
            *(m for c in self.cells.values() for m in c.paper),
        )
        if unknown := sorted({*names} - {*CATALOGUE}):
            raise ValueError(f"metrics: got {unknown}, allowed are those of docs/evaluation.md")
        if wrong := [name for name in self.cells if not re.fullmatch(NAME, name)]:
            raise ValueError(f"cells: got names {wrong}, allowed are small letters, digits, _ and -: they name folders")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: got {list(self.seeds)}, allowed is each seed once")
        return self
