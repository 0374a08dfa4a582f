"""The expert: drives a world on the scene clock under the unicycle dynamics.

Along the road: the intelligent driver model (Treiber, Hennecke, Helbing 2000) behind lead vehicles, constant
deceleration that fades out before stop lines and curves, bounded jerk. Across the road: a lateral target made of
quintic pieces, followed by curvature (feed-forward of road and target, feedback on offset and heading).

Plain floats in the loop: numpy would be ten times slower at this size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...driving.scene import SCENE_STEPS
from ...driving.trajectory import DT_S, HISTORY_STEPS
from .road import GRID_M, ROAD_START_M
from .world import EGO_LENGTH_M, World


@dataclass(frozen=True)
class ExpertStyle:
    """How the expert drives. Bounds on jerk and acceleration stay inside nuPlan's comfort limits."""

    headway_s: float = 1.0
    standstill_gap_m: float = 2.5
    comfortable_braking_mps2: float = 3.0
    hardest_braking_mps2: float = 3.8
    jerk_mps3: float = 3.8
    easing_jerk_mps3: float = 2.0
    """At the end of a braking manoeuvre, where the deceleration fades out."""
    speed_gain_per_s: float = 0.8
    zone_slack_mps: float = 0.3
    """So close to a zone's speed, that speed is held."""
    slowing_mps2: float = 0.9
    """The most it takes to come down to a lower set speed."""
    line_margin_m: float = 0.8
    """Between front bumper and stop line."""
    crossing_margin_m: float = 3.0
    """Between front bumper and a crossing road user."""
    crossing_clear_m: float = 2.4
    """A crossing road user is past when it is this far from the lane centre."""
    follower_length_m: float = 5.0
    follower_time_s: float = 0.6
    """Errors of the path follower fade over this distance, or this time at speed."""
    late_braking_mps2: float = 1.7
    """Before the destination it brakes no sooner than this suffices."""


STYLE = ExpertStyle()


@dataclass(frozen=True, eq=False)
class Drive:
    """What was driven on the scene clock, in road coordinates and as controls. All [80], controls [79]."""

    start_heading: float
    """Relative to the road [rad]."""
    s_T: np.ndarray
    d_T: np.ndarray
    speed_T: np.ndarray
    acceleration_T: np.ndarray
    curvature_T: np.ndarray


def drive(world: World, curvature_N: np.ndarray, style: ExpertStyle = STYLE) -> Drive:
    """Drive the world; `curvature_N` is the road's curvature on the grid."""
    curvatures = curvature_N.tolist()
    speed_plan = _SpeedPlan(world, style)
    lateral_plan = _LateralPlan(world, style)
    dt = DT_S
    before = (HISTORY_STEPS - 1) * dt
    a = world.history_acceleration_mps2
    v = world.speed_mps - a * before
    s = -(v + world.speed_mps) * before / 2
    d, start_heading = lateral_plan.begin(s)
    heading = start_heading
    out_s, out_d, out_v, out_a, out_k = [s], [d], [v], [], []
    jerk = style.jerk_mps3 * dt
    for tick in range(SCENE_STEPS - 1):
        wanted = speed_plan.acceleration(tick, s, v)
        a = min(max(wanted, a - jerk), a + jerk)
        if v + a * dt < 0.0:
            a = -v / dt
        step = v * dt + 0.5 * a * dt * dt
        road_curvature = curvatures[int((s + 0.5 * step - ROAD_START_M) / GRID_M + 0.5)]
        curvature = lateral_plan.curvature(s, d, heading, v, road_curvature)
        turn = curvature * step
        middle = heading + 0.5 * (turn - road_curvature * step)
        along = step * math.cos(middle) / (1.0 - road_curvature * d)
        s += along
        d += step * math.sin(middle)
        heading += turn - road_curvature * along
        v = max(v + a * dt, 0.0)
        out_s.append(s)
        out_d.append(d)
        out_v.append(v)
        out_a.append(a)
        out_k.append(curvature)
    return Drive(start_heading, *(np.array(values) for values in (out_s, out_d, out_v, out_a, out_k)))


def unicycle_poses(start_3: np.ndarray, driven: Drive) -> np.ndarray:
    """Poses [80, 3] of the controls, from the pose at tick 0."""
    a_T, curvature_T = driven.acceleration_T, driven.curvature_T
    v_T = driven.speed_T[0] + np.concatenate([[0.0], np.cumsum(a_T) * DT_S])
    turn_T = curvature_T * (v_T[:-1] * DT_S + 0.5 * a_T * DT_S**2)
    yaw_T = start_3[2] + np.concatenate([[0.0], np.cumsum(turn_T)])
    vx_T, vy_T = v_T * np.cos(yaw_T), v_T * np.sin(yaw_T)
    x_T = start_3[0] + np.concatenate([[0.0], np.cumsum(vx_T[1:] + vx_T[:-1]) * (DT_S / 2)])
    y_T = start_3[1] + np.concatenate([[0.0], np.cumsum(vy_T[1:] + vy_T[:-1]) * (DT_S / 2)])
    return np.stack([x_T, y_T, yaw_T], axis=-1)


def following_distance(speed_mps: float, lead_speed_mps: float, gain_mps2: float, style: ExpertStyle) -> float:
    """The gap that the intelligent driver model wants behind a lead vehicle [m]."""
    ease = 2.0 * math.sqrt(gain_mps2 * style.comfortable_braking_mps2)
    approach = speed_mps * style.headway_s + speed_mps * (speed_mps - lead_speed_mps) / ease
    return style.standstill_gap_m + max(0.0, approach)


class _SpeedPlan:
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


class _LateralPlan:
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
