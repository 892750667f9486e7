import numpy as np
import pytest

from gymspotter.errors import InputError
from gymspotter.skeleton import CANONICAL, LAYOUTS, layout, root_at_hip, to_canonical


@pytest.mark.parametrize("name", LAYOUTS)
def test_mirroring_twice_changes_nothing_and_swaps_the_sides(name):
    mirror = LAYOUTS[name].mirror
    assert [mirror[k] for k in mirror] == list(range(len(mirror)))
    joints = LAYOUTS[name].joints
    assert all(joints[mirror[joints.index(j)]] == "r_" + j[2:] for j in joints if j.startswith("l_"))


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name != CANONICAL.name])
def test_a_layout_whose_joints_lie_on_a_canonical_skeleton_converts_back_to_it(name):
    source = LAYOUTS[name]
    rng = np.random.default_rng(0)
    native = rng.normal(size=(4, len(source.joints), 3)).astype(np.float32)
    scores = rng.uniform(0.1, 1, size=native.shape[:2]).astype(np.float32)
    canonical, canonical_scores = to_canonical(native, scores, source)
    assert canonical.shape == (4, 17, 3)
    for joint, parts in source.canonical.items():
        k, where = CANONICAL.index(joint), [source.index(part) for part in parts]
        np.testing.assert_allclose(canonical[:, k], native[:, where].mean(axis=1), rtol=1e-6)
        np.testing.assert_allclose(canonical_scores[:, k], scores[:, where].min(axis=1))


def test_a_missing_joint_is_nan_with_score_zero_and_spoils_only_what_is_made_of_it():
    source = LAYOUTS["blazepose33"]
    native = np.ones((1, 33, 3), np.float32)
    native[0, source.index("l_hip")] = np.nan
    joints, scores = to_canonical(native, np.ones((1, 33), np.float32), source)
    spoiled = {CANONICAL.joints[k] for k in np.flatnonzero(np.isnan(joints[0]).any(axis=1))}
    assert spoiled == {"hip", "l_hip", "spine"}
    assert {CANONICAL.joints[k] for k in np.flatnonzero(scores[0] == 0)} == spoiled


def test_rooting_puts_the_hip_at_the_origin_and_keeps_distances():
    joints = np.random.default_rng(0).normal(size=(3, 17, 3)).astype(np.float32)
    rooted = root_at_hip(joints)
    assert (rooted[:, 0] == 0).all()
    np.testing.assert_allclose(rooted[:, 5] - rooted[:, 9], joints[:, 5] - joints[:, 9], atol=1e-6)


def test_an_unknown_layout_is_refused_by_name():
    with pytest.raises(InputError, match=r"layout 'openpose25'.*h36m17"):
        layout("openpose25")
