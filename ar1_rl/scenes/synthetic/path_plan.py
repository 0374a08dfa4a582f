"""The expert across the road: a lateral target made of quintic pieces over s, and the curvature that follows it."""

from __future__ import annotations

import math

from .style import ExpertStyle
from .world import World


class PathPlan:
    """The lateral target over s, and the curvature that follows it."""

    def __init__(self, world: World, style: ExpertStyle) -> None:
        self.style = style
        self.pending = sorted(world.moves, key=lambda move: move.start_m, reverse=True)
        self.start, self.length = 0.0, 1.0
        self.coefficients = (world.offset_m, 0.0, 0.0, 0.0, 0.0, 0.0)
        self.target = world.offset_m

    def begin(self, s: float) -> tuple[float, float]:
        """Offset and heading on the target at s, moves that began before it included."""
        offset, slope, _ = self._target(s)
        return offset, math.atan(slope)

    def curvature(self, s: float, d: float, heading: float, v: float, road_curvature: float) -> float:
        """[1/m] of the ego vehicle's path."""
        offset, slope, bend = self._target(s)
        fade = max(self.style.follower_length_m, self.style.follower_time_s * v)
        feedback = 2.0 * (math.atan(slope) - heading) / fade + (offset - d) / (fade * fade)
        return road_curvature * math.cos(heading) / (1.0 - road_curvature * d) + bend + feedback

    def _target(self, s: float) -> tuple[float, float, float]:
        while self.pending and s >= self.pending[-1].start_m:
            move = self.pending.pop()
            self._replan(move.start_m, move.length_m, move.target_m)
        return self._at(s)

    def _at(self, s: float) -> tuple[float, float, float]:
        x = s - self.start
        if x >= self.length:
            return self.target, 0.0, 0.0
        c0, c1, c2, c3, c4, c5 = self.coefficients
        return (
            c0 + x * (c1 + x * (c2 + x * (c3 + x * (c4 + x * c5)))),
            c1 + x * (2 * c2 + x * (3 * c3 + x * (4 * c4 + x * 5 * c5))),
            2 * c2 + x * (6 * c3 + x * (12 * c4 + x * 20 * c5)),
        )

    def _replan(self, start: float, length: float, target: float) -> None:
        """A quintic from where the target is now, with its slope and bend, to rest at the new one."""
        offset, slope, bend = self._at(start)
        h = target - (offset + slope * length + bend * length**2 / 2)
        hp, hq = -(slope + bend * length), -bend
        self.coefficients = (
            offset,
            slope,
            bend / 2,
            (10 * h - 4 * hp * length + hq * length**2 / 2) / length**3,
            (-15 * h + 7 * hp * length - hq * length**2) / length**4,
            (6 * h - 3 * hp * length + hq * length**2 / 2) / length**5,
        )
        self.start, self.length, self.target = start, length, target
