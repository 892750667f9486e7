import zipfile

import numpy as np
import pytest
from scipy.io import savemat

from gymspotter.datasets import load
from gymspotter.errors import InputError
from gymspotter.skeleton import KINECT20
from tests.unit.datasets.figure import SDK, as_kinect, assert_is_figure, figure

# The order in which the Lie-group code lists the joints, by their numbers in Kinect's SDK.
LIE_GROUP = [5, 9, 3, 2, 13, 17, 1, 6, 10, 7, 11, 8, 12, 14, 18, 15, 19, 16, 20, 4]
ACTIONS = ["walk", "sitDown", "standUp", "pickUp", "carry", "throw", "push", "pull", "waveHands", "clapHands"]


def take(numbers):
    """A joints file that shows the figure anew from every fourth frame on."""
    poses = np.concatenate([as_kinect(figure(SDK))] * (1 + len(numbers) // 4))
    rows = zip(numbers, poses.reshape(len(poses), -1), strict=False)
    return "\n".join(f"{n}  " + "  ".join(f"{v:.6f}" for v in row) + "  " for n, row in rows)


def write(folder, takes=(("s01", "e01"),), labels=None):
    """Takes in which each action lasts four frames, of which every other one is recorded."""
    (folder / "joints").mkdir(parents=True)
    spans = [f"{action}: {10 * k + 2} {10 * k + 8} " for k, action in enumerate(ACTIONS)]
    for subject, number in takes:
        numbers = [10 * k + frame for k in range(10) for frame in (2, 4, 6, 8)]
        (folder / "joints" / f"joints_{subject}_{number}.txt").write_text(take(numbers))
    if labels is None:
        labels = [line for subject, number in takes for line in (f"{subject}_{number}", *spans)]
    (folder / "actionLabel.txt").write_text("\n".join(labels) + "\n\n")
    return folder


def test_a_take_is_cut_into_its_ten_actions(tmp_path):
    dataset = load("utkinect", write(tmp_path / "utk", [("s01", "e01"), ("s10", "e02")]))
    assert [s.label for s in dataset.sequences] == list(dataset.classes) * 2
    assert [s.subject for s in dataset.sequences] == ["1"] * 10 + ["10"] * 10
    dataset.check_folds()
    assert len({s.uri for s in dataset.sequences}) == 20
    for sequence in dataset.sequences:
        assert_is_figure(sequence, KINECT20)


def test_frames_that_were_written_twice_count_once(tmp_path):
    folder = write(tmp_path / "utk", labels=["s01_e01", "walk: 190 200"])
    twice = take([190, 194, 196, 200]).splitlines()
    (folder / "joints" / "joints_s01_e01.txt").write_text("\n".join([twice[0], *twice]))
    (sequence,) = load("utkinect", folder).sequences
    assert_is_figure(sequence, KINECT20)


def test_an_action_that_was_not_recorded_is_left_out(tmp_path):
    labels = ["s01_e01", "walk: 2 8", "carry:  NaN NaN", "throw: 9000 9010"]
    assert [s.label for s in load("utkinect", write(tmp_path / "utk", labels=labels)).sequences] == ["walk"]


def test_the_slip_in_the_published_labels_is_mended(tmp_path):
    folder = write(tmp_path / "utk", [("s03", "e01")], labels=["s03_e01", "throw: 3226 3282", "push: 2556 3622"])
    (folder / "joints" / "joints_s03_e01.txt").write_text(take([2556, 3000, 3226, 3282, 3556, 3600, 3622, 3700]))
    assert [(s.label, len(s.poses)) for s in load("utkinect", folder).sequences] == [("throw", 2), ("push", 3)]


def test_the_labels_may_lie_beside_the_zip_or_in_it(tmp_path):
    folder = write(tmp_path / "utk")
    with zipfile.ZipFile(folder / "joints.zip", "w") as out:
        out.write(folder / "joints" / "joints_s01_e01.txt", "joints/joints_s01_e01.txt")
    assert len(load("utkinect", folder / "joints.zip").sequences) == 10
    assert len(load("utkinect", folder / "joints").sequences) == 10
    (folder / "actionLabel.txt").unlink()
    with pytest.raises(InputError, match=r"joints.zip has 0 files actionLabel.txt: one must lie in it or beside it"):
        load("utkinect", folder / "joints.zip")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["s02_e01", "walk: 2 8"], r"actionLabel.txt has no lines for s01_e01: add them"),
        (["walk: 2 8"], r"actionLabel.txt, line 1, is 'walk: 2 8'"),
        (["s01_e01", "jump: 2 8"], r"actionLabel.txt, line 2, is 'jump: 2 8'"),
        (["s01_e01", "walk: two 8"], r"actionLabel.txt, line 2, is 'walk: two 8'"),
    ],
)
def test_other_labels_are_refused_by_line(labels, message, tmp_path):
    with pytest.raises(InputError, match=message):
        load("utkinect", write(tmp_path / "utk", labels=labels))


@pytest.mark.parametrize(
    ("content", "message"),
    [("2 0.1 0.2", "3 numbers, not 61 a frame"), ("x y", "not made of numbers"), ("", "0 numbers")],
)
def test_other_joints_are_refused_by_file(content, message, tmp_path):
    folder = write(tmp_path / "utk")
    (folder / "joints" / "joints_s01_e01.txt").write_text(content)
    with pytest.raises(InputError, match=rf"joints_s01_e01.txt .*{message}"):
        load("utkinect", folder)


def lie_group(tmp_path, **more):
    """skeletal_data.mat: cells of actions x subjects x takes; the second take of the second action is missing."""
    columns = as_kinect(figure([SDK[k - 1] for k in LIE_GROUP]))[..., [0, 2, 1]].transpose(2, 1, 0)
    cells = np.empty((2, 3, 2), object)
    for index in np.ndindex(cells.shape):
        cells[index] = np.empty((0, 0)) if index == (1, 0, 1) else {"joint_locations": columns} | more
    savemat(tmp_path / "skeletal_data.mat", {"skeletal_data": cells, "skeletal_data_validity": np.ones(cells.shape)})
    return tmp_path / "skeletal_data.mat"


def test_the_lie_groups_file_gives_the_same_as_the_texts(tmp_path):
    dataset = load("utkinect", lie_group(tmp_path))
    assert len(dataset.sequences) == 11
    assert [(s.label, s.subject) for s in dataset.sequences][4:8] == [
        ("walk", "3"),
        ("walk", "3"),
        ("sit down", "1"),
        ("sit down", "2"),
    ]
    for sequence in dataset.sequences:
        assert_is_figure(sequence, KINECT20)


def test_its_own_numbers_count_before_the_place_in_the_lie_groups_file(tmp_path):
    dataset = load("utkinect", lie_group(tmp_path, action=10.0, subject=7.0))
    assert {(s.label, s.subject) for s in dataset.sequences} == {("clap hands", "7")}
