"""Where the athlete is in the pictures of a video: what `?poses=true` adds to the answer."""

import json
from functools import partial

import numpy as np
import pytest
from fastapi.testclient import TestClient

from gymspotter.errors import NoPersonError
from gymspotter.pose import Poses
from gymspotter.spans import plan_spans, track_span
from serve import skeletons
from serve.http.api import build_api
from serve.http.schemas import VideoResponse
from serve.settings import AppSettings
from tests.local_backend import LocalBackend, QuickEstimator, refusal


class PartlySeen(QuickEstimator):
    """Nobody in the first two frames; after that no wrist, and an ankle that is beyond the border."""

    def poses(self, watched):
        return [partly(found) for found in super().poses(watched)]


def partly(found):
    xy, scores = found.image_xy.copy(), found.scores.copy()
    xy[:2], scores[:2] = np.nan, 0
    scores[:, 13] = 0
    xy[:, 3] = (0.4, 1.2)
    xy[:, 5] = (0.123456, 0)
    return Poses(joints=found.joints, scores=scores, image_xy=xy, layout=found.layout)


@pytest.fixture
def client():
    return TestClient(build_api(LocalBackend(estimator=PartlySeen()), AppSettings()), raise_server_exceptions=False)


def ask(client, video, query="?poses=true", **more):
    return client.post(f"/v1/classify/video{query}", files={"file": ("x.mp4", video.read_bytes())}, **more)


def test_every_frame_sampled_has_its_joints_in_the_picture(client, squat_video):
    answer = ask(client, squat_video).json()
    VideoResponse.model_validate(answer, extra="forbid")
    poses = answer["poses"]
    assert (poses["layout"], poses["fps"], poses["width"], poses["height"]) == ("h36m17", 5.0, 640, 480)
    assert poses["times"] == pytest.approx(np.arange(30) / 5)
    assert len(poses["image_xy"]) == 30
    assert poses["image_xy"][:2] == [None, None]
    for frame in poses["image_xy"][2:]:
        assert (frame[0], frame[5]) == ([0.5, 0.5], [0.1235, 0.0])
        assert (frame[3], frame[13]) == (None, None)
        assert len(frame) == 17


def test_spans_without_a_person_are_frames_without_one(client, squat_video, monkeypatch):
    def in_the_second_span(span, estimator, decode):
        if not span.span:
            raise NoPersonError("nobody.")
        return track_span(span, estimator, decode)

    monkeypatch.setattr(skeletons, "plan_spans", partial(plan_spans, span_seconds=3.0))
    monkeypatch.setattr(skeletons, "track_span", in_the_second_span)
    poses = ask(client, squat_video).json()["poses"]
    assert [frame is not None for frame in poses["image_xy"]] == [False] * 17 + [True] * 13
    assert poses["times"][-1] == pytest.approx(5.8)


def test_poses_come_only_if_they_are_asked_for_and_as_events_too(client, squat_video):
    for query in ("", "?poses=false"):
        assert "poses" not in ask(client, squat_video, query).json()
    events = ask(client, squat_video, headers={"accept": "text/event-stream"}).text.splitlines()
    assert len(json.loads(events[-2].removeprefix("data: "))["poses"]["image_xy"]) == 30
    assert "poses" in refusal(ask(client, squat_video, "?poses=maybe"), 422)
