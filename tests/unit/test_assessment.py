import numpy as np
import pytest
import torch

from gymspotter.assessment import assess
from gymspotter.errors import InputError
from gymspotter.unknown import NONE
from gymspotter.windows import Segments

CLASSES = ("squat", "plank", "deadlift")


class Reader(torch.nn.Module):
    """A classifier that reads its logits off the first joint of the first frame."""

    def forward(self, poses):
        return poses[:, 0, 0]


def segments(rows, labels):
    poses = np.zeros((len(rows), 60, 17, 3), np.float32)
    poses[:, 0, 0] = rows
    names = np.arange(len(rows)).astype(str)
    times = np.zeros(len(rows))
    return Segments(poses=poses, labels=np.array(labels), groups=names, video_ids=names, starts=times, ends=times + 12)


def test_known_segments_are_scored_and_unknown_ones_told_apart():
    rows = [[4, 0, 0], [0, 4, 0], [0, 4, 0], [0, 0, 4], [-3, -3, -3], [-2, -4, -4]]
    found = assess(Reader(), segments(rows, ["squat", "plank", "deadlift", "deadlift", NONE, NONE]), CLASSES)
    assert found.scores.accuracy == pytest.approx(3 / 4)
    assert found.scores.per_class["deadlift"]["recall"] == pytest.approx(1 / 2)
    confidence = np.exp(4) / (np.exp(4) + 2)
    assert found.reliability.error == pytest.approx(confidence - 3 / 4)
    assert found.uncalibrated.error == found.reliability.error
    assert found.passed == 1
    assert (found.detection.auroc, found.detection.false_positives) == (1.0, 0.0)
    assert found.summary()["unknown_auroc"] == 1.0


def test_the_temperature_is_taken_back_for_the_diagram_before():
    found = assess(Reader(), segments([[1, 0, 0], [0, 1, 0]], ["squat", "plank"]), CLASSES, temperature=4.0)
    assert found.uncalibrated.error == pytest.approx(1 - np.exp(4) / (np.exp(4) + 2), abs=1e-6)
    assert found.reliability.error == pytest.approx(1 - np.exp(1) / (np.exp(1) + 2), abs=1e-6)
    assert list(found.diagrams) == ["before calibration", "after calibration"]


def test_without_unknown_segments_nothing_is_said_of_them():
    found = assess(Reader(), segments([[4, 0, 0], [-5, -6, -6]], ["squat", "squat"]), CLASSES)
    assert found.detection is None
    assert found.passed == 1 / 2
    assert "unknown_auroc" not in found.summary()


def test_a_label_that_is_no_class_is_refused():
    with pytest.raises(InputError, match="label 'lunge'"):
        assess(Reader(), segments([[4, 0, 0]], ["lunge"]), CLASSES)
