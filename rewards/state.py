"""State that rewards carry from step to step: a running mean, a curriculum. Saved and restored with a checkpoint.

A reward has state if it has both `state_dict()`, which returns plain values, and `load_state_dict(state)`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ar1_rl.errors import RewardError

from .terms import Term


def term_states(terms: Sequence[Term]) -> dict[str, Any]:
    """The state of every term that has one; RewardError where it is more than JSON can hold."""
    states = {}
    for term in terms:
        if term.has_state:
            state = term.inner.state_dict()
            try:
                json.dumps(state)
            except (TypeError, ValueError) as error:
                raise RewardError(
                    f"reward {term.name!r}: its state cannot be saved ({error}); allowed are numbers, text, lists and "
                    "mappings, so turn arrays into lists"
                ) from error
            states[term.name] = state
    return states


def restore_terms(terms: Sequence[Term], states: Mapping[str, Any]) -> None:
    """Hand every term its saved state back; RewardError where terms and states do not belong together."""
    with_state = {term.name: term for term in terms if term.has_state}
    if set(with_state) != set(states):
        raise RewardError(
            f"saved reward state is of {sorted(states) or 'no reward'}, the mix has state in "
            f"{sorted(with_state) or 'none'}; go on with the mix that the state was saved with"
        )
    for name, term in with_state.items():
        term.inner.load_state_dict(states[name])
