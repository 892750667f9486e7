"""A traced program gives the eager one's answers, whatever the batch; what cannot be traced is run eagerly."""

import numpy as np
import pytest
import torch

from gymspotter.models import build
from serve.model import compiled
from tests.registered import some_poses


def exported(module, example):
    return torch.export.export(module, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},)).module()


@pytest.mark.parametrize("name", ["transformer", "spotter"])
def test_traced_and_eager_agree_at_any_batch_size(name):
    torch.manual_seed(0)
    classifier = build(name, classes=22, frames=60).eval()
    logits, runtime = compiled.fast(exported(classifier, torch.from_numpy(some_poses(4))), 60)
    assert runtime == "traced"
    for size in (1, 2, 7, 64):
        poses = some_poses(size, seed=size)
        poses[0] = np.nan
        with torch.inference_mode():
            expected = classifier(torch.from_numpy(poses)).numpy()
        found = logits(poses)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(logits(some_poses(6)[::2]), logits(some_poses(6))[::2], atol=1e-4)  # not contiguous


@pytest.mark.parametrize("name", ["lstm"])
def test_recurrent_models_are_run_eagerly(name):
    classifier = build(name, classes=22, frames=60).eval()
    logits, runtime = compiled.fast(exported(classifier, torch.from_numpy(some_poses(4))), 60)
    assert runtime == "eager"
    assert logits(some_poses(3)).shape == (3, 22)


class Branching(torch.nn.Module):
    """Does for large batches what a trace of a small one cannot know of."""

    def forward(self, poses):
        total = poses.nan_to_num().sum(dim=(1, 2, 3))[:, None].expand(-1, 22)
        return total + 1 if len(poses) > 10 else total


class Broken(torch.nn.Module):
    def forward(self, poses):
        if torch.jit.is_tracing():
            raise RuntimeError("not while traced")
        return poses.nan_to_num().sum(dim=(1, 2, 3))[:, None].expand(-1, 22)


@pytest.mark.parametrize("module", [Branching(), Broken()])
def test_what_a_trace_gets_wrong_is_run_eagerly_and_said(module, caplog):
    logits, runtime = compiled.fast(module, 60)
    assert runtime == "eager"
    assert "run eagerly" in caplog.text
    poses = some_poses(64)
    np.testing.assert_array_equal(logits(poses), module(torch.from_numpy(poses)).numpy())


class Filled(torch.nn.Module):
    def forward(self, poses):
        return poses.nan_to_num().flatten(1)


def resident():
    """Memory of this process, MiB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


def test_the_weights_of_versions_that_are_gone_are_freed():
    def load():
        layers = torch.nn.Linear(3060, 1400), torch.nn.Linear(1400, 22)  # 17 MB
        assert compiled.fast(torch.nn.Sequential(Filled(), *layers), 60)[1] == "traced"

    for _ in range(3):
        load()
    before = resident()
    for _ in range(12):
        load()
    assert resident() - before < 60
