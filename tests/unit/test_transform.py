import numpy as np
import pytest
import torch

from gymspotter.errors import InputError
from gymspotter.skeleton import BLAZEPOSE33, CANONICAL, KINECT20, LAYOUTS, Layout
from gymspotter.transform import Normalise, fill_missing, turn_upright


@pytest.fixture
def poses():
    return torch.from_numpy(np.random.default_rng(0).normal(size=(2, 60, 17, 3)).astype(np.float32))


def test_gaps_are_filled_as_numpy_interpolates(poses):
    holed = poses.clone()
    for gap in (slice(0, 4), slice(20, 23), slice(30, 31), slice(55, 60)):
        holed[0, gap, 5] = torch.nan
    seen = ~holed[0, :, 5, 0].isnan().numpy()
    t = np.arange(60)
    filled = fill_missing(holed)
    for c in range(3):
        expected = np.interp(t, t[seen], poses[0, seen, 5, c].numpy())
        np.testing.assert_allclose(filled[0, :, 5, c], expected, atol=1e-5)


def test_filling_leaves_what_was_seen_untouched(poses):
    holed = poses.clone()
    holed[1, 10:20, 2:4] = torch.nan
    filled = fill_missing(holed)
    assert torch.equal(filled[0], poses[0])
    assert torch.equal(filled[1, :, 4:], poses[1, :, 4:])


def test_a_joint_that_is_never_seen_becomes_zero(poses):
    poses[:, :, 7] = torch.nan
    assert (fill_missing(poses)[:, :, 7] == 0).all()


def test_normalising_removes_place_and_size_but_not_direction(poses):
    normalise = Normalise()
    here = normalise(poses)
    assert here[:, :, CANONICAL.index("hip")].abs().max() == 0
    torch.testing.assert_close(normalise(1.3 * poses + torch.tensor([0.4, -2.0, 3.0])), here, atol=1e-4, rtol=1e-4)
    lying = poses[..., [1, 0, 2]]
    assert not torch.allclose(normalise(lying), here, atol=0.1)


def test_the_mean_torso_has_length_one(poses):
    torso = Normalise()(poses)[:, :, CANONICAL.index("thorax")].norm(dim=-1).mean(dim=1)
    torch.testing.assert_close(torso, torch.ones(2))


def test_nan_everywhere_and_a_collapsed_skeleton_stay_finite():
    for value in (torch.nan, 0.0):
        assert Normalise()(torch.full((1, 60, 17, 3), value)).isfinite().all()


@pytest.mark.parametrize(
    ("layout", "hip", "thorax"),
    [
        (CANONICAL, ["hip"], ["thorax"]),
        (BLAZEPOSE33, ["l_hip", "r_hip"], ["l_shoulder", "r_shoulder"]),
        (KINECT20, ["hip_centre"], ["shoulder_centre"]),
    ],
)
def test_hip_and_torso_are_what_the_layout_makes_them_of(layout, hip, thorax):
    here = Normalise(layout)(torch.randn(2, 60, len(layout.joints), 3))
    middle = lambda names: here[:, :, [layout.index(name) for name in names]].mean(dim=2)  # noqa: E731
    assert middle(hip).abs().max() < 1e-5
    torch.testing.assert_close(middle(thorax).norm(dim=-1).mean(dim=1), torch.ones(2))


def test_a_layout_without_a_hip_is_refused():
    hand = Layout(name="hand", joints=("l_wrist", "l_index"), bones=(("l_wrist", "l_index"),))
    with pytest.raises(InputError, match="layout 'hand' has no 'hip'"):
        Normalise(hand)


def test_a_joint_that_is_never_seen_lies_at_the_hip_wherever_the_athlete_is(poses):
    poses[0, :, 7] = torch.nan
    for place in (0.0, 5.0):
        assert (Normalise()(poses + place)[0, :, 7] == 0).all()


def test_with_one_hip_never_seen_the_other_is_the_centre():
    poses = torch.randn(1, 60, 33, 3)
    poses[:, :, BLAZEPOSE33.index("r_hip")] = torch.nan
    assert Normalise(BLAZEPOSE33)(poses)[:, :, BLAZEPOSE33.index("l_hip")].abs().max() < 1e-6


def turned(poses, degrees):
    angle = torch.full((len(poses),), np.deg2rad(degrees), dtype=torch.float32)
    return turn_upright(poses, angle.cos(), angle.sin())


def hip_line(poses, layout=CANONICAL):
    return (poses[:, :, layout.index("l_hip")] - poses[:, :, layout.index("r_hip")]).mean(dim=1)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_an_aligned_athlete_faces_the_camera_wherever_the_camera_is(layout):
    poses = torch.randn(2, 60, len(layout.joints), 3) * 0.1
    poses[:, :, layout.index("l_hip")] += torch.tensor([0.3, 0.1, 0.2])
    align = Normalise(layout)
    line = hip_line(align(poses), layout)
    assert (line[:, 0] > 0.1).all()
    assert line[:, 2].abs().max() < 1e-4
    for degrees in (30, 90, 180, 300):
        torch.testing.assert_close(align(turned(poses, degrees)), align(poses), atol=1e-3, rtol=1e-3)


def test_aligning_turns_whole_segments_about_the_vertical_only(poses):
    plain, aligned = Normalise(align_facing=False)(poses), Normalise()(poses)
    torch.testing.assert_close(aligned[..., 1], plain[..., 1])
    torch.testing.assert_close(aligned.norm(dim=-1), plain.norm(dim=-1))
    # Lengths between different frames too: no frame is turned by itself.
    apart = lambda x: (x[:, 0] - x[:, 37]).norm(dim=-1)  # noqa: E731
    torch.testing.assert_close(apart(aligned), apart(plain))


def test_a_hip_line_that_says_nothing_turns_nothing(poses):
    sideways = poses.clone()
    sideways[:, :, CANONICAL.index("l_hip")] = torch.tensor([0.0, -0.2, 0.0])  # on the side: one hip above the other
    sideways[:, :, CANONICAL.index("r_hip")] = torch.tensor([0.0, 0.2, 0.0])
    unseen = poses.clone()
    unseen[:, :, CANONICAL.index("l_hip")] = torch.nan
    for case in (sideways, unseen, torch.full_like(poses, torch.nan)):
        assert torch.equal(Normalise()(case), Normalise(align_facing=False)(case))
