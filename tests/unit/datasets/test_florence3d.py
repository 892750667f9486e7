import numpy as np
import pytest
from scipy.io import savemat

from gymspotter.datasets import load
from gymspotter.errors import InputError
from gymspotter.skeleton import FLORENCE15
from tests.unit.datasets.figure import as_kinect, assert_is_figure, figure

# As its readme lists them.
JOINTS = (
    "head", "neck", "spine", "l_shoulder", "l_elbow", "l_wrist", "r_shoulder", "r_elbow", "r_wrist", "l_hip",
    "l_knee", "l_ankle", "r_hip", "r_knee", "r_ankle",
)  # fmt: skip
TEXT = "Florence_dataset_WorldCoordinates.txt"


def lines(video=1, actor=1, category=1, poses=None):
    poses = 1000 * as_kinect(figure(JOINTS)) if poses is None else poses
    return [f"{video} {actor} {category} " + " ".join(f"{v:.3f}" for v in frame.ravel()) for frame in poses]


def entry(actor=1, action=1, **more):
    """A struct of the Lie-group code: columns are x, depth, height."""
    columns = as_kinect(figure(JOINTS))[..., [0, 2, 1]].transpose(2, 1, 0)
    return {"joint_locations": columns, "subject": float(actor), "action": float(action)} | more


def cells(entries):
    out = np.empty((len(entries), 1), object)
    out[:, 0] = entries
    return out


def test_lines_become_sequences_by_video_in_metres_and_upright(tmp_path):
    (tmp_path / TEXT).write_text("\n".join(lines(1, 1, 1) + lines(2, 1, 9) + lines(3, 10, 9)) + "\n")
    dataset = load("florence3d", tmp_path)
    assert [(s.label, s.subject, len(s.poses)) for s in dataset.sequences] == [
        ("wave", "1", 4),
        ("bow", "1", 4),
        ("bow", "10", 4),
    ]
    assert dataset.folds == (("1",), ("10",))
    dataset.check_folds()
    for sequence in dataset.sequences:
        assert_is_figure(sequence, FLORENCE15)


def test_actors_face_the_camera_whichever_way_x_points(tmp_path):
    other_way = 1000 * as_kinect(figure(JOINTS)) * [-1, 1, 1]
    (tmp_path / TEXT).write_text("\n".join(lines(poses=other_way)))
    (sequence,) = load("florence3d", tmp_path / TEXT).sequences
    assert_is_figure(sequence, FLORENCE15)


def test_the_lie_groups_file_gives_the_same_as_the_text(tmp_path):
    savemat(tmp_path / "skeletal_data.mat", {"skeletal_data": cells([entry(1, 2), entry(2, 3)])})
    dataset = load("florence3d", tmp_path)
    assert [(s.label, s.subject) for s in dataset.sequences] == [("drink from a bottle", "1"), ("answer phone", "2")]
    for sequence in dataset.sequences:
        assert_is_figure(sequence, FLORENCE15)


def test_a_struct_array_and_a_file_of_another_name_are_read_too(tmp_path):
    fields = entry(3, 4)
    structs = np.zeros((2, 1), [(name, object) for name in fields])
    structs[:, 0] = [tuple(fields.values())] * 2
    savemat(tmp_path / "florence.mat", {"skeletal_data": structs})
    one, other = load("florence3d", tmp_path / "florence.mat").sequences
    assert (one.label, other.subject) == ("clap", "3")
    assert_is_figure(other, FLORENCE15)


def test_recorded_joints_are_taken_before_normalised_ones(tmp_path):
    both = entry(original_skeletal_data=entry()["joint_locations"], joint_locations=np.ones((3, 15, 4)))
    savemat(tmp_path / "skeletal_data.mat", {"skeletal_data": cells([both])})
    assert_is_figure(load("florence3d", tmp_path).sequences[0], FLORENCE15)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (["1 1 1 2.0 3.0"], r"WorldCoordinates.txt, line 1, has 5 numbers: it needs 48"),
        (lines(video="nan"), r"WorldCoordinates.txt, line 1, has 48 numbers: .* the first three are whole"),
        ([*lines(), "1 1 1 " + "x " * 45], r"WorldCoordinates.txt, line 5, is not made of numbers"),
        (lines(category=10), r"WorldCoordinates.txt#1 is of category 10: Florence3D has 1 to 9"),
        (["% nothing"], "Florence3D has no sequences"),
    ],
)
def test_other_texts_are_refused_by_line(content, message, tmp_path):
    (tmp_path / TEXT).write_text("\n".join(content))
    with pytest.raises(InputError, match=message):
        load("florence3d", tmp_path)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"features": np.zeros(3)}, "has no cell array skeletal_data"),
        ({"skeletal_data": cells([{"action": 1.0}])}, r"skeletal_data\{1, 1\} has no joint_locations"),
        (
            {"skeletal_data": cells([entry(joint_locations=np.zeros((3, 20, 4)))])},
            r"joints of shape \(3, 20, 4\): 3 x 15",
        ),
        ({"skeletal_data": cells([{"joint_locations": np.ones((3, 15, 4))}])}, "no action or no subject"),
    ],
)
def test_other_mats_are_refused(variables, message, tmp_path):
    savemat(tmp_path / "skeletal_data.mat", variables)
    with pytest.raises(InputError, match=message):
        load("florence3d", tmp_path)


def test_the_text_goes_by_several_names(tmp_path):
    for name in ("world_coordinates.txt", "Florence.txt"):
        (tmp_path / name).write_text("\n".join(lines()))
    assert len(load("florence3d", tmp_path / "Florence.txt").sequences) == 1
    (tmp_path / "Florence.txt").unlink()
    assert len(load("florence3d", tmp_path).sequences) == 1


def test_two_forms_of_the_dataset_side_by_side_are_refused(tmp_path):
    (tmp_path / TEXT).write_text("\n".join(lines()))
    savemat(tmp_path / "skeletal_data.mat", {"skeletal_data": cells([entry()])})
    with pytest.raises(InputError, match="give one of them"):
        load("florence3d", tmp_path)
