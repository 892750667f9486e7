"""Ten thousand messages that no honest client would send, from a seed; and the API as schemathesis tries it."""

import asyncio
import json
import math
import random
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from serving.service import Service
from serving.wire import bundle, hello

CONNECTIONS = 16  # at the same time
PATIENCE = 15.0  # seconds for the service to close after the client said bye
LAYOUTS = {"h36m17": 17, "blazepose33": 33, "coco17": 17, "kinect20": 20, "jpeg": 0}
NOT_UTF8 = "not UTF-8"
_HUGE = (10**400, -(10**400), 1e308, -1e308, 2**63, 1e-320, float("nan"), float("inf"))

Message = str | bytes


@dataclass(kw_only=True)
class Fuzzed:
    """What came of it: messages sent, of each kind; connections by how they ended; what the service said."""

    sent: Counter[str] = field(default_factory=Counter)
    closed: Counter[int] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    """Connections that the service broke off, or left open, or closed for a defect of its own."""


def random_bytes(rng: random.Random) -> Message:
    return rng.randbytes(rng.choice((0, 1, 3, 4, 12, 100, 5000)))


def truncated_frames(rng: random.Random) -> Message:
    """A good message of joints that is cut, lengthened, or says another number of frames."""
    joints = np.zeros((rng.randint(1, 5), 17, 3), np.float32)
    message = bytearray(bundle([0.2 * k for k in range(len(joints))], joints))
    match rng.randrange(3):
        case 0:
            return bytes(message[: rng.randrange(len(message))])
        case 1:
            return bytes(message) + rng.randbytes(rng.randint(1, 64))
        case _:
            message[rng.randrange(4)] = rng.randrange(256)
            return bytes(message)


def wild_numbers(rng: random.Random) -> Message:
    """Frames of the right form, whose times and coordinates are absurd."""
    absurd = [math.nan, math.inf, -math.inf, 1e300, -1e300, 1e-300, -1.0]
    times = [rng.choice(absurd) for _ in range(3)]
    joints = np.array([rng.choice([*absurd[:3], 3e38, -3e38]) for _ in range(153)], np.float32).reshape(3, 17, 3)
    return bundle(times, joints)


def wild_json(rng: random.Random) -> Message:
    """A message of the right type, in which one value is of another kind or size."""
    frame = [[0.0, 0.0, 0.0]] * 17
    message: dict[str, object] = {"type": "frames", "t": [0.0, 0.2], "joints": [frame, None]}
    odd: list[object] = [
        None,
        True,
        "x" * rng.choice((1, 10_000)),
        [],
        {},
        [[]],
        rng.choice(_HUGE),
        [rng.choice(_HUGE)] * 3,
    ]
    message[rng.choice(("type", "t", "joints", "scores", "layout", "\ud800"))] = rng.choice(odd)
    if rng.random() < 0.3:
        message["joints"] = [[[rng.choice(odd)] * rng.choice((2, 3, 4))] * rng.choice((0, 16, 17, 18))]
    return json.dumps(message)


def no_json(rng: random.Random) -> Message:
    text = json.dumps({"type": "frames", "t": [0.0], "joints": [None]})
    at = rng.randrange(len(text))
    return text[:at] + rng.choice(("", "\0", "}", "\ufffd", "1e999", '"', "NaN", "\u202e")) + text[at + 1 :]


def no_utf8(rng: random.Random) -> Message:
    """Sent as text."""
    return b'{"type": "' + rng.choice((b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf8\x88\x80\x80\x80")) + b'"}'


def deep_nesting(rng: random.Random) -> Message:
    depth = rng.choice((50, 1000, 100_000))
    return '{"type":' + rng.choice(("[", '{"a":')) * depth


def wrong_order(rng: random.Random) -> Message:
    """What belongs elsewhere in a stream: a second hello, an answer of the service, an unknown type."""
    kinds = ("welcome", "label", "goodbye", "rep", "error", "", "hello\n", "frame", "__class__")
    return rng.choice((hello(), json.dumps({"type": rng.choice(kinds)}), "[]", "null", "1", '""'))


def wrong_picture(rng: random.Random) -> Message:
    """A picture that is none: noise, a header that promises gigapixels, an end that is missing."""
    header = struct.pack("<BBHd", 2, rng.choice((0, 0, 0, 7)), rng.choice((1, 1, 1, 0, 65535)), rng.random())
    bomb = b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01"
    return header + rng.choice((b"", rng.randbytes(2000), b"\xff\xd8\xff\xe0" + rng.randbytes(500), bomb, bomb * 20))


def wrong_hello(rng: random.Random) -> Message:
    given = json.loads(hello())
    odd: list[object] = [None, True, -1, 0, 1.5, "h36m", "x" * 5000, [], {}, rng.choice(_HUGE)]
    given[rng.choice((*given, "token", "resume", "seen", "poses", "more"))] = rng.choice(odd)
    return json.dumps(given)


KINDS: dict[str, tuple[Callable[[random.Random], Message], int]] = {
    "random bytes": (random_bytes, 10),
    "truncated frames": (truncated_frames, 20),
    "absurd numbers": (wild_numbers, 10),
    "wrong JSON": (wild_json, 20),
    "no JSON": (no_json, 15),
    NOT_UTF8: (no_utf8, 2),
    "deep nesting": (deep_nesting, 5),
    "wrong order": (wrong_order, 10),
    "wrong picture": (wrong_picture, 10),
}


async def fuzz(service: Service, messages: int, *, seed: int) -> Fuzzed:
    """Send so many messages over as many connections as that takes; a hundred failed connections are enough."""
    found, rng = Fuzzed(), random.Random(seed)
    while (left := messages - found.sent.total()) > 0 and len(found.failed) < 100:
        plans: list[tuple[str | None, list[tuple[str, Message]]]] = []
        while len(plans) < CONNECTIONS and left > 0:
            plans.append(_plan(rng, min(left, rng.randint(1, 15))))
            left -= len(plans[-1][1])
        await asyncio.gather(*(_connection(service.stream_url, *plan, found) for plan in plans))
    return found


def _plan(rng: random.Random, count: int) -> tuple[str | None, list[tuple[str, Message]]]:
    """A good hello, or None, and what follows."""
    if rng.random() < 0.15:
        kind, message = ("wrong hello", wrong_hello(rng)) if rng.random() < 0.7 else _one(rng)
        return None, [(kind, message)]
    return hello(rng.choice(list(LAYOUTS))), [_one(rng) for _ in range(count)]


def _one(rng: random.Random) -> tuple[str, Message]:
    kind = rng.choices(list(KINDS), [weight for _, weight in KINDS.values()])[0]
    return kind, KINDS[kind][0](rng)


async def _connection(url: str, greeting: str | None, plan: list[tuple[str, Message]], found: Fuzzed) -> None:
    kinds = ", ".join(kind for kind, _ in plan)
    try:
        async with asyncio.timeout(PATIENCE + 10), connect(url, compression=None, open_timeout=PATIENCE) as socket:
            listening = asyncio.create_task(_listen(socket, found))
            try:
                if greeting:
                    await socket.send(greeting)
                for kind, message in plan:
                    await socket.send(message, text=True if kind == NOT_UTF8 else None)
                    found.sent[kind] += 1
                    await asyncio.sleep(0)
                await socket.send('{"type": "bye"}')
            except ConnectionClosed:
                pass  # it has had enough, as it says in its close code
            async with asyncio.timeout(PATIENCE):
                await listening
            code = socket.close_code or 1006
        found.closed[code] += 1
        if code in (1006, 1011):
            found.failed.append(f"closed with {code} after: {kinds}")
    except TimeoutError:
        found.failed.append(f"left open {PATIENCE:.0f} s after: {kinds}")
    except (OSError, InvalidHandshake) as error:
        found.failed.append(f"{type(error).__name__} {error} before: {kinds}")


async def _listen(socket: ClientConnection, found: Fuzzed) -> None:
    try:
        async for message in socket:
            said = json.loads(message)
            found.said[f"{said['type']} {said.get('status', '')}".strip()] += 1
            if int(said.get("status", 0)) >= 500:
                found.failed.append(f"error {said['status']}: {said['detail']}")
    except ConnectionClosed:
        pass


def answers(service: Service) -> bool:
    """Whether the service is well."""
    try:
        return httpx.get(f"{service.url}/healthz", timeout=30).status_code == 200
    except httpx.HTTPError:
        return False


def schemathesis(service: Service, *, examples: int) -> tuple[int, str] | None:
    """Its exit status and what it printed; None where it is not installed."""
    program = Path(sys.executable).with_name("st")
    if not program.exists():
        return None
    words = ["run", f"{service.url}/openapi.json", "--checks", "not_a_server_error", "-n", str(examples)]
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=1200)
    return done.returncode, done.stdout + done.stderr
