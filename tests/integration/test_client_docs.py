"""The examples of docs/client.md run as they stand there, against the real service."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
import tyro

from gymspotter.watch import WatchOptions
from tests.client_service import serving

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def service():
    with serving() as running:
        yield running


# What each example must print, in order.
PRINTED = [
    r"^squat \d+% \['squat', .*\nsquat .*\nby version 7 of \('barbell biceps curl', ",
    r"^\d+%\n(.*\n)*97%\n6 s, mostly squat\n  0\.0 to   6\.0 s: squat, \d repetitions\n$",
    r"^\['squat'(, 'squat'){7}\]\n$",
    r"(.*\n)*Start 1 squat\n(.*\n)*End 1 squat\n",
    r"(.*\n)*Label\(seq=1, (.*\n)*\d sets in 10 s\n",
    r"^422 top: ",
]


@pytest.mark.parametrize(("code", "printed"), list(zip(blocks("python"), PRINTED, strict=True)))
def test_an_example_runs_and_prints_what_it_should(code, printed, service, squat_video, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(squat_video, "squat.mp4")
    assert ADDRESS in code
    exec(compile(code.replace(ADDRESS, service.url), "docs/client.md", "exec"), {"__name__": "__main__"})
    assert re.match(printed, capsys.readouterr().out)


def test_the_commands_have_only_options_that_there_are():
    lines = [shlex.split(line) for block in blocks("console") for line in block.splitlines()]
    assert len(lines) == 4
    for words in lines:
        assert words[:2] == ["gymspotter", "watch"]
        assert tyro.cli(WatchOptions, args=words[2:]).source in ("camera", "squat.mp4")
