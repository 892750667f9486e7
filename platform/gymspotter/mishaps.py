"""What goes wrong with files and the servers they are on: said plainly, and waited for where it may pass."""

import functools
import logging
import re
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import pyarrow as pa

from gymspotter.errors import InputError

PATIENCE_S, PAUSE_S = 120.0, 2.0
# Servers that have answered, and those of them that are being waited for.
answered: set[Hashable] = set()
silent: set[Hashable] = set()
# Called every few seconds while one is waited for, lest somebody takes this process for hung.
meanwhile: list[Callable[[], None]] = []

_log = logging.getLogger(__name__)
_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")
_Call = Callable[Concatenate[str | Path, _Given], _Found]

# What the SDKs write of the usual mishaps, and how to say it.
_MISHAPS = {
    "NO_SUCH_BUCKET|Bucket .* not found": "there is no such bucket: create it or check its name",
    "ACCESS_DENIED|status 40[13]|INVALID_ACCESS_KEY|SIGNATURE|EXPIRED_TOKEN|PERMISSION_DENIED|UNAUTHENTICATED|OAuth2": (
        "the credentials do not allow it: check them (AWS_ACCESS_KEY_ID or GOOGLE_APPLICATION_CREDENTIALS) and what "
        "they may do with the bucket"
    ),
    "status 5\\d\\d|SLOW_DOWN|SERVICE_UNAVAILABLE": "the server fails or has too much to do: try again later",
    "NETWORK_CONNECTION|CURL error|UNAVAILABLE": "the server cannot be reached: check the network and the endpoint",
}
_PASSING = tuple(_MISHAPS.values())[-2:]


class UnreachableError(InputError):
    """The server of a place does not answer, or fails, which may pass."""


def mishap(error: Exception) -> str | None:
    """What an error of a file system says of its server, bucket or credentials, and the mend; None if nothing."""
    return next((plain for words, plain in _MISHAPS.items() if re.search(words, str(error))), None)


@contextmanager
def plain_errors(place: str | Path, done: str) -> Iterator[None]:
    """Turn every error of a file system into an `InputError` that names the place and what could not be ``done``."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{str(place)!r} does not exist: check the path.") from error
    except IsADirectoryError as error:
        raise InputError(f"{str(place)!r} is a folder: name a file.") from error
    except (OSError, pa.ArrowException) as error:
        said = mishap(error)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).split("\n", 1)[0]
        kind = UnreachableError if said in _PASSING else InputError
        said = said or f"{reason.rstrip('.')}: check its permissions and free space"
        raise kind(f"{str(place)!r} cannot be {done}: {said}.") from error


def waiting_for(
    server_of: Callable[[str | Path], Hashable | None],
) -> Callable[[_Call[_Given, _Found]], _Call[_Given, _Found]]:
    """A decorator of calls whose first argument is a place: a server that has answered before is asked again.

    ``server_of`` tells which server a place is on, None for none.
    """

    def patiently(call: _Call[_Given, _Found]) -> _Call[_Given, _Found]:
        @functools.wraps(call)
        def patient(place: str | Path, /, *args: _Given.args, **named: _Given.kwargs) -> _Found:
            server = server_of(place)
            if server is None:
                return call(place, *args, **named)
            return _asked(server, place, lambda: call(place, *args, **named))

        return patient

    return patiently


def _asked(server: Hashable, place: str | Path, call: Callable[[], _Found]) -> _Found:
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            found = call()
        except UnreachableError as error:
            if server not in answered or time.monotonic() > end:
                raise
            if server not in silent:  # said once
                silent.add(server)
                _log.warning("%s It is tried again for %g s.", error, PATIENCE_S)
            time.sleep(PAUSE_S)
            for call_too in meanwhile:
                call_too()
        else:
            if server in silent:
                silent.discard(server)
                _log.warning("the server of %r answers again.", str(place))
            answered.add(server)
            return found
