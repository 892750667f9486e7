import json

import numpy as np
import pytest

from gymspotter.assessment import Assessment
from gymspotter.calibration import reliability
from gymspotter.metrics import score
from gymspotter.report_card import report_card
from gymspotter.splits import Split
from gymspotter.unknown import NONE
from gymspotter.windows import Segments
from serve.http.about_schemas import ReportCard

CLASSES = ("squat", "plank")


def side(videos, labels):
    """A segment a video; its group is the video's first letter."""
    times = np.zeros(len(videos))
    return Segments(
        poses=np.zeros((len(videos), 60, 17, 3), np.float32),
        labels=np.array(labels),
        groups=np.array([video[:1] for video in videos]),
        video_ids=np.array(videos),
        starts=times,
        ends=times + 12,
    )


def assessed():
    truth = np.array([0, 0, 1])
    sure = np.array([[0.9, 0.1], [0.4, 0.6], [0.35, 0.65]])
    return Assessment(
        scores=score(truth, sure.argmax(axis=1), CLASSES),
        reliability=reliability(sure, truth),
        uncalibrated=reliability(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), truth),
        passed=1.0,
        detection=None,
    )


def test_a_report_says_how_it_did_and_what_each_side_held():
    sides = Split(
        train=side(["a1", "a2", "b1", "b1"], ["squat", "squat", "plank", NONE]),
        validation=side(["c1"], ["plank"]),
        test=side(["d1", "d2", "e1"], ["squat", "squat", "plank"]),
        protocol="group",
        seed=0,
    )
    found = report_card(assessed(), sides)
    assert found["confusion"] == [[1, 1], [0, 1]]
    assert found["per_class"]["plank"] == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1}
    assert found["train"] == {"segments": 4, "videos": 3, "groups": 2, "per_class": {"squat": 2, "plank": 1}}
    assert found["validation"] == {"segments": 1, "videos": 1, "groups": 1, "per_class": {"squat": 0, "plank": 1}}
    assert found["test"]["segments"] == 3
    bins = found["reliability"]["bins"]
    assert [(one["count"], one["confidence"], one["accuracy"]) for one in bins] == [
        (1, pytest.approx(0.6), 0.0),
        (1, pytest.approx(0.65), 1.0),
        (1, pytest.approx(0.9), 1.0),
    ]
    assert all(one["low"] < one["confidence"] <= one["high"] + 1e-9 for one in bins)
    assert found["uncalibrated"]["error"] == pytest.approx(1 / 3)
    assert found["uncalibrated"]["bins"][-1]["high"] == 1.0


def test_a_report_is_plain_json_and_what_the_service_shows():
    sides = Split(train=side(["a"], ["squat"]), validation=None, test=side(["b"], ["plank"]), protocol="group", seed=0)
    found = report_card(assessed(), sides)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    shown = ReportCard.model_validate(found, extra="forbid")
    assert shown.validation is None
    assert shown.model_dump() == found
