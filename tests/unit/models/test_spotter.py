import pytest
import torch

from gymspotter.errors import InputError
from gymspotter.models.cost import count_parameters
from gymspotter.models.spotter import Spotter, SpotterConfig, rotate, rotations
from gymspotter.skeleton import CANONICAL


def a_spotter(**changes):
    torch.manual_seed(0)
    return Spotter(SpotterConfig(**changes), joints=17, frames=60, classes=22).eval()


def test_the_streams_are_joints_bones_and_five_times_the_step_to_the_next_frame():
    poses = torch.randn(2, 60, 17, 3)
    joints, bones, velocities = a_spotter().streams(poses).unflatten(2, (-1, 3)).split([17, 16, 17], dim=2)
    assert torch.equal(joints, poses)
    forearm = CANONICAL.bones.index(("r_elbow", "r_wrist"))
    elbow, wrist = CANONICAL.index("r_elbow"), CANONICAL.index("r_wrist")
    torch.testing.assert_close(bones[:, :, forearm], poses[:, :, wrist] - poses[:, :, elbow])
    torch.testing.assert_close(velocities[:, :-1], 5 * (poses[:, 1:] - poses[:, :-1]))
    assert (velocities[:, -1] == 0).all()


def test_rotated_positions_keep_lengths_and_see_only_distances():
    q, k = torch.randn(2, 1, 1, 1, 32).expand(2, 1, 1, 30, 32)  # the same query and key at every moment
    q, k = rotate(q, rotations(30, 32)), rotate(k, rotations(30, 32))
    torch.testing.assert_close(q.norm(dim=-1), q.norm(dim=-1)[..., :1].expand(1, 1, 30))
    products = (q @ k.transpose(-1, -2))[0, 0]
    for apart in (-7, 0, 1, 12):
        along = products.diagonal(apart)
        torch.testing.assert_close(along, along[:1].expand_as(along), atol=1e-4, rtol=1e-4)
    assert not torch.isclose(products[0, 0], products[0, 12], atol=1e-3)


def test_a_block_skipped_for_some_segments_counts_more_for_the_others():
    block = a_spotter(dropout=0.0, skip=0.5).blocks[-1].train()
    torch.manual_seed(1)
    added = block._maybe(torch.ones(2000, 3, 4))
    assert set(added.unique().tolist()) == {0.0, 2.0}
    assert (added == added[:, :1, :1]).all()
    assert added.mean().item() == pytest.approx(1.0, abs=0.1)


def test_the_first_block_is_never_skipped_and_evaluation_skips_none():
    model = a_spotter(layers=3, skip=0.2, dropout=0.0)
    assert [block.skip for block in model.blocks] == pytest.approx([0.0, 0.1, 0.2])
    x = torch.ones(50, 3, 128)
    assert torch.equal(model.blocks[-1]._maybe(x), x)


def test_it_is_small():
    assert count_parameters(a_spotter()) < 1_500_000


@pytest.mark.parametrize(
    ("field", "value"),
    [("width", 100), ("layers", 0), ("heads", -1), ("frames_a_token", 0), ("dropout", 1.0), ("skip", -0.1)],
)
def test_a_bad_configuration_names_its_field(field, value):
    with pytest.raises(InputError, match=field):
        SpotterConfig(**{field: value})


def test_another_layouts_joints_are_refused():
    with pytest.raises(InputError, match="joints is 33: layout 'h36m17' has 17"):
        Spotter(SpotterConfig(), joints=33, frames=60, classes=22)
