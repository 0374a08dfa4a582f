"""Scenes from a source of a user's own: any callable that returns scenes for a split.

    def my_scenes(split, folder="logs"):     # config: scenes.source: my_scenes.py:my_scenes
        for path in sorted(Path(folder, split).glob("*.json")):
            yield Scene(...)

It may be a generator; only as many scenes as the config asks for are drawn from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from ..driving.scene import Scene
from ..driving.trajectory import FUTURE_STEPS, HISTORY_STEPS
from ..errors import Ar1RlError, SceneError
from ..plugins import load_callable

WHAT = "scene source"


def stream_own_scenes(spec: str, split: str, arguments: Mapping[str, Any], count: int | None) -> Iterator[Scene]:
    """At most `count` scenes of a split, as they come; SceneError says what was got where it is not what a run can use.

    Ids that have been seen are kept in memory, scenes are not.
    """
    told = f"{WHAT} {spec!r}, split {split!r}"
    seen: set[str] = set()
    source = load_callable(spec, arguments, takes=("split",), what=WHAT)
    for position, scene in enumerate(islice(_drawn(source, split, told), count)):
        fault = _fault(scene, seen)
        if fault is not None:
            raise SceneError(f"{told}: scene number {position} {fault}")
        seen.add(scene.id)
        yield scene


def _drawn(source: Callable[..., Any], split: str, told: str) -> Iterator[Any]:
    """What the source gives, whatever that is; what it raises is told as a SceneError."""
    try:
        made = source(split)
        if not isinstance(made, Iterable):
            raise SceneError(f"{told}: returned a {type(made).__name__}, allowed is an iterable of Scene")
        yield from made
    except Ar1RlError:
        raise
    except Exception as error:
        raise SceneError(f"{told}: {type(error).__name__}: {error}") from error


def _fault(scene: Any, seen: set[str]) -> str | None:
    """What is wrong with a scene, as the end of a sentence."""
    if not isinstance(scene, Scene):
        return f"is a {type(scene).__name__}, allowed is a Scene"
    if scene.id in seen:
        return f"has the id {scene.id!r} of an earlier one; siblings are told by it, so each scene has its own"
    arrays = {"observation.history_T3": (scene.observation.history_T3, HISTORY_STEPS)}
    if scene.future_T3 is not None:
        arrays["future_T3"] = (scene.future_T3, FUTURE_STEPS)
    for name, (array, steps) in arrays.items():
        shape = np.shape(array)
        if shape != (steps, 3):
            return f"({scene.id!r}) has {name} of shape {shape}, allowed is ({steps}, 3)"
        if not np.isfinite(array).all():
            return f"({scene.id!r}) has values in {name} that are no numbers"
    return None
