import io

import numpy as np
import pytest

from gymspotter.skeleton import CANONICAL
from gymspotter.synth.perform import exact_track, perform
from gymspotter.synth.seen import blazepose_errors, fit_errors, lies


def exact(exercise: str, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return exact_track(perform(exercise, rng, seconds=6, fps=5), rng)


def test_level_0_changes_nothing_and_a_seed_gives_the_same_errors_again() -> None:
    joints = exact("squat")
    model = blazepose_errors()
    assert model.seen(joints, np.random.default_rng(0), level=0) is joints
    once, again, other = (model.seen(joints, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert not np.allclose(once, other, equal_nan=True)
    assert once.shape == joints.shape
    assert once.dtype == np.float32


def test_the_hip_stays_the_origin_and_errors_are_of_blazeposes_size() -> None:
    errors = []
    for seed in range(60):
        joints = exact("lateral raise", seed)
        seen = blazepose_errors().seen(joints, np.random.default_rng(seed))
        assert np.nanmax(np.abs(seen[:, 0])) < 1e-6
        torso = np.linalg.norm(joints[:, CANONICAL.index("thorax")], axis=-1).mean()
        errors.append(np.nanmean(np.linalg.norm(seen - joints, axis=-1)) / torso)
    assert 0.15 < np.median(errors) < 0.5


def test_depth_is_seen_worst() -> None:
    differences = [
        blazepose_errors().seen(exact("squat", seed), np.random.default_rng(seed)) - exact("squat", seed)
        for seed in range(40)
    ]
    across, down, depth = np.nanstd(np.concatenate(differences), axis=(0, 1))
    assert depth > 1.2 * max(across, down)


def test_now_and_then_nobody_is_found_for_a_moment() -> None:
    lost = [np.isnan(blazepose_errors().seen(exact("plank"), np.random.default_rng(seed))).any() for seed in range(200)]
    assert 0.02 < np.mean(lost) < 0.2


def test_lying_and_standing_are_told_apart() -> None:
    assert lies(exact("plank"))
    assert not lies(exact("squat"))


def test_a_fit_finds_the_errors_that_were_made() -> None:
    rng = np.random.default_rng(0)
    true = [exact(name, seed) for name in ("squat", "plank", "push-up", "lateral raise") for seed in range(12)]
    flat = [joints * np.array((1, 1, 0.5), np.float32) for joints in true]
    seen = [
        joints + rng.normal(0, 0.01, joints.shape).astype(np.float32) * (np.arange(17) > 0)[:, None] for joints in flat
    ]
    model = fit_errors(true, seen)
    again = [model.seen(joints, np.random.default_rng(seed)) for seed, joints in enumerate(true)]
    # Both are in torsos, which flattening makes shorter.
    torso = [np.linalg.norm(part[:, CANONICAL.index("thorax")], axis=-1).mean() for part in flat]
    whole = [np.linalg.norm(part[:, CANONICAL.index("thorax")], axis=-1).mean() for part in true]
    errors = [np.nanmean(np.abs(a / w - f / t)) for a, w, f, t in zip(again, whole, flat, torso, strict=True)]
    assert np.median(errors) < 0.06
    assert abs(float(model.memory)) < 0.3


def test_a_model_is_read_as_it_was_written() -> None:
    file = io.BytesIO()
    blazepose_errors().save(file)
    file.seek(0)
    again = type(blazepose_errors()).load(file)
    joints = exact("deadlift")
    np.testing.assert_array_equal(
        again.seen(joints, np.random.default_rng(3)), blazepose_errors().seen(joints, np.random.default_rng(3))
    )


@pytest.mark.parametrize("exercise", ["squat", "plank"])
def test_a_level_between_is_between(exercise: str) -> None:
    joints = exact(exercise)
    halfway, whole = (blazepose_errors().seen(joints, np.random.default_rng(5), level=k) for k in (0.5, 1.0))
    assert np.nanmean(np.abs(halfway - joints)) < 0.7 * np.nanmean(np.abs(whole - joints))
