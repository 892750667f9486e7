"""What a synthetic performance is: a body that moves, the equipment around it, and its repetitions.

World axes: right-handed, metres, y up, floor at y = 0; an athlete who stands at the origin faces +z with the left side
at +x. (A camera turns this into the canonical, camera-aligned axes; see camera.py.)

Shapes: T frames, P = len(BODY_JOINTS) joints.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gymspotter.skeleton import CANONICAL

# The canonical joints come first, so that `joints[:, :17]` is the canonical skeleton in the world; the rest is for
# drawing: knuckles, and the foot.
BODY_JOINTS: tuple[str, ...] = (*CANONICAL.joints, "l_hand", "r_hand", "l_heel", "r_heel", "l_toe", "r_toe")

Material = Literal["steel", "iron", "rubber", "wood", "vinyl", "frame"]


@dataclass(frozen=True, kw_only=True)
class Build:
    """The body of one athlete: ``height`` in metres and how thick each part is, as a factor on an average build.

    ``lengths`` are bone lengths in metres by name (see body.py), which differ between the sides of a real person.
    """

    height: float
    lengths: dict[str, float]
    girth: float = 1.0
    chest: float = 1.0
    waist: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Capsule:
    """A rod with round ends: ``ends`` [T or 1, 2, 3] metres (1 = it stands still), ``radius`` in metres.

    Bars, dumbbell handles, machine arms, cables; ``flat_ends`` cuts the ends straight, as of a weight plate.
    """

    ends: NDArray[np.float32]
    radius: float
    material: Material
    flat_ends: bool = False


@dataclass(frozen=True, kw_only=True)
class Box:
    """A cuboid: ``centre`` [T or 1, 3], ``axes`` [T or 1, 3, 3] whose rows are its unit axes, ``size`` full extents.

    Benches, seats, pads, machine frames.
    """

    centre: NDArray[np.float32]
    axes: NDArray[np.float32]
    size: tuple[float, float, float]
    material: Material


@dataclass(frozen=True, kw_only=True)
class Performance:
    """One athlete doing one exercise.

    ``joints`` is [T, P, 3] in world axes at ``fps`` frames a second; ``repetitions`` are (start, end) in seconds, in
    order and not overlapping (a held position such as the plank has none); ``props`` is the equipment.
    """

    exercise: str
    fps: float
    joints: NDArray[np.float32]
    repetitions: tuple[tuple[float, float], ...]
    build: Build
    props: tuple[Capsule | Box, ...] = ()
