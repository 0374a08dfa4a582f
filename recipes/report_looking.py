"""Does the policy look? For the page of a run on frames: what its evaluations before and after say, side by side."""

from __future__ import annotations

from typing import Any

from ar1_rl.errors import RunError
from rollouts.recorded import EVALUATIONS

from .evaluation_folder import HEADER, read_evaluation
from .looking_claims import CLAIMS
from .looking_summary import label_of, looking_of
from .report_change import RESAMPLES
from .report_run import RunParts

HOW = (
    "Each row holds the greedy answers to one kind of frames to those to another, or to the blind ceiling. Members "
    "of a pair are told apart by their frames alone, so who does not look drives the same in both, and is nearer to "
    "the own expert in one of them at most. Intervals are 95 % bootstrap intervals over scenes, those of a pair "
    "together; one that holds 0 shows nothing."
)


def looking_content(run: RunParts) -> dict[str, Any] | None:
    """What `told` each side is, and the claims with both sides; None of a run on text, or not evaluated (yet)."""
    sides = {}
    for side in ("before", "after"):
        folder = run.folder / EVALUATIONS / side
        if (folder / HEADER).is_file():
            try:
                looking = looking_of([read_evaluation(folder)], RESAMPLES)
            except RunError as error:
                run.missing.append(f"Whether the policy looked {side} the training cannot be told: {error}")
                continue
            if looking is not None:
                sides[side] = looking
    if not sides:
        return None
    claims = {side: {claim["claim"]: claim for claim in looking["claims"]} for side, looking in sides.items()}
    rows = [{side: found.get(name) for side, found in claims.items()} for name in CLAIMS]
    return {
        "told": [[side, looking["told"]] for side, looking in sides.items()],
        "sides": list(sides),
        "claims": [_row(row) for row in rows if any(row.values())],
        "how": HOW,
    }


def _row(sides: dict[str, Any]) -> dict[str, Any]:
    some = next(claim for claim in sides.values() if claim is not None)
    return {"name": some["claim"], "label": label_of(some), "told": some["told"], **sides}
