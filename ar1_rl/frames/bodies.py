"""How road users, lights, signs and cones look.

Few flat parts in strong colours, for encoders that see 96 x 64 pixels: lamps, lights and signs are larger than real
ones and never smaller than a pixel or so. Nothing depends on anything but kind, size, track and what can be seen of the
motion, so an appearance tells no label.
"""

from __future__ import annotations

from zlib import crc32

from .shapes import Body, Colour, Disc, shaded

PAINTS: tuple[Colour, ...] = (
    (225, 225, 228), (165, 170, 178), (60, 62, 70), (52, 88, 168), (38, 54, 96), (148, 128, 104), (96, 118, 138),
)  # fmt: skip
"""Of vehicles. Neither red, yellow nor green: those are lights and signs."""
JACKETS: tuple[Colour, ...] = ((255, 140, 30), (255, 95, 170), (90, 235, 235), (250, 240, 120))
"""Of pedestrians and cyclists: bright against road and grass."""
SHADOW: Colour = (46, 46, 50)
GLASS: Colour = (34, 42, 56)
SKIN: Colour = (228, 180, 148)
TROUSERS: Colour = (30, 32, 58)
RUBBER: Colour = (22, 22, 24)

BRAKING_LAMP: Colour = (255, 20, 20)
REAR_LAMP: Colour = (104, 14, 18)
HEADLAMP: Colour = (255, 250, 215)
BRAKING_LEAST_PX = 0.9

LIGHT_COLOURS: dict[str, Colour] = {"red": (255, 24, 24), "yellow": (255, 205, 0), "green": (20, 245, 90)}
UNLIT: Colour = (52, 52, 56)
HOUSING: Colour = (12, 12, 14)
LAMP_HEIGHTS_M = {"red": 3.7, "yellow": 2.9, "green": 2.1}
LAMP_RADIUS_M, LIT_RADIUS_M = 0.34, 0.46
LIT_LEAST_PX = 1.6
STOP_SIGN_HEIGHT_M, STOP_SIGN_RADIUS_M, STOP_SIGN_LEAST_PX = 2.2, 0.6, 1.5
STOP_SIGN: Colour = (205, 16, 30)
WHITE: Colour = (245, 245, 245)
CONE: Colour = (255, 112, 10)
POST: Colour = (120, 124, 130)

HEIGHTS_M = {
    "car": 1.5, "truck": 3.2, "bus": 3.1, "motorcycle": 1.5, "bicycle": 1.7, "pedestrian": 1.75, "other": 1.2,
}  # fmt: skip
CONE_LARGEST_M = 1.2
"""Smaller things of the kind "other" are cones."""
CONE_HEIGHT_M = 0.9


def road_user(kind: str, length_m: float, width_m: float, track_id: str, *, braking: bool) -> Body:
    """An agent in the frame of its box."""
    number = crc32(track_id.encode())
    if kind == "pedestrian":
        return _person(width_m / 2, 0.0, JACKETS[number % len(JACKETS)])
    if kind in ("bicycle", "motorcycle"):
        return _rider(length_m, width_m, JACKETS[number % len(JACKETS)], braking)
    if kind == "other" and max(length_m, width_m) <= CONE_LARGEST_M:
        return cone()
    paint = PAINTS[number % len(PAINTS)]
    if kind in ("car", "truck", "bus"):
        return _vehicle(kind, length_m, width_m, paint, braking)
    thing = Body()
    thing.box(_around(length_m), _around(width_m), (0.0, HEIGHTS_M["other"]), (176, 150, 112))
    return thing


def traffic_light(state: str) -> Body:
    """A light that faces against the body's x axis; unlit where the state is unknown."""
    light = Body()
    light.rear(-0.2, (-0.6, 0.6), (LAMP_HEIGHTS_M["green"] - 0.55, LAMP_HEIGHTS_M["red"] + 0.55), HOUSING)
    for name, height in LAMP_HEIGHTS_M.items():
        lit = name == state
        radius, least = (LIT_RADIUS_M, LIT_LEAST_PX) if lit else (LAMP_RADIUS_M, 0.0)
        colour = LIGHT_COLOURS[name] if lit else UNLIT
        light.discs.append(Disc((-0.21, 0.0, height), radius, colour, least, facing=(-1.0, 0.0)))
    # The lit one last: where it outshines its neighbours, it lies over them.
    light.discs.sort(key=lambda disc: disc.least_px)
    return light


def stop_sign() -> Body:
    """A sign on a post that faces against the body's x axis."""
    sign = Body()
    sign.rear(0.0, (-0.06, 0.06), (0.0, STOP_SIGN_HEIGHT_M), POST)
    at = (-0.02, 0.0, STOP_SIGN_HEIGHT_M)
    facing = (-1.0, 0.0)
    sign.discs.append(Disc(at, STOP_SIGN_RADIUS_M + 0.1, WHITE, STOP_SIGN_LEAST_PX + 0.4, facing))
    sign.discs.append(Disc(at, STOP_SIGN_RADIUS_M, STOP_SIGN, STOP_SIGN_LEAST_PX, facing))
    return sign


def yield_sign() -> Body:
    """A sign on a post that faces against the body's x axis."""
    sign = Body()
    sign.rear(0.0, (-0.06, 0.06), (0.0, STOP_SIGN_HEIGHT_M), POST)
    for size, colour in ((0.75, STOP_SIGN), (0.45, WHITE)):
        top, tip = STOP_SIGN_HEIGHT_M + size * 0.5, STOP_SIGN_HEIGHT_M - size * 0.8
        sign.quads.append([(-0.02, 0.0, tip), (-0.02, -size, top), (-0.02, 0.0, top), (-0.02, size, top)])
        sign.colours.append(colour)
    return sign


def cone() -> Body:
    """An orange cone with a white band."""
    body = Body()
    for half, low, high, colour in ((0.3, 0.0, 0.35, CONE), (0.2, 0.35, 0.6, WHITE), (0.12, 0.6, CONE_HEIGHT_M, CONE)):
        body.box((-half, half), (-half, half), (low, high), colour)
    body.discs.append(Disc((0.0, 0.0, 0.3), 0.25, CONE, 0.8))
    return body


def _vehicle(kind: str, length_m: float, width_m: float, paint: Colour, braking: bool) -> Body:
    body = Body()
    x, y, half = _around(length_m), _around(width_m), width_m / 2
    body.flat((x[0] - 0.2, x[1] + 0.2), (y[0] - 0.15, y[1] + 0.15), SHADOW)
    height = HEIGHTS_M[kind]
    if kind == "car":
        body.box(x, y, (0.25, 0.9), paint)
        cabin_y = (y[0] + 0.12, y[1] - 0.12)
        body.box((x[0] + 0.1 * length_m, x[1] - 0.3 * length_m), cabin_y, (0.9, height), GLASS)
        body.box((x[0] + 0.16 * length_m, x[1] - 0.4 * length_m), cabin_y, (height - 0.08, height), paint)
        lamp_z = (0.55, 0.85)
    else:
        body.box(x, y, (0.4, height), paint)
        body.rear(x[0] - 0.01, (y[0] + 0.2, y[1] - 0.2), (1.4, height - 0.3), shaded(paint, 0.7))
        body.front(x[1] + 0.01, (y[0] + 0.15, y[1] - 0.15), (1.5, 2.5), GLASS)
        lamp_z = (0.7, 1.1)
    lamp = 0.34
    for y0 in (-half, half - lamp):
        body.rear(x[0] - 0.02, (y0, y0 + lamp), lamp_z, REAR_LAMP)
        body.front(x[1] + 0.02, (y0, y0 + lamp), (0.5, 0.8), HEADLAMP)
    if braking:
        height_m = sum(lamp_z) / 2
        for y0 in (-half + lamp / 2, half - lamp / 2):
            body.discs.append(
                Disc((x[0] - 0.03, y0, height_m), 0.3, BRAKING_LAMP, BRAKING_LEAST_PX, facing=(-1.0, 0.0))
            )
    return body


def _person(half_m: float, z0: float, jacket: Colour) -> Body:
    body = Body()
    y = (-half_m, half_m)
    body.box((-0.16, 0.16), (y[0] + 0.06, y[1] - 0.06), (z0, z0 + 0.8), TROUSERS)
    body.box((-0.2, 0.2), y, (z0 + 0.75, z0 + 1.45), jacket)
    body.discs.append(Disc((0.0, 0.0, z0 + 1.1), 0.28, jacket, 1.0))
    body.discs.append(Disc((0.0, 0.0, z0 + 1.6), 0.16, SKIN))
    return body


def _rider(length_m: float, width_m: float, jacket: Colour, braking: bool) -> Body:
    body = Body()
    x = _around(length_m)
    body.flat((x[0], x[1]), (-0.2, 0.2), SHADOW)
    body.box(x, (-0.07, 0.07), (0.05, 0.75), RUBBER)
    person = _person(min(width_m / 2, 0.3), 0.25, jacket)
    body.quads += person.quads
    body.colours += person.colours
    body.discs += person.discs
    if braking:
        body.discs.append(Disc((x[0], 0.0, 0.7), 0.15, BRAKING_LAMP, BRAKING_LEAST_PX, facing=(-1.0, 0.0)))
    return body


def _around(size_m: float) -> tuple[float, float]:
    return -size_m / 2, size_m / 2
