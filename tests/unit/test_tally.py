"""What the progress bar and the summary say."""

from dataclasses import replace

from gymspotter.spans import Span
from gymspotter.store import quarantined
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.tally import Tally, reasons


def a_track(frames):
    return make_track(Item(exercise="squat", number=0, seed=0), SynthOptions(seconds=frames / 5))


def span(uri, number):
    return Span(video_id=uri, span=number, uri=uri, label=None, group="g", t0=0.0, t1=1.0, fps=5.0)


def test_a_video_is_done_when_all_its_spans_are():
    now = iter([0.0, 10.0, 10.0])
    tally = Tally([span("a", 0), span("a", 1), span("b", 0)], rejected=2, clock=lambda: next(now))
    tally.add(replace(a_track(frames=30), uri="a"))
    tally.add(quarantined("b", "pose", "NoPersonError", "nobody.", 0))
    assert tally.line() == "1/2 videos, 3.0 frames/s, 3 quarantined"
    assert tally.done == 2


def test_the_table_is_by_exercise():
    now = iter([0.0, 2.0, 2.0])
    tally = Tally([], rejected=0, clock=lambda: next(now))
    tally.add(replace(a_track(frames=30), label="squat"))
    tally.add(replace(a_track(frames=10), label="squat"))
    tally.add(replace(a_track(frames=20), label=None))
    lines = tally.table().splitlines()
    assert lines[0].startswith("60 frames in 2 s (30.0 frames/s) by ")
    assert [line.split() for line in lines[2:]] == [
        ["(no", "label)", "1", "20", "100.0%"],
        ["squat", "2", "40", "100.0%"],
    ]


def test_reasons_come_with_an_example():
    rows = [quarantined(uri, "probe", kind, f"{uri} is bad.") for uri, kind in (("a", "X"), ("b", "Y"), ("c", "Y"))]
    assert reasons(rows).splitlines() == ["2 x Y, such as 'b': b is bad.", "1 x X, such as 'a': a is bad."]
    assert reasons([]) == ""
