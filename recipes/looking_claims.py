"""What one evaluation shows of looking: its answers with the own frames held to those without, and to the ceiling.

Legend: S scenes, C claims.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ar1_rl.metrics import paired_differences
from ar1_rl.metrics.catalogue import CATALOGUE
from ar1_rl.scenes.synthetic.pairs import pick_ceilings

from .answer_figures import FIGURES
from .comparison import Row, corrected, over_seeds_row
from .evaluation_folder import Evaluation

CEILING = "ceiling"
"""What a policy that does not look can reach; see `pick_ceilings`."""
FRAMES = {"own": "own frames", "blind": "black frames", "shuffled": "others' frames", CEILING: "blind ceiling"}


@dataclass(frozen=True)
class Claim:
    """A difference between two ways of asking one policy about the same scenes."""

    shown: str
    against: str
    """Both of `FRAMES`."""
    figure: str
    """What is compared: a metric of the catalogue, or `reference_nats`."""

    @property
    def name(self) -> str:
        """Example: `own_minus_ceiling_picks_expert`."""
        return f"{self.shown}_minus_{self.against}_{self.figure}"

    @property
    def told(self) -> str:
        """In words."""
        return f"{FRAMES[self.shown]} - {FRAMES[self.against]}"

    @property
    def unit(self) -> str:
        """Of the difference."""
        return "nats" if self.figure == "reference_nats" else CATALOGUE[self.figure].unit

    def values(self, evaluation: Evaluation) -> tuple[np.ndarray, np.ndarray]:
        """Against what, and with the frames shown: one value a scene [S] each, NaN where there is none."""
        if self.figure != "picks_expert":
            # Recorded is the change alone; of the two only the difference means something.
            change_S = _column(evaluation, f"{self.against}_change_{self.figure}")
            return change_S, np.zeros(len(change_S))
        return tuple(_picks(evaluation, frames) for frames in (self.against, self.shown))  # type: ignore[return-value]


CLAIMS = {
    claim.name: claim
    for claim in (
        Claim("own", CEILING, "picks_expert"),
        Claim("blind", CEILING, "picks_expert"),
        Claim("own", "blind", "picks_expert"),
        *(Claim("own", "blind", figure) for figure in (*FIGURES, "reference_nats")),
        Claim("own", "shuffled", "picks_expert"),
        *(Claim("own", "shuffled", figure) for figure in FIGURES),
    )
}


def claims_of(evaluations: Sequence[Evaluation], resamples: int) -> list[Row]:
    """A row for every claim that an evaluation has scenes for, its `metric` a name of `CLAIMS`; none for a text policy.

    `evaluations` are those of one policy, for each training seed; of several the intervals are over seeds. Within one
    they are over episodes, which the members of a pair share. p is corrected by Holm over the rows.
    """
    by_seed = []
    for evaluation in evaluations:
        values = [claim.values(evaluation) for claim in CLAIMS.values()]
        against_SC, shown_SC = (np.stack(columns, axis=1) for columns in zip(*values, strict=True))
        by_seed.append(paired_differences(against_SC, shown_SC, evaluation.episodes, resamples=resamples))
    seeds = zip(*by_seed, strict=True)
    rows = [over_seeds_row(name, None, found) for name, found in zip(CLAIMS, seeds, strict=True)]
    known = [row for row in rows if row.pairs]
    return corrected(known, np.ones(len(known))) if known else []


def _picks(evaluation: Evaluation, frames: str) -> np.ndarray:
    own_S = _column(evaluation, "picks_expert")
    if frames == "own":
        return own_S
    if frames != CEILING:
        return _column(evaluation, f"{frames}_picks_expert")
    ceiling_S = np.full(len(own_S), np.nan)
    paired_S = np.isfinite(own_S)
    ceiling_S[paired_S] = pick_ceilings([evaluation.scene_ids[s] for s in np.flatnonzero(paired_S)])
    return ceiling_S


def _column(evaluation: Evaluation, name: str) -> np.ndarray:
    values_S = evaluation.per_scene.get(name)
    return np.full(len(evaluation.scene_ids), np.nan) if values_S is None else values_S
