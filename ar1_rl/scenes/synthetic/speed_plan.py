"""The expert along the road.

The intelligent driver model (Treiber, Hennecke, Helbing 2000) behind lead vehicles; constant deceleration that fades
out before stop lines, crossing road users, curves and the destination.
"""

from __future__ import annotations

import math

import numpy as np

from ...driving.trajectory import DT_S, HISTORY_STEPS
from .style import ExpertStyle
from .world import EGO_LENGTH_M, World


def following_distance(speed_mps: float, lead_speed_mps: float, gain_mps2: float, style: ExpertStyle) -> float:
    """The gap that the intelligent driver model wants behind a lead vehicle [m]."""
    ease = 2.0 * math.sqrt(gain_mps2 * style.comfortable_braking_mps2)
    approach = speed_mps * style.headway_s + speed_mps * (speed_mps - lead_speed_mps) / ease
    return style.standstill_gap_m + max(0.0, approach)


class SpeedPlan:
    """Acceleration wanted at a tick: the least of what the set speed and every obstacle allow."""

    def __init__(self, world: World, style: ExpertStyle) -> None:
        self.world, self.style = world, style
        self.reaction_tick = HISTORY_STEPS - 1 + round(world.reaction_s / DT_S)
        self.leads, self.crossers = [], []
        for actor in world.actors:
            if actor.role == "none":
                continue
            s_T, d_T = actor.road_track()
            if actor.role == "lead":
                speeds = np.diff(s_T, append=2 * s_T[-1] - s_T[-2]) / DT_S
                self.leads.append((s_T.tolist(), speeds.tolist(), (actor.length_m + EGO_LENGTH_M) / 2))
            else:
                reach = style.crossing_margin_m + EGO_LENGTH_M / 2 + actor.width_m / 2
                side = 1.0 if actor.lateral_mps > 0 else -1.0
                self.crossers.append((actor.s_m - reach, (side * d_T).tolist()))
        front = style.line_margin_m + EGO_LENGTH_M / 2
        self.stops = [signal.s_m - front for signal in world.signals if signal.stops_traffic]
        self.zones = [(zone.start_m, zone.speed_mps) for zone in world.speed_zones]

    def acceleration(self, tick: int, s: float, v: float) -> float:
        """[m/s²], before the bound on jerk."""
        if tick < self.reaction_tick:
            return self.world.history_acceleration_mps2 if tick < HISTORY_STEPS - 1 else 0.0
        world, style = self.world, self.style
        wanted = self._free(v)
        for track, speeds, reach in self.leads:
            wanted = min(wanted, self._behind(track[tick] - s - reach, v, speeds[tick]))
        for stop in self.stops:
            wanted = min(wanted, self._down_to(stop - s, v, 0.0))
        for stop, across in self.crossers:
            if across[tick] < style.crossing_clear_m and s < stop + style.crossing_margin_m:
                wanted = min(wanted, self._down_to(stop - s, v, 0.0))
        for start, speed in self.zones:
            if v > speed:
                wanted = min(wanted, self._down_to(start - s, v, speed))
        if world.destination_m is not None:
            distance = world.destination_m - s
            if v * v >= 2.0 * style.late_braking_mps2 * distance:
                wanted = min(wanted, self._down_to(distance, v, 0.0))
        return max(wanted, -style.hardest_braking_mps2)

    def _free(self, v: float) -> float:
        goal = self.world.set_speed_mps
        for _, speed in self.zones:
            if v <= speed + self.style.zone_slack_mps:
                goal = min(goal, speed)
        if v > goal:
            return max(self.style.speed_gain_per_s * (goal - v), -self.style.slowing_mps2)
        if goal <= 0.0:
            return 0.0
        return self.world.acceleration_mps2 * (1.0 - (v / goal) ** 4)

    def _behind(self, gap: float, v: float, lead_speed: float) -> float:
        gain = self.world.acceleration_mps2
        ratio = following_distance(v, lead_speed, gain, self.style) / max(gap, 0.5)
        return self._free(v) - gain * ratio * ratio

    def _down_to(self, distance: float, v: float, speed: float) -> float:
        needed = (v * v - speed * speed) / (2.0 * max(distance, 0.05))
        fading = math.sqrt(2.0 * self.style.easing_jerk_mps3 * (v - speed))
        return -min(needed, fading)
