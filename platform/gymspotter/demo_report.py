"""The demo's report: one HTML file that needs nothing else, with what went in, what came out, and pictures of both."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2

from gymspotter.client import Served
from gymspotter.labels import EXERCISES
from gymspotter.overlay import Picture, caption, drawn_frames, sheet
from gymspotter.page import Markup, facts, page, picture, plot, table, tag
from gymspotter.plots import confusion_figure, learning_figure, reliability_figure
from gymspotter.store import Quarantined
from gymspotter.tracks import Track
from gymspotter.train import TrainResult

_STYLE = """
.bar { position: relative; height: 1.5rem; margin: 2px 0; border-radius: 4px; background: var(--line);
  overflow: hidden }
.bar span { position: absolute; top: 0; bottom: 0; padding: 0 .4rem; font-size: .8rem; line-height: 1.5rem; color: #fff;
  overflow: hidden; white-space: nowrap; box-sizing: border-box; border-right: 2px solid #fff8 }
"""
_RIGHT, _WRONG, _TRUE = "#1a7f37", "#c4320a", "#57606a"


def write_report(
    path: Path,
    *,
    summary: Mapping[str, Any],
    trained: TrainResult,
    tracks: Sequence[Track],
    quarantine: Sequence[Quarantined],
    served: Sequence[Served],
    workout: tuple[Served, Sequence[tuple[float, str]]] | None = None,
) -> Path:
    """Write the report to ``path``; pictures are inside it.

    ``workout`` is the answer on one video of several exercises, and when (seconds) which of them begins.
    """
    parts = [
        tag("h1", "gymspotter demo"),
        tag(
            "p",
            "From video to a served label. The videos posted to the service were on the test side of a split by "
            "group: nothing of them was trained on, and nothing was chosen by them.",
        ),
        _facts(summary),
        tag("h2", "What the service answered"),
        _served_table(served),
        tag("h2", "Timelines"),
        _timeline(*workout) if workout else "",
        *(_timeline(row) for row in _examples(served)),
        tag("h2", "What the pose estimator saw"),
        _skeletons(tracks),
        tag("h2", "Confusion on the test side"),
        plot(confusion_figure(trained.scores.confusion, EXERCISES), "confusion matrix"),
        tag("h2", "How sure it is, and how right"),
        plot(reliability_figure(trained.assessment.diagrams), "reliability diagrams"),
        tag("h2", "Training"),
        plot(learning_figure(trained.fitted.epochs), "training by epoch"),
        tag("h2", "Quarantine"),
        _quarantine(quarantine),
    ]
    path.write_text(page("gymspotter demo", parts, style=_STYLE), encoding="utf-8")
    return path


def _facts(summary: Mapping[str, Any]) -> Markup:
    seconds = summary["seconds"]
    boxes = facts(
        {
            "videos": summary["videos"],
            "tracks": summary["tracks"],
            "quarantined": summary["quarantined"],
            "segments": summary["segments"],
            "test accuracy": f"{summary['accuracy']:.1%}",
            "test macro F1": f"{summary['macro_f1']:.1%}",
            "served right": f"{summary['served_correct']} / {summary['served']}",
            "model version": summary["model_version"],
            "seconds": f"{sum(seconds.values()):.0f}",
        }
    )
    stages = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    return Markup(boxes + tag("p", f"Stages: {stages}."))


def _served_table(served: Sequence[Served]) -> Markup:
    rows = [
        (
            Path(row.uri).name,
            row.exercise,
            tag("span", row.predicted, class_="right" if row.predicted == row.exercise else "wrong"),
            f"{row.probability:.2f}",
            f"{row.milliseconds:.0f}",
        )
        for row in served
    ]
    return table(("video", "true", "predicted", "probability", "ms"), rows, numbers=(3, 4))


def _examples(served: Sequence[Served], most: int = 5) -> list[Served]:
    """A few answers for the timelines: those of the longest videos, since they have the most to show."""
    answered = [row for row in served if len(row.answer.get("segments", ())) > 1]
    return sorted(answered, key=lambda row: -row.answer["seconds"])[:most]


def _timeline(row: Served, parts: Sequence[tuple[float, str]] = ()) -> Markup:
    """The answer as a bar of labelled segments, green where right.

    ``parts`` are (start in seconds, exercise) of a video with several exercises; what it shows is drawn above.
    """
    seconds, segments = row.answer["seconds"], row.answer["segments"]
    truth = parts or [(0.0, row.exercise)]
    pieces = []
    # Segments overlap; each is drawn until the next one begins, and judged by what is shown in its middle.
    for segment, end in zip(segments, [*(s["start"] for s in segments[1:]), seconds], strict=True):
        middle = (segment["start"] + segment["end"]) / 2
        shown = [exercise for start, exercise in truth if start <= middle][-1]
        colour = _RIGHT if segment["exercise"] == shown else _WRONG
        pieces.append((segment["start"], end, colour, f"{segment['exercise']} {segment['probability']:.2f}"))
    ends = [*(start for start, _ in truth[1:]), seconds]
    true_pieces = [(start, end, _TRUE, exercise) for (start, exercise), end in zip(truth, ends, strict=True)]
    title = tag("p", f"{Path(row.uri).name} ({seconds:.1f} s): what it shows, and what the service said")
    return Markup(title + _bar(true_pieces, seconds) + _bar(pieces, seconds))


def _bar(pieces: Sequence[tuple[float, float, str, str]], seconds: float) -> Markup:
    """A bar of (start, end, colour, text)."""
    spans = (
        tag(
            "span",
            text,
            title=text,
            style=f"left:{100 * start / seconds:.1f}%;width:{100 * (end - start) / seconds:.1f}%;background:{colour}",
        )
        for start, end, colour, text in pieces
    )
    return tag("div", *spans, class_="bar")


def _skeletons(tracks: Sequence[Track]) -> Markup:
    """Two drawn frames of one video of each exercise."""
    cells: list[Picture] = []
    for exercise in EXERCISES:
        for track in [track for track in tracks if track.label == exercise][:1]:
            # One early and one in the middle: mostly two different phases of a repetition.
            frames = [_limited(frame, 200) for frame in drawn_frames(track, 5)[1:3]]
            for frame in frames:
                caption(frame, exercise)
            cells += frames
    if not cells:
        return tag("p", "None.")
    _, jpeg = cv2.imencode(".jpg", sheet(cells)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    legend = "Orange is the athlete's left, blue the right; thin lines are joints the estimator doubts."
    return Markup(tag("p", legend) + picture(jpeg.tobytes(), "jpeg", "skeletons drawn over video frames"))


def _limited(frame: Picture, height: int) -> Picture:
    """Scaled to fit a cell of twice its height: a sheet's columns are as wide as its widest picture."""
    scale = min(height / frame.shape[0], 2 * height / frame.shape[1])
    return cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype("uint8")


def _quarantine(rows: Sequence[Quarantined]) -> Markup:
    if not rows:
        return tag("p", "Empty: every input became a track.")
    return table(("input", "stage", "why"), [(row.uri, row.stage, row.message) for row in rows])
