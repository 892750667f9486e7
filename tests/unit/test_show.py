"""`gymspotter show`: a video and a contact sheet with the skeleton on them."""

import cv2
import numpy as np
import pytest

from gymspotter.errors import InputError
from gymspotter.show import ShowOptions, show
from gymspotter.video import frames_at, grid_times, probe


def test_a_video_with_the_skeleton_on_it(squat_video, tmp_path):
    out = tmp_path / "new folder" / "drawn.mp4"
    show(ShowOptions(video=str(squat_video), out=out))
    was, drawn = probe(squat_video), probe(out)
    assert (drawn.width, drawn.height, drawn.frames, drawn.fps) == (was.width, was.height, 30, pytest.approx(5.0))
    times = grid_times(0, 6, 5)
    for before, after in zip(frames_at(squat_video, times), frames_at(out, times), strict=True):
        # The bones of the two sides are orange and blue, and nothing else of the picture is.
        changed = np.abs(before.astype(int) - after).max(axis=2) > 80
        assert 0.001 < changed.mean() < 0.1


def test_a_sheet_has_as_many_frames_as_asked_for(squat_video, tmp_path, capsys):
    show(ShowOptions(video=str(squat_video), out=tmp_path / "sheet.png", frames=8))
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (2 * 240, 4 * 320, 3)
    assert "a person was seen in 100% of the sampled frames" in capsys.readouterr().out


def test_a_video_of_nobody_has_nothing_to_draw(clip, tmp_path):
    with pytest.raises(InputError, match=r"'.*clip\.mp4' shows nobody"):
        show(ShowOptions(video=str(clip), out=tmp_path / "sheet.png"))


@pytest.mark.parametrize(("field", "value"), [("frames", 0), ("fps", 0.0), ("fps", 61.0), ("estimator", "kinect")])
def test_a_bad_option_names_its_field(field, value):
    with pytest.raises(InputError, match=field):
        ShowOptions(video="x.mp4", **{field: value})
