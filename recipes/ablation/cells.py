"""What has to be run for a cell, as `ar1-rl` command lines, and where it leaves what.

    OUT/seed-N/sft/     the SFT run that all cells of the seed begin with
    OUT/seed-N/CELL/    the cell: a run folder where it trains, and evaluations/ of its policy
    OUT/seed-N/CELL.done.json    the commands that were run for it, how long they took, and with what versions

Inputs of a cell (curated scenes, rollouts to choose from) lie beside it as OUT/seed-N/CELL.scenes and CELL.rollouts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ar1_rl.config import load_config
from ar1_rl.errors import ConfigError

from .. import catalogue
from ..evaluation_folder import evaluations_in
from ..run_config import RunConfig
from ..sft import SFT_FOLDER
from .config import AblationConfig, CellConfig

SFT = "sft"
"""Folder of a seed's SFT run."""


@dataclass(frozen=True)
class Command:
    """One `ar1-rl` command."""

    words: tuple[str, ...]
    run: Path | None = None
    """The run folder that it makes, with which it can go on."""

    def to_run(self) -> list[str]:
        """The words as of now: a run that has begun is resumed."""
        begun = self.run is not None and (self.run / "config.yaml").is_file()
        return [*self.words, "--resume"] if begun else list(self.words)


@dataclass(frozen=True)
class Plan:
    """An ablation and the folder of its runs."""

    config: AblationConfig
    out: Path

    @property
    def recipe(self) -> RunConfig:
        """The recipe with what all cells change."""
        return self._checked([])

    def sft(self, seed: int) -> Path:
        """The SFT run of a seed."""
        return self.out / f"seed-{seed}" / SFT

    def policy(self, seed: int) -> Path:
        """The policy that the cells of a seed begin with."""
        return self.sft(seed) / "checkpoints" / SFT_FOLDER

    def folder(self, seed: int, cell: str) -> Path:
        """Where a cell lies."""
        return self.out / f"seed-{seed}" / cell

    def evaluation(self, seed: int, cell: str) -> Path:
        """The evaluation of what a cell has left; that of a GRPO run is the one after training."""
        places = evaluations_in(self.folder(seed, cell))
        return next((place for place in places if place.name == "after"), places[0])

    def sft_commands(self, seed: int) -> list[Command]:
        """What makes the policy that a seed's cells begin with."""
        words = ("sft", self.config.recipe, *self._common(seed), "--out", str(self.sft(seed)))
        return [Command(words, self.sft(seed))]

    def commands(self, seed: int, name: str) -> list[Command]:
        """What makes a cell, once the seed's SFT is there."""
        cell, folder = self.config.cells[name], self.folder(seed, name)
        match cell.train:
            case "grpo":
                return list(self._rl(seed, cell, folder))
            case "sft":
                words = ("sft", self.config.recipe, *self._common(seed), *overrides(cell.changes), "--out", str(folder))
                return [Command(words, folder), self._evaluated(seed, cell, folder, folder)]
            case "rejection":
                return list(self._rejection(seed, cell, folder))
            case "none":
                return [self._evaluated(seed, cell, self.sft(seed), folder)]

    def check(self) -> None:
        """ConfigError where a cell is no valid run."""
        if self.recipe.sft is None:
            raise ConfigError(
                f"{self.config.recipe} has no sft: the cells of an ablation begin with the policy it makes"
            )
        for name, cell in self.config.cells.items():
            try:
                config = self._checked([*self._weights(cell), *overrides(cell.changes)])
            except ConfigError as error:
                raise ConfigError(f"cell {name}: {error}") from error
            if cell.train == "rejection" and config.scenes.source != "synthetic":
                raise ConfigError(
                    f"cell {name}: train rejection draws from the train split of synthetic scenes, got the source "
                    f"{config.scenes.source!r}"
                )
            if name == SFT and cell.train != "none":
                raise ConfigError(
                    f"cell {name}: of that name is the SFT that all cells begin with; allowed is train none"
                )

    def _rl(self, seed: int, cell: CellConfig, folder: Path) -> Iterator[Command]:
        settings = [*self._weights(cell), *overrides(cell.changes)]
        grpo = self._checked(settings).grpo
        scenes = f"scenes.train={grpo.batches * grpo.scenes_per_step}"  # it needs no more than it practises on
        if cell.curated_from is not None:
            dataset = folder.with_name(f"{folder.name}.scenes")
            scenes = f"scenes.curated={dataset}"
            pool = [*self._common(seed), f"scenes.train={cell.curated_from}", *settings]
            yield Command(
                ("curate", self.config.recipe, *pool, "--policy", str(self.policy(seed)), "--out", str(dataset))
            )
        words = [*self._common(seed), scenes, *settings, "sft=null", f"policy.path={self.policy(seed)}"]
        yield Command(("grpo", self.config.recipe, *words, "--out", str(folder)), folder)

    def _rejection(self, seed: int, cell: CellConfig, folder: Path) -> Iterator[Command]:
        """As many rollouts as RL draws, of as many scenes; then SFT on the best of each, on as many sequences."""
        config = self._checked([*self._weights(cell), *overrides(cell.changes)])
        scenes, samples = config.grpo.batches * config.grpo.scenes_per_step, config.grpo.samples_per_scene
        drawn = folder.with_name(f"{folder.name}.rollouts")
        drawing = {
            "samples_per_scene": samples,
            "temperature": config.rollouts.temperature,
            "top_p": config.rollouts.top_p,
            "faithfulness_scenes": 0,
            "looking_scenes": 0,
        }
        mix = config.rewards.model_dump_json(exclude_unset=True)
        chosen = [*overrides(drawing, "eval."), f"eval.best_by={mix}"]
        where = ("--scenes", f"synthetic:{seed}:{scenes}:train", "--seed", str(seed))
        yield Command(("eval", str(self.sft(seed)), *where, *chosen, "--out", str(drawn)))
        assert config.sft is not None, "all cells begin with an SFT"
        words = [
            *self._common(seed),
            "scenes.train=1",
            f"sft.steps={scenes * samples // config.sft.batch_size}",
            f"sft.answers={drawn / f'{SFT}-best-of-{samples}'}",
            *overrides(cell.changes),
            f"policy.path={self.policy(seed)}",
        ]
        yield Command(("sft", self.config.recipe, *words, "--out", str(folder)), folder)
        yield self._evaluated(seed, cell, folder, folder)

    def _evaluated(self, seed: int, cell: CellConfig, policy: Path, folder: Path) -> Command:
        best = (
            [] if cell.best_by is None else ["--best-of", str(self.recipe.eval.samples_per_scene), "--by", cell.best_by]
        )
        settings = overrides(cell.decoding, "eval.")
        scenes = ("--scenes", str(self.sft(seed)), "--seed", str(seed))
        return Command(("eval", str(policy), *scenes, *settings, *best, "--out", str(folder / "evaluations")))

    def _common(self, seed: int) -> list[str]:
        return [f"seed={seed}", *overrides(self.config.changes)]

    def _weights(self, cell: CellConfig) -> list[str]:
        places = {term.name or term.reward: place for place, term in enumerate(self.recipe.rewards.terms)}
        if unknown := sorted(set(cell.weights) - set(places)):
            raise ConfigError(f"weights: got {unknown}, allowed are the terms of {self.config.recipe}: {list(places)}")
        return [f"rewards.terms.{places[name]}.weight={weight}" for name, weight in cell.weights.items()]

    def _checked(self, settings: list[str]) -> RunConfig:
        return _loaded(self.config.recipe, (*overrides(self.config.changes), *settings))


@cache
def _loaded(recipe: str, settings: tuple[str, ...]) -> RunConfig:
    """Seeds and questions are many, configs are few."""
    return load_config(RunConfig, catalogue.path_of(recipe), settings)


def overrides(changes: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Nested keys as `key.path=value`; JSON is YAML."""
    words = []
    for key, value in changes.items():
        if isinstance(value, Mapping) and value:
            words += overrides(value, f"{prefix}{key}.")
        else:
            words.append(f"{prefix}{key}={value if isinstance(value, str) else json.dumps(value)}")
    return words
