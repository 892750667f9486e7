import numpy as np
import pytest
import torch

from gymspotter.skeleton import CANONICAL
from gymspotter.transform import Normalise, fill_missing


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
