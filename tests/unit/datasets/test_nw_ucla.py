import json

import numpy as np
import pytest

from gymspotter.datasets import load
from gymspotter.errors import InputError
from gymspotter.skeleton import KINECT20
from tests.unit.datasets.figure import SDK, as_kinect, assert_is_figure, figure


def write(folder, name="a01_s01_e00_v01", skeletons=None, **more):
    skeletons = as_kinect(figure(SDK)).tolist() if skeletons is None else skeletons
    folder.mkdir(exist_ok=True)
    content = {"file_name": name, "skeletons": skeletons, "label": 1} | more
    (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def test_a_sequence_is_turned_upright_and_its_joints_are_put_in_order(tmp_path):
    dataset = load("nw-ucla", write(tmp_path / "all_sqe", "a12_s07_e03_v02"))
    (sequence,) = dataset.sequences
    assert (sequence.label, sequence.subject, sequence.view) == ("carry", "7", "2")
    assert_is_figure(sequence, KINECT20)


def test_the_third_view_is_tested_by_whoever_it_shows(tmp_path):
    for view in (1, 2, 3):
        write(tmp_path / "all_sqe", f"a01_s01_e00_v0{view}")
    dataset = load("nw-ucla", tmp_path / "all_sqe")
    dataset.check_folds()
    assert dataset.folds == (("3",),)
    assert dataset.segments().groups.tolist() == ["1", "2", "3"]
    assert len(dataset.classes) == 10


def test_flat_frames_are_read_too_and_a_sequence_without_frames_is_left_out(tmp_path):
    flat = as_kinect(figure(SDK)).reshape(4, 60).tolist()
    write(tmp_path / "all_sqe", "a01_s01_e00_v01", flat)
    write(tmp_path / "all_sqe", "a01_s01_e01_v01", [])
    (sequence,) = load("nw-ucla", tmp_path / "all_sqe").sequences
    assert_is_figure(sequence, KINECT20)


@pytest.mark.parametrize(
    "skeletons",
    [None, "none", np.zeros((4, 25, 3)).tolist(), [[[0, 0, 0]] * 20, [[0, 0, 0]] * 19], [[{"x": 1}] * 20]],
    ids=["missing", "text", "25 joints", "a joint is missing", "objects"],
)
def test_other_skeletons_are_refused_by_the_files_name(skeletons, tmp_path):
    folder = write(tmp_path / "all_sqe", skeletons=0 if skeletons is None else skeletons)
    with pytest.raises(InputError, match=r'a01_s01_e00_v01.json has no "skeletons" of 20 joints of 3 coordinates'):
        load("nw-ucla", folder)


def test_an_action_that_was_never_recorded_and_broken_json_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"a07_s01_e00_v01.json is of action 7: NW-UCLA has 1, 2, 3, 4, 5, 6, 8, 9"):
        load("nw-ucla", write(tmp_path / "action", "a07_s01_e00_v01"))
    (tmp_path / "a01_s01_e00_v01.json").write_text('{"skeletons": [[')
    with pytest.raises(InputError, match=r"a01_s01_e00_v01.json is no JSON"):
        load("nw-ucla", tmp_path / "a01_s01_e00_v01.json")
