"""What a live session tells beside the service's events."""

from dataclasses import dataclass

from gymspotter.stream.events import Event


@dataclass(frozen=True, kw_only=True)
class Disconnected:
    """The connection is lost, and the client tries to get it back; ``reason`` says how it was lost."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Reconnected:
    """The connection is back.

    ``resumed``: the session goes on as if nothing had been. Otherwise the service did not know it any more, and a new
    one began, whose sets count from 1. ``lost_frames`` were sent before, are not held by the service, and are too old
    to be sent again.
    """

    resumed: bool
    lost_frames: int


LiveEvent = Event | Disconnected | Reconnected
