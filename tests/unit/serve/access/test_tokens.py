"""The file of tokens: what is refused in it, what is kept of a token, and that services follow it."""

import hashlib
import logging
import os
import stat
from pathlib import Path

import pytest
import yaml

from gymspotter.errors import InputError
from serve.access.tokens import Client, TokenOptions, Tokens, make_token

GOOD = {"name": "phone", "sha256": hashlib.sha256(b"secret").hexdigest(), "sessions": 2, "requests_per_minute": 30}
OTHER = GOOD | {"name": "gym-floor", "sha256": hashlib.sha256(b"another").hexdigest(), "sessions": 0}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def write(path: Path, *entries: object) -> Path:
    path.write_text(yaml.safe_dump(list(entries)))
    return path


def made(capsys: pytest.CaptureFixture[str], file: Path, name: str = "phone", **options: int) -> str:
    make_token(TokenOptions(name=name, file=file, **options))
    return capsys.readouterr().out.strip()


def test_a_token_is_known_by_its_hash_alone(tmp_path: Path) -> None:
    tokens = Tokens.load(write(tmp_path / "t.yaml", GOOD, OTHER))
    assert tokens.required
    assert tokens.client("secret") == Client(name="phone", sessions=2, requests_per_minute=30)
    assert tokens.client("another") == Client(name="gym-floor", sessions=0, requests_per_minute=30)
    for wrong in ("", "Secret", "secret ", GOOD["sha256"], "phone", "\ud800", "sécret", "s" * 100_000):
        assert tokens.client(str(wrong)) is None


def test_without_a_file_no_token_is_wanted_and_without_tokens_nobody_is_let_in(tmp_path: Path) -> None:
    assert not Tokens.load(None).required
    assert Tokens.load(None).client("secret") is None
    none = Tokens.load(write(tmp_path / "t.yaml"))
    assert none.required
    assert none.client("secret") is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "holds no list"),
        ("name: phone", "holds no list"),
        ("just words", "holds no list"),
        ("- name: phone\n  sha256: [unclosed\n", "line 3"),
        ("\x00", "no YAML"),
        ("- phone", "line 1.* is no token"),
        (yaml.safe_dump([GOOD, {k: v for k, v in OTHER.items() if k != "sessions"}]), "line 5.* no sessions"),
        (yaml.safe_dump([GOOD | {"admin": True}]), "line 1.*'admin'"),
        (yaml.safe_dump([GOOD | {"name": "two words"}]), "line 1.*name"),
        (yaml.safe_dump([GOOD | {"name": ["phone"]}]), "line 1.*name"),
        (yaml.safe_dump([GOOD | {"sha256": "my-token-in-clear"}]), "line 1.*sha256"),
        (yaml.safe_dump([GOOD | {"sha256": "A" * 64}]), "line 1.*sha256"),
        (yaml.safe_dump([GOOD | {"sessions": -1}]), "line 1.*sessions '-1'"),
        (yaml.safe_dump([GOOD | {"sessions": True}]), "line 1.*sessions 'true'"),
        (yaml.safe_dump([GOOD | {"requests_per_minute": 0}]), "line 1.*requests_per_minute '0'"),
        (yaml.safe_dump([GOOD | {"requests_per_minute": 1.5}]), "line 1.*requests_per_minute '1.5'"),
        (yaml.safe_dump([GOOD, OTHER | {"name": "phone"}]), "line 5.* name"),
        (yaml.safe_dump([GOOD, GOOD | {"name": "b"}]), "line 5.* sha256"),
        (yaml.safe_dump([GOOD]) + "  name: b\n", "line 1.* twice"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line_and_field(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=named) as caught:
        Tokens.load(path)
    assert "my-token-in-clear" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Tokens.load(tmp_path / "nowhere.yaml")
    (tmp_path / "t.yaml").write_bytes(b"\xff\xfe\x81")
    with pytest.raises(InputError, match="no YAML"):
        Tokens.load(tmp_path / "t.yaml")


def test_a_change_of_the_file_is_seen_after_a_second_and_not_looked_for_before(tmp_path: Path) -> None:
    clock = Clock()
    path = write(tmp_path / "t.yaml", GOOD, OTHER)
    tokens = Tokens.load(path, clock)
    write(path, OTHER)
    clock.now = 0.9
    assert tokens.client("secret") is not None
    clock.now = 1.0
    assert tokens.client("secret") is None
    assert tokens.client("another") is not None
    write(path, OTHER, GOOD)
    clock.now = 2.5
    assert tokens.client("secret") is not None


def test_a_file_that_breaks_or_goes_away_keeps_the_old_tokens_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    path = write(tmp_path / "t.yaml", GOOD)
    tokens = Tokens.load(path, clock)
    with caplog.at_level(logging.ERROR, "serve.access.tokens"):
        path.write_text("- [")
        for _ in range(3):
            clock.now += 1
            assert tokens.client("secret") is not None
        assert len(caplog.records) == 1
        path.unlink()
        for _ in range(3):
            clock.now += 1
            assert tokens.client("secret") is not None
        assert len(caplog.records) == 2
    write(path, OTHER)
    clock.now += 1
    assert tokens.client("secret") is None
    assert tokens.client("another") is not None


def test_a_made_token_opens_the_service_and_only_its_hash_is_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tokens.yaml"
    first = made(capsys, file, sessions=3, requests_per_minute=7)
    second = made(capsys, file, "watch")
    assert first != second
    assert len(first) > 40
    text = file.read_text()
    assert first not in text
    assert first.removeprefix("gymspotter_") not in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    tokens = Tokens.load(file)
    assert tokens.client(first) == Client(name="phone", sessions=3, requests_per_minute=7)
    assert tokens.client(second) == Client(name="watch", sessions=100, requests_per_minute=600)
    assert [path.name for path in tmp_path.iterdir()] == ["tokens.yaml"]


def test_a_revoked_token_is_out_and_the_others_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tokens.yaml"
    secrets = {name: made(capsys, file, name) for name in ("a", "b", "c")}
    make_token(TokenOptions(name="b", file=file, revoke=True))
    assert capsys.readouterr().out == ""
    tokens = Tokens.load(file)
    assert [tokens.client(secret) is not None for secret in secrets.values()] == [True, False, True]
    for name in ("a", "c"):
        make_token(TokenOptions(name=name, file=file, revoke=True))
    assert Tokens.load(file).required


def test_a_service_follows_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    file = tmp_path / "tokens.yaml"
    secret = made(capsys, file)
    tokens = Tokens.load(file, clock)
    make_token(TokenOptions(name="phone", file=file, revoke=True))
    clock.now = 5
    assert tokens.client(secret) is None


def test_a_link_to_the_file_stays_a_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "tokens.yaml"
    link.symlink_to(tmp_path / "real" / "tokens.yaml")
    secret = made(capsys, link)
    assert link.is_symlink()
    assert Tokens.load(link).client(secret) is not None


def test_what_cannot_be_done_is_refused_and_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tokens.yaml"
    made(capsys, file)
    before = file.read_bytes()
    with pytest.raises(InputError, match=r"'phone' is in .* already"):
        make_token(TokenOptions(name="phone", file=file))
    with pytest.raises(InputError, match="'watch' is not in"):
        make_token(TokenOptions(name="watch", file=file, revoke=True))
    with pytest.raises(InputError, match="not there"):
        make_token(TokenOptions(name="watch", file=tmp_path / "nowhere" / "tokens.yaml"))
    assert file.read_bytes() == before
    file.write_text("- [")
    with pytest.raises(InputError, match="no YAML"):
        make_token(TokenOptions(name="watch", file=file))
    assert file.read_text() == "- ["
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"):
        make_token(TokenOptions(name="phone", file=tmp_path / "tokens.yaml"))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"name": "two words"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a", "sessions": -1}, "sessions"),
        ({"name": "a", "requests_per_minute": 0}, "requests-per-minute"),
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        TokenOptions(**wrong)  # type: ignore[arg-type]
