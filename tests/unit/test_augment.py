import math

import pytest
import torch

from gymspotter.augment import Augment, AugmentConfig, mirror, mix, resample
from gymspotter.errors import InputError
from gymspotter.skeleton import BLAZEPOSE33, CANONICAL, KINECT20
from gymspotter.transform import Normalise, parts_of

OFF = {"mirror": 0.0, "turn": 0.0, "scale": 0.0, "crop": 0.0, "warp": 0.0, "lose": 0.0, "noise": 0.0}
LEFT_WRIST, RIGHT_WRIST = CANONICAL.index("l_wrist"), CANONICAL.index("r_wrist")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def only(layout=CANONICAL, **strengths):
    return Augment(AugmentConfig(**(OFF | strengths)), layout)


@pytest.fixture
def poses():
    return Normalise()(torch.randn(64, 60, 17, 3, generator=seeded()))


def test_with_everything_off_nothing_changes(poses):
    assert torch.equal(only()(poses), poses)


def test_one_seed_gives_the_same_batch_again_and_another_does_not(poses):
    augment = Augment(AugmentConfig())
    once, again, other = augment(poses, seeded(1)), augment(poses, seeded(1)), augment(poses, seeded(2))
    assert torch.equal(once, again)
    assert not torch.allclose(once, other)


@pytest.mark.parametrize("layout", [CANONICAL, BLAZEPOSE33, KINECT20])
def test_all_together_keep_shape_and_hip_and_stay_finite(layout):
    poses = Normalise(layout)(torch.randn(8, 60, len(layout.joints), 3, generator=seeded()))
    varied = Augment(AugmentConfig(lose=0.5), layout)(poses, seeded())
    assert varied.shape == poses.shape
    assert varied.isfinite().all()
    assert varied[:, :, parts_of(layout, "hip")].mean(dim=2).abs().max() < 1e-5


def test_a_mirror_image_swaps_the_sides_and_only_x_changes_its_sign(poses):
    image = only(mirror=1.0)(poses)
    torch.testing.assert_close(image[:, :, LEFT_WRIST], poses[:, :, RIGHT_WRIST] * torch.tensor([-1.0, 1.0, 1.0]))
    assert torch.equal(mirror(mirror(poses, CANONICAL.mirror), CANONICAL.mirror), poses)


def test_about_the_given_share_is_mirrored(poses):
    changed = (only(mirror=0.3)(poses, seeded()) != poses).flatten(1).any(dim=1)
    assert 0.15 < changed.float().mean() < 0.45


def test_a_turn_is_about_the_vertical_within_its_limit_and_the_same_for_all_frames(poses):
    turned = only(turn=40.0)(poses, seeded())
    torch.testing.assert_close(turned[..., 1], poses[..., 1])
    torch.testing.assert_close(turned.norm(dim=-1), poses.norm(dim=-1))
    before = torch.atan2(poses[:, :, 1:, 2], poses[:, :, 1:, 0])
    after = torch.atan2(turned[:, :, 1:, 2], turned[:, :, 1:, 0])
    angles = torch.remainder((after - before).flatten(1) + math.pi, 2 * math.pi) - math.pi
    assert (angles - angles[:, :1]).abs().max() < 1e-3
    assert angles.abs().max() <= math.radians(40) + 1e-3
    assert angles[:, 0].std() > math.radians(15)


def test_scaling_multiplies_all_of_a_segment_by_one_number_near_one(poses):
    factors = (only(scale=0.2)(poses, seeded()).flatten(1) / poses.flatten(1)).nan_to_num(nan=torch.nan)
    low, high = factors.nan_to_num(9.0).amin(dim=1), factors.nan_to_num(0.0).amax(dim=1)
    torch.testing.assert_close(low, high, atol=1e-3, rtol=1e-3)
    assert ((low > 0.799) & (high < 1.201)).all()
    assert low.std() > 0.05


def ramp():
    """A joint that is at x = frame number, so that a resampled pose tells its time."""
    poses = torch.zeros(64, 60, 17, 3)
    poses[:, :, LEFT_WRIST, 0] = torch.arange(60.0)
    return poses


def test_a_warp_keeps_the_ends_never_runs_backwards_and_changes_the_pace_within_its_limit():
    times = only(warp=0.5)(ramp(), seeded())[:, :, LEFT_WRIST, 0]
    torch.testing.assert_close(times[:, 0], torch.zeros(64), atol=1e-4, rtol=0)
    torch.testing.assert_close(times[:, -1], torch.full((64,), 59.0), atol=1e-4, rtol=0)
    pace = times.diff(dim=1)
    assert pace.min() > 0.5 - 1e-3
    assert pace.max() < 1.5 + 1e-3
    assert (times[:, 30] - 30).abs().max() > 2


def test_a_crop_is_a_stretched_part_of_the_segment():
    times = only(crop=0.4)(ramp(), seeded())[:, :, LEFT_WRIST, 0]
    span = times[:, -1] - times[:, 0]
    assert span.min() >= 0.6 * 59 - 1e-3
    assert span.max() <= 59
    assert span.std() > 3
    assert times.min() >= 0
    assert times.max() <= 59
    torch.testing.assert_close(times.diff(dim=1), (span / 59).unsqueeze(1).expand(64, 59), atol=1e-3, rtol=1e-3)


def test_resampling_at_the_frames_themselves_changes_nothing(poses):
    torch.testing.assert_close(resample(poses, torch.arange(60.0).expand(64, 60)), poses)


def test_a_lost_joint_is_what_serving_makes_of_one(poses):
    poses = poses.cumsum(dim=1)  # no three frames of a joint lie on a line by chance
    varied = only(lose=0.5)(poses, seeded())
    lost = (varied != poses).any(dim=-1)
    share = lost.any(dim=1)[:, 1:].float().mean()  # the hip cannot be seen to be lost: it stays the origin
    assert 0.35 < share < 0.5
    holed = torch.where(lost.unsqueeze(-1), torch.nan, poses)
    serve = Normalise(align_facing=False)  # with a hip never seen nothing is turned
    torch.testing.assert_close(serve(holed), serve(varied), atol=1e-3, rtol=1e-3)


def test_noise_has_its_size_is_worst_in_depth_and_partly_drifts():
    error = only(noise=0.02)(torch.zeros(64, 60, 17, 3), seeded())
    error = error[:, :, 1:] / math.sqrt(2)  # the hip's own error moves all the others
    assert error[..., 0].std().item() == pytest.approx(0.02, rel=0.1)
    assert error[..., 2].std().item() == pytest.approx(0.04, rel=0.1)
    apart = lambda frames: (error[:, :-frames] * error[:, frames:])[..., 1].mean() / 0.02**2  # noqa: E731
    assert 0.3 < apart(1) < 0.6
    assert abs(apart(25)) < 0.1


def test_mixing_blends_poses_and_targets_by_the_same_weight(poses):
    poses, targets = poses[:8], torch.arange(8)
    mixed, soft = mix(poses, targets, 8, 0.5, seeded())
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(8))
    torch.testing.assert_close(mixed, torch.einsum("bk,ktjc->btjc", soft, poses), atol=1e-5, rtol=1e-4)
    assert (soft.diagonal() >= 0.5).all()
    assert (soft.diagonal() < 1).sum() >= 4


def test_mixing_with_strength_zero_changes_nothing(poses):
    mixed, soft = mix(poses[:8], torch.arange(8), 10, 0.0, seeded())
    torch.testing.assert_close(mixed, poses[:8])
    torch.testing.assert_close(soft, torch.eye(10)[:8])
    with pytest.raises(InputError, match=r"mix is 0\.7: use 0 to 0\.5"):
        mix(poses, torch.zeros(64, dtype=torch.long), 2, 0.7)


@pytest.mark.parametrize(
    ("field", "value"),
    [("mirror", 1.5), ("turn", 200), ("scale", 1.0), ("crop", -0.1), ("warp", 1.0), ("lose", 2), ("noise", math.inf)],
)
def test_a_bad_strength_names_its_field(field, value):
    with pytest.raises(InputError, match=f"{field} is"):
        AugmentConfig(**{field: value})


def test_a_tilt_is_a_rotation_the_same_for_all_frames(poses):
    tilted = only(tilt=20.0)(poses, seeded())
    torch.testing.assert_close(tilted.norm(dim=-1), poses.norm(dim=-1))
    first = torch.linalg.lstsq(poses[:, 0], tilted[:, 0]).solution
    torch.testing.assert_close(poses[:, 30] @ first, tilted[:, 30], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(first @ first.transpose(1, 2), torch.eye(3).expand(64, 3, 3), atol=1e-3, rtol=1e-3)
    # The vertical leans by at most 20 degrees to the side and 20 towards the camera.
    assert first[:, 1, 1].min() > math.cos(math.radians(20)) ** 2 - 1e-3
    assert first[:, 1, 1].max() < 1


def test_a_stretch_changes_each_axis_on_its_own_within_its_limit(poses):
    ratio = (only(stretch=0.2)(poses, seeded())[:, 10, 5] / poses[:, 10, 5]).abs()
    assert 0.8 <= ratio.min() < 0.85
    assert 1.15 < ratio.max() <= 1.2 + 1e-5
    assert (ratio[:, 0] - ratio[:, 2]).abs().max() > 0.1


def test_a_short_part_is_played_forth_and_back():
    time = torch.zeros(64, 60, 17, 3)
    time[:, :, LEFT_WRIST, 0] = torch.arange(60.0)
    shown = only(short=1.0)(time, seeded())[:, :, LEFT_WRIST, 0]
    assert shown.min() >= 0
    assert shown.max() <= 59
    steps = shown.diff(dim=1)
    turns = (steps[:, 1:] * steps[:, :-1] < 0).sum(dim=1)
    assert steps.abs().max() <= 1 + 1e-4
    assert turns.float().mean() > 2
    length = shown.amax(dim=1) - shown.amin(dim=1)
    assert length.min() > 8
    assert length.max() > 45


def test_about_the_given_share_is_shown_in_part(poses):
    changed = (only(short=0.4)(poses, seeded()) != poses).flatten(1).any(dim=1)
    assert 0.25 < changed.float().mean() < 0.55
