"""The sessions of one replica, and a shelf of copies that outlives it. Pure: no server, no Ray, the clock handed in.

A session is *open* while a connection serves it and *parked* for ``resume_seconds`` after that was lost; its client
finds it again by the secret of its welcome. A copy on the shelf is found by the SHA-256 of the secret, which says
nothing about the secret itself, and carries a *generation*: each resume from the shelf raises it, so a replica that
still has the session from before cannot put its older state over the newer one.
"""

import asyncio
import hashlib
import secrets
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gymspotter.stream.protocol import Picture
from gymspotter.stream.session import Session, StreamConfig, Window
from serve.access.guard import Refused
from serve.access.limits import Bucket
from serve.access.tokens import Client

if TYPE_CHECKING:
    from serve.streams.outlet import Outlet

# Messages that are sent again to a client that missed them; about a minute of them.
RECENT = 64
TOO_MANY_SESSIONS = 4429


@dataclass(slots=True, kw_only=True, eq=False)
class Held:
    """A session and what a replica knows about it.

    ``saved`` is the time of the last frame in the copy that outlives the replica; ``recent`` the last messages (seq,
    text). ``frames`` and ``text`` (bytes of it) may still come now. ``pending`` are the windows that ``work`` will ask
    the model about, each with the clock's time at which its message came; ``picture`` waits until ``posing`` is done
    with the one before it, and ``athlete`` is where the estimator saw the athlete in that. ``outlet`` is the connection
    that serves the session.
    """

    id: str
    secret: str
    client: str
    session: Session
    config: StreamConfig
    opened: float
    last_heard: float
    generation: int = 0
    parked: float | None = None
    saved: float | None = None
    version: str | None = None
    athlete: Any = None
    changed: bool = True
    frames: Bucket | None = None
    text: Bucket | None = None
    notices: dict[str, tuple[float, int]] = field(default_factory=dict)
    recent: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=RECENT))
    pending: deque[tuple[Window, float]] = field(default_factory=deque)
    work: "asyncio.Task[None] | None" = None
    picture: tuple[Picture, float] | None = None
    posing: "asyncio.Task[None] | None" = None
    outlet: "Outlet | None" = None

    @property
    def key(self) -> str:
        """Under what a copy is kept."""
        return key_of(self.secret)


def told_of(held: Held | None) -> dict[str, str]:
    """What a line of the log says beside its text: which session and whose (``extra`` of a logger's methods)."""
    return {"session": held.id, "client": held.client} if held else {}


def key_of(secret: str) -> str:
    """The SHA-256 of a resume secret, in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class Sessions:
    """The open and parked sessions of one replica, at most ``limit`` of them."""

    def __init__(self, clock: Callable[[], float], *, limit: int, resume_seconds: float) -> None:
        self._clock = clock
        self._limit = limit
        self._resume_seconds = resume_seconds
        self._open: dict[str, Held] = {}
        self._parked: dict[str, Held] = {}  # oldest first
        self._by_client: Counter[str] = Counter()

    @property
    def open_count(self) -> int:
        """Sessions that a connection serves."""
        return len(self._open)

    @property
    def parked_count(self) -> int:
        """Sessions that wait for their client to come back."""
        return len(self._parked)

    def all_open(self) -> list[Held]:
        """The sessions that a connection serves, as they are now."""
        return list(self._open.values())

    def all_held(self) -> list[Held]:
        """The open sessions, then the parked ones."""
        return [*self._open.values(), *self._parked.values()]

    def open(
        self,
        client: Client,
        session: Session,
        config: StreamConfig,
        *,
        id: str = "",
        secret: str = "",
        age: float = 0.0,
        generation: int = 0,
    ) -> Held:
        """Begin to hold a session: a new one, or one restored from a copy (what follows ``config``; age in seconds).

        Raises:
            Refused: this replica or this client has as many as it may.
        """
        self._check_room(client)
        # Parked sessions give way to new ones: the oldest can still be resumed from its copy.
        while self._parked and len(self._open) + len(self._parked) >= self._limit:
            self.forget(next(iter(self._parked.values())))
        now = self._clock()
        held = Held(
            id=id or secrets.token_hex(8),
            secret=secret or secrets.token_urlsafe(24),
            client=client.name,
            session=session,
            config=config,
            opened=now - age,
            last_heard=now,
            generation=generation,
        )
        self._open[held.secret] = held
        self._by_client[held.client] += 1
        return held

    def find(self, secret: str, client: Client) -> Held | None:
        """The session of that secret, if this replica has it and it is this client's; it stays as it is."""
        held = self._open.get(secret) or self._parked.get(secret)
        if held is None or held.client != client.name or self._is_expired(held):
            return None
        return held

    def resume(self, secret: str, client: Client) -> Held | None:
        """That session, open from now on; None if this replica does not have it.

        If it was open already, its ``outlet`` is still the older connection: the caller closes that.

        Raises:
            Refused: the client has as many open sessions as it may.
        """
        held = self.find(secret, client)
        if held is None:
            return None
        if held.parked is not None:
            self._check_room(client)
            del self._parked[secret]
            self._open[secret] = held
            self._by_client[held.client] += 1
            held.parked = None
        held.last_heard = self._clock()
        return held

    def park(self, held: Held) -> None:
        """Its connection is lost: keep it until it is resumed or `expire` removes it."""
        if self._open.pop(held.secret, None) is None:
            return
        self._leave(held)
        held.parked = self._clock()
        held.outlet = None
        self._parked[held.secret] = held

    def forget(self, held: Held) -> None:
        """Hold it no longer."""
        if self._open.pop(held.secret, None) is not None:
            self._leave(held)
        self._parked.pop(held.secret, None)
        held.outlet = None

    def holds(self, held: Held) -> bool:
        """Whether it is still held, open or parked."""
        return held is self._open.get(held.secret) or held is self._parked.get(held.secret)

    def expire(self) -> list[Held]:
        """Remove the parked sessions that nobody resumed in time, and return them."""
        gone = []
        for held in self._parked.values():
            if not self._is_expired(held):
                break
            gone.append(held)
        for held in gone:
            del self._parked[held.secret]
        return gone

    def _is_expired(self, held: Held) -> bool:
        return held.parked is not None and self._clock() - held.parked > self._resume_seconds

    def _check_room(self, client: Client) -> None:
        if len(self._open) >= self._limit:
            detail = f"all {self._limit} places of the service are taken: try again in a minute."
            raise Refused(429, TOO_MANY_SESSIONS, detail)
        if self._by_client[client.name] >= client.sessions:
            detail = f"{client.name} has {client.sessions} sessions open, as many as it may: end one of them first."
            if not client.sessions:
                detail = f"{client.name} may have no live sessions: use another token."
            raise Refused(429, TOO_MANY_SESSIONS, detail)

    def _leave(self, held: Held) -> None:
        self._by_client[held.client] -= 1
        if not self._by_client[held.client]:
            del self._by_client[held.client]


@dataclass(slots=True, kw_only=True)
class _Copy:
    generation: int
    content: bytes
    until: float


class Shelf:
    """Copies of sessions, each for ``seconds`` after it was put; beyond ``max_bytes`` the oldest give way."""

    def __init__(self, clock: Callable[[], float], *, seconds: float, max_bytes: int) -> None:
        self._clock = clock
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._copies: dict[str, _Copy] = {}  # oldest first
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._copies)

    def put(self, copies: Mapping[str, tuple[int, bytes]]) -> list[str]:
        """Keep copies (generation, content) by key, in place of older ones.

        Returns:
            The keys that were resumed elsewhere since: theirs is a later generation, which stays.
        """
        superseded = []
        until = self._clock() + self._seconds
        for key, (generation, content) in copies.items():
            there = self._copies.get(key)
            if there is not None and there.generation > generation:
                superseded.append(key)
                continue
            self._remove(key)
            self._copies[key] = _Copy(generation=generation, content=content, until=until)
            self.bytes += len(content)
        self._sweep()
        return superseded

    def take(self, key: str) -> tuple[int, bytes] | None:
        """Take over a session: its copy under a new generation, or None. The copy stays until a newer one is put."""
        self._sweep()
        copy = self._copies.get(key)
        if copy is None:
            return None
        copy.generation += 1
        return copy.generation, copy.content

    def drop(self, generations: Mapping[str, int]) -> None:
        """Keep the copies of these keys no longer, unless they are of a later generation than the one given."""
        for key, generation in generations.items():
            copy = self._copies.get(key)
            if copy is not None and copy.generation <= generation:
                self._remove(key)

    def _remove(self, key: str) -> None:
        copy = self._copies.pop(key, None)
        if copy is not None:
            self.bytes -= len(copy.content)

    def _sweep(self) -> None:
        now = self._clock()
        while self._copies:
            key, copy = next(iter(self._copies.items()))
            if copy.until > now and self.bytes <= self._max_bytes:
                return
            self._remove(key)
