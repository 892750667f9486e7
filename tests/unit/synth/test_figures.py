import numpy as np
import pytest

from gymspotter.labels import EXERCISES
from gymspotter.repetitions import count
from gymspotter.skeleton import CANONICAL, root_at_hip
from gymspotter.synth.figures import FIGURE_FPS, figure, figures

HIP = CANONICAL.index("hip")


def test_there_is_one_of_every_exercise_and_only_the_plank_is_held():
    found = figures()
    assert [one.name for one in found] == list(EXERCISES)
    assert [one.name for one in found if one.held] == ["plank"]


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_figure_moves_on_from_its_last_frame_to_its_first_without_a_jump(exercise):
    found = figure(exercise)
    frames = found.frames
    assert frames.shape[1:] == (17, 3)
    assert 2 <= len(frames) / FIGURE_FPS <= 4
    assert np.isfinite(frames).all()
    steps = np.linalg.norm(np.diff(np.concatenate([frames, frames[:1]]), axis=0), axis=-1).max(axis=1)
    assert steps[-1] <= 1.01 * steps.max()
    assert steps[-1] < 0.05
    assert (steps.max() > 0.02) != found.held


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_figure_stands_on_the_floor_in_the_middle(exercise):
    frames = figure(exercise).frames
    assert frames[..., 1].max() < 0  # y down: all joints are over the floor
    assert frames[..., 1].min() > -2.6
    assert np.abs(frames[:, HIP, [0, 2]].mean(axis=0)).max() < 1e-5
    assert np.ptp(frames[..., 0]) < 2.2


def test_figures_are_always_the_same():
    for one, other in zip(figures(), figures(), strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)


@pytest.mark.parametrize("exercise", ["squat", "push-up", "barbell biceps curl", "shoulder press"])
def test_one_round_is_one_repetition(exercise):
    rounds = np.concatenate([figure(exercise).frames] * 6)
    assert 5 <= len(count(exercise, root_at_hip(rounds), FIGURE_FPS)) <= 6
