"""Every error the library raises on purpose: one root, and each child is also the standard error it refines.

A message names what was got, what is allowed and what to do. `assert` is kept for our own bugs.
"""


class Ar1RlError(Exception):
    """Root of all errors raised by ar1-rl."""


class ConfigError(Ar1RlError, ValueError):
    """A config or a call cannot be used as given."""


class SceneError(Ar1RlError, ValueError):
    """A driving log or a scene cannot be used as given; the message names the file and the reason."""


class DecodeError(Ar1RlError, ValueError):
    """A completion does not hold a trajectory: wrong count, foreign token, or a missing delimiter."""


class RewardError(Ar1RlError, RuntimeError):
    """A reward broke its contract, or failed and its failure policy says to stop."""


class CriticError(Ar1RlError, RuntimeError):
    """A critic could not be reached, or its answer holds no grade that was on offer.

    `cause` is the short word under which it is counted: of a reply that was read, `NoVerdict`, `NotJson`, `WrongGrade`
    or `Ambiguous`.
    """

    def __init__(self, message: str = "", *, cause: str = "CriticError") -> None:
        super().__init__(message)
        self.cause = cause


class MissingDependencyError(Ar1RlError, ImportError):
    """A package or file that this call needs is not there; the message has the line that installs it."""


class RunError(Ar1RlError, RuntimeError):
    """A run cannot start or go on: a folder is taken, a checkpoint is broken, the disk is full."""


class StallError(Ar1RlError, TimeoutError):
    """Something that the run waits for has not moved for longer than it may: an engine, a reward, another process."""
