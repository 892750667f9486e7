"""What a pipeline does about stages that ended, but not well; the work itself is stood in for."""

import pytest

from gymspotter import pipeline as module
from gymspotter import storage
from gymspotter.cli import main
from gymspotter.extract import NOTE, ExtractResult
from gymspotter.pipeline import PipelineOptions, pipeline
from tests.conftest import write_clip


def test_what_is_in_quarantine_is_tried_again_by_the_next_run(tmp_path, monkeypatch, capsys):
    """Workers without credentials, say: when they have them, no video has changed."""
    write_clip(tmp_path / "videos" / "squat" / "a.mp4")
    quarantined = [1, 0]

    def extract(options):
        storage.write_whole(storage.join(options.out, NOTE), b"{}")
        bad = quarantined.pop(0)
        return ExtractResult(videos=1, spans=1, tracks=1 - bad, reused=0, quarantined=bad, frames=0)

    monkeypatch.setattr(module, "extract", extract)
    options = PipelineOptions(videos=str(tmp_path / "videos"), out=str(tmp_path / "out"), until="extract")
    assert pipeline(options)["extract"]["tracks"] == 0
    assert pipeline(options)["extract"]["tracks"] == 1
    assert "extract: what is in quarantine is tried again" in capsys.readouterr().out
    pipeline(options)
    assert "passed over" in capsys.readouterr().out


def test_a_refused_challenger_has_an_exit_status_of_its_own(monkeypatch):
    monkeypatch.setattr(module, "pipeline", lambda options: {"gate": {"verdict": "refuse"}})
    with pytest.raises(SystemExit) as ended:
        main(["pipeline", "videos"])
    assert ended.value.code == 3
