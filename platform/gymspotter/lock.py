"""One writer at a time for a store: a lock of the operating system on local disk, a lease on an object store.

A lease is an object ``.lock/<random>.json`` that its owner replaces by one of a new name every few seconds. A newcomer
that finds one watches it: if it changes its owner lives, and the newcomer is told so; if it stays as it is for the time
of a lease, its owner has ended without giving it back (kill -9, power), and the newcomer removes it, claims the store
and looks again. Whoever then sees another claim withdraws its own: of two that start at once one or none goes on, never
both, since both write before they look. A writer that has not renewed its claim for the time of a lease (it was
stopped, or the storage was away) claims the store anew in the same way before its next write, and goes on only if the
old claim is still there and is the only other one: then nobody has followed. Both sides only measure durations, each by
its own monotonic clock, the owner from before it renews, the newcomer from after it looked: clocks need not agree,
only run at the same speed. The object store must list what was just written, as S3, Google's and MinIO do.

What this cannot do: a request that a writer had sent, or was just about to send, when it was stopped may still arrive
after another took over. It then loses nothing, but a span may be in the store twice, which `read_tracks` refuses.
"""

import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gymspotter import storage
from gymspotter.errors import InputError
from gymspotter.mishaps import plain_errors

LEASE_SECONDS = 60.0


@contextmanager
def only_writer(store: str | Path, *, lease_seconds: float = LEASE_SECONDS) -> Iterator[None]:
    """Hold a store for writing, until the block or the process ends.

    On local disk the operating system lets go of it however the process ends. On an object store the next run after a
    killed one waits for ``lease_seconds``; see the module's docstring.

    Raises:
        InputError: another run holds it.
    """
    with _lock(store) if storage.is_local(store) else _lease(store, lease_seconds):
        yield


def check_writer(store: str | Path) -> None:
    """To be called before each write: whether the hold on a store that this process took still stands.

    Raises:
        InputError: its lease has run out or was taken over.
    """
    claim = _claims.get(storage.join(store))
    if claim:
        claim.check()


@contextmanager
def _lock(store: str | Path) -> Iterator[None]:
    folder = storage.local(store)
    with plain_errors(store, "written"):
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "a")  # noqa: SIM115 - closed below, where no error of the block is caught
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(store) from None
        for left in (*folder.glob(".*.tmp"), *folder.glob("*/.*.tmp")):  # by a run that was killed while it wrote
            left.unlink()
        yield


# The claims of this process, by store.
_claims: dict[str, "_Claim"] = {}


@contextmanager
def _lease(store: str | Path, seconds: float) -> Iterator[None]:
    if storage.join(store) in _claims:
        raise _taken(store)
    folder = storage.join(store, ".lock")
    _wait_for_dead_claims(store, folder, seconds)
    claim = _Claim(store, folder, seconds)
    try:
        claim.renew()
        if storage.files(folder) != [claim.place]:
            raise _taken(store)
        keeper = threading.Thread(target=claim.keep, daemon=True)
        keeper.start()
        _claims[storage.join(store)] = claim
        try:
            yield
        finally:
            del _claims[storage.join(store)]
            claim.ended.set()
            keeper.join()
    finally:
        with suppress(InputError):  # out of reach: the next run waits for it to run out
            claim.give_back()


def _wait_for_dead_claims(store: str | Path, folder: str, seconds: float) -> None:
    """Return once no claim is left; those that do not change for so long are dead and are removed."""
    seen = _read_claims(folder)
    since = time.monotonic()
    if seen:
        owner = json.loads(next(iter(seen.values())))
        print(
            f"{str(store)!r} is claimed by process {owner['pid']} on {owner['host']}: "
            f"watching for up to {seconds:g} s whether that run is alive"
        )
    while seen:
        time.sleep(seconds / 20)
        looked = time.monotonic()
        now = _read_claims(folder)
        if any(seen.get(place) != content for place, content in now.items()):
            raise _taken(store)
        seen = now
        if looked - since > seconds:
            for place in seen:
                storage.remove(place)
            return


def _read_claims(folder: str) -> dict[str, bytes]:
    claims = {}
    for place in storage.files(folder):
        try:
            claims[place] = storage.read_bytes(place)
        except InputError:
            if storage.info(place):  # else it was given back since it was listed
                raise
    return claims


class _Claim:
    """The claim of this process to one store."""

    def __init__(self, store: str | Path, folder: str, seconds: float) -> None:
        self.place = ""
        self.ended = threading.Event()
        self._store, self._folder, self._seconds = store, folder, seconds
        self._renewed = time.monotonic()
        self._lost = False
        self._mine: list[str] = []  # all that may be there of it: a renewal that failed leaves two
        self._one_at_a_time = threading.RLock()  # a writer and the thread that keeps the claim

    def renew(self) -> None:
        """Replace the claim by a new one, good for the time of a lease from before that; unless another followed."""
        with self._one_at_a_time:
            began, old = time.monotonic(), self.place
            fresh = storage.join(self._folder, f"{uuid.uuid4().hex}.json")
            self._mine.append(fresh)
            content = {"host": socket.gethostname(), "pid": os.getpid()}
            storage.write_whole(fresh, json.dumps(content).encode())
            if old:
                late = time.monotonic() - self._renewed > self._seconds  # by now: the storage may have been waited for
                others = set(storage.files(self._folder)) - set(self._mine) if late else set()
                if others or storage.info(old) is None:
                    self._lost = True
                    self.give_back()
                    return
            self.place, self._renewed = fresh, began
            self.give_back(but=fresh)

    def give_back(self, *, but: str = "") -> None:
        """Remove all that is there of it, or all but the newest."""
        for place in [each for each in self._mine if each != but]:
            storage.remove(place)
            self._mine.remove(place)

    def check(self) -> None:
        """InputError if the claim no longer stands; one that has run out is renewed first, if nobody followed."""
        with self._one_at_a_time:
            if not self._lost and time.monotonic() - self._renewed > self._seconds:
                self.renew()
            if self._lost or storage.info(self.place) is None:
                self._lost = True
                raise InputError(
                    f"out {str(self._store)!r} is another run's by now, which followed when this one was stopped or "
                    f"cut off for more than {self._seconds:g} s: start it again to do what is missing."
                )

    def keep(self) -> None:
        """Renew until ended or lost; what fails is tried again."""
        while not self.ended.wait(self._seconds / 6) and not self._lost:
            with suppress(InputError):
                self.renew()


def _taken(store: str | Path) -> InputError:
    return InputError(
        f"out {str(store)!r} is being written by another run: wait for it to end, or name another folder."
    )
