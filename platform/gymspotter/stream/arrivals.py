"""Frames as they arrive: late, twice, with gaps, from a clock that jumps. Out come the hops, each with its history.

Every frame is dealt with by itself, so how frames are bundled into messages changes nothing.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from gymspotter.skeleton import Floats
from gymspotter.stream.grid import SNAP_S, Grid, Seen
from gymspotter.stream.hints import Hints
from gymspotter.windows import MIN_FRAMES

# A frame is waited for so long; the grid may be made up to this much before the newest frame.
REORDER_S = 1.0
# A step of the clock beyond this is none of time ...
JUMP_S = 60.0
# ... if so many frames in a row agree; fewer are strays.
STRAYS = 3
# A person is there who is seen in so many grid frames of the last RECENT_S seconds.
RECENT_S = 2.0
RECENT_FRAMES = 3
# Sent again, these are known for what they are: 51 s at 5 frames a second.
_KNOWN_TIMES = 256
_MANY_COMING = 300
_BEYOND = 1e12  # no clock shows this


class Frame(NamedTuple):
    """One frame: its time, [17, 3] joints (all NaN: nobody), whether it shows a person or all joints; see hints."""

    t: float
    joints_JC: Floats
    person: bool
    whole: bool
    visible: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Hop:
    """One moment at which a label is due.

    ``history_TJC`` are the last grid frames up to number ``number`` at ``last``, at or just before ``t``; ``person``
    whether enough of them show one, ``lost_at`` since when not. ``hint`` is the number of a hint to be told;
    ``restarted`` says that the clock jumped before it.
    """

    t: float
    number: int
    last: float
    history_TJC: Floats
    person: bool
    lost_at: float | None
    hint: int | None
    restarted: bool


@dataclass(kw_only=True)
class Trouble:
    """How many frames came too late, how many gaps there were and how often the clock jumped."""

    late: int = 0
    gap: int = 0
    clock: int = 0


@dataclass(kw_only=True)
class Arrivals:
    """The frames of one session, up to its hops. See `add`."""

    fps: float
    frames: int
    hop: float
    newest: float | None = None
    seconds: float = 0.0
    hints: Hints = field(default_factory=Hints)
    trouble: Trouble = field(default_factory=Trouble)

    def __post_init__(self) -> None:
        self.grid: Grid | None = None
        self._known: deque[float] = deque(maxlen=_KNOWN_TIMES)
        self._strays: list[Frame] = []
        self._first_hop: float | None = None  # hop i is due at this + i * hop; None: too little has been seen yet
        self._hops = 0
        self._lost_at: float | None = None
        self._restarted = False
        self._next_due = 0.0

    def add(self, frame: Frame) -> list[Hop]:
        """The hops that are due because this frame has arrived, in order; it never raises."""
        t = frame.t
        if not -_BEYOND < t < _BEYOND:  # nor is NaN
            self.trouble.late += 1
            return []
        if self.newest is None or self.grid is None:
            return self._begin(frame)
        step = t - self.newest
        if 0 < step <= JUMP_S:
            if self._strays:
                self._forget_strays()
            return self._forward(frame, step)
        if t in self._known:
            return []
        if not -REORDER_S <= step <= 0:
            return self._stray(frame)
        self._forget_strays()
        if t <= self.grid.made_until:
            self.trouble.late += 1
        elif frame.person:
            self._known.append(t)
            self.grid.add(Seen(t, frame.joints_JC, frame.whole))
        return []

    def _begin(self, frame: Frame) -> list[Hop]:
        self.grid = Grid(frame.t, self.fps, self.frames)
        self._first_hop, self._hops, self._lost_at = None, 0, None
        self._next_due = frame.t
        self.newest = frame.t
        return self._forward(frame, 0.0)

    def _forward(self, frame: Frame, step: float) -> list[Hop]:
        """A frame later than all before it."""
        assert self.grid is not None
        t = frame.t
        self.newest = t
        self.seconds += step
        self._known.append(t)
        if frame.person:
            self.hints.see(frame.visible, step)
            self.grid.add(Seen(t, frame.joints_JC, frame.whole))
        gap = step >= self.grid.longest_s
        self.trouble.gap += gap
        hops = []
        while self._next_due <= t + SNAP_S:
            if gap and self._first_hop is not None:
                # Only the last hop within a gap: the others would tell at once what was not seen long ago.
                self._hops = max(self._hops, int((t + SNAP_S - self._first_hop) // self.hop))
                self._next_due = self._first_hop + self._hops * self.hop
            hop = self._due()
            if hop is not None:
                hops.append(hop)
        if self.grid.coming > _MANY_COMING:  # only with a long hop and a high frame rate
            self.grid.fill(self.grid.number(t - REORDER_S))
        return hops

    def _due(self) -> Hop | None:
        """The hop at ``_next_due``; before the first one, see whether that is it."""
        grid = self.grid
        assert grid is not None
        t = self._next_due
        if self._first_hop is None:
            grid.fill(grid.next)
            # Enough of a person, or enough of an empty picture to say so.
            if grid.shown(self.frames) < MIN_FRAMES and t < grid.t0 + RECENT_S:
                self._next_due = grid.time(grid.next)
                return None
            self._first_hop = t
        else:
            grid.fill(grid.number(t))
        self._hops += 1
        self._next_due = self._first_hop + self._hops * self.hop
        person = grid.shown(self.frames) >= MIN_FRAMES and grid.shown(round(RECENT_S * self.fps)) >= RECENT_FRAMES
        if person:
            self._lost_at = None
        elif self._lost_at is None:
            seen = grid.lost_at()
            self._lost_at = grid.oldest if seen is None else seen
        hop = Hop(
            t=t,
            number=grid.next - 1,
            last=grid.time(grid.next - 1),
            history_TJC=grid.history(),
            person=person,
            lost_at=self._lost_at,
            hint=self.hints.tell(t) if person else None,
            restarted=self._restarted,
        )
        self._restarted = False
        return hop

    def _stray(self, frame: Frame) -> list[Hop]:
        """A frame far from all others: the clock has jumped if more of them agree."""
        strays = self._strays
        if any(frame.t == stray.t for stray in strays):
            return []
        if strays and not -REORDER_S < frame.t - strays[-1].t <= JUMP_S:
            self._forget_strays()
        self._strays.append(frame)
        if len(self._strays) < STRAYS:
            return []
        strays, self._strays = sorted(self._strays, key=lambda stray: stray.t), []
        self.trouble.clock += 1
        self.newest, self._restarted = None, True
        self._known.clear()
        self.hints.restart()
        return [hop for stray in strays for hop in self.add(stray)]

    def _forget_strays(self) -> None:
        self.trouble.late += len(self._strays)
        self._strays = []

    def rest(self) -> tuple[int, Floats, bool]:
        """Make the grid frames up to the last frame: the last one's number, the history, and Hop's ``restarted``."""
        if self.grid is None:
            return -1, np.empty((0, 17, 3), np.float32), False
        self.grid.fill(self.grid.rest())
        return self.grid.next - 1, self.grid.history(), self._restarted

    def snapshot(self) -> dict[str, Any]:
        """All state as plain values and arrays."""
        return {
            "newest": self.newest,
            "seconds": self.seconds,
            "hints": self.hints.snapshot(),
            "grid": None if self.grid is None else self.grid.snapshot(),
            "known": np.array(self._known, np.float64),
            "strays": [
                {"t": f.t, "joints": f.joints_JC.copy(), "person": f.person, "whole": f.whole, "visible": f.visible}
                for f in self._strays
            ],
            "first_hop": self._first_hop,
            "hops": self._hops,
            "next_due": self._next_due,
            "lost_at": self._lost_at,
            "restarted": self._restarted,
        }

    @classmethod
    def restore(cls, *, fps: float, frames: int, hop: float, snapshot: dict[str, Any]) -> "Arrivals":
        """The inverse of `snapshot`."""
        arrivals = cls(fps=fps, frames=frames, hop=hop, newest=snapshot["newest"], seconds=snapshot["seconds"])
        arrivals.hints = Hints.restore(snapshot["hints"])
        if snapshot["grid"] is not None:
            arrivals.grid = Grid.restore(fps, frames, snapshot["grid"])
        arrivals._known.extend(snapshot["known"].tolist())
        arrivals._strays = [
            Frame(f["t"], f["joints"], f["person"], f["whole"], f["visible"]) for f in snapshot["strays"]
        ]
        arrivals._first_hop, arrivals._hops = snapshot["first_hop"], snapshot["hops"]
        arrivals._next_due, arrivals._lost_at = snapshot["next_due"], snapshot["lost_at"]
        arrivals._restarted = snapshot["restarted"]
        return arrivals
