import numpy as np
import pytest

from gymspotter.pose.blazepose import BlazePose
from gymspotter.synth.watch import Shot, watch


def test_a_number_is_a_shot() -> None:
    first, again, other = (Shot.sample("lat pulldown", number, seed=3) for number in (0, 0, 1))
    assert first.name == again.name != other.name
    np.testing.assert_array_equal(first.exact, again.exact)
    assert (first.camera, first.size, first.stretch) == (again.camera, again.size, again.stretch)
    assert np.array_equal(next(first.pictures()), next(again.pictures()))


def test_shots_are_of_all_formats_and_some_are_out_of_shape() -> None:
    shots = [Shot.sample("plank", number) for number in range(60)]
    assert len({shot.size for shot in shots}) == 4
    assert 4 < sum(shot.stretch != 1 for shot in shots) < 25
    stretched = next(shot for shot in shots if shot.stretch != 1)
    width, height = stretched.size
    assert next(stretched.pictures()).shape[:2] == (height, pytest.approx(width * stretched.stretch, abs=1))


def test_what_is_seen_stands_beside_what_is_true() -> None:
    shot = Shot.sample("lateral raise", 1)
    track = watch(shot, BlazePose.load())
    assert track.label == "lateral raise"
    assert track.group == shot.name
    assert track.joints.shape == shot.exact.shape
    assert track.seen > 0.9
    error = np.linalg.norm(track.joints - shot.exact, axis=-1)
    assert np.nanmean(error) < 0.25
    assert np.nanmax(np.abs(track.joints[:, 0])) < 1e-6
