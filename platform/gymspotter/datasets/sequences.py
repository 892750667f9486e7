"""The common type that every skeleton dataset is read into, and the way from it to segments.

Shapes: n frames of one sequence, S segments, T frames of a segment, J joints of a layout, C = 3 coordinates.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gymspotter.errors import InputError
from gymspotter.skeleton import Floats, Layout
from gymspotter.windows import SEGMENT_FRAMES, Segments


@dataclass(frozen=True, kw_only=True)
class SkeletonSequence:
    """One recorded action. ``poses`` [n, J, C] float32: metres, x right of the picture, y down, z away; NaN: not seen.

    ``subject`` and ``view`` are the recorded person and camera by the numbers that the dataset gives them.
    """

    poses: Floats
    label: str
    subject: str
    uri: str
    view: str = ""


@dataclass(frozen=True, kw_only=True)
class SkeletonDataset:
    """All sequences of one dataset, and how its authors (or those who cite it) divide it.

    Each entry of ``folds`` lists the subjects or views (``group_by``) that are tested while the others are trained on.
    ``sided`` says that left and right are different classes, so that no mirror image may be trained on.
    """

    name: str
    layout: Layout
    classes: tuple[str, ...]
    sequences: tuple[SkeletonSequence, ...]
    folds: tuple[tuple[str, ...], ...]
    fps: float
    group_by: Literal["subject", "view"] = "subject"
    sided: bool = False

    def __post_init__(self) -> None:
        if not self.sequences:
            raise InputError(f"{self.name} has no sequences in these files: give the whole dataset.")

    @property
    def groups(self) -> tuple[str, ...]:
        """The subjects or views there are."""
        return tuple(sorted({getattr(sequence, self.group_by) for sequence in self.sequences}))

    def check_folds(self) -> None:
        """Check that every fold has something to test and something to train on.

        Raises:
            InputError: one has not.
        """
        for fold in self.folds:
            for purpose, there in (("test", set(self.groups) & set(fold)), ("train on", set(self.groups) - set(fold))):
                if not there:
                    raise InputError(
                        f"{self.name} has only {self.group_by} {', '.join(self.groups)} here, and none to {purpose}: "
                        "give the whole dataset."
                    )

    def segments(self, frames: int = SEGMENT_FRAMES) -> Segments:
        """Each whole sequence as one segment of ``frames`` frames; its group is what ``group_by`` says."""
        return Segments(
            poses=np.stack([resample(sequence.poses, frames) for sequence in self.sequences]),
            labels=np.array([sequence.label for sequence in self.sequences]),
            groups=np.array([getattr(sequence, self.group_by) for sequence in self.sequences]),
            video_ids=np.array([sequence.uri for sequence in self.sequences]),
            starts=np.zeros(len(self.sequences)),
            ends=np.array([len(sequence.poses) / self.fps for sequence in self.sequences]),
        )


def resample(poses: Floats, frames: int) -> Floats:
    """A sequence [n, J, C] stretched or squeezed to ``frames`` frames, linearly; NaN wherever it draws on NaN."""
    times = np.linspace(0, len(poses) - 1, frames)
    before = np.floor(times).astype(np.int64)
    weight = (times - before).astype(np.float32)[:, None, None]
    after = np.minimum(before + 1, len(poses) - 1)
    # A frame that is met exactly does not depend on the next one, which may be NaN.
    return np.where(weight > 0, poses[before] * (1 - weight) + poses[after] * weight, poses[before])
