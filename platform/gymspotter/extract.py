"""Extract skeletons from videos with Ray Data: a catalog in, a store of tracks and a quarantine out.

    gymspotter extract VIDEOS --out runs/tracks

Killed at any moment and started again, it does only what is missing. Two passes: all videos are probed, hashed and
cut into spans, then an actor pool decodes and pose-estimates one span a row. Only skeletons leave an actor, never
frames, so memory stays flat; only the driver writes, so no span is written twice.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import ray
import tyro
from tqdm import tqdm

from gymspotter.catalog import Entry, read_catalog
from gymspotter.cluster import connect
from gymspotter.errors import InputError
from gymspotter.pose import check_estimator, load_estimator
from gymspotter.spans import GRID_FPS, SPAN_SECONDS, Span, plan_spans, track_span
from gymspotter.tracks import (
    Quarantined,
    Track,
    TrackWriter,
    clear_quarantine,
    only_writer,
    quarantined,
    read_index,
    rename_tracks,
    table_to_tracks,
    tracks_to_table,
    write_quarantine,
)


@dataclass(frozen=True, kw_only=True)
class ExtractOptions:
    """Turn videos into skeleton tracks."""

    videos: Annotated[str, tyro.conf.Positional]
    """Folder with one folder per exercise, or a manifest (.csv, .parquet: uri, label, group), or one video."""
    out: Path = Path("runs/tracks")
    """The store to write: a new folder, or that of an earlier run, which is then completed."""
    estimator: str = "blazepose"
    """Pose estimator."""
    actors: int | None = None
    """Worker processes; by default one per CPU of the cluster."""
    fps: float = GRID_FPS
    """Frames a second on the sampling grid."""
    span_seconds: float = SPAN_SECONDS
    """Long videos are cut into spans of this length, which spread over the workers."""
    map: dict[str, str] = field(default_factory=dict)
    """More spellings of exercises: --map "kniebeuge" "squat"."""

    def __post_init__(self) -> None:
        check_estimator(self.estimator)
        if self.actors is not None and self.actors < 1:
            raise InputError(f"actors is {self.actors}: use at least 1.")
        if not 0 < self.fps <= 60:
            raise InputError(f"fps is {self.fps:g}: use more than 0 and at most 60.")
        if self.span_seconds < 1:
            raise InputError(f"span-seconds is {self.span_seconds:g}: use at least 1.")


@dataclass(frozen=True, kw_only=True)
class ExtractResult:
    """What came of the videos. A span ends as a track or in quarantine; a video that has no spans, in quarantine.

    ``reused`` of the tracks were in the store already; ``frames`` counts those that were looked at in this run.
    """

    videos: int
    spans: int
    tracks: int
    reused: int
    quarantined: int
    frames: int

    def __str__(self) -> str:
        without_spans = self.tracks + self.quarantined - self.spans
        unusable = f" + {without_spans} unusable videos" if without_spans else ""
        reused = f" ({self.reused} of them from before)" if self.reused else ""
        return (
            f"{self.videos} videos: {self.spans} spans{unusable} = {self.tracks} tracks{reused} + "
            f"{self.quarantined} quarantined; {self.frames} frames estimated"
        )


def extract(options: ExtractOptions) -> ExtractResult:
    """Extract all videos of a catalog into a store, a new one or one that an earlier run began.

    Only spans that the store lacks are estimated; a video that has another name or label by now gets that, and what is
    in quarantine is tried again. A run may be killed at any moment and started anew: each (video_id, span) is in the
    store once.

    Raises:
        InputError: the catalog cannot be read, another run is writing the store, or it holds tracks of these videos
            that were made with other options.
    """
    catalog = read_catalog(options.videos, options.map)
    with only_writer(options.out):
        result = _extract(catalog, options)
    print(result)
    return result


def _extract(catalog: list[Entry], options: ExtractOptions) -> ExtractResult:
    connect()
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # ours counts spans, Ray's counts blocks
    context.print_on_execution_start = False

    _check_options(options)
    spans, rejected = _plan(catalog, options)
    index = read_index(options.out)
    missing = [span for span in spans if (span.video_id, span.span) not in index]
    reused = len(spans) - len(missing)
    called = {(span.video_id, span.span): {"uri": span.uri, "label": span.label, "group": span.group} for span in spans}
    rename_tracks(options.out, {key: name for key, name in called.items() if index.get(key, name) != name})
    clear_quarantine(options.out)
    write_quarantine(rejected, options.out)
    writer = TrackWriter(options.out)
    tracks = failed = frames = 0
    with tqdm(total=len(spans), initial=reused, desc="pose", unit="span", disable=None) as bar:
        for outcome in _estimate(missing, options):
            if isinstance(outcome, Track):
                writer.add(outcome)
                tracks += 1
                frames += len(outcome.joints)
            else:
                write_quarantine([outcome], options.out)
                failed += 1
            bar.update()
            bar.set_postfix(frames=frames, quarantined=len(rejected) + failed)
    writer.flush()
    result = ExtractResult(
        videos=len(catalog),
        spans=len(spans),
        tracks=reused + tracks,
        reused=reused,
        quarantined=len(rejected) + failed,
        frames=frames,
    )
    uris = {span.uri for span in spans} | {row.uri for row in rejected}
    if reused + tracks + failed != len(spans) or len(uris) != len(catalog):
        raise RuntimeError(f"inputs are not tracks + quarantine: {result}")
    return result


def _check_options(options: ExtractOptions) -> None:
    """Refuse to complete a store with options under which its spans would be others; a new store notes them."""
    note = options.out / "extraction.json"
    ours = {"estimator": options.estimator, "fps": options.fps, "span_seconds": options.span_seconds}
    if not note.exists() and not read_index(options.out):
        note.write_text(json.dumps(ours) + "\n")
    try:
        theirs = json.loads(note.read_text())
        different = [name for name, value in ours.items() if theirs[name] != value]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"out {str(options.out)!r} does not say how its tracks were made ({note.name}): name a new folder."
        ) from None
    if different:
        name = different[0]
        raise InputError(
            f"out {str(options.out)!r} was made with {name.replace('_', '-')} {theirs[name]}, not {ours[name]}: "
            "use the options of that run, or name a new folder."
        )


def _plan(catalog: list[Entry], options: ExtractOptions) -> tuple[list[Span], list[Quarantined]]:
    """The spans of all videos, and the videos that have none; of equal contents the first uri counts."""

    def probe_row(row: dict[str, Any]) -> dict[str, Any]:
        try:
            spans = plan_spans(Entry(**row), fps=options.fps, span_seconds=options.span_seconds)
        except Exception as error:  # one bad file never ends the job; what it was is recorded
            return {"uri": row["uri"], "spans": "[]", "error": type(error).__name__, "message": str(error)}
        return {"uri": row["uri"], "spans": json.dumps([asdict(s) for s in spans]), "error": "", "message": ""}

    spans: list[Span] = []
    rejected: list[Quarantined] = []
    first_uri: dict[str, str] = {}
    readable = []
    for entry in catalog:
        try:
            entry.uri.encode()
            readable.append(asdict(entry))
        except UnicodeEncodeError:
            name = os.fsencode(entry.uri).decode(errors="backslashreplace")
            message = f"the name of {name!r} is not UTF-8: rename the file."
            rejected.append(quarantined(name, "probe", "UnreadableName", message))
    rows = ray.data.from_items(readable).map(probe_row).take_all() if readable else []
    for row in sorted(rows, key=lambda row: row["uri"]):
        if row["error"]:
            rejected.append(quarantined(row["uri"], "probe", row["error"], row["message"]))
            continue
        found = [Span(**span) for span in json.loads(row["spans"])]
        original = first_uri.setdefault(found[0].video_id, row["uri"])
        if original != row["uri"]:
            message = f"the content is the same as that of {original!r}, which is extracted: remove one of the two."
            rejected.append(quarantined(row["uri"], "duplicate", "DuplicateVideo", message))
        else:
            spans += found
    return spans, rejected


class _PoseWorker:
    """One worker: an estimator that is loaded once and given one span after another."""

    def __init__(self, estimator: str) -> None:
        import cv2

        cv2.setNumThreads(1)  # the pool is the parallelism
        self.estimator = load_estimator(estimator)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        # Rows are JSON and Arrow IPC, because Ray Data infers a column's type from each block anew, and a label that is
        # missing throughout a block would be another type than one that is not.
        out: dict[str, list[Any]] = {"track": [], "quarantined": []}
        for row in batch["span"]:
            track, failure = b"", ""
            span = Span(**json.loads(row))
            try:
                track = _to_bytes(tracks_to_table([track_span(span, self.estimator)]))
            except Exception as error:  # as above: into quarantine with it, on with the next
                bad = quarantined(span.uri, "pose", type(error).__name__, str(error), span.span)
                failure = json.dumps(asdict(bad))
            out["track"].append(track)
            out["quarantined"].append(failure)
        return out


def _estimate(spans: list[Span], options: ExtractOptions) -> Iterator[Track | Quarantined]:
    """A track or a quarantine row for each span, as they are done."""
    if not spans:
        return
    actors = options.actors or max(1, int(ray.cluster_resources().get("CPU", 1)))
    rows = ray.data.from_items(
        [{"span": json.dumps(asdict(s))} for s in spans], override_num_blocks=min(len(spans), 1000)
    )
    outcomes = rows.map_batches(
        _PoseWorker,
        fn_constructor_args=(options.estimator,),
        compute=ray.data.ActorPoolStrategy(size=min(actors, len(spans))),
        batch_size=1,
        num_cpus=1,
    )
    for row in outcomes.iter_rows():
        if row["track"]:
            yield table_to_tracks(pa.ipc.open_stream(row["track"]).read_all())[0]
        else:
            yield Quarantined(**json.loads(row["quarantined"]))


def _to_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()
