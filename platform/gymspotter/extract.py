"""Extract skeletons from videos with Ray Data: a catalog in, a store of tracks and a quarantine out.

    gymspotter extract VIDEOS --out runs/tracks
    gymspotter extract s3://gym/videos --out s3://gym/tracks --estimator mmpose --gpus-per-actor 0.5 --actors 8

Killed at any moment and started again, it does only what is missing. Two passes: all videos are probed, hashed and
cut into spans, then an actor pool decodes and pose-estimates them span by span. Only skeletons leave an actor, never
frames, so memory stays flat; only the driver writes, so no span is written twice.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Annotated, Any

import ray
import tyro

from gymspotter import storage
from gymspotter.catalog import Entry, read_catalog
from gymspotter.cluster import connect, on_this_node
from gymspotter.decoder import STALL_SECONDS
from gymspotter.errors import InputError
from gymspotter.lock import only_writer
from gymspotter.pose import MMPoseOptions, check_estimator
from gymspotter.spans import GRID_FPS, SPAN_SECONDS, Span, plan_spans
from gymspotter.store import (
    Probed,
    Quarantined,
    StoreWriter,
    clear_quarantine,
    merge_track_files,
    quarantined,
    read_index,
    read_probes,
    rename_tracks,
    write_probes,
)
from gymspotter.tally import Progress, Tally, reasons
from gymspotter.tracks import Track
from gymspotter.workers import Attempts, PoseWorker, Row, outcome, probe_row

NOTE = "extraction.json"
_MOST_BLOCKS = 10_000  # Ray needs about a millisecond to make one
_NOTE_EVERY_S = 10.0
# How many spans share a forward pass; the others, like BlazePose, look at one frame at a time.
_SPANS_AT_ONCE = {"mmpose": 8}
_ONLY_SPEED = ("batch", "device")  # settings of mmpose that change no track


@dataclass(frozen=True, kw_only=True)
class ExtractOptions:
    """Turn videos into skeleton tracks."""

    videos: Annotated[str, tyro.conf.Positional]
    """Folder with one folder per exercise, or a manifest (.csv, .parquet: uri, label, group), or one video; on disk,
    s3:// or gs://."""
    out: str = "runs/tracks"
    """The store to write: a new folder (or s3://, gs://), or that of an earlier run, which is then completed."""
    estimator: str = "blazepose"
    """Pose estimator: blazepose (CPU), or mmpose (GPU or CPU)."""
    actors: int | None = None
    """Worker processes; by default one per CPU that is up at the start: say it where nodes come with the work."""
    gpus_per_actor: float = 0.0
    """Share of a GPU that each worker process gets; 0 keeps it on the CPU."""
    fps: float = GRID_FPS
    """Frames a second on the sampling grid."""
    span_seconds: float = SPAN_SECONDS
    """Long videos are cut into spans of this length, which spread over the workers."""
    stall_seconds: float = STALL_SECONDS
    """A decoder that makes no progress for so long is stopped, and its video goes into quarantine."""
    map: dict[str, str] = field(default_factory=dict)
    """More spellings of exercises: --map "kniebeuge" "squat"."""
    mmpose: MMPoseOptions = field(default_factory=MMPoseOptions)
    """Settings of the estimator mmpose."""

    def __post_init__(self) -> None:
        check_estimator(self.estimator)
        if self.actors is not None and self.actors < 1:
            raise InputError(f"actors is {self.actors}: use at least 1.")
        if not 0 <= self.gpus_per_actor <= 8 or (self.gpus_per_actor > 1 and self.gpus_per_actor % 1):
            raise InputError(f"gpus-per-actor is {self.gpus_per_actor:g}: use a share from 0 to 1, or whole GPUs.")
        if not 0 < self.fps <= 60:
            raise InputError(f"fps is {self.fps:g}: use more than 0 and at most 60.")
        if self.span_seconds < 1:
            raise InputError(f"span-seconds is {self.span_seconds:g}: use at least 1.")
        if self.stall_seconds <= 0:
            raise InputError(f"stall-seconds is {self.stall_seconds:g}: use more than 0.")


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
        InputError: the catalog cannot be read, another run is writing the store, it holds tracks of these videos that
            were made with other options, or the machine has no GPU to share.
    """
    catalog = read_catalog(options.videos, options.map)
    with only_writer(options.out):
        return _extract(catalog, options)


def _extract(catalog: list[Entry], options: ExtractOptions) -> ExtractResult:
    connect()
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # ours counts spans, Ray's counts blocks
    context.print_on_execution_start = False
    _check_gpus(options)
    _check_options(options)

    spans, rejected = _plan(catalog, options)
    index = read_index(options.out)
    missing = [span for span in spans if (span.video_id, span.span) not in index]
    reused = len(spans) - len(missing)
    called = {(span.video_id, span.span): {"uri": span.uri, "label": span.label, "group": span.group} for span in spans}
    rename_tracks(options.out, {key: name for key, name in called.items() if index.get(key, name) != name})
    clear_quarantine(options.out)

    tally = Tally(missing, len(rejected))
    quarantine = list(rejected)
    writer = StoreWriter(options.out)
    for row in rejected:
        writer.add(row)
    with Progress("pose", total=len(spans), begun=reused, unit="span") as progress:
        for done in estimate_spans(missing, options):
            writer.add(done)
            tally.add(done)
            quarantine += [done] if isinstance(done, Quarantined) else []
            progress.step(tally.line())
    writer.flush()
    merge_track_files(options.out)

    result = ExtractResult(
        videos=len(catalog),
        spans=len(spans),
        tracks=len(spans) - (len(quarantine) - len(rejected)),
        reused=reused,
        quarantined=len(quarantine),
        frames=tally.frames,
    )
    uris = {span.uri for span in spans} | {row.uri for row in rejected}
    if tally.done != len(missing) or len(uris) != len(catalog):
        raise RuntimeError(f"inputs are not tracks + quarantine: {result}")
    print("\n".join(text for text in (tally.table(), str(result), reasons(quarantine)) if text))
    return result


def _check_gpus(options: ExtractOptions) -> None:
    """Ray would wait for a GPU forever; only a cluster may get one later."""
    if options.gpus_per_actor and not ray.cluster_resources().get("GPU"):
        if not os.environ.get("RAY_ADDRESS"):
            raise InputError(
                f"gpus-per-actor is {options.gpus_per_actor:g}, but Ray sees no GPU on this machine: leave it out."
            )
        print("the cluster has no GPU yet: waiting for one", file=sys.stderr)


def _check_options(options: ExtractOptions) -> None:
    """Refuse to complete a store with options under which its spans would be others; a new store notes them."""
    note = storage.join(options.out, NOTE)
    ours: dict[str, Any] = {"estimator": options.estimator, "fps": options.fps, "span_seconds": options.span_seconds}
    if options.estimator == "mmpose":
        ours["mmpose"] = {name: value for name, value in asdict(options.mmpose).items() if name not in _ONLY_SPEED}
    if not storage.info(note) and not read_index(options.out):
        storage.write_whole(note, (json.dumps(ours) + "\n").encode())
    try:
        theirs = json.loads(storage.read_bytes(note))
        different = [name for name, value in ours.items() if theirs[name] != value]
    except (InputError, ValueError, KeyError, TypeError):
        raise InputError(
            f"out {options.out!r} does not say how its tracks were made ({NOTE}): name a new folder."
        ) from None
    if different:
        name = different[0]
        raise InputError(
            f"out {options.out!r} was made with {name.replace('_', '-')} {theirs[name]}, not {ours[name]}: "
            "use the options of that run, or name a new folder."
        )


def _plan(catalog: list[Entry], options: ExtractOptions) -> tuple[list[Span], list[Quarantined]]:
    """The spans of all videos, and the videos that have none; of equal contents the first uri counts."""
    entries, rejected = {}, []
    for entry in catalog:
        try:
            entry.uri.encode()
            entries[entry.uri] = entry
        except UnicodeEncodeError:
            name = os.fsencode(entry.uri).decode(errors="backslashreplace")
            message = f"the name of {name!r} is not UTF-8: rename the file."
            rejected.append(quarantined(name, "probe", "UnreadableName", message))
    probed, unusable = _probe(list(entries), options)
    spans: list[Span] = []
    first_uri: dict[str, str] = {}
    for found in sorted(probed, key=lambda found: found.uri):
        original = first_uri.setdefault(found.video_id, found.uri)
        if original == found.uri:
            grid = {"fps": options.fps, "span_seconds": options.span_seconds}
            spans += plan_spans(entries[found.uri], found.video_id, found.seconds, **grid)
        else:
            message = f"the content is the same as that of {original!r}, which is extracted: remove one of the two."
            rejected.append(quarantined(found.uri, "duplicate", "DuplicateVideo", message))
    return spans, rejected + unusable


def _probe(uris: Sequence[str], options: ExtractOptions) -> tuple[list[Probed], list[Quarantined]]:
    """What is known of the videos; what is found anew is noted in the store, for the next run."""
    if not uris:
        return [], []
    known = read_probes(options.out)
    rows = [
        {
            "uri": uri,
            "known": json.dumps(asdict(known[uri])) if uri in known else "",
            "reached": storage.answers(uri),
        }
        for uri in uris
    ]
    probed, unusable, news = [], [], list[Probed]()
    noted = time.monotonic()
    answers = _blocks(rows).map(partial(probe_row, stall_seconds=options.stall_seconds)).iter_rows()
    with Progress("probe", total=len(uris), unit="video") as progress:
        for row in answers:
            if row["rejected"]:
                unusable.append(Quarantined(**json.loads(row["rejected"])))
            else:
                probed.append(Probed(**json.loads(row["probed"])))
                news += [] if row["known"] else probed[-1:]
            progress.step(f"{len(unusable)} quarantined")
            if news and time.monotonic() - noted > _NOTE_EVERY_S:
                write_probes(news, options.out)
                news, noted = [], time.monotonic()
    if news:
        write_probes(news, options.out)
    return probed, unusable


def estimate_spans(spans: Sequence[Span], options: ExtractOptions) -> Iterator[Track | Quarantined]:
    """A track or a quarantine row for each span, as they are done; Ray is connected."""
    if not spans:
        return
    actors = options.actors or max(1, int(ray.cluster_resources().get("CPU", 1)))
    at_once = min(_SPANS_AT_ONCE.get(options.estimator, 1), -(-len(spans) // actors))
    rows = _blocks([{"span": json.dumps(asdict(span))} for span in spans], at_once).map_batches(
        PoseWorker,
        fn_constructor_args=(options.estimator, options.mmpose, options.stall_seconds, _SharedAttempts()),
        compute=ray.data.ActorPoolStrategy(size=min(actors, len(spans))),
        batch_size=at_once,
        num_cpus=1,
        num_gpus=options.gpus_per_actor or None,
    )
    yield from map(outcome, rows.iter_rows())


class _SharedAttempts(Attempts):
    """One in the cluster, on the driver's node: lost with another it would count from 0 again."""

    def __init__(self) -> None:
        lasting = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": on_this_node()}
        self._actor: Any = ray.remote(Attempts).options(**lasting).remote()

    def begin(self, key: str) -> int:
        return ray.get(self._actor.begin.remote(key))

    def end(self, key: str) -> None:
        self._actor.end.remote(key)


def _blocks(rows: list[Row], per_block: int = 1) -> ray.data.Dataset:
    """Ray Data hands a block on when all of it is done, and does it again when its worker dies: small ones, then."""
    return ray.data.from_items(rows, override_num_blocks=min(-(-len(rows) // per_block), _MOST_BLOCKS))
