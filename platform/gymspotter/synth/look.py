"""How a synthetic video looks: the athlete's skin, hair and clothes, the gym, the light and the phone's picture.

Colours are RGB in 0..1, as the picture shows them (no gamma is modelled).
"""

import colorsys
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gymspotter.synth.mesh import Colour
from gymspotter.synth.scene import Material

Hair = Literal["bald", "short", "full", "long", "bun", "tail"]
Wall = Literal["plain", "panels", "bricks"]
Floor = Literal["tiles", "rubber", "boards"]

# From light to dark; between two neighbours any mixture occurs.
SKINS: tuple[Colour, ...] = (
    (0.95, 0.80, 0.71), (0.88, 0.69, 0.56), (0.78, 0.57, 0.42), (0.62, 0.43, 0.31), (0.45, 0.30, 0.21),
    (0.31, 0.20, 0.15),
)  # fmt: skip
HAIRS: tuple[Colour, ...] = (
    (0.07, 0.06, 0.06),
    (0.16, 0.10, 0.07),
    (0.33, 0.21, 0.13),
    (0.62, 0.47, 0.27),
    (0.5, 0.49, 0.48),
)
GLOSS: dict[Material, float] = {"steel": 0.7, "iron": 0.12, "rubber": 0.1, "wood": 0.1, "vinyl": 0.25, "frame": 0.3}


@dataclass(frozen=True, kw_only=True)
class Look:
    """One appearance.

    ``sleeve`` and ``leg`` say what part of the upper arm (above 1: of the forearm too) and of the thigh (above 1: of
    the shank) is covered. ``shirt`` is None for a bare chest, ``stripe`` None for a plain shirt.
    ``light`` is the direction from which the key light comes (world axes), ``key`` and ``fill`` the strengths of key
    and ambient light. ``noise`` is the sensor's, in grey levels of 255; ``blur`` the lens's standard deviation in
    pixels at 480 lines. ``room`` holds the distances to the four walls (+x, -x, +z, -z) in metres and the height of
    the ceiling. ``seed`` decides the clutter and the noise.
    """

    seed: int
    skin: Colour
    hair: Hair
    hair_colour: Colour
    beard: bool
    shirt: Colour | None
    sleeve: float
    stripe: Colour | None
    trousers: Colour
    leg: float
    socks: Colour
    shoes: Colour
    soles: Colour
    materials: dict[Material, Colour]
    room: tuple[float, float, float, float, float]
    wall: Wall
    walls: Colour
    accent: Colour
    floor: Floor
    floors: Colour
    clutter: int
    light: tuple[float, float, float]
    key: float
    fill: float
    warmth: float
    noise: float
    blur: float


def sample_look(rng: np.random.Generator) -> Look:
    """A person, a gym and a phone, at random."""
    seed = int(rng.integers(2**31))
    walls = _colour(rng, value=(0.45, 0.9), vivid=0.18)
    while True:  # people are seen against their gym: a shirt of the wall's own colour is dressed differently
        shirt, trousers = _cloth(rng), _cloth(rng)
        if min(_contrast(shirt, walls), _contrast(shirt, trousers)) > 0.22:
            break
    place = rng.uniform(0, len(SKINS) - 1)
    skin = _between(SKINS[int(place)], SKINS[min(int(place) + 1, len(SKINS) - 1)], place % 1)
    room = [float(d) for d in rng.uniform(2.3, 4.5, 4)]
    hair: Hair = rng.choice(["bald", "short", "full", "long", "bun", "tail"], p=[0.08, 0.36, 0.16, 0.1, 0.12, 0.18])
    hair_colour = HAIRS[rng.choice(len(HAIRS), p=[0.32, 0.26, 0.22, 0.12, 0.08])]
    azimuth, height = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(52, 82))
    light = (np.cos(height) * np.cos(azimuth), np.sin(height), np.cos(height) * np.sin(azimuth))
    bare = rng.random() < 0.06 and hair in ("bald", "short")
    return Look(
        seed=seed,
        skin=skin,
        hair=hair,
        hair_colour=hair_colour,
        beard=bool(hair in ("bald", "short") and rng.random() < 0.4),
        shirt=None if bare else shirt,
        sleeve=0.0 if bare else float(rng.choice([0.0, rng.uniform(0.4, 0.8), 1.85], p=[0.28, 0.57, 0.15])),
        stripe=_cloth(rng) if rng.random() < 0.2 else None,
        trousers=trousers,
        leg=float(rng.choice([rng.uniform(0.35, 0.8), 1.55, 1.95], p=[0.5, 0.1, 0.4])),
        socks=_colour(rng, value=(0.1, 0.95), vivid=0.1),
        shoes=_cloth(rng),
        soles=_colour(rng, value=(0.6, 1.0), vivid=0.1),
        materials={
            "steel": (0.72, 0.73, 0.75),
            "iron": _colour(rng, value=(0.1, 0.22), vivid=0.1),
            "rubber": _colour(rng, value=(0.08, 0.16), vivid=0.1) if rng.random() < 0.7 else _cloth(rng),
            "wood": _colour(rng, value=(0.5, 0.7), vivid=0.45, hue=(0.06, 0.1)),
            "vinyl": _cloth(rng),
            "frame": _cloth(rng),
        },
        room=(room[0], room[1], room[2], room[3], float(rng.uniform(2.6, 3.6))),
        wall=rng.choice(["plain", "panels", "bricks"], p=[0.5, 0.3, 0.2]),
        walls=walls,
        accent=_colour(rng, value=(0.3, 0.85), vivid=0.8),
        floor=rng.choice(["tiles", "rubber", "boards"], p=[0.35, 0.4, 0.25]),
        floors=_colour(rng, value=(0.2, 0.62), vivid=0.25),
        clutter=int(rng.integers(3, 11)),
        light=(float(light[0]), float(light[1]), float(light[2])),
        key=float(rng.uniform(0.45, 0.7)),
        fill=float(rng.uniform(0.6, 0.8)),
        warmth=float(np.clip(rng.normal(0, 0.05), -0.12, 0.12)),
        noise=float(rng.uniform(0.5, 4.0)),
        blur=float(rng.uniform(0.35, 0.9)),
    )


def _colour(
    rng: np.random.Generator, *, value: tuple[float, float], vivid: float, hue: tuple[float, float] = (0.0, 1.0)
) -> Colour:
    """A colour of that brightness, at most so vivid."""
    return colorsys.hsv_to_rgb(float(rng.uniform(*hue)), float(rng.uniform(0, vivid)), float(rng.uniform(*value)))


def _cloth(rng: np.random.Generator) -> Colour:
    """What gym clothes and covers are made of: half of it black, grey or white, the rest of every colour."""
    if rng.random() < 0.5:
        return _colour(rng, value=(0.08, 0.92), vivid=0.1)
    hue, rich, bright = rng.uniform(), rng.uniform(0.35, 0.9), rng.uniform(0.25, 0.9)
    return colorsys.hsv_to_rgb(float(hue), float(rich), float(bright))


def _contrast(a: Colour, b: Colour) -> float:
    return float(np.abs(np.subtract(a, b)).max())


def _between(a: Colour, b: Colour, t: float) -> Colour:
    mixed = np.multiply(a, 1 - t) + np.multiply(b, t)
    return float(mixed[0]), float(mixed[1]), float(mixed[2])
