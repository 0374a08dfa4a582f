"""What a contract test found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["pass", "fail", "not applicable"]

CONTRACTS = {
    "answers": "one answer for every completion: a number, a Score or None, and no exception",
    "finite": "values and parts are finite numbers",
    "range": "values lie in the declared range",
    "deterministic": "the same question gets the same answer",
    "together": "async calls in flight together do not disturb each other",
    "order": "the order of a batch does not matter",
    "batch": "the rest of a batch does not matter",
    "siblings": "a group reward does not depend on the order of siblings",
    "whitespace": "spaces, line ends and padding change nothing",
    "monotone": "better driving or better reasoning, all else equal, never scores lower",
    "undecodable": "a completion without a trajectory never outranks one with it",
    "text": "a reward that needs only the text says of the text alone what it says of the whole",
    "bare scenes": "a scene that lacks data gets a judgement or None, never an error or a made-up zero",
    "state": "state is plain values, and what is loaded is what was saved",
    "latency": "a reward that blocks does not take long",
}
"""Every contract, in the order of checking, in one sentence."""


@dataclass(frozen=True)
class ContractResult:
    """One contract for one subject: a reward, or the mix as a whole."""

    contract: str
    subject: str
    outcome: Outcome
    detail: str = ""
    """One line: what was measured, or why it does not apply."""
    example: str = ""
    """Of a failure: the smallest example, in words."""

    @property
    def broken(self) -> bool:
        """Whether the contract was broken."""
        return self.outcome == "fail"
