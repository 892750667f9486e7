"""The graph that benchmarks/inference.py exports for ONNX Runtime: NaN in, the same logits out, at any batch size."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gymspotter.models import build

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize(("align_facing", "shown"), [(False, 60), (True, 60), (True, 25)])
def test_the_exported_graph_answers_as_torch_does(align_facing, shown, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import inference

    torch.manual_seed(0)
    classifier = build("transformer", classes=22, frames=shown, align_facing=align_facing, resample=shown < 60).eval()
    run = inference.onnx_runtime(classifier)
    for batch in (1, 3, 300):
        poses = inference.random_poses(batch)  # holes, a joint that is never seen, a segment without anybody
        assert np.isnan(poses[0]).all()
        expected = classifier(torch.from_numpy(poses)).detach().numpy()
        assert np.isfinite(expected).all()
        np.testing.assert_allclose(run(poses), expected, atol=inference.TOLERANCE)
