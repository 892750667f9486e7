"""Performances rendered and looked at by an estimator at once, without a file: what it sees beside what is true.

    shot = Shot.sample("squat", 0, seed=7)
    track = watch(shot, BlazePose.load())  # what shot.exact looks like to it

About 1.4 s of one core each. `seen.fit_errors` learns an estimator's errors from them; they can be trained on as well.
Shapes: T frames, J = 17 joints.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from gymspotter.pose import Estimator, estimate
from gymspotter.skeleton import Floats, layout, root_at_hip, to_canonical
from gymspotter.spans import GRID_FPS
from gymspotter.synth.camera import Camera, sample_camera
from gymspotter.synth.look import Look, sample_look
from gymspotter.synth.perform import MOTIONS, camera_joints, perform
from gymspotter.synth.render import Picture, render
from gymspotter.synth.scene import Performance
from gymspotter.tracks import Track

# Width and height in pixels, and how often each is chosen. An estimator looks at 256 pixels at most.
_SIZES, _USUAL = ((480, 360), (480, 272), (272, 480), (360, 360)), (0.4, 0.35, 0.15, 0.1)
# Real clips are short, and other clips teach more than longer ones.
_FRAMES = (18, 42)
_CLOSE = 0.5
# A fifth of the pictures is out of shape, as after a careless conversion, by about so much.
_STRETCHED, _STRETCH = 0.2, 0.2


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One performance on the sampling grid, and how it is filmed: from near or far, in pictures of ``size``.

    ``stretch`` is how much wider than it should be everything looks.
    """

    name: str
    performance: Performance
    camera: Camera
    look: Look
    size: tuple[int, int]
    stretch: float

    @staticmethod
    def sample(exercise: str, number: int, *, seed: int = 0) -> "Shot":
        """Number ``number`` of a key of perform.MOTIONS."""
        of = [np.random.default_rng([seed, list(MOTIONS).index(exercise), number, purpose]) for purpose in range(4)]
        performance = perform(exercise, of[0], seconds=float(of[3].integers(*_FRAMES)) / GRID_FPS, fps=GRID_FPS)
        return Shot(
            name=f"{exercise.replace(' ', '-')}-w{seed}-{number:04d}",
            performance=performance,
            camera=sample_camera(performance, of[1], close=_CLOSE),
            look=sample_look(of[2]),
            size=_SIZES[of[3].choice(len(_SIZES), p=_USUAL)],
            stretch=float(np.exp(of[3].normal(0, _STRETCH))) if of[3].random() < _STRETCHED else 1.0,
        )

    @property
    def exact(self) -> Floats:
        """[T, J, 3]: the true joints, metres on camera axes, hip-rooted."""
        return camera_joints(self.performance, self.camera)

    def pictures(self) -> Iterator[Picture]:
        """RGB frames."""
        for picture in render(self.performance, self.camera, self.look, *self.size):
            wide = cv2.resize(picture, None, fx=self.stretch, fy=1.0) if self.stretch != 1 else picture
            yield wide.astype(np.uint8, copy=False)


def watch(shot: Shot, estimator: Estimator) -> Track:
    """What an estimator sees of a shot."""
    poses = estimate(estimator, shot.pictures())
    native = layout(poses.layout)
    joints, scores = to_canonical(poses.joints, poses.scores, native)
    image_xy, _ = to_canonical(poses.image_xy, poses.scores, native)
    uri = f"synth:{shot.name}"
    return Track(
        video_id=hashlib.sha256(uri.encode()).hexdigest()[:16],
        span=0,
        uri=uri,
        label=shot.performance.exercise,
        group=shot.name,
        fps=GRID_FPS,
        t0=0.0,
        joints=root_at_hip(joints),
        scores=scores,
        image_xy=image_xy,
        layout=poses.layout,
        estimator=estimator.name,
        estimator_version=estimator.version,
    )
