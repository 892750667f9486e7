"""How unequal spans are: the time BlazePose takes for each of some rendered ones, over their mean."""

import itertools
import statistics
import time
from pathlib import Path

import cv2

from gymspotter.catalog import Entry
from gymspotter.labels import EXERCISES
from gymspotter.pose import load_estimator
from gymspotter.spans import plan_spans, track_span
from gymspotter.synth.generate import Item, SynthOptions, make_video

_SECONDS = 6.0


def relative_times(folder: Path, clips: int) -> list[float]:
    """Of so many exercises a clip each, six seconds: its CPU time (others work, too) over their mean."""
    cv2.setNumThreads(1)
    made = SynthOptions(out=str(folder), seconds=_SECONDS, width=320, height=240)
    videos = [make_video(Item(exercise=name, number=0, seed=5), made) for name in itertools.islice(EXERCISES, clips)]
    estimator = load_estimator("blazepose")
    times = []
    for video in [videos[0], *videos]:  # the first time warms up
        (span,) = plan_spans(Entry(uri=str(video)), video.stem, _SECONDS)
        began = time.process_time()
        track_span(span, estimator)
        times.append(time.process_time() - began)
    mean = statistics.mean(times[1:])
    return [spent / mean for spent in times[1:]]
