"""Pictures of a run: reward and metrics over steps, and a few scenes from above."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..driving import HISTORY_STEPS, Completion, Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXPERT, BEFORE, AFTER = "#4a4a4a", "#d1762c", "#1f6fb4"
SCENES_SHOWN = 6
SHOWN = (
    *("reward", "reward_std", "entropy", "kl", "completions/mean_length", "clip_ratio/region_mean"),
    "groups/zero_variance",
)
"""Figures of GRPO steps with a panel of their own, beside reward terms and validation."""
TRACE_COLUMNS = 75
"""Width of a trace above its picture."""


class Answered(Protocol):
    """Anything with a completion: a rollout."""

    @property
    def completion(self) -> Completion:
        """What the policy wrote."""
        ...


def plot_curves(metrics: Sequence[Mapping[str, Any]], path: Path) -> None:
    """One panel per reward term and validation figure over GRPO steps, and the SFT loss."""
    plt = _pyplot()
    panels = curve_panels(metrics)
    columns = 3
    rows = max(1, -(-len(panels) // columns))
    figure, axes = plt.subplots(rows, columns, figsize=(4.2 * columns, 2.8 * rows), squeeze=False, layout="constrained")
    for axis, (title, series) in zip(axes.flat, sorted(panels.items()), strict=False):
        for name, points in series.items():
            style = {"marker": "o", "color": AFTER} if name == "validation" else {"alpha": 0.6, "color": EXPERT}
            axis.plot(*zip(*points, strict=True), label=name, **style)
        axis.set(title=title, xlabel="step")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def curve_panels(metrics: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Panel title -> series name -> (step, value); a term's training and validation curves share a panel."""
    panels: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for row in metrics:
        for name, value in row.items():
            if isinstance(value, int | float) and _wanted(name, row["stage"]):
                validated = name.startswith("validation/")
                title = name.removeprefix("validation/").removeprefix("terms/")
                panel = panels.setdefault(f"SFT {title}" if row["stage"] == "sft" else title, {})
                panel.setdefault("validation" if validated else "training", []).append((int(row["step"]), float(value)))
    return panels


def plot_scenes(scenes: Sequence[Scene], before: Sequence[Answered], after: Sequence[Answered], path: Path) -> None:
    """A few scenes of different kinds from above, with expert, before and after, and both traces."""
    plt = _pyplot()
    chosen = one_per_kind(scenes, SCENES_SHOWN)
    figure, axes = plt.subplots(2, 3, figsize=(15, 9.5), layout="constrained")
    for axis, index in zip(axes.flat, chosen, strict=False):
        scene = scenes[index]
        draw_scene(axis, scene, before[index].completion, after[index].completion)
        axis.set_title(
            f"{scene.kind}\nbefore: {_trace(before[index].completion)}\nafter: {_trace(after[index].completion)}",
            fontsize=7,
            loc="left",
            wrap=True,
        )
    for axis in axes.flat[len(chosen) :]:
        axis.set_axis_off()
    axes.flat[0].legend(fontsize=7, loc="upper left")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_scene(axis: Axes, scene: Scene, before: Completion, after: Completion) -> None:
    """Lanes, agents now and later, stop lines, and the three trajectories; x forward is up."""
    for lane in scene.lanes or ():
        axis.plot(-lane.centerline_N2[:, 1], lane.centerline_N2[:, 0], color="#cccccc", lw=0.8, zorder=0)
    for agent in scene.agents or ():
        now = agent.poses_T3[HISTORY_STEPS - 1]
        later = agent.poses_T3[HISTORY_STEPS:]
        axis.plot(-later[:, 1], later[:, 0], color="#b04a7a", lw=0.7, alpha=0.6, zorder=1)
        if np.isfinite(now).all():
            _draw_box(axis, now, agent.length_m, agent.width_m, "#b04a7a")
    for control in scene.controls or ():
        axis.plot(-control.position_2[1], control.position_2[0], marker="s", color="#c03028", ms=5, zorder=2)
    _draw_box(axis, np.array([scene.ego_center_ahead_m, 0.0, 0.0]), *scene.ego_size_m, color="#333333")
    if scene.future_T3 is not None:
        axis.plot(-scene.future_T3[:, 1], scene.future_T3[:, 0], color=EXPERT, lw=3, alpha=0.5, label="expert")
    for completion, color, label in ((before, BEFORE, "before"), (after, AFTER, "after")):
        if completion.trajectory is not None:
            poses = completion.trajectory.poses_T3
            axis.plot(-poses[:, 1], poses[:, 0], color=color, lw=1.4, label=label, zorder=3)
    axis.set_aspect("equal", adjustable="box")
    axis.set_xlim(-46, 46)
    axis.set_ylim(-12, 70)
    axis.tick_params(labelsize=6)


def _draw_box(axis: Axes, pose: np.ndarray, length_m: float, width_m: float, color: str) -> None:
    half = 0.5 * np.array([[length_m, width_m], [length_m, -width_m], [-length_m, -width_m], [-length_m, width_m]])
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    corners = half @ np.array([[cos, sin], [-sin, cos]]) + pose[:2]
    axis.fill(-corners[:, 1], corners[:, 0], color=color, alpha=0.8, zorder=2)


def one_per_kind(scenes: Sequence[Scene], count: int = SCENES_SHOWN) -> list[int]:
    """Places of so many scenes, of different kinds as far as there are."""
    first: dict[str, int] = {}
    for index, scene in enumerate(scenes):
        first.setdefault(scene.kind, index)
    kinds = sorted(first)
    picked = [first[kind] for kind in kinds[:: max(1, len(kinds) // count)]][:count]
    others = [i for i in range(len(scenes)) if i not in picked]
    return (picked + others)[: min(count, len(scenes))]


def _trace(completion: Completion) -> str:
    text = completion.reasoning if completion.reasoning is not None else f"undecodable: {completion.error}"
    return textwrap.fill(text, TRACE_COLUMNS)


def _wanted(name: str, stage: str) -> bool:
    if stage == "sft":
        return name == "loss"
    return name in SHOWN or (name.startswith(("validation/", "terms/")) and not name.endswith("/judged"))


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt
