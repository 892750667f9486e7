"""The one-dimensional signal of each exercise: how far the body is into a repetition, in percent of a usual one.

A signal is a weighted sum of one to three measures of the exercise's own joints: angles between limbs, and distances
in percent of the torso. It is low where a repetition starts and ends and high at its turning point. The weights come
from a least-squares fit to synthetic performances with known phase, so that a usual repetition spans about 60 to 110
whatever the exercise; they are rounded. ``place`` bounds the postures in which the exercise happens at all (arms
overhead, trunk level): swings elsewhere are not repetitions of it.

Everything is plain Python on one frame at a time: for the five frames of a live second that beats numpy.

A frame is 17 canonical joints, each [x, y, z] in metres (x right, y down, z away from the camera); NaN = not seen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import acos, atan2, degrees, sqrt

from gymspotter.labels import EXERCISES
from gymspotter.skeleton import CANONICAL

Frame = list[list[float]]
Vector = tuple[float, float, float]
_NAN = float("nan")

_HIP, _THORAX = CANONICAL.index("hip"), CANONICAL.index("thorax")
(
    _L_SHOULDER, _R_SHOULDER, _L_ELBOW, _R_ELBOW, _L_WRIST, _R_WRIST,
    _L_HIP, _R_HIP, _L_KNEE, _R_KNEE, _L_ANKLE, _R_ANKLE,
) = (
    CANONICAL.index(f"{side}_{part}")
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in "lr"
)  # fmt: skip
_DOWN: Vector = (0.0, 1.0, 0.0)


def _less(a: list[float], b: list[float]) -> Vector:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _between(a: Vector, b: Vector) -> float:
    """The angle between two vectors in degrees; NaN if either is NaN or has no length."""
    ax, ay, az = a
    bx, by, bz = b
    size = sqrt((ax * ax + ay * ay + az * az) * (bx * bx + by * by + bz * bz))
    if not size > 1e-12:
        return _NAN
    cosine = (ax * bx + ay * by + az * bz) / size
    return degrees(acos(1.0 if cosine > 1.0 else -1.0 if cosine < -1.0 else cosine))


def _mean(left: float, right: float) -> float:
    """Of both sides, or the one that is seen."""
    if left != left:
        return right
    return left if right != right else (left + right) / 2


def _trunk(frame: Frame) -> Vector:
    """From the mid-hip to the thorax."""
    return _less(frame[_THORAX], frame[_HIP])


def _elbow(frame: Frame, torso: float) -> float:
    left, right = frame[_L_ELBOW], frame[_R_ELBOW]
    return _mean(
        _between(_less(frame[_L_SHOULDER], left), _less(frame[_L_WRIST], left)),
        _between(_less(frame[_R_SHOULDER], right), _less(frame[_R_WRIST], right)),
    )


def _knee(frame: Frame, torso: float) -> float:
    left, right = frame[_L_KNEE], frame[_R_KNEE]
    return _mean(
        _between(_less(frame[_L_HIP], left), _less(frame[_L_ANKLE], left)),
        _between(_less(frame[_R_HIP], right), _less(frame[_R_ANKLE], right)),
    )


def _thighs_from(frame: Frame, line: Vector) -> float:
    return _mean(
        _between(line, _less(frame[_L_KNEE], frame[_L_HIP])), _between(line, _less(frame[_R_KNEE], frame[_R_HIP]))
    )


def _hip(frame: Frame, torso: float) -> float:
    return _thighs_from(frame, _trunk(frame))


def _thigh(frame: Frame, torso: float) -> float:
    return _thighs_from(frame, _DOWN)


def _shoulder(frame: Frame, torso: float) -> float:
    down = _less(frame[_HIP], frame[_THORAX])
    return _mean(
        _between(down, _less(frame[_L_ELBOW], frame[_L_SHOULDER])),
        _between(down, _less(frame[_R_ELBOW], frame[_R_SHOULDER])),
    )


def _lean(frame: Frame, torso: float) -> float:
    return _between(_less(frame[_HIP], frame[_THORAX]), _DOWN)


def _hand_height(frame: Frame, torso: float) -> float:
    left, right = frame[_L_SHOULDER][1] - frame[_L_WRIST][1], frame[_R_SHOULDER][1] - frame[_R_WRIST][1]
    return _mean(left, right) * 100 / torso


def _elbows_along(frame: Frame, line: Vector, torso: float) -> float:
    return (
        _mean(
            _dot(_less(frame[_L_ELBOW], frame[_L_SHOULDER]), line),
            _dot(_less(frame[_R_ELBOW], frame[_R_SHOULDER]), line),
        )
        * 100
        / torso
    )


def _elbow_rise(frame: Frame, torso: float) -> float:
    up = _trunk(frame)
    size = sqrt(_dot(up, up))
    return _elbows_along(frame, up, torso) / size if size > 1e-6 else _NAN


def _hands_apart(frame: Frame, torso: float) -> float:
    gap = _less(frame[_L_WRIST], frame[_R_WRIST])
    return sqrt(_dot(gap, gap)) * 100 / torso


def _axes(frame: Frame, left: int, right: int) -> tuple[Vector, Vector]:
    """Unit vectors to the athlete's left (from ``right`` to ``left``, square to the trunk) and forward."""
    up = _trunk(frame)
    across = _less(frame[left], frame[right])
    size = _dot(up, up)
    share = _dot(across, up) / size if size > 1e-9 else _NAN
    x, y, z = across[0] - share * up[0], across[1] - share * up[1], across[2] - share * up[2]
    wide = sqrt(x * x + y * y + z * z)
    if not wide > 1e-6:
        return (_NAN, _NAN, _NAN), (_NAN, _NAN, _NAN)
    x, y, z, long = x / wide, y / wide, z / wide, sqrt(size)
    ahead = ((y * up[2] - z * up[1]) / long, (z * up[0] - x * up[2]) / long, (x * up[1] - y * up[0]) / long)
    return (x, y, z), ahead


def _elbows_ahead(frame: Frame, torso: float) -> float:
    return _elbows_along(frame, _axes(frame, _L_SHOULDER, _R_SHOULDER)[1], torso)


def _hands_aside(frame: Frame, torso: float) -> float:
    left, chest = _axes(frame, _L_HIP, _R_HIP)[0], frame[_THORAX]
    hands = _mean(_dot(_less(frame[_L_WRIST], chest), left), _dot(_less(frame[_R_WRIST], chest), left))
    return hands * 100 / torso


def _twist(frame: Frame, torso: float) -> float:
    left, ahead = _axes(frame, _L_HIP, _R_HIP)
    shoulders = _less(frame[_L_SHOULDER], frame[_R_SHOULDER])
    return degrees(atan2(_dot(shoulders, ahead), _dot(shoulders, left)))


# What a measure is called, in degrees or in percent of the torso, always the mean of the left and the right that are
# seen. A function of a frame and the torso's length in metres; NaN where its joints are not seen.
MEASURES: dict[str, Callable[[Frame, float], float]] = {
    "elbow": _elbow,  # angle of the elbow, 180 is straight
    "knee": _knee,  # angle of the knee
    "hip": _hip,  # angle between the trunk and the thigh
    "shoulder": _shoulder,  # angle between the trunk, downwards, and the upper arm
    "lean": _lean,  # angle between the trunk and the upright
    "thigh": _thigh,  # angle between the thigh and straight down
    "hand height": _hand_height,  # wrist above the shoulder in the picture
    "elbow rise": _elbow_rise,  # elbow above the shoulder along the trunk
    "hands apart": _hands_apart,  # distance between the wrists
    "elbows ahead": _elbows_ahead,  # elbow before the chest
    "hands aside": _hands_aside,  # wrists to the left of the chest, as the hips face
    "twist": _twist,  # shoulders turned against the hips
}


@dataclass(frozen=True, kw_only=True)
class Signal:
    """``parts`` are (measure, weight); ``place`` are (measure, lowest, highest), all of which must hold."""

    parts: tuple[tuple[str, float], ...]
    place: tuple[tuple[str, float, float], ...] = ()

    def read(self, frame: Frame, torso: float) -> tuple[float, bool]:
        """The signal of a frame (NaN where its joints are not seen), and whether the posture is in place.

        ``torso`` is the length from mid-hip to thorax in metres.
        """
        known: dict[str, float] = {}
        total = 0.0
        for name, weight in self.parts:
            known[name] = measure = MEASURES[name](frame, torso)
            total += weight * measure
        for name, low, high in self.place:
            measure = known[name] if name in known else MEASURES[name](frame, torso)
            if measure < low or measure > high:  # one that is not seen does not speak against it
                return total, False
        return total, True


def torso_length(frame: Frame) -> float:
    """From mid-hip to thorax in metres; NaN if either is not seen."""
    line = _trunk(frame)
    return sqrt(_dot(line, line))


SIGNALS: dict[str, Signal] = {
    "barbell biceps curl": Signal(
        parts=(("hand height", 1.04), ("elbow", -0.3)),
        place=(("hand height", -80, 50),),
    ),
    "bench press": Signal(
        parts=(("hand height", -1.27), ("shoulder", -0.63)),
        place=(("hand height", -55, 260), ("lean", 20, 160)),
    ),
    "chest fly machine": Signal(
        parts=(("hands apart", -0.44), ("elbows ahead", 1.33)),
        place=(("hand height", -75, 100), ("thigh", 20, 110), ("shoulder", 30, 150)),
    ),
    "deadlift": Signal(
        parts=(("hip", 0.88), ("lean", -0.59)),
        place=(("hand height", -170, -35), ("thigh", 0, 70)),
    ),
    "decline bench press": Signal(
        parts=(("hand height", -1.25), ("elbow", -0.56)),
        place=(("lean", 45, 170), ("hand height", -25, 130)),
    ),
    "hammer curl": Signal(
        parts=(("hand height", 1.42), ("elbow", -0.6)),
    ),
    "hip thrust": Signal(
        parts=(("lean", 2.14), ("hand height", 0.87), ("thigh", -1.03)),
        place=(("thigh", 30, 155), ("lean", 25, 140), ("hand height", -80, 100)),
    ),
    "incline bench press": Signal(
        parts=(("hand height", -0.89), ("shoulder", -0.44)),
        place=(("hand height", -35, 110), ("thigh", 0, 120)),
    ),
    "lat pulldown": Signal(
        parts=(("elbow rise", -0.6), ("elbow", -0.36), ("hand height", -0.54)),
        place=(("hand height", -50, 90), ("thigh", 20, 125)),
    ),
    "lateral raise": Signal(
        parts=(("hand height", 1.13), ("hands apart", 0.33)),
        place=(("elbow", 95, 180), ("hand height", -100, 25), ("shoulder", 20, 125)),
    ),
    "leg extension": Signal(
        parts=(("knee", 2.4), ("thigh", 1.5)),
        place=(("thigh", 32, 145), ("hand height", -140, -30)),
    ),
    "leg raises": Signal(
        parts=(("thigh", 1.83), ("hip", -0.56)),
    ),
    "pull up": Signal(
        parts=(("elbow rise", -0.4), ("hand height", -0.57), ("shoulder", -0.4)),
        place=(("hand height", -25, 80), ("lean", 0, 50)),
    ),
    "push-up": Signal(
        parts=(("elbow", -1.59), ("hand height", 1.03), ("lean", 1.59)),
        place=(("lean", 25, 130), ("hip", 80, 180), ("thigh", 15, 125)),
    ),
    "romanian deadlift": Signal(
        parts=(("hip", -1.0), ("lean", 0.65), ("elbows ahead", 0.4)),
        place=(("hand height", -160, -40), ("hip", 40, 150), ("thigh", 0, 75)),
    ),
    "russian twist": Signal(
        parts=(("hands aside", 1.37), ("twist", -0.81)),
        place=(("thigh", 50, 180), ("hand height", -90, 60)),
    ),
    "shoulder press": Signal(
        parts=(("elbow rise", 0.39), ("hand height", 0.5), ("shoulder", 0.28)),
        place=(("hand height", 30, 150), ("shoulder", 80, 180)),
    ),
    "squat": Signal(
        parts=(("hip", -1.3), ("knee", -0.58)),
        place=(("hand height", -100, 60),),
    ),
    "t bar row": Signal(
        parts=(("hand height", 1.3), ("elbow", -1.3)),
        place=(("hand height", -150, -10),),
    ),
    "tricep dips": Signal(
        parts=(("hand height", 2.1), ("elbow", -1.05), ("hip", -0.85)),
        place=(("hand height", -135, 10),),
    ),
    "tricep pushdown": Signal(
        parts=(("hand height", -1.06), ("elbow", 0.5)),
        place=(("thigh", 0, 70), ("hand height", -150, -35)),
    ),
}
assert set(SIGNALS) == set(EXERCISES) - {"plank"}
