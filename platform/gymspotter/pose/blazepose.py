"""BlazePose: two models, and the geometry that ties them together over frames.

It follows MediaPipe Pose (Bazarevsky et al. 2020, arXiv:2006.10204): where a person is found, the landmark model looks
at a square of the picture, and the landmarks of one frame say where the square of the next frame lies. Two things
differ, since frames here are up to a fifth of a second apart: the square is not smoothed over time (it would lag behind
a moving body), and a lost person is looked for again in the same frame.

Shapes: J = 33 joints.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gymspotter.errors import InputError
from gymspotter.pose import Frame, Poses
from gymspotter.pose.athlete import Athlete, Candidate, Follower, overlap
from gymspotter.pose.blazepose_models import HIPS, SHOULDERS, Detector, Landmarker, Person, Region, checked
from gymspotter.pose.weights import blazepose_files
from gymspotter.skeleton import BLAZEPOSE33, Floats

_SAME_BODY = 0.5
# Where clothes are looked at: from shoulder to shoulder, from hip to hip, and from there downwards.
_ACROSS, _ALONG = np.linspace(0.2, 0.8, 8), np.linspace(0.15, 0.85, 12)
# How often everybody is looked for while the athlete is followed: the detector costs half of what the landmarks do.
_LOOK_AROUND = 10
_KNEES = [BLAZEPOSE33.index("l_knee"), BLAZEPOSE33.index("r_knee")]
_J = len(BLAZEPOSE33.joints)


@dataclass(frozen=True, kw_only=True)
class Somebody(Candidate):
    """A candidate of BlazePose: its square, and what the landmark model sees in it once it has looked."""

    region: Region
    person: Person | None = None

    @classmethod
    def detected(cls, region: Region, score: float) -> Self:
        """Whom the detector found, before the landmark model looks."""
        return cls(box=region.body, score=score, region=region)

    @classmethod
    def seen(cls, person: Person, score: float) -> Self:
        """Whom the landmark model saw, with what is worn where the landmarks are."""
        region = person.region
        shoulders, hips, knees = (person.image[pair] for pair in (SHOULDERS, HIPS, _KNEES))
        across_shoulders, across_hips = (_between(pair[0], pair[1], _ACROSS) for pair in (shoulders, hips))
        return cls(
            box=region.body,
            score=score,
            shirt=_between(across_shoulders, across_hips, _ALONG).reshape(-1, 2),
            trousers=_between(hips, knees, _ALONG).reshape(-1, 2),
            region=region,
            person=person,
        )


class BlazePose:
    """The embedded default estimator. Holds native interpreters: make one in every process, do not pickle it."""

    name = "blazepose"
    version = "full-0.10.21-2"  # of the models, and of how the athlete is followed
    layout = BLAZEPOSE33.name

    def __init__(self, detector: Detector, landmarker: Landmarker) -> None:
        self._detector = detector
        self._landmarker = landmarker

    @classmethod
    def load(cls, folder: Path | None = None, threads: int = 1) -> Self:
        """An estimator with the models of ``folder``, or of the cache, where they are fetched to at the first use.

        Args:
            folder: see `gymspotter.pose.weights.blazepose_files`.
            threads: CPU threads of one model call; many processes with one each are faster than one with many.

        Raises:
            InputError: the models are not to be had, or ``threads`` is below 1.
        """
        if threads < 1:
            raise InputError(f"threads is {threads}: give at least 1.")
        files = blazepose_files(folder)
        return cls(Detector(files.detector, threads), Landmarker(files.landmarker, threads))

    def poses(self, watched: Sequence[Poses]) -> list[Poses]:
        """See `gymspotter.pose.Estimator`: here each frame is done when it has been watched."""
        return list(watched)

    def watch(self, frames: Iterable[Frame]) -> Poses:
        """See `gymspotter.pose.Estimator`.

        Who the athlete is, is said in `gymspotter.pose.athlete`. While one is followed, everybody is looked for only
        now and then, and whenever the person followed may have become somebody else. A joint's score is its
        visibility times its presence: low both where it is hidden and where it lies outside the picture. It is a loop
        over `step`.

        Raises:
            InputError: a frame is not RGB [H, W, 3] of bytes, or is empty.
        """
        steps: list[Poses] = []
        athlete: Athlete | None = None
        for frame in frames:
            athlete, pose = self.step(frame, athlete)
            steps.append(pose)
        return _joined(steps)

    def step(self, frame: Frame, athlete: Athlete | None = None) -> tuple[Athlete, Poses]:
        """The next frame of the one who was followed so far (None: the first frame): one turn of `watch`.

        Returns:
            What to hand in with the frame after this one, and the poses of this one frame (T = 1).

        Raises:
            InputError: the frame is not RGB [H, W, 3] of bytes, or is empty.
        """
        picture = checked(frame)
        before = athlete or Athlete()
        follower = Follower(before.memory)
        last, home = (Region(*square) if square else None for square in (before.last, before.home))
        found = self._athlete(picture, follower, last, home, look_around=before.frames % _LOOK_AROUND == 0)
        square = astuple(found.region) if found else None
        after = Athlete(
            frames=before.frames + 1,
            memory=follower.memory,
            last=square,
            home=square if follower.sure else before.home,
        )
        return after, _pose(found.person if found else None, picture)

    def _athlete(
        self, frame: Frame, follower: Follower, last: Region | None, home: Region | None, look_around: bool
    ) -> Somebody | None:
        """The athlete in the next frame, looked for in one square after the other."""
        followed = self._seen(frame, last, 1.0) if last else None
        candidates = [followed] if followed else []
        doubt = followed is None or follower.doubts(followed, frame)
        # In the same frame, so that a lost track does not cost one.
        if doubt or look_around:
            places = [(somebody.region, somebody.score) for somebody in self.people(frame)]
            if doubt and home and home != last:
                places.append((home, 1.0))
            for region, score in places:
                if all(overlap(region.body, known.box) < _SAME_BODY for known in candidates):
                    somebody = self._seen(frame, region, score)
                    candidates += [somebody] if somebody else []
        return follower.pick(candidates, frame)

    def _seen(self, frame: Frame, region: Region, score: float) -> Somebody | None:
        person = self._landmarker(frame, region)
        return Somebody.seen(person, score) if person else None

    def people(self, frame: Frame) -> list[Somebody]:
        """Everybody the detector sees in ``frame``, the likeliest first."""
        return [Somebody.detected(region, score) for region, score in self._detector(frame)]


def _pose(person: Person | None, picture: Frame) -> Poses:
    """One person, or nobody, as the poses of one frame."""
    joints, image_xy = np.full((1, _J, 3), np.nan, np.float32), np.full((1, _J, 2), np.nan, np.float32)
    scores = np.zeros((1, _J), np.float32)
    if person is not None:
        joints[0] = person.world[:_J] - person.world[HIPS].mean(axis=0)
        scores[0] = person.scores[:_J]
        image_xy[0] = person.image[:_J] / np.array([picture.shape[1], picture.shape[0]], np.float32)
    return Poses(joints=joints, scores=scores, image_xy=image_xy, layout=BLAZEPOSE33.name)


def _joined(steps: Sequence[Poses]) -> Poses:
    """The poses of many frames from those of each."""
    return Poses(
        joints=np.array([step.joints[0] for step in steps], np.float32).reshape(-1, _J, 3),
        scores=np.array([step.scores[0] for step in steps], np.float32).reshape(-1, _J),
        image_xy=np.array([step.image_xy[0] for step in steps], np.float32).reshape(-1, _J, 2),
        layout=BLAZEPOSE33.name,
    )


def _between(start: Floats, end: Floats, shares: NDArray[np.float64]) -> Floats:
    """[S, ...] points at ``shares`` of the way from ``start`` to ``end``."""
    return start + (end - start) * shares.reshape(-1, *(1 for _ in start.shape)).astype(np.float32)
