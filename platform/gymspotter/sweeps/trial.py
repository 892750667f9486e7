"""One trial of a sweep, without Ray and without MLflow: a point of the space, fitted and validated epoch by epoch."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gymspotter.errors import InputError
from gymspotter.fit import Epoch, Fitted, Fitting, begin
from gymspotter.splits import Split
from gymspotter.sweeps.space import Point, settings
from gymspotter.windows import Segments


@dataclass(frozen=True, kw_only=True)
class Data:
    """What all trials share: a training side cut at the finest stride of the space, and one to be judged by.

    Nothing in it is written to, so it may lie in shared memory. ``grid_fps`` is that of its tracks.
    """

    train: Segments
    validation: Segments
    grid_fps: float

    @classmethod
    def of(cls, sides: Split, grid_fps: float) -> "Data":
        """The two sides of a split.

        Raises:
            InputError: it has no validation side.
        """
        if sides.validation is None:
            raise InputError("the split has no validation side to judge trials by: set a validation-share.")
        return cls(train=sides.train, validation=sides.validation, grid_fps=grid_fps)


def at_stride(segments: Segments, stride: int, grid_fps: float) -> Segments:
    """Of whole videos' segments, cut at a fine stride, those that a coarser one would have cut.

    They are those whose first frame is a multiple of ``stride`` (itself a multiple of the fine one), counted from the
    video's first segment, and the video's last. Where a part of the video is missing (a span in quarantine, or nobody
    in sight for longer than a segment), the count begins anew after it.
    """
    order = np.lexsort((segments.starts, segments.video_ids))
    videos, starts, ends = segments.video_ids[order], segments.starts[order], segments.ends[order]
    gap = starts[1:] > ends[:-1] + 0.5 / grid_fps
    first = np.concatenate([[True], (videos[1:] != videos[:-1]) | gap])[: len(order)]
    begun = starts[np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))]
    frame = np.rint((starts - begun) * grid_fps).astype(int)
    last = np.concatenate([first[1:], [True]])[: len(order)]
    taken = order[(frame % stride == 0) | last]
    return segments if len(taken) == len(segments) else segments[np.sort(taken)]


def run_trial(
    point: Point,
    data: Data,
    *,
    epochs: int,
    seed: int,
    on_epoch: Callable[[Fitting, Epoch], bool | None] = lambda fitting, epoch: None,
    state: dict[str, Any] | None = None,
) -> Fitted:
    """Fit what a point of the space stands for, for so many epochs; the same for the same seed.

    ``on_epoch`` is told of each epoch; where it returns True, that was the last. What it raises ends the trial too.
    With a ``state`` (of `Fitting.state`) the trial goes on from there, as if it had never stopped; where the point has
    another learning rate than the state, as in population-based training, the rest of the schedule is scaled to it.

    Raises:
        InputError: the point cannot be, or the loss is no number any more.
    """
    how = settings(point, epochs=epochs, seed=seed)
    train = at_stride(data.train, how.stride, data.grid_fps)
    started = time.perf_counter()
    fitting = begin(train, how.fit, validation=data.validation, model_config=how.model_config)
    if state:
        fitting.load_state(state)
        fitting.loop.set_learning_rate(how.fit.learning_rate)
    while not fitting.done:
        if on_epoch(fitting, fitting.epoch()):
            break
    return fitting.fitted(time.perf_counter() - started)
