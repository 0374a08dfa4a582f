"""Signs of a hacked reward, read off the rollouts of a run: one a file, each a pure function on plain values."""

from .checked import FLAGS, flags_of
from .flag import Flag, Shown
from .history import HeldOut, History, Window
from .thresholds import FlagThresholds

__all__ = ["FLAGS", "Flag", "FlagThresholds", "HeldOut", "History", "Shown", "Window", "flags_of"]
