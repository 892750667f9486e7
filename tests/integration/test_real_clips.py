"""Real gym clips, where they lie beside the checkout: each becomes a track or a quarantine row, with people found."""

from pathlib import Path

import pytest

from gymspotter.extract import ExtractOptions, extract
from gymspotter.store import read_tracks

CLIPS = Path(__file__).parents[2].parent / "shared" / "data" / "gym-clips"


@pytest.mark.slow
@pytest.mark.skipif(not CLIPS.is_dir(), reason=f"no clips in {CLIPS}")
def test_people_are_found_in_real_clips(tmp_path):
    result = extract(ExtractOptions(videos=str(CLIPS), out=tmp_path))
    videos = len(list(CLIPS.rglob("*.mp4")))
    assert result.videos == videos
    assert result.tracks + result.quarantined == result.spans == videos
    tracks = read_tracks(tmp_path)
    found = sum(track.seen * len(track.joints) for track in tracks)
    # A quarantined clip (nobody seen: a bench press from the foot end, 23 frames) counts as frames without a person.
    assert result.quarantined <= 1
    assert found / (result.frames + 23 * result.quarantined) >= 0.937
