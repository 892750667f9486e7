"""What a worker makes of its rows, without Ray: each input fails alone."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from gymspotter import storage, workers
from gymspotter.errors import InputError
from gymspotter.pose import MMPoseOptions, Poses
from gymspotter.spans import Span
from gymspotter.store import Quarantined
from gymspotter.tracks import Track
from gymspotter.workers import Attempts, PoseWorker, outcome, probe_row
from tests.conftest import write_clip


class Brightness:
    """An estimator whose joints lie where the picture is as bright; a frame that is nearly white breaks its pass."""

    name, version, layout = "brightness", "1", "h36m17"

    def watch(self, frames):
        return np.array([frame.mean() for frame in frames], np.float32)

    def poses(self, watched):
        if any((span > 240).any() for span in watched):
            raise ArithmeticError("too bright")
        shapes = [(len(span), 17) for span in watched]
        return [
            Poses(
                joints=np.broadcast_to(span[:, None, None], (*shape, 3)).copy(),
                scores=np.ones(shape, np.float32),
                image_xy=np.zeros((*shape, 2), np.float32),
                layout=self.layout,
            )
            for span, shape in zip(watched, shapes, strict=True)
        ]


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.setattr(workers, "load_estimator", lambda *_: Brightness())
    return PoseWorker("brightness", MMPoseOptions(), 10.0, Attempts())


def span(uri, t0=0.0, t1=1.0):
    return Span(video_id="v", span=0, uri=str(uri), label="squat", group="g", t0=t0, t1=t1, fps=5.0)


def run(worker, spans):
    answer = worker({"span": [json.dumps(asdict(one)) for one in spans]})
    return [outcome({name: column[k] for name, column in answer.items()}) for k in range(len(spans))]


def test_of_several_spans_only_those_that_break_are_quarantined(worker, clip, tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    # The clip brightens by 10 a frame, 10 frames a second: its end is too bright for the estimator, but only that.
    spans = [span(clip), span(tmp_path / "empty.mp4"), span(tmp_path / "gone.mp4"), span(clip, 1.2, 2.0)]
    good, empty, gone, dark = run(worker, spans)
    assert isinstance(good, Track)
    assert isinstance(dark, Track)
    assert (empty.stage, empty.error) == ("pose", "VideoError")
    assert "does not exist" in gone.message


def test_a_forward_pass_that_breaks_is_done_again_one_by_one(worker, tmp_path):
    dark, bright = write_clip(tmp_path / "dark.mp4"), write_clip(tmp_path / "bright.mp4", first=25)
    outcomes = run(worker, [span(dark), span(bright), span(dark, 1.0, 2.0)])
    assert [type(out) for out in outcomes] == [Track, Quarantined, Track]
    assert (outcomes[1].uri, outcomes[1].message) == (str(bright), "too bright")


def test_an_estimator_that_cannot_be_loaded_is_said_by_the_first_row(clip, monkeypatch):
    def broken(*_):
        raise InputError("weights are missing: fetch them.")

    monkeypatch.setattr(workers, "load_estimator", broken)
    with pytest.raises(InputError, match="fetch them"):
        run(PoseWorker("blazepose", MMPoseOptions(), 10.0, Attempts()), [span(clip)])


def test_the_one_span_that_workers_die_over_is_given_up(worker, tmp_path):
    dark, deadly = write_clip(tmp_path / "dark.mp4"), write_clip(tmp_path / "deadly.mp4", first=25)

    class Dead(BaseException):
        """What no worker survives."""

    class Deadly(Brightness):
        def poses(self, watched):
            try:
                return super().poses(watched)
            except ArithmeticError:
                raise Dead from None

    worker._estimator = Deadly()
    spans = [span(dark), replace(span(deadly), video_id="w"), replace(span(dark, 1.0, 2.0), span=1)]
    for _ in range(3):
        with pytest.raises(Dead):
            run(worker, spans)
    outcomes = run(worker, spans)
    assert [type(out) for out in outcomes] == [Track, Quarantined, Track]
    assert outcomes[1].error == "WorkerDied"


def test_what_is_known_of_a_video_holds_until_the_file_changes(clip):
    def probed(known):
        return json.loads(probe_row({"uri": str(clip), "known": known, "reached": False}, 10.0)["probed"])

    found = probed("")
    assert (found["seconds"], found["video_id"]) == (pytest.approx(2.0), storage.sha256(clip)[:16])
    # An answer that could not be found in the file shows that it was not looked at again.
    known = json.dumps(found | {"seconds": 7.0})
    assert probed(known)["seconds"] == 7.0
    clip.write_bytes(clip.read_bytes() + b" ")
    assert probed(known)["seconds"] == pytest.approx(2.0)
