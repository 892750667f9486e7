"""Models in a real MLflow store: what is registered is what is loaded, whatever the batch."""

from dataclasses import asdict, replace
from functools import partial

import mlflow
import numpy as np
import pytest
import torch

from gymspotter import registry, tracking
from gymspotter.calibration import logits
from gymspotter.drift import Reference
from gymspotter.errors import InputError
from gymspotter.golden import TOLERANCE, golden_gap, golden_poses
from gymspotter.labels import EXERCISES
from gymspotter.models import Classifier
from gymspotter.models.transformer import Transformer, TransformerConfig

FACTS = registry.ModelFacts(model="transformer", classes=list(EXERCISES), frames=60, grid_fps=5.0, data="abc")
REFERENCE = Reference.of(golden_poses(60))


def a_classifier(seed):
    torch.manual_seed(seed)
    return Classifier(Transformer(TransformerConfig(), joints=17, frames=60, classes=22), temperature=1.5).eval()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two versions, registered one after the other."""
    folder = tmp_path_factory.mktemp("mlflow")
    tracking.use_store(f"sqlite:///{folder / 'mlflow.db'}")
    tracking.use_experiment("test", folder / "artifacts")
    for seed in (1, 2):
        with mlflow.start_run():
            facts = replace(FACTS, reference=REFERENCE.as_dict())
            assert registry.register(a_classifier(seed), facts) == str(seed)
    return folder


@pytest.fixture(autouse=True)
def _use(store):
    tracking.use_store(f"sqlite:///{store / 'mlflow.db'}")


@pytest.mark.parametrize("batch", [1, 2, 7, 64])
def test_a_loaded_model_agrees_with_the_trained_one_at_any_batch_size(batch):
    poses = np.random.default_rng(batch).normal(size=(batch, 60, 17, 3)).astype(np.float32)
    poses[0, 5:20] = np.nan
    poses[-1, :, 3] = np.nan
    with torch.inference_mode():
        got, expected = (module(torch.from_numpy(poses)) for module in (registry.load("2").module, a_classifier(2)))
    assert got.isfinite().all()
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_the_first_version_is_the_champion_and_the_last_the_challenger():
    assert registry.load(registry.CHAMPION).version == "1"
    assert registry.load(registry.CHALLENGER).version == "2"


def test_what_the_model_says_of_itself_travels_with_it():
    assert registry.load("1").facts == FACTS


def test_golden_answers_and_the_reference_travel_too():
    loaded = registry.load("2")
    assert golden_gap(loaded.facts.golden, partial(logits, loaded.module), 60) < TOLERANCE
    assert golden_gap(loaded.facts.golden, partial(logits, registry.load("1").module), 60) > TOLERANCE
    assert Reference.from_dict(loaded.facts.reference) == REFERENCE


def test_nothing_in_the_model_needs_a_pickle(store):
    files = [path for path in (store / "artifacts").rglob("*") if path.is_file()]
    assert any(path.suffix == ".pt2" for path in files)
    assert not [path for path in files if path.suffix in {".pkl", ".pickle", ".pth", ".pt"}]


class Hostile(torch.nn.Module):
    """Unpickling it makes a file."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_loading_never_executes_what_a_model_brings_along(store, tmp_path):
    harmed = tmp_path / "harmed"
    with mlflow.start_run():
        info = mlflow.pytorch.log_model(
            Hostile(str(harmed)),
            name="model",
            serialization_format="pickle",
            registered_model_name=registry.MODEL_NAME,
            pip_requirements=[],
            metadata=asdict(FACTS),
        )
    with pytest.raises(InputError, match=r"was not made by `gymspotter train`"):
        registry.load(str(info.registered_model_version))
    assert not harmed.exists()


def test_a_model_of_somebody_else_s_says_so(store):
    with mlflow.start_run():
        info = mlflow.pytorch.log_model(
            torch.nn.Linear(3, 2),
            name="model",
            serialization_format="pt2",
            input_example=np.zeros((4, 3), np.float32),
            registered_model_name=registry.MODEL_NAME,
            pip_requirements=[],
        )
    with pytest.raises(InputError, match=r"was not made by `gymspotter train`"):
        registry.load(str(info.registered_model_version))


def test_a_store_that_cannot_be_reached_says_so(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_registry_uri("http://me:secret@127.0.0.1:9")
    with pytest.raises(InputError, match=r"registry 'http://\*\*\*@127.0.0.1:9' cannot be used") as caught:
        registry.load()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("which", ["nobody", "99"])
def test_a_model_that_is_not_there_says_how_to_get_one(which):
    with pytest.raises(InputError, match=rf"gymspotter@{which} is not in the registry.*gymspotter train"):
        registry.load(which)
