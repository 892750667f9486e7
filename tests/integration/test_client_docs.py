"""The examples of docs/client.md and the README run as they stand there, against the real service."""

import re
import shlex
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import tyro

from gymspotter.stream.events import Label, Start
from gymspotter.watch import WatchOptions
from tests.client_service import serving

ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:8000"
WAIT_S = 60.0


def blocks(language, page="docs/client.md"):
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def service():
    with serving() as running:
        yield running


# What each example must print, in order.
PRINTED = [
    r"^squat \d+% \['squat', .*\nsquat .*\nby version 7 of \('barbell biceps curl', ",
    r"^\d+%\n(.*\n)*97%\n6 s, mostly squat\n  0\.0 to   6\.0 s: squat, \d repetitions\n$",
    r"^0\.0 s: 1\d joints of h36m17\n0\.2 s: .*\n0\.4 s: .*\n$",
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


def test_the_example_of_the_readme_prints_what_is_told_of_a_camera(service):
    (code,) = blocks("python", "README.md")
    printed: list[object] = []

    def camera():
        """Frames as they come, until the example has printed the start of a set."""
        end = time.monotonic() + WAIT_S
        frame = 0
        while not any(isinstance(event, Start) for event in printed):
            assert time.monotonic() < end, printed
            yield frame / 5, np.random.default_rng(frame).normal(scale=0.3, size=(33, 3))
            frame += 1
            time.sleep(0.01)

    assert ADDRESS in code
    given = {"__name__": "__main__", "camera": camera, "print": printed.append}
    exec(compile(code.replace(ADDRESS, service.url), "README.md", "exec"), given)
    assert any(isinstance(event, Label) for event in printed)
    assert {event.exercise for event in printed if isinstance(event, Start)} == {"squat"}


def test_the_commands_have_only_options_that_there_are():
    lines = [shlex.split(line) for block in blocks("console") for line in block.splitlines()]
    assert len(lines) == 4
    for words in lines:
        assert words[:2] == ["gymspotter", "watch"]
        assert tyro.cli(WatchOptions, args=words[2:]).source in ("camera", "squat.mp4")
