"""`gymspotter token` as a person types it."""

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serve.access.tokens import Client, Tokens


def gymspotter(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "gymspotter"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)


def test_a_token_is_printed_once_works_and_is_revoked(tmp_path: Path) -> None:
    done = gymspotter("token", "phone-app", "--sessions", 5, "--requests-per-minute", 90, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    token = done.stdout.removesuffix("\n")
    assert len(token.split()) == 1
    assert token not in done.stderr
    file = tmp_path / "tokens.yaml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert token not in file.read_text()
    assert Tokens.load(file).client(token) == Client(name="phone-app", sessions=5, requests_per_minute=90)
    done = gymspotter("token", "phone-app", "--file", file, "--revoke", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert Tokens.load(file).client(token) is None


def test_tokens_that_are_made_at_once_are_all_there(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda k: gymspotter("token", f"client-{k}", cwd=tmp_path), range(4)))
    assert [done.returncode for done in made] == [0] * 4, [done.stderr for done in made]
    tokens = Tokens.load(tmp_path / "tokens.yaml")
    clients = [tokens.client(done.stdout.strip()) for done in made]
    assert [client and client.name for client in clients] == [f"client-{k}" for k in range(4)]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["two words"], "name is 'two words'"),
        (["phone", "--sessions", "-1"], "sessions is -1"),
        (["phone", "--revoke"], "name 'phone' is not in"),
        (["phone", "--file", "nowhere/tokens.yaml"], "not there"),
    ],
)
def test_bad_input_ends_with_one_sentence_and_status_2(tmp_path: Path, arguments: list[str], named: str) -> None:
    done = gymspotter("token", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())
