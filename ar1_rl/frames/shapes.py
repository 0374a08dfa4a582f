"""What pictures are made of: flat quadrilaterals and small round lamps, and bodies that consist of them.

Lengths in metres; a body's own frame is that of its box: x forward, y left, z up from the ground.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Colour = tuple[int, int, int]

_SIDES = ((0, 1, 5, 4), (2, 3, 7, 6), (3, 0, 4, 7), (1, 2, 6, 5), (4, 5, 6, 7))
"""Corners of the left, right, front, rear and top face of a box, counter-clockwise seen from outside. Corner 0 is front
left, 1 rear left, 2 rear right, 3 front right; 4 to 7 lie above them."""
_SHADES = (0.78, 0.78, 0.9, 0.9, 1.0)
"""How bright those faces are."""


@dataclass(frozen=True)
class Disc:
    """A lamp, a sign or a head: round from wherever it is seen.

    It is painted at least `least_px` large [px, radius], as a bright lamp outshines its surroundings, so that it can
    be seen where it is smaller than a pixel.
    """

    centre_3: tuple[float, float, float]
    radius_m: float
    colour: Colour
    least_px: float = 0.0
    facing: tuple[float, float] | None = None
    """Direction in the ground plane from which alone it is seen; None: from everywhere."""


@dataclass
class Body:
    """One thing, as it is painted: quadrilaterals in their order, then discs in theirs."""

    quads: list[Sequence[Sequence[float]]] = field(default_factory=list)
    """Four corners each, counter-clockwise seen from the side from which alone they are seen."""
    colours: list[Colour] = field(default_factory=list)
    discs: list[Disc] = field(default_factory=list)

    def box(self, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], colour: Colour) -> None:
        """Add the five faces of a box that can be seen from above the ground."""
        (x0, x1), (y0, y1), (z0, z1) = x, y, z
        corners = [
            (x1, y1, z0), (x0, y1, z0), (x0, y0, z0), (x1, y0, z0),
            (x1, y1, z1), (x0, y1, z1), (x0, y0, z1), (x1, y0, z1),
        ]  # fmt: skip
        for face, shade in zip(_SIDES, _SHADES, strict=True):
            self.quads.append([corners[i] for i in face])
            self.colours.append(shaded(colour, shade))

    def rear(self, x: float, y: tuple[float, float], z: tuple[float, float], colour: Colour) -> None:
        """Add an upright rectangle that is seen from behind."""
        (y0, y1), (z0, z1) = y, z
        self.quads.append([(x, y1, z0), (x, y0, z0), (x, y0, z1), (x, y1, z1)])
        self.colours.append(colour)

    def front(self, x: float, y: tuple[float, float], z: tuple[float, float], colour: Colour) -> None:
        """Add an upright rectangle that is seen from ahead."""
        (y0, y1), (z0, z1) = y, z
        self.quads.append([(x, y0, z0), (x, y1, z0), (x, y1, z1), (x, y0, z1)])
        self.colours.append(colour)

    def flat(self, x: tuple[float, float], y: tuple[float, float], colour: Colour) -> None:
        """Add a rectangle on the ground."""
        (x0, x1), (y0, y1) = x, y
        self.quads.append([(x0, y0, 0.0), (x1, y0, 0.0), (x1, y1, 0.0), (x0, y1, 0.0)])
        self.colours.append(colour)


def shaded(colour: Colour, brightness: float) -> Colour:
    """The colour, darker."""
    return (int(colour[0] * brightness), int(colour[1] * brightness), int(colour[2] * brightness))
