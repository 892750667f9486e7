import io
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from gymspotter.calibration import calibrate, fit_temperature, logits, reliability, softmax
from gymspotter.errors import InputError
from gymspotter.fit import fit
from gymspotter.loop import FitConfig
from gymspotter.models import build
from gymspotter.plots import reliability_figure
from gymspotter.splits import split
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.unknown import NONE, detection, knownness, unknown
from gymspotter.windows import cut_segments

RNG = np.random.default_rng(0)
CLASSES = ("lateral raise", "plank", "squat")


def answers(segments: int = 20_000, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are right as often as they say, and what is true."""
    raw = RNG.normal(0, 2, (segments, classes))
    chosen = softmax(raw).cumsum(axis=1) > RNG.random((segments, 1))
    return raw, chosen.argmax(axis=1)


@pytest.fixture(scope="module")
def sides():
    options = SynthOptions(seed=5)
    items = [Item(exercise=e, number=k, seed=5) for e in (*CLASSES, "walking", "boxing") for k in range(20)]
    return split(cut_segments([make_track(item, options) for item in items])[0], validation_share=0.4, seed=0)


@pytest.fixture(scope="module")
def classifier(sides):
    """Trained on "none of these" too."""
    config = FitConfig(model="cnn1d", epochs=20, batch_size=16, align_facing=True)
    return fit(sides.train, config, classes=CLASSES).classifier


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
def test_the_temperature_by_which_logits_were_blown_up_is_found(factor: float) -> None:
    raw, truth = answers()
    assert fit_temperature(raw * factor, truth) == pytest.approx(factor, rel=0.04)


def test_no_other_temperature_has_a_lower_loss() -> None:
    raw, truth = answers(300)

    def loss(temperature: float) -> float:
        return float(-np.log(softmax(raw / temperature)[np.arange(300), truth]).mean())

    found = fit_temperature(raw, truth)
    assert loss(found) <= min(map(loss, np.geomspace(0.05, 20, 400))) + 1e-9


def test_answers_that_are_all_right_or_all_wrong_have_a_temperature_too() -> None:
    raw = 10 * np.eye(3)
    assert fit_temperature(raw, np.arange(3)) == pytest.approx(0.05)
    assert fit_temperature(raw, np.array([1, 2, 0])) == pytest.approx(20)


def test_reliability_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [1.0, 0.0]])
    found = reliability(probabilities, np.array([0, 1, 1, 0]), bins=4)
    assert found.count.tolist() == [0, 0, 1, 3]  # 0.7 lies in (0.5, 0.75]
    np.testing.assert_allclose(found.confidence[2:], [0.7, 0.9])
    np.testing.assert_allclose(found.accuracy[2:], [1, 2 / 3])
    assert np.isnan(found.accuracy[:2]).all()
    assert found.error == pytest.approx((0.3 + 3 * (0.9 - 2 / 3)) / 4)


def test_who_is_right_as_often_as_he_says_has_no_calibration_error() -> None:
    raw, truth = answers()
    assert reliability(softmax(raw), truth).error < 0.02
    assert reliability(softmax(4 * raw), truth).error > 0.1


def test_calibrating_changes_no_answer_and_lowers_the_loss(sides, classifier) -> None:
    before = logits(classifier, sides.test.poses).argmax(axis=1)
    found = calibrate(classifier, sides.validation, CLASSES)
    np.testing.assert_array_equal(logits(classifier, sides.test.poses).argmax(axis=1), before)
    assert found.loss_after <= found.loss_before
    assert classifier.temperature.item() == pytest.approx(found.temperature)
    assert found.segments == (sides.validation.labels != NONE).sum()
    assert found == calibrate(classifier, sides.validation, CLASSES)  # from the raw logits again


@pytest.mark.parametrize("recall", [0.95, 0.7])
def test_after_calibrating_the_wanted_share_of_known_segments_passes(sides, classifier, recall: float) -> None:
    calibrate(classifier, sides.validation, CLASSES, recall=recall)
    known = sides.validation[sides.validation.labels != NONE]
    passed = (unknown(logits(classifier, known.poses)) <= 0.5).mean()
    assert recall - 1e-9 <= passed <= recall + 1 / len(known)


def test_a_model_that_saw_other_movements_tells_them_from_exercises(sides, classifier) -> None:
    calibrate(classifier, sides.validation, CLASSES)
    known, other = knownness(logits(classifier, sides.test.poses)), sides.test.labels == NONE
    assert detection(known[~other], known[other]).auroc > 0.9


def test_all_of_it_is_part_of_the_exported_model(sides, classifier) -> None:
    calibrate(classifier, sides.validation, CLASSES)
    poses = torch.from_numpy(sides.test.poses[:4])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(classifier, (poses,), dynamic_shapes=({0: torch.export.Dim("batch")},))
        torch.export.save(program, file := io.BytesIO())
    file.seek(0)
    loaded = torch.export.load(file).module()
    assert loaded(poses).shape == (4, len(CLASSES))
    np.testing.assert_allclose(logits(loaded, sides.test.poses), logits(classifier, sides.test.poses), atol=1e-4)


def test_logits_of_a_model_with_others_are_differences_to_the_last_one() -> None:
    torch.manual_seed(0)
    trained, poses = build("cnn1d", classes=3, frames=60, others=True).eval(), torch.randn(5, 60, 17, 3)
    raw = trained.fusion(trained.normalise(poses))
    assert raw.shape == (5, 4)
    torch.testing.assert_close(trained(poses), raw[:, :3] - raw[:, 3:])
    # So `unknown` is what a softmax over all four gives to the last.
    np.testing.assert_allclose(unknown(trained(poses).detach().numpy()), raw.softmax(1)[:, 3].detach(), rtol=1e-4)


def test_a_side_without_exercises_is_refused(sides, classifier) -> None:
    with pytest.raises(InputError, match="no labelled segments"):
        calibrate(classifier, sides.validation[sides.validation.labels == NONE], CLASSES)
    with pytest.raises(InputError, match="'squat' is not among the classes"):
        calibrate(classifier, replace(sides.validation), ("plank", "lateral raise"))


def test_the_diagram_draws_empty_bins_too() -> None:
    raw, truth = answers(200)
    figure = reliability_figure(
        {"before": reliability(softmax(3 * raw), truth), "after": reliability(softmax(raw), truth)}
    )
    figure.savefig(picture := io.BytesIO(), format="png")
    assert picture.getvalue().startswith(b"\x89PNG")
    assert len(figure.axes) == 4
    assert "expected calibration error" in figure.axes[0].get_title()
