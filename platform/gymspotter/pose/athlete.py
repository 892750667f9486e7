"""Who is the athlete, when a spotter, a mirror or a passer-by is in the picture too.

The first choice is the largest and most central person. From then on it is whoever continues the athlete best, by
where the body was and by the colours of what it wears; nobody, rather than somebody else, while the athlete is hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from gymspotter.pose import Frame
from gymspotter.skeleton import Floats

Box = tuple[float, float, float, float]

# Frames in a row without a sure sight of the athlete after which all starts over: two seconds of the default grid.
RESTART = 10
# Overlap with the athlete's last sure box and likeness of the colours, 0..1, ...
_NEAR, _ALIKE = 0.2, 0.65  # ... that somebody needs to be taken for the athlete,
_ALONE_NEAR, _ALONE_ALIKE = 0.5, 0.45  # ... while nobody else was ever seen: equipment covers clothes, too,
_SURE_NEAR, _SURE_ALIKE = 0.4, 0.7  # ... that an athlete has after a fifth of a second,
_STILL = 0.85  # ... overlap of one who did not move, whatever the light does to the colours,
_SAME = 0.85  # ... likeness that is enough anywhere (the camera was moved, or the video cut) ...
_PATIENCE = 3  # ... after so many frames without a sure sight: a mirror shows the same clothes.
# By what share of itself the box in which the athlete is looked for grows with each frame without a sure sight.
_GROWTH = 0.15
# How much of the remembered colours one frame replaces: light and posture change slowly.
_LEARNED = 0.1
_BINS = 8
# Where somebody who stands wears what, as shares of the box.
_SHIRT, _TROUSERS = (0.35, 0.2, 0.65, 0.45), (0.3, 0.52, 0.7, 0.65)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Somebody in the picture: ``box`` is left, top, right, bottom in pixels, ``score`` is in 0..1.

    ``shirt`` and ``trousers`` [N, 2] are points in pixels on the trunk and on the thighs, whose colours tell people
    apart; who only knows a box leaves them out, and gets points where somebody who stands would have both.
    """

    box: Box
    score: float
    shirt: Floats | None = None
    trousers: Floats | None = None


C = TypeVar("C", bound=Candidate)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What a `Follower` knows of the athlete; boxes are shares of the picture, whose size may change.

    ``box`` is where the athlete was last seen beyond doubt, ``colours`` what was worn ([2, bins], see `colours`),
    ``others`` where somebody else was seen, ``unsure`` the calls since then.
    """

    box: Box | None = None
    colours: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    others: tuple[Box, ...] = ()
    unsure: int = 0


# A turned square of the picture, as `blazepose_models.Region` has it: middle (x, y) and side in pixels, angle.
Square = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Athlete:
    """All that is carried from one frame to the next: plain data, so that the next may be seen in another process.

    ``frames`` were seen so far; ``last`` is the athlete's square in the frame before, ``home`` when the athlete was
    last seen beyond doubt.
    """

    frames: int = 0
    memory: Memory = field(default_factory=Memory)
    last: Square | None = None
    home: Square | None = None


class Follower:
    """Follows one athlete through the frames of one span, or on from what another follower remembered."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.memory = memory or Memory()

    def pick(self, candidates: Sequence[C], frame: Frame) -> C | None:
        """The athlete among the people of the next frame that was looked at; None if it is none of them.

        At first, and again after `RESTART` frames without a sure sight of the athlete, it is the one with the highest
        `prominence`. Otherwise it is the one with the highest sum of overlap with the athlete's last sure box and
        likeness of the colours, of those that have enough of both, or did not move, or look so much the same that the
        place does not matter and are not known to be somebody else. The longer ago the last sure sight, the less the
        place matters. Time is counted in calls.
        """
        memory = self.memory
        if memory.box is None or memory.unsure >= RESTART:
            first = max(candidates, key=lambda c: prominence(c, frame), default=None)
            if first is not None:
                self.memory = Memory(box=_share(first.box, frame), colours=colours(first, frame))
            return first
        sights = [(self._sight(c, frame), c) for c in candidates]
        sight, chosen = max(sights, key=lambda s: s[0].value, default=(_NOBODY, None))
        if chosen is None or not sight.possible:
            self.memory = replace(memory, unsure=memory.unsure + 1)
            return None
        if not sight.sure:
            self.memory = replace(memory, unsure=memory.unsure + 1)
            return chosen
        others = tuple(_share(c.box, frame) for c in candidates if c is not chosen)
        self.memory = Memory(
            box=_share(chosen.box, frame),
            colours=(1 - _LEARNED) * memory.colours + _LEARNED * sight.colours,
            others=others or memory.others,
        )
        return chosen

    def doubts(self, candidate: Candidate, frame: Frame) -> bool:
        """Whether a person believed to be the athlete may be somebody else, so that a look at all people is due."""
        return self.memory.box is None or not self._sight(candidate, frame).sure

    @property
    def sure(self) -> bool:
        """Whether the last pick was the athlete beyond doubt."""
        return self.memory.box is not None and not self.memory.unsure

    def _sight(self, candidate: Candidate, frame: Frame) -> "_Sight":
        memory = self.memory
        assert memory.box is not None
        box = _share(candidate.box, frame)
        worn = colours(candidate, frame)
        alike = likeness(memory.colours, worn)
        growth = 1 + _GROWTH * memory.unsure
        near = overlap(_grown(box, growth), _grown(memory.box, growth))
        still = not memory.unsure and near >= _STILL
        known = any(overlap(box, other) >= _NEAR for other in memory.others)
        same = alike >= _SAME and memory.unsure >= _PATIENCE and not known
        sure = still or same or (near >= _SURE_NEAR and alike >= _SURE_ALIKE)
        alone = not memory.others and near >= _ALONE_NEAR and alike >= _ALONE_ALIKE
        possible = sure or alone or (near >= _NEAR and alike >= _ALIKE)
        return _Sight(value=possible * (near + alike), possible=possible, sure=sure, colours=worn)


@dataclass(frozen=True, kw_only=True)
class _Sight:
    """How well somebody continues the athlete: a value, whether it is possible and sure, and the colours worn."""

    value: float
    possible: bool
    sure: bool
    colours: Floats


_NOBODY = _Sight(value=0, possible=False, sure=False, colours=np.zeros(0, np.float32))


def prominence(candidate: Candidate, frame: Frame) -> float:
    """Score times size times centrality.

    Size is the square root of the share of the picture that the box covers; centrality is 1 for a box in the middle of
    the picture and 0 for one in a corner.
    """
    left, top, right, bottom = _share(candidate.box, frame)
    size = (max(right - left, 0) * max(bottom - top, 0)) ** 0.5
    off = np.hypot(left + right - 1, top + bottom - 1) / 2**0.5
    return float(candidate.score * size * max(1 - off, 0))


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def colours(candidate: Candidate, frame: Frame) -> Floats:
    """[2, _BINS ** 3] the histograms of shirt and trousers, blurred since light and noise change, each of sum 1."""
    shirt, trousers = candidate.shirt, candidate.trousers
    return np.stack([
        _histogram(_within(candidate.box, _SHIRT) if shirt is None else shirt, frame),
        _histogram(_within(candidate.box, _TROUSERS) if trousers is None else trousers, frame),
    ])  # fmt: skip


def likeness(a: Floats, b: Floats) -> float:
    """Of what two people wear: the mean Bhattacharyya coefficient, 1 for equal colours, 0 for none in common."""
    return float(np.sqrt(a * b).sum(axis=-1).mean())


def _histogram(points: Floats, frame: Frame) -> Floats:
    limits = np.array([frame.shape[1], frame.shape[0]]) - 1
    column, row = np.clip(points, 0, limits).astype(np.intp).T
    r, g, b = (frame[row, column] // (256 // _BINS)).astype(np.intp).T
    counts = np.bincount((r * _BINS + g) * _BINS + b, minlength=_BINS**3).astype(np.float32)
    return np.asarray(_BLUR @ counts / len(points), np.float32)


def _blur() -> Floats:
    """[_BINS ** 3, _BINS ** 3] spreads what falls into a bin over its neighbours in red, green and blue."""
    one = 0.5 * np.eye(_BINS) + 0.25 * (np.eye(_BINS, k=1) + np.eye(_BINS, k=-1))
    one /= one.sum(axis=0)
    return np.asarray(np.kron(np.kron(one, one), one), np.float32)


def _within(box: Box, part: Box) -> Floats:
    """Points [N, 2] spread over a part of a box, given as shares of it."""
    left, top, right, bottom = box
    x, y = np.meshgrid(np.linspace(part[0], part[2], 10), np.linspace(part[1], part[3], 10))
    return np.stack([left + x.ravel() * (right - left), top + y.ravel() * (bottom - top)], axis=1).astype(np.float32)


def _share(box: Box, frame: Frame) -> Box:
    """A box as a share of the picture's width and height, whatever its size."""
    height, width = frame.shape[:2]
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height


def _grown(box: Box, factor: float) -> Box:
    left, top, right, bottom = box
    dx, dy = (factor - 1) * (right - left) / 2, (factor - 1) * (bottom - top) / 2
    return left - dx, top - dy, right + dx, bottom + dy


_BLUR = _blur()
