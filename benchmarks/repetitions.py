"""Repetition counting on the synthetic gym, whose repetitions are known, and on real clips counted by eye.

    python benchmarks/repetitions.py [--quick] [--json FILE] [--clips FOLDER]

Three conditions: 12 s and 30-60 s of one exercise, and a whole set between two rests (walking, talking, sitting down
...) of the same athlete, all in one count. Each with exact skeletons and with errors as BlazePose makes them. A
recording is counted as a live session would count it: five frames at a time, then the end of the set.

The peer is a textbook counter: peaks (scipy.signal.find_peaks) of the first principal component of all joints, with a
prominence of a third of its range and half a second between two. Real clips are ``FOLDER/<exercise>/<file>.mp4``; those
that benchmarks/repetitions_by_eye.csv names are looked at by BlazePose and compared with its counts.
"""

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from common import Claim, Options, measured, parser, report
from numpy.typing import NDArray
from scipy.signal import find_peaks

from gymspotter.labels import EXERCISES
from gymspotter.repetitions import Counter, is_counted
from gymspotter.skeleton import Floats
from gymspotter.synth.camera import sample_camera
from gymspotter.synth.perform import camera_joints, perform
from gymspotter.synth.scene import Performance
from gymspotter.synth.seen import blazepose_errors

FPS = 5.0
BUNDLE = 5
# The signals and the counter's constants were chosen on seeds 11 and 12.
SEED = 2026
PER_EXERCISE, QUICK = 40, 4
OFF_BY_ONE = 0.9
CONDITIONS = ("12 s", "30-60 s", "a set between rests")
KINDS = ("exact", "BlazePose's errors")
RESTS = (
    "walking", "standing rest", "talking", "using phone", "drinking", "sitting rest", "picking up", "loading plates",
    "fidgeting", "sitting down",
)  # fmt: skip
# From one movement to the next.
_CHANGE_FRAMES = 5


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One performance as an estimator sees it, exactly and with errors, and how many repetitions it shows whole."""

    exercise: str
    condition: str
    exact: Floats
    seen: Floats
    repetitions: int


def recordings(per_exercise: int) -> Iterator[Recording]:
    """All performances of this benchmark; each has an athlete, a camera and errors of its own."""
    for number, exercise in enumerate(EXERCISES):
        if not is_counted(exercise):
            continue
        for k in range(per_exercise):
            for which, condition in enumerate(CONDITIONS):
                rng = np.random.default_rng((SEED, number, k, which))
                yield _record(exercise, condition, rng)


def _record(exercise: str, condition: str, rng: np.random.Generator) -> Recording:
    low, high = {"12 s": (12, 12), "30-60 s": (30, 60)}.get(condition, (12, 40))
    performance = perform(exercise, rng, seconds=round(float(rng.uniform(low, high)) * FPS) / FPS, fps=FPS)
    if condition == CONDITIONS[2]:
        performance = _between_rests(performance, rng)
    exact = camera_joints(performance, sample_camera(performance, rng))
    return Recording(
        exercise=exercise,
        condition=condition,
        exact=exact,
        seen=blazepose_errors().seen(exact, rng),
        repetitions=len(performance.repetitions),
    )


def _between_rests(set_: Performance, rng: np.random.Generator) -> Performance:
    """The whole repetitions of a set between 3 to 10 s of other movements; nothing is cut off in it."""
    rests = [
        perform(
            str(rng.choice(RESTS)), rng, seconds=float(rng.integers(15, 51)) / FPS, fps=FPS, build=set_.build
        ).joints
        for _ in range(2)
    ]
    # A recording without a whole repetition is one long rest.
    first, last = (set_.repetitions[0][0], set_.repetitions[-1][1]) if set_.repetitions else (0.0, 0.0)
    middle = set_.joints[int(first * FPS) : int(np.ceil(last * FPS)) + 1]
    share = np.linspace(0, 1, _CHANGE_FRAMES + 2)[1:-1]
    eased = (share**2 * (3 - 2 * share))[:, None, None]
    parts = [rests[0], _change(rests[0], middle, eased), middle, _change(middle, rests[1], eased), rests[1]]
    return replace(set_, joints=np.concatenate(parts).astype(set_.joints.dtype))


def _change(before: NDArray[np.floating], after: NDArray[np.floating], eased: NDArray[np.floating]) -> NDArray:
    return before[-1] + eased * (after[0] - before[-1])


def counted(exercise: str, joints: Floats) -> int:
    """As a live session counts: a bundle a second, then the end of the set."""
    counter = Counter(exercise, FPS)
    for start in range(0, len(joints), BUNDLE):
        counter.push(start / FPS, joints[start : start + BUNDLE])
    counter.finish()
    return len(counter.repetitions)


def peaks(joints: Floats) -> int:
    """The peer: peaks of the first principal component of all joints."""
    flat = joints.reshape(len(joints), -1).astype(np.float64)
    flat = flat[np.isfinite(flat).all(axis=1)]
    if len(flat) < 3:
        return 0
    flat = flat - flat.mean(axis=0)
    signal = flat @ np.linalg.svd(flat, full_matrices=False)[2][0]
    least = np.ptp(signal) / 3
    # Which way it points is chance: the side with fewer peaks leaves out the cut-off ones.
    return min(len(find_peaks(s, prominence=least, distance=0.5 * FPS)[0]) for s in (signal, -signal))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How many repetitions too many the counter and the peer found in a recording."""

    exercise: str
    condition: str
    kind: str
    off: int
    peer: int


def main() -> None:
    out = parser(__doc__ or "")
    out.add_argument("--clips", type=Path, metavar="FOLDER", help="real clips, a folder per exercise")
    given = out.parse_args()
    made = list(recordings(QUICK if given.quick else PER_EXERCISE))
    outcomes = [
        Outcome(
            exercise=r.exercise,
            condition=r.condition,
            kind=kind,
            off=counted(r.exercise, joints) - r.repetitions,
            peer=peaks(joints) - r.repetitions,
        )
        for r in made
        for kind, joints in zip(KINDS, (r.exact, r.seen), strict=True)
    ]
    claims = [c for condition in CONDITIONS for kind in KINDS for c in _accuracy(outcomes, condition, kind)]
    claims += _by_exercise(outcomes)
    claims += _cost(made)
    if given.clips:
        claims += _clips(given.clips)
    report("repetitions", claims, Options(quick=given.quick, json=given.json), packages=("numpy", "scipy"))


def _accuracy(outcomes: list[Outcome], condition: str, kind: str) -> list[Claim]:
    chosen = [o for o in outcomes if o.condition == condition and o.kind == kind]
    off, peer = abs(np.array([o.off for o in chosen])), abs(np.array([o.peer for o in chosen]))
    name = f"{condition}, {kind}"
    ours, theirs = float((off <= 1).mean()), float((peer <= 1).mean())
    return [
        Claim(claim=f"{name}: off-by-one accuracy", value=ours, unit="share", goal=OFF_BY_ONE),
        Claim(claim=f"{name}: off-by-one accuracy of the peer (peaks of a component)", value=theirs, unit="share"),
        Claim(claim=f"{name}: ours / the peer's off-by-one accuracy", value=ours / max(theirs, 1e-9), unit="x"),
        Claim(claim=f"{name}: exactly right", value=float((off == 0).mean()), unit="share"),
        Claim(claim=f"{name}: mean absolute error", value=float(off.mean()), unit="repetitions"),
    ]


def _by_exercise(outcomes: list[Outcome]) -> list[Claim]:
    """Over all conditions; ``runs`` has them apart, in their order."""
    claims = []
    for exercise in dict.fromkeys(o.exercise for o in outcomes):
        for kind in KINDS:
            chosen = [o for o in outcomes if o.exercise == exercise and o.kind == kind]
            off = abs(np.array([o.off for o in chosen]))
            runs = [float(np.mean([abs(o.off) for o in chosen if o.condition == c])) for c in CONDITIONS]
            error, ones = float(off.mean()), float((off <= 1).mean())
            claims += [
                Claim(claim=f"{exercise}, {kind}: mean absolute error", value=error, unit="repetitions", runs=runs),
                Claim(claim=f"{exercise}, {kind}: off-by-one accuracy", value=ones, unit="share"),
            ]
    return claims


def _cost(made: list[Recording]) -> list[Claim]:
    """A second of a live session, in processor time, so that a busy machine does not matter."""
    long = [r for r in made if r.condition == CONDITIONS[1]][:42:2]
    ours, theirs = [], []
    for _ in range(5):
        pushes, start = 0, time.process_time()
        for r in long:
            counted(r.exercise, r.seen)
            pushes += -(-len(r.seen) // BUNDLE)
        ours.append((time.process_time() - start) / pushes * 1e3)
        start = time.process_time()
        for r in long:
            # Live, it would look at the latest 12 s again every second.
            peaks(r.seen[-60:])
        theirs.append((time.process_time() - start) / len(long) * 1e3)
    ratio = [t / o for t, o in zip(theirs, ours, strict=True)]
    return [
        measured("counter: processor time of a push of 5 frames", ours, "ms", goal=0.1, better="less"),
        measured("peer: processor time of the latest 12 s again", theirs, "ms"),
        measured("peer's / our processor time a second of a session", ratio, "x"),
    ]


def _clips(folder: Path) -> list[Claim]:
    from gymspotter.errors import NoPersonError
    from gymspotter.pose.blazepose import BlazePose
    from gymspotter.spans import Span, track_span
    from gymspotter.video import probe

    estimator = BlazePose.load()
    off: list[int] = []
    with (Path(__file__).parent / "repetitions_by_eye.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        exercise, by_eye = row["exercise"], int(row["repetitions"])
        for path in sorted((folder / exercise).glob(f"{row['clip']}.*")):
            span = Span(
                video_id=row["clip"], span=0, uri=str(path), label=exercise, group=row["clip"], t0=0.0,
                t1=probe(path).seconds, fps=FPS,
            )  # fmt: skip
            try:
                found = counted(exercise, track_span(span, estimator).joints)
            except NoPersonError:
                found = 0
            off.append(found - by_eye)
            print(f"{exercise:22s}{row['clip']:44s}by eye {by_eye}, counted {found}")
    if not off:
        return []
    error = abs(np.array(off))
    return [
        Claim(claim="real clips: counted by eye", value=len(off), unit="clips"),
        Claim(
            claim="real clips: off-by-one accuracy", value=float((error <= 1).mean()), unit="share", goal=OFF_BY_ONE
        ),
        Claim(claim="real clips: exactly right", value=float((error == 0).mean()), unit="share"),
        Claim(claim="real clips: mean absolute error", value=float(error.mean()), unit="repetitions", runs=off),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
