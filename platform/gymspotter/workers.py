"""What the workers of an extraction do: look into a video, or estimate the poses of some spans.

Rows of JSON and bytes go in and come out, so that anything can carry them; `gymspotter.extract` lets Ray Data do it.
Whatever is wrong with an input comes out as a row, never as an exception: a bad file must not end the job.
"""

import functools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import cv2

from gymspotter import storage
from gymspotter.decoder import Decoder
from gymspotter.errors import InputError
from gymspotter.pose import Estimator, MMPoseOptions, load_estimator
from gymspotter.spans import Span, finish_span, watch_span
from gymspotter.store import Probed, Quarantined, quarantined
from gymspotter.tracks import Track, track_from_bytes, track_to_bytes

Row = dict[str, Any]
# How often a worker may die over a span that it has to itself, until the span is given up.
_MOST_DEATHS = 2


def probe_row(row: Row, stall_seconds: float) -> Row:
    """Look into one video.

    Args:
        row: ``uri``; ``known``: what an earlier run found (JSON of a `Probed`), or ""; ``reached``: whether somebody
            was answered by its server, which is waited for then.
        stall_seconds: see `Decoder`.

    Returns:
        ``uri``; ``probed``: JSON of a `Probed`, or "" if the video cannot be used; ``known`` if it is as it was;
        ``rejected``: then JSON of a `Quarantined`, or "".
    """
    uri = row["uri"]
    try:
        if row["reached"]:
            storage.expect(uri)
        file = storage.info(uri)
        known = Probed(**json.loads(row["known"])) if row["known"] else None
        if file and known and (known.size, known.mtime_ns) == (file.size, file.mtime_ns):
            return {"uri": uri, "probed": row["known"], "known": True, "rejected": ""}
        seconds = _decoder(stall_seconds).probe(uri).seconds
        file = file or storage.info(uri)
        probed = Probed(
            uri=uri,
            size=file.size if file else 0,
            mtime_ns=file.mtime_ns if file else 0,
            video_id=storage.sha256(uri)[:16],
            seconds=seconds,
        )
    except Exception as error:
        bad = quarantined(uri, "probe", type(error).__name__, str(error))
        return {"uri": uri, "probed": "", "known": False, "rejected": json.dumps(asdict(bad))}
    return {"uri": uri, "probed": json.dumps(asdict(probed)), "known": False, "rejected": ""}


@functools.cache
def _decoder(stall_seconds: float) -> Decoder:
    """One a process, for all the videos it probes."""
    return Decoder(stall_seconds=stall_seconds)


class Attempts:
    """Pieces of work that were begun and never ended: the worker died over them. One for all workers."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def begin(self, key: str) -> int:
        """Note that work on it begins; how often it did so without coming to an end, this time included."""
        self._open[key] += 1
        return self._open[key]

    def end(self, key: str) -> None:
        """Note that nobody died this time; earlier deaths still count."""
        self._open[key] -= 1


class PoseWorker:
    """An estimator and a decoder that are loaded once and given some spans after another.

    ``attempts`` outlives the worker. Native code of an estimator can take the whole process down; who starts the worker
    again and hands it the same spans would do so for ever.
    """

    def __init__(self, estimator: str, mmpose: MMPoseOptions, stall_seconds: float, attempts: Attempts) -> None:
        cv2.setNumThreads(1)  # the pool is the parallelism
        self._decoder, self._attempts = Decoder(stall_seconds=stall_seconds), attempts
        self._estimator, self._unusable = None, ""
        try:
            self._estimator = load_estimator(estimator, mmpose)
        except InputError as error:  # said by the first span: an actor that dies here would be started for ever
            self._unusable = str(error)

    def __call__(self, batch: dict[str, Sequence[str]]) -> dict[str, list[Any]]:
        """A row for each of the spans in ``span`` (JSON), for `outcome`."""
        if self._estimator is None:
            nothing = [""] * len(batch["span"])
            return {"track": [b""] * len(nothing), "quarantined": nothing, "unusable": [self._unusable] * len(nothing)}
        outcomes = self._outcomes([Span(**json.loads(row)) for row in batch["span"]], self._estimator)
        return {
            "track": [track_to_bytes(out) if isinstance(out, Track) else b"" for out in outcomes],
            "quarantined": [json.dumps(asdict(out)) if isinstance(out, Quarantined) else "" for out in outcomes],
            "unusable": [""] * len(outcomes),
        }

    def _outcomes(self, spans: list[Span], estimator: Estimator) -> list[Track | Quarantined]:
        """All at once; where a worker died over these, one by one, and without the one that it dies over."""
        with self._attempt(" ".join(map(_key, spans)) + " at once") as number:
            if number == 1:
                return _outcomes(spans, estimator, self._decoder)
        return [self._alone(span, estimator) for span in spans]

    def _alone(self, span: Span, estimator: Estimator) -> Track | Quarantined:
        with self._attempt(_key(span)) as number:
            return _outcomes([span], estimator, self._decoder)[0] if number <= _MOST_DEATHS else _deadly(span)

    @contextmanager
    def _attempt(self, key: str) -> Iterator[int]:
        yield self._attempts.begin(key)
        self._attempts.end(key)


def outcome(row: Row) -> Track | Quarantined:
    """What a row of `PoseWorker` says.

    Raises:
        InputError: the worker's estimator cannot be loaded.
    """
    if row["unusable"]:
        raise InputError(row["unusable"])
    return track_from_bytes(row["track"]) if row["track"] else Quarantined(**json.loads(row["quarantined"]))


def _outcomes(spans: list[Span], estimator: Estimator, decoder: Decoder) -> list[Track | Quarantined]:
    """The spans' tracks from one forward pass; a span that breaks anywhere on the way does so alone."""
    found: dict[int, Track | Quarantined] = {}
    watched: dict[int, Any] = {}
    for k, span in enumerate(spans):
        try:
            watched[k] = watch_span(span, estimator, decoder.frames_at)
        except Exception as error:
            found[k] = _failure(span, error)
    try:
        poses = dict(zip(watched, estimator.poses(list(watched.values())), strict=True))
    except Exception as error:
        if len(watched) > 1:  # one of them is the cause: each by itself
            return [_outcomes([span], estimator, decoder)[0] for span in spans]
        poses = {}
        found.update({k: _failure(spans[k], error) for k in watched})
    for k, span_poses in poses.items():
        try:
            found[k] = finish_span(spans[k], span_poses, estimator)
        except Exception as error:
            found[k] = _failure(spans[k], error)
    return [found[k] for k in range(len(spans))]


def _failure(span: Span, error: Exception) -> Quarantined:
    return quarantined(span.uri, "pose", type(error).__name__, str(error), span.span)


def _key(span: Span) -> str:
    return f"{span.video_id}/{span.span}"


def _deadly(span: Span) -> Quarantined:
    message = (
        f"the pose worker died {_MOST_DEATHS + 1} times over it: try it again in another run, with another estimator "
        "or more memory."
    )
    return quarantined(span.uri, "pose", "WorkerDied", message, span.span)
