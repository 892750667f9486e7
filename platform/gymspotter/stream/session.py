"""One live session: frames in, windows out to be classified; answers in, events out.

    session.push(times_N, joints_NJC, scores_NJ)            # what the client sent
    for window in session.due():                            # what is to be asked of the model
        events = session.answer(window, ask(window))        # what is to be told to the client

A session has no clock, waits for nothing and raises nothing, whatever the frames: its events are a function of the
frames and the answers alone. So one that is restored from a copy and shown the later frames again tells the same events
with the same numbers.

Shapes: N frames, T = 60 grid frames of a window, J = 17 canonical joints, C = 3 coordinates, K exercises.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gymspotter.errors import InputError
from gymspotter.skeleton import Floats
from gymspotter.spans import GRID_FPS
from gymspotter.stream.arrivals import Arrivals, Frame, Hop
from gymspotter.stream.events import (
    Event,
    Goodbye,
    Guess,
    Hint,
    Label,
    NoPerson,
    Notice,
    State,
    Unknown,
)  # fmt: skip
from gymspotter.stream.hints import HINTS, groups
from gymspotter.stream.sets import Sets
from gymspotter.stream.smoothing import Smoother
from gymspotter.unknown import THRESHOLD
from gymspotter.windows import SEGMENT_FRAMES, fit_length

# What is unknown stays so until it is this sure again that it is not, and is told as an event when it lasts.
KNOWN_AGAIN = 0.4
UNKNOWN_AFTER_S = 2.0
_NOTICES = {
    "late": "frames came more than a second late, or after they were needed: they are left out.",
    "gap": "for a second or longer there were no frames: nothing is guessed in between.",
    "clock": "the frames' clock jumped: the session begins a new window.",
}


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """What a session needs to know of the model and of the client's wishes.

    ``classes`` are the model's K exercises in order; a window has ``frames`` frames at ``grid_fps``; labels are due
    every ``hop`` seconds, with the ``top`` best guesses.
    """

    classes: tuple[str, ...]
    grid_fps: float = GRID_FPS
    frames: int = SEGMENT_FRAMES
    hop: float = 1.0
    top: int = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """What is to be classified: [T, 17, 3] poses from ``since`` to ``t``; None if too few frames show a person."""

    t: float
    since: float
    poses_TJC: Floats | None
    hop: Hop = field(repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What the model says of a window: probabilities of the exercises, how surely it is none, and which model."""

    probabilities_K: NDArray[Any]
    unknown: float
    version: str


class Session:
    """One live session. ``seq`` is the number of its last event."""

    def __init__(self, config: StreamConfig) -> None:
        self.config = config
        self.seq = 0
        self._arrivals = Arrivals(fps=config.grid_fps, frames=config.frames, hop=config.hop)
        self._smoother = Smoother()
        self._sets = Sets(config.classes, config.grid_fps, self._next_seq)
        self._waiting: list[Window] = []  # not answered yet; those from _handed_out on not even asked for
        self._handed_out = 0
        self._state: State = "waiting"
        self._unknown_since: float | None = None
        self._unknown_told = False
        self._version: str | None = None
        self._last_t = 0.0

    @property
    def received(self) -> float | None:
        """The time of the last frame that the session holds."""
        return self._arrivals.newest

    def push(
        self, times_N: Sequence[float] | NDArray[Any], joints_NJC: NDArray[Any], scores_NJ: NDArray[Any]
    ) -> list[Event]:
        """Take frames in, in the order they were sent; what was wrong with them comes back as notices.

        Args:
            times_N: seconds of the client's clock.
            joints_NJC: canonical joints in metres; NaN where a joint, or the whole person, was not seen.
            scores_NJ: in 0..1.
        """
        joints_NJC = np.array(joints_NJC, np.float32)
        seen_NJ = np.isfinite(joints_NJC).all(axis=-1)
        whole = bool(seen_NJ.all())
        visible_N, known = groups(seen_NJ, np.asarray(scores_NJ), whole=whole)
        n = len(joints_NJC)
        if whole:
            person_N = whole_N = [True] * n
        else:
            joints_NJC[~seen_NJ] = np.nan
            person_N, whole_N = seen_NJ.any(axis=1).tolist(), seen_NJ.all(axis=1).tolist()
        arrivals = self._arrivals
        arrivals.hints.known |= known
        times = np.asarray(times_N, np.float64).tolist()
        for i in range(n):
            for hop in arrivals.add(Frame(times[i], joints_NJC[i], person_N[i], whole_N[i], visible_N[i])):
                self._waiting.append(self._window(hop))
        trouble = vars(arrivals.trouble)
        if not any(trouble.values()):
            return []
        notices: list[Event] = [
            Notice(code=code, text=_NOTICES[code], count=count) for code, count in trouble.items() if count
        ]
        trouble.update(dict.fromkeys(trouble, 0))
        return notices

    def _window(self, hop: Hop) -> Window:
        n, frames = len(hop.history_TJC), self.config.frames
        poses_TJC = None
        if hop.person:
            poses_TJC = hop.history_TJC if n == frames else fit_length(hop.history_TJC, frames)
        since = hop.last - (n - 1) / self.config.grid_fps
        return Window(t=round(hop.t, 6), since=round(since, 6), poses_TJC=poses_TJC, hop=hop)

    def due(self) -> list[Window]:
        """The windows to classify and to `answer`, in order; each is handed out once."""
        new = self._waiting[self._handed_out :]
        self._handed_out = len(self._waiting)
        return new

    def answer(self, window: Window, answer: Answer | None) -> list[Event]:
        """What is to be told after a window; None if it has no poses, or if the model could not be asked.

        Windows are answered in the order of `due`; those before it that were not are passed over.

        Raises:
            InputError: the answer is of another model: it has not one probability for each class.
        """
        k = len(self.config.classes)
        if answer is not None and len(answer.probabilities_K) != k:
            raise InputError(
                f"the answer has {len(answer.probabilities_K)} probabilities: the session has {k} classes."
            )
        place = next((i for i, waiting in enumerate(self._waiting) if waiting is window), -1)
        if place < 0:
            return []
        del self._waiting[: place + 1]
        self._handed_out = max(self._handed_out - place - 1, 0)
        return self._tell(window, answer)

    def _tell(self, window: Window, answer: Answer | None) -> list[Event]:
        hop = window.hop
        events: list[Event] = []
        if hop.restarted:
            events += self._sets.restart(self._last_t)
            self._smoother.forget()
            self._unknown_since, self._state = None, "waiting"
        self._last_t = window.t
        values_L = None
        if answer is not None and hop.person:
            self._version = answer.version
            values_L = self._smoother.step(hop.t, answer.probabilities_K, float(answer.unknown))
        events += self._sets.step(hop, values_L)
        events += self._change_state(window, values_L)
        if hop.hint is not None:
            code, text, _ = HINTS[hop.hint]
            events.append(Hint(seq=self._next_seq(), t=window.t, code=code, text=text))
        events.append(self._label(window, values_L))
        return events

    def _change_state(self, window: Window, values_L: NDArray[np.float64] | None) -> list[Event]:
        hop, before = window.hop, self._state
        if not hop.person:
            self._state, self._unknown_since = "no_person", None
            if before == "no_person":
                return []
            assert hop.lost_at is not None
            self._smoother.forget()
            return [NoPerson(seq=self._next_seq(), t=window.t, since=round(hop.lost_at, 6))]
        if values_L is None:
            self._state = "waiting"
            return []
        unknown = values_L[-1]
        self._state = "unknown" if unknown > (KNOWN_AGAIN if before == "unknown" else THRESHOLD) else "exercise"
        if self._state == "exercise":
            self._unknown_since = None
            return []
        if self._unknown_since is None:
            self._unknown_since, self._unknown_told = hop.t, False
        if self._unknown_told or hop.t - self._unknown_since < UNKNOWN_AFTER_S - 1e-6:
            return []
        self._unknown_told = True
        return [Unknown(seq=self._next_seq(), t=window.t)]

    def _label(self, window: Window, values_L: NDArray[np.float64] | None) -> Label:
        top: tuple[Guess, ...] = ()
        unknown = 0.0
        if values_L is not None:
            *values, unknown = values_L.tolist()
            best = sorted(range(len(values)), key=values.__getitem__, reverse=True)[: self.config.top]
            top = tuple(Guess(exercise=self.config.classes[k], probability=round(values[k], 4)) for k in best)
        named = bool(top) and self._state == "exercise"
        return Label(
            seq=self._next_seq(),
            t=window.t,
            since=window.since,
            exercise=top[0].exercise if named else None,
            probability=top[0].probability if named else 0.0,
            top=top,
            unknown=round(unknown, 4),
            state=self._state,
            set=None if self._sets.open is None else self._sets.open.number,
            model_version=self._version,
        )

    def finish(self) -> list[Event]:
        """The stream is over: the end of an open set with the frames since the last hop, and the goodbye."""
        self._waiting, self._handed_out = [], 0
        number, history_TJC, restarted = self._arrivals.rest()
        grid = self._arrivals.grid
        events: list[Event] = []
        if grid is None or restarted:  # the open set is of a clock that is gone
            events += self._sets.restart(self._last_t)
        else:
            events += self._sets.rest(grid.time(number), number, history_TJC)
        return [*events, Goodbye(sets=tuple(self._sets.done), seconds=round(self._arrivals.seconds, 3))]

    def snapshot(self) -> dict[str, Any]:
        """The whole session as plain values and arrays, independent of it; about 15 KB."""
        return {
            "seq": self.seq,
            "arrivals": self._arrivals.snapshot(),
            "smoother": self._smoother.snapshot(),
            "sets": self._sets.snapshot(),
            "waiting": [vars(one.hop) | {"history_TJC": one.hop.history_TJC.copy()} for one in self._waiting],
            "state": self._state,
            "unknown_since": self._unknown_since,
            "unknown_told": self._unknown_told,
            "version": self._version,
            "last_t": self._last_t,
        }

    @classmethod
    def restore(cls, config: StreamConfig, snapshot: dict[str, Any]) -> "Session":
        """The inverse of `snapshot`, under the same config; windows that were not answered are due again."""
        session = cls(config)
        session.seq = snapshot["seq"]
        session._arrivals = Arrivals.restore(
            fps=config.grid_fps, frames=config.frames, hop=config.hop, snapshot=snapshot["arrivals"]
        )
        session._smoother = Smoother.restore(snapshot["smoother"])
        session._sets.load(snapshot["sets"])
        session._waiting = [session._window(Hop(**hop)) for hop in snapshot["waiting"]]
        session._state, session._version = snapshot["state"], snapshot["version"]
        session._unknown_since, session._unknown_told = snapshot["unknown_since"], snapshot["unknown_told"]
        session._last_t = snapshot["last_t"]
        return session

    def _next_seq(self) -> int:
        self.seq += 1
        return self.seq
