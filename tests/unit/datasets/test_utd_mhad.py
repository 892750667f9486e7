import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from gymspotter.datasets import load
from gymspotter.errors import InputError
from gymspotter.skeleton import KINECT20
from tests.unit.datasets.figure import as_kinect, assert_is_figure, figure

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "utd-mhad-skeleton.zip"


def skeleton(frames=4):
    return as_kinect(figure(KINECT20.joints, frames)).transpose(1, 2, 0)  # [20, 3, n], as d_skel


def write(folder, name="a1_s1_t1_skeleton.mat", **variables):
    folder.mkdir(exist_ok=True)
    savemat(folder / name, variables or {"d_skel": skeleton()})
    return folder


def test_a_sequence_is_turned_upright_and_keeps_its_left_and_right(tmp_path):
    dataset = load("utd-mhad", write(tmp_path / "Skeleton", "a27_s8_t3_skeleton.mat"))
    (sequence,) = dataset.sequences
    assert (sequence.label, sequence.subject, dataset.layout.name) == ("squat", "8", "kinect20")
    assert_is_figure(sequence, KINECT20)


def test_a_zip_is_read_as_its_folder_is(tmp_path):
    folder = write(tmp_path / "Skeleton")
    write(folder, "a2_s2_t1_skeleton.mat")
    packed = tmp_path / "utd.zip"
    with zipfile.ZipFile(packed, "w") as out:
        out.writestr("Skeleton/Skeleton_joint_order.txt", "1. head; ...")
        out.writestr("__MACOSX/Skeleton/._a1_s1_t1_skeleton.mat", b"not a .mat")
        for file in folder.iterdir():
            out.write(file, f"Skeleton/{file.name}")
    one, other = load("utd-mhad", folder), load("utd-mhad", packed)
    assert [s.label for s in other.sequences] == [s.label for s in one.sequences] == ["swipe left", "swipe right"]
    np.testing.assert_array_equal(other.segments().poses, one.segments().poses)


def test_odd_subjects_are_trained_on_and_even_ones_tested(tmp_path):
    for subject in range(1, 9):
        write(tmp_path / "all", f"a1_s{subject}_t1_skeleton.mat")
    dataset = load("utd-mhad", tmp_path / "all")
    dataset.check_folds()
    assert [set(dataset.groups) - set(fold) for fold in dataset.folds] == [{"1", "3", "5", "7"}]


def test_a_part_of_the_dataset_is_read_but_not_measured(tmp_path):
    dataset = load("utd-mhad", write(tmp_path / "part"))
    with pytest.raises(InputError, match="only subject 1 here, and none to test: give the whole dataset"):
        dataset.check_folds()


def test_a_joint_that_was_not_seen_is_missing(tmp_path):
    lost = skeleton()
    lost[KINECT20.index("l_hand"), :, 1] = 0
    dataset = load("utd-mhad", write(tmp_path / "lost", d_skel=lost))
    missing = np.argwhere(np.isnan(dataset.sequences[0].poses).any(axis=-1)).tolist()
    assert missing == [[1, KINECT20.index("l_hand")]]


def test_other_modalities_in_the_folder_are_passed_over(tmp_path):
    folder = write(tmp_path / "all")
    savemat(folder / "a1_s1_t1_inertial.mat", {"d_iner": np.zeros((9, 6))})
    assert len(load("utd-mhad", folder).sequences) == 1


@pytest.mark.parametrize(
    ("name", "variables", "message"),
    [
        ("a28_s1_t1_skeleton.mat", {}, r"a28_s1_t1_skeleton.mat is of action 28: UTD-MHAD has 1 to 27"),
        ("a1_s1_t1_skeleton.mat", {"d_depth": np.zeros((3, 3))}, "has no d_skel of 20 joints"),
        ("a1_s1_t1_skeleton.mat", {"d_skel": np.zeros((25, 3, 9))}, "has no d_skel of 20 joints"),
        ("a1_s1_t1_skeleton.mat", {"d_skel": np.zeros((20, 3, 0))}, "has no d_skel of 20 joints"),
    ],
)
def test_files_of_another_kind_are_refused_by_name(name, variables, message, tmp_path):
    with pytest.raises(InputError, match=message):
        load("utd-mhad", write(tmp_path / "bad", name, **variables))


def test_a_broken_mat_is_refused_by_name(tmp_path):
    whole = io.BytesIO()
    savemat(whole, {"d_skel": skeleton()})
    (tmp_path / "a1_s1_t1_skeleton.mat").write_bytes(whole.getvalue()[:300])
    with pytest.raises(InputError, match=r"a1_s1_t1_skeleton.mat cannot be read as a .mat file"):
        load("utd-mhad", tmp_path)


def test_a_broken_zip_an_empty_folder_and_a_missing_one_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no files named a1_s1_t1_skeleton\.mat"):
        load("utd-mhad", tmp_path)
    with pytest.raises(InputError, match="nowhere does not exist"):
        load("utd-mhad", tmp_path / "nowhere")
    packed = tmp_path / "broken.zip"
    with zipfile.ZipFile(packed, "w") as out:
        out.writestr("a1_s1_t1_skeleton.mat", b"x" * 100)
    content = bytearray(packed.read_bytes())
    content[content.index(b"xxx")] ^= 1  # the checksum is wrong now
    for broken in (content, content[: len(content) // 2]):
        packed.write_bytes(broken)
        with pytest.raises(InputError, match=r"broken.zip cannot be unpacked"):
            load("utd-mhad", packed)


def test_an_unknown_format_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(InputError, match="format is 'ntu': use one of utd-mhad, nw-ucla, florence3d, utkinect"):
        load("ntu", tmp_path)


@pytest.mark.skipif(not REAL.exists(), reason=f"no {REAL}")
def test_the_real_dataset_is_whole_and_its_people_stand_upright_and_face_the_camera():
    dataset = load("utd-mhad", REAL)
    assert len(dataset.sequences) == 861
    segments = dataset.segments()
    assert sorted(set(segments.labels.tolist())) == sorted(dataset.classes)
    assert dataset.groups == tuple("12345678")
    x, y = segments.poses[..., 0], segments.poses[..., 1]
    joint = dataset.layout.index
    assert (y[:, :, joint("head")] < y[:, :, joint("l_foot")]).all()
    assert (x[:, :, joint("l_shoulder")] > x[:, :, joint("r_shoulder")]).all()
    # The right hand alone swipes, and reaches the left half of the body: the right half of the picture.
    left, right, middle = (
        segments.poses[segments.labels == "swipe left"][:, :, joint(name)]
        for name in ("l_hand", "r_hand", "shoulder_centre")
    )
    assert (np.ptp(right, axis=1).max(axis=-1) > 2 * np.ptp(left, axis=1).max(axis=-1)).all()
    assert ((right - middle)[..., 0].max(axis=1) > 0).mean() > 0.9
