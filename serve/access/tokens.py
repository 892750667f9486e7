"""Who may ask: a file of tokens, of which only hashes are kept. `gymspotter token NAME` makes one.

    - name: phone-app
      sha256: 1f0c...          # of the token; the token itself is nowhere
      sessions: 100            # live sessions open at once, on each replica
      requests_per_minute: 600

A token is 256 random bits, so that a plain SHA-256 of it cannot be turned back by trying.
"""

import fcntl
import hashlib
import hmac
import logging
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import tyro
import yaml

from gymspotter.errors import InputError

_log = logging.getLogger(__name__)
_FIELDS = ("name", "sha256", "sessions", "requests_per_minute")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # it stands in logs and metrics
_HASH = re.compile(r"[0-9a-f]{64}")
_MAX_COUNT = 1_000_000_000
_CHECK_S = 1.0
_HEADER = "# Written by `gymspotter token`, which keeps no comments. Services see a change within a second or two.\n"


@dataclass(frozen=True, kw_only=True)
class Client:
    """Somebody who may ask, and how much: sessions open at once and requests a minute, of one replica."""

    name: str
    sessions: int
    requests_per_minute: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A token of the file: its client and the SHA-256 of the token, as 64 hexadecimal digits."""

    client: Client
    sha256: str

    def written(self) -> dict[str, Any]:
        """The entry as it stands in the file."""
        client = self.client
        values = (client.name, self.sha256, client.sessions, client.requests_per_minute)
        return dict(zip(_FIELDS, values, strict=True))


class Tokens:
    """The tokens of a file, which is read again when it changes, so that a token is revoked without a restart."""

    def __init__(self, path: Path | None, entries: Sequence[Entry], clock: Callable[[], float]) -> None:
        self._path = path
        self._entries = tuple(entries)
        self._clock = clock
        self._seen = _stamp(path) if path else None
        self._checked = clock()

    @classmethod
    def load(cls, path: str | Path | None, clock: Callable[[], float] = time.monotonic) -> Self:
        """The tokens of a file; of no file none are wanted, and only this machine may ask (see `serve.access.guard`).

        Args:
            path: the file.
            clock: seconds; says when to look whether the file has changed.

        Raises:
            InputError: the file cannot be read, or an entry of it is wrong; the sentence names its line and field.
        """
        place = Path(path) if path is not None else None
        loaded = cls(place, (), clock)  # first the stamp, then the content: a change between them is seen later
        if place is not None:
            loaded._entries = tuple(read_tokens(place))
        return loaded

    @property
    def required(self) -> bool:
        """Whether a token must be shown. A file of no tokens lets nobody in."""
        return self._path is not None

    def client(self, secret: str) -> Client | None:
        """Whose token that is; None if nobody's. The time it takes does not tell how much of it was right."""
        self._follow_file()
        asked = _sha256(secret)
        found = None
        for entry in self._entries:  # all of them, whichever it is
            if hmac.compare_digest(entry.sha256, asked):
                found = entry.client
        return found

    def _follow_file(self) -> None:
        """Read a file that has changed; one that is broken or gone changes nothing but the log."""
        now = self._clock()
        if self._path is None or now - self._checked < _CHECK_S:
            return
        self._checked = now
        stamp = _stamp(self._path)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._entries = tuple(read_tokens(self._path))
            _log.info("tokens read again from %s: %d of them.", self._path, len(self._entries))
        except InputError as error:
            _log.error("tokens stay as they were: %s", error)


@dataclass(frozen=True, kw_only=True)
class TokenOptions:
    """Make a token for a client of the service, or revoke one; services that run follow within seconds."""

    name: Annotated[str, tyro.conf.Positional]
    """Who it is for; the name stands in the file, in logs and in metrics."""
    file: Path = Path("tokens.yaml")
    """The file of tokens, which `gymspotter serve --tokens` names; made if it is not there."""
    sessions: int = 100
    """Live sessions that it may have open at once, on each replica."""
    requests_per_minute: int = 600
    """Requests that it may send a minute, to each replica."""
    revoke: bool = False
    """Take the token of that name out of the file instead."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InputError(f"name is {self.name[:80]!r}: use up to 64 letters, digits, dots, dashes and underscores.")
        if not 0 <= self.sessions <= _MAX_COUNT:
            raise InputError(f"sessions is {self.sessions}: use 0 (no live sessions) or more.")
        if not 1 <= self.requests_per_minute <= _MAX_COUNT:
            raise InputError(f"requests-per-minute is {self.requests_per_minute}: use at least 1.")


def make_token(options: TokenOptions) -> None:
    """Make or revoke a token. A new one is the only line on standard output, and is never shown again.

    Raises:
        InputError: the file is broken or cannot be written, or has (to revoke: has not) a token of that name.
    """
    path = options.file.resolve()  # a link stays one
    with _locked(path.parent):
        entries = read_tokens(path) if path.exists() else []
        others = [entry for entry in entries if entry.client.name != options.name]
        if options.revoke:
            if len(others) == len(entries):
                raise InputError(f"name {options.name!r} is not in {options.file}: nothing was revoked.")
            _write(path, others)
            print(f"revoked {options.name} in {options.file}.", file=sys.stderr)
            return
        if len(others) < len(entries):
            raise InputError(f"name {options.name!r} is in {options.file} already: revoke it first, or use another.")
        secret = f"gymspotter_{secrets.token_urlsafe(32)}"
        client = Client(name=options.name, sessions=options.sessions, requests_per_minute=options.requests_per_minute)
        _write(path, [*entries, Entry(client=client, sha256=_sha256(secret))])
    print(f"token of {options.name}, kept only as a hash in {options.file}; it is not shown again:", file=sys.stderr)
    print(secret)


def read_tokens(path: Path) -> list[Entry]:
    """The entries of a file.

    Raises:
        InputError: it cannot be read, or is wrong somewhere; the sentence names the line and the field.
    """
    try:
        loader = yaml.BaseLoader(path.read_bytes().decode())  # which makes nothing but strings
        root = loader.get_single_node()
        rows = loader.construct_document(root) if root else None
    except OSError as error:
        raise InputError(f"tokens {str(path)!r} cannot be read ({error.strerror}): name a file it may read.") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1} of " if mark else ""
        raise InputError(f"{line}tokens {str(path)!r} is no YAML: make the file with `gymspotter token`.") from error
    if not isinstance(rows, list):
        raise InputError(f"tokens {str(path)!r} holds no list of tokens: make the file with `gymspotter token`.")
    entries: list[Entry] = []
    for node, row in zip(root.value, rows, strict=True):
        where = f"line {node.start_mark.line + 1} of tokens {str(path)!r}"
        entry = _entry(where, row, node)
        for field, same in (
            ("name", any(entry.client.name == other.client.name for other in entries)),
            ("sha256", any(entry.sha256 == other.sha256 for other in entries)),
        ):
            if same:
                raise InputError(f"{where} has a {field} that an earlier token has: remove one of them.")
        entries.append(entry)
    return entries


def _entry(where: str, row: Any, node: yaml.Node) -> Entry:
    if not isinstance(row, dict):
        raise InputError(f"{where} is no token: give it {', '.join(_FIELDS)}.")
    if len(row) != len(node.value):
        raise InputError(f"{where} has a field twice: remove one of them.")
    if missing := [field for field in _FIELDS if field not in row]:
        raise InputError(f"{where} has no {missing[0]}: add it.")
    if unknown := [field for field in row if field not in _FIELDS]:
        raise InputError(f"{where} has a field {str(unknown[0])[:40]!r}: it may have {', '.join(_FIELDS)}.")
    name, sha256 = row["name"], row["sha256"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(f"{where} has a name that cannot be used: use letters, digits, dots, dashes and underscores.")
    if not isinstance(sha256, str) or not _HASH.fullmatch(sha256):
        # Without the value: somebody may have put the token itself there.
        raise InputError(f"{where} has a sha256 that is none: give 64 hexadecimal digits, in lower case.")
    client = Client(
        name=name,
        sessions=_count(where, row, "sessions", least=0),
        requests_per_minute=_count(where, row, "requests_per_minute", least=1),
    )
    return Entry(client=client, sha256=sha256)


def _count(where: str, row: dict[str, Any], field: str, least: int) -> int:
    value = row[field]
    if not (isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value) and least <= int(value) <= _MAX_COUNT):
        raise InputError(f"{where} has {field} {str(value)[:20]!r}: give a whole number from {least} on.")
    return int(value)


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when the file does; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Nobody else writes tokens into that folder meanwhile; the lock ends with its process."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise InputError(f"file is in {str(folder)!r}, which is not there ({error.strerror}): make it.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(path: Path, entries: Sequence[Entry]) -> None:
    """Put a file with ``entries`` in place at once, for its owner's eyes alone."""
    text = _HEADER + yaml.safe_dump([entry.written() for entry in entries], sort_keys=False)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(f"file {str(path)!r} cannot be written ({error.strerror}): name one that can.") from error
