import warnings

import pytest
import torch

from gymspotter.errors import InputError
from gymspotter.models import MODELS, Classifier, Resample, build
from gymspotter.models.cnn1d import CNN1DConfig
from gymspotter.models.cost import count_parameters
from gymspotter.models.mlp import MLPConfig
from gymspotter.models.recurrent import RecurrentConfig
from gymspotter.models.transformer import TransformerConfig
from gymspotter.skeleton import LAYOUTS, layout

J, T, K, F = 17, 60, 22, 51


def poses_with_holes(joints: int, batch: int = 3, seed: int = 0) -> torch.Tensor:
    poses = torch.randn(batch, T, joints, 3, generator=torch.Generator().manual_seed(seed))
    poses[0, 10:30] = torch.nan
    poses[-1, :, 4] = torch.nan
    return poses


@pytest.mark.parametrize("layout_name", list(LAYOUTS))
@pytest.mark.parametrize("name", list(MODELS))
def test_every_model_takes_every_layout_with_holes_and_all_of_it_learns(name, layout_name):
    torch.manual_seed(0)
    source = layout(layout_name)
    classifier = build(name, classes=K, frames=T, layout=source).train()
    logits = classifier(poses_with_holes(len(source.joints)))
    assert logits.shape == (3, K)
    assert logits.isfinite().all()
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 5, 21])).backward()
    for parameter in classifier.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0


@pytest.mark.parametrize(("name", "resampled"), [*((name, 0) for name in MODELS), ("transformer", 25), ("spotter", 70)])
def test_an_exported_classifier_answers_any_batch_as_the_original(name, resampled):
    torch.manual_seed(0)
    classifier = build(name, classes=K, frames=resampled or T, resample=bool(resampled)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            classifier, (poses_with_holes(J, 4),), dynamic_shapes=({0: torch.export.Dim("batch")},)
        )
    exported = program.module()
    for batch in (1, 2, 7, 64):
        poses = poses_with_holes(J, batch, seed=batch)
        torch.testing.assert_close(exported(poses), classifier(poses), atol=1e-4, rtol=1e-4)


# Weights and biases by hand. Transformer: three projections in and one out without bias, two norms, feed-forward, head.
BY_HAND = {
    "mlp": (T * F * 500 + 500) + 2 * (500 * 500 + 500) + (500 * K + K),
    "cnn1d": (8 * F * 128 + 128) + (5 * 128 * 256 + 256) + (3 * 256 * 128 + 128) + 2 * 512 + (128 * K + K),
    "rnn": (F * 128 + 128 * 128 + 2 * 128) + (128 * K + K),
    "lstm": 4 * (F * 128 + 128 * 128 + 2 * 128) + (128 * K + K),
    "bilstm": 2 * 4 * (F * 128 + 128 * 128 + 2 * 128) + (256 * K + K),
    "transformer": 4 * (F * 4 * 64) + 2 * 2 * F + (F * 256 + 256) + (256 * F + F) + (F * K + K),
}


@pytest.mark.parametrize("name", list(BY_HAND))
def test_a_model_of_the_paper_has_as_many_parameters_as_its_equations(name):
    assert count_parameters(build(name, classes=K, frames=T)) == BY_HAND[name]


DEEPER = {
    "mlp": (MLPConfig(layers=5), 2 * (500 * 500 + 500)),
    "cnn1d": (CNN1DConfig(layers=5), 2 * (3 * 128 * 128 + 128 + 2 * 128)),
    "rnn": (RecurrentConfig(layers=2), 2 * (128 * 128 + 128)),
    "lstm": (RecurrentConfig(layers=2), 4 * 2 * (128 * 128 + 128)),
    "bilstm": (RecurrentConfig(layers=2), 2 * 4 * (256 * 128 + 128 * 128 + 2 * 128)),
    "transformer": (TransformerConfig(layers=3), 2 * (4 * (F * 4 * 64) + 2 * 2 * F + (F * 256 + 256) + (256 * F + F))),
}


@pytest.mark.parametrize("name", list(DEEPER))
def test_a_deeper_model_has_its_layers_more_and_all_of_it_learns(name):
    config, more = DEEPER[name]
    classifier = build(name, config, classes=K, frames=T)
    assert count_parameters(classifier) == BY_HAND[name] + more
    classifier(poses_with_holes(J)).square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in classifier.parameters())


@pytest.mark.parametrize("config", [CNN1DConfig(dropout=0.9), RecurrentConfig(dropout=0.9), MLPConfig(dropout=0.6)])
def test_dropout_is_for_training_alone(config):
    name = {CNN1DConfig: "cnn1d", RecurrentConfig: "lstm", MLPConfig: "mlp"}[type(config)]
    classifier, poses = build(name, config, classes=K, frames=T).eval(), poses_with_holes(J)
    torch.testing.assert_close(classifier(poses), classifier(poses), atol=0.0, rtol=0.0)
    classifier.train()
    assert (classifier(poses) - classifier(poses)).abs().max() > 1e-3


def test_resampled_poses_lie_between_their_neighbours_from_the_first_to_the_last():
    ramp = torch.arange(60.0).view(1, 60, 1, 1) * torch.randn(3, 1, J, 3)
    for frames in (5, 20, 59, 61, 120):
        expected = torch.linspace(0, 59, frames).view(1, -1, 1, 1) / 59 * ramp[:, -1:]
        torch.testing.assert_close(Resample(frames)(ramp), expected, atol=1e-4, rtol=1e-4)
    assert Resample(60)(ramp) is ramp


def test_temperature_divides_the_logits():
    classifier, poses = build("transformer", classes=K, frames=T).eval(), torch.randn(2, T, J, 3)
    torch.testing.assert_close(Classifier(classifier.fusion, 2.0)(poses) * 2, classifier(poses))


def test_a_classifier_normalises_as_its_layout_says():
    source = layout("blazepose33")
    classifier = build("transformer", classes=K, frames=T, layout=source).eval()
    poses = torch.randn(2, T, 33, 3)
    torch.testing.assert_close(classifier(1.5 * poses + 2.0), classifier(poses), atol=1e-4, rtol=1e-3)


def test_an_unknown_model_is_refused_by_name():
    with pytest.raises(InputError, match="model 'gru' is not known: use one of mlp"):
        build("gru", classes=K, frames=T)


@pytest.mark.parametrize(
    ("config", "field"), [(MLPConfig, "hidden"), (CNN1DConfig, "filters"), (RecurrentConfig, "units")]
)
def test_a_bad_width_names_its_field(config, field):
    with pytest.raises(InputError, match=f"{field} is 0: use at least 1"):
        config(**{field: 0})
