"""The demo's report: one HTML file that needs nothing else, with what went in, what came out, and pictures of both."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
from matplotlib.figure import Figure

from gymspotter.client import Served
from gymspotter.labels import EXERCISES
from gymspotter.overlay import Picture, caption, drawn_frames, sheet
from gymspotter.plots import confusion_figure, loss_figure, reliability_figure
from gymspotter.store import Quarantined
from gymspotter.tracks import Track
from gymspotter.train import TrainResult

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #c4320a; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line) }
td.n, th.n { text-align: right }
.facts { display: flex; flex-wrap: wrap; gap: .6rem }
.facts div { border: 1px solid var(--line); border-radius: 8px; padding: .5rem .9rem }
.facts b { display: block; font-size: 1.3rem }
img { max-width: 100%; height: auto; border-radius: 6px } img.plot { background: white }
.bar { position: relative; height: 1.5rem; margin: 2px 0; border-radius: 4px; background: var(--line);
  overflow: hidden }
.bar span { position: absolute; top: 0; bottom: 0; padding: 0 .4rem; font-size: .8rem; line-height: 1.5rem; color: #fff;
  overflow: hidden; white-space: nowrap; box-sizing: border-box; border-right: 2px solid #fff8 }
.right { color: var(--good) } .wrong { color: var(--bad) } .scroll { overflow-x: auto }
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
        "<h1>gymspotter demo</h1>",
        "<p>From video to a served label. The videos posted to the service were on the test side of a split by "
        "group: nothing of them was trained on, and nothing was chosen by them.</p>",
        _facts(summary),
        "<h2>What the service answered</h2>",
        _served_table(served),
        "<h2>Timelines</h2>",
        _timeline(*workout) if workout else "",
        *(_timeline(row) for row in _examples(served)),
        "<h2>What the pose estimator saw</h2>",
        _skeletons(tracks),
        "<h2>Confusion on the test side</h2>",
        f'<div class="scroll">{_plot(confusion_figure(trained.scores.confusion, EXERCISES), "confusion matrix")}</div>',
        "<h2>How sure it is, and how right</h2>",
        _plot(reliability_figure(trained.assessment.diagrams), "reliability diagrams"),
        "<h2>Training</h2>",
        _plot(loss_figure(trained.fitted.losses), "training loss by epoch"),
        "<h2>Quarantine</h2>",
        _quarantine(quarantine),
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>gymspotter demo</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )
    path.write_text(page, encoding="utf-8")
    return path


def _facts(summary: Mapping[str, Any]) -> str:
    seconds = summary["seconds"]
    facts = {
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
    boxes = "".join(f"<div><b>{html.escape(str(value))}</b>{name}</div>" for name, value in facts.items())
    stages = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    return f'<div class="facts">{boxes}</div><p>Stages: {stages}.</p>'


def _served_table(served: Sequence[Served]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(Path(row.uri).name)}</td><td>{html.escape(row.exercise)}</td>"
        f'<td class="{"right" if row.predicted == row.exercise else "wrong"}">{html.escape(row.predicted)}</td>'
        f'<td class="n">{row.probability:.2f}</td><td class="n">{row.milliseconds:.0f}</td></tr>'
        for row in served
    )
    return (
        '<div class="scroll"><table><tr><th>video</th><th>true</th><th>predicted</th><th class="n">probability</th>'
        f'<th class="n">ms</th></tr>{rows}</table></div>'
    )


def _examples(served: Sequence[Served], most: int = 5) -> list[Served]:
    """A few answers for the timelines: those of the longest videos, since they have the most to show."""
    answered = [row for row in served if len(row.answer.get("segments", ())) > 1]
    return sorted(answered, key=lambda row: -row.answer["seconds"])[:most]


def _timeline(row: Served, parts: Sequence[tuple[float, str]] = ()) -> str:
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
    title = f"<p>{html.escape(Path(row.uri).name)} ({seconds:.1f} s): what it shows, and what the service said</p>"
    return title + _bar(true_pieces, seconds) + _bar(pieces, seconds)


def _bar(pieces: Sequence[tuple[float, float, str, str]], seconds: float) -> str:
    """A bar of (start, end, colour, text)."""
    spans = "".join(
        f'<span title="{html.escape(text)}" style="left:{100 * start / seconds:.1f}%;'
        f'width:{100 * (end - start) / seconds:.1f}%;background:{colour}">{html.escape(text)}</span>'
        for start, end, colour, text in pieces
    )
    return f'<div class="bar">{spans}</div>'


def _skeletons(tracks: Sequence[Track]) -> str:
    """Two drawn frames of one video of each exercise."""
    cells: list[Picture] = []
    for exercise in EXERCISES:
        for track in [track for track in tracks if track.label == exercise][:1]:
            # One early and one in the middle: mostly two different phases of a repetition.
            pictures = [_limited(picture, 200) for picture in drawn_frames(track, 5)[1:3]]
            for picture in pictures:
                caption(picture, exercise)
            cells += pictures
    if not cells:
        return "<p>None.</p>"
    _, jpeg = cv2.imencode(".jpg", sheet(cells)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    data = base64.b64encode(jpeg.tobytes()).decode()
    return (
        "<p>Orange is the athlete's left, blue the right; thin lines are joints the estimator doubts.</p>"
        f'<img alt="skeletons drawn over video frames" src="data:image/jpeg;base64,{data}">'
    )


def _limited(picture: Picture, height: int) -> Picture:
    """Scaled to fit a cell of twice its height: a sheet's columns are as wide as its widest picture."""
    scale = min(height / picture.shape[0], 2 * height / picture.shape[1])
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype("uint8")


def _plot(figure: Figure, description: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img class="plot" alt="{description}" src="data:image/png;base64,{data}">'


def _quarantine(rows: Sequence[Quarantined]) -> str:
    if not rows:
        return "<p>Empty: every input became a track.</p>"
    body = "".join(
        f"<tr><td>{html.escape(row.uri)}</td><td>{row.stage}</td><td>{html.escape(row.message)}</td></tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><tr><th>input</th><th>stage</th><th>why</th></tr>{body}</table></div>'
