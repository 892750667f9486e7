"""Watch an exercise live in the terminal: a camera or a video goes to a running service as a stream.

gymspotter watch camera                        # this machine's first camera
gymspotter watch squat.mp4 --url http://gym:8000 --send pictures
gymspotter watch squat.mp4 --fast --json       # as fast as it is answered, one JSON event a line
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, TextIO

import cv2
import tyro

from gymspotter.client import NO_ANSWER, LiveEvent, LiveSession, Reconnected, ServiceError
from gymspotter.errors import InputError
from gymspotter.pose import Estimator, Frame, load_estimator
from gymspotter.pose.live import Athlete, LivePose, step
from gymspotter.skeleton import CANONICAL
from gymspotter.spans import GRID_FPS
from gymspotter.stream.events import ErrorMessage, Goodbye, Label, Notice, Pose
from gymspotter.stream.protocol import JPEG
from gymspotter.watch_source import camera_number, pictures
from gymspotter.watch_view import Shown, line, message, render, summary, updated

# A picture of this height shows a whole athlete well enough for any estimator.
_PICTURE_HEIGHT = 720
# With --fast: by how many seconds joints may be ahead of the labels, and how long an answer is waited for at most.
_AHEAD_S, _PATIENCE_S = 10.0, 20.0
_REDRAW_S = 0.2


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """Watch a camera or a video live: what is done, how often, and for how long."""

    source: Annotated[str, tyro.conf.Positional]
    """A video; or `camera`, or a camera's number."""
    url: str = "http://127.0.0.1:8000"
    """The service."""
    token: str | None = None
    """The service's token; by default the environment's GYMSPOTTER_TOKEN."""
    send: Literal["joints", "pictures"] = "joints"
    """What is sent: joints (the pose is estimated here) or pictures (the service does that)."""
    fps: float = GRID_FPS
    """Frames a second to look at."""
    hop: float = 1.0
    """Seconds between two labels."""
    fast: bool = False
    """Send a video as fast as it is answered, not as it plays."""
    json: bool = False
    """Print the events as JSON, one a line, in place of the view."""

    def __post_init__(self) -> None:
        if not 0.5 <= self.fps <= 60:
            raise InputError(f"fps is {self.fps:g}: use 0.5 to 60.")
        if not 0.2 <= self.hop <= 5:
            raise InputError(f"hop is {self.hop:g}: use 0.2 to 5.")


def watch(options: WatchOptions) -> None:
    """Stream until the video ends or Ctrl-C, and print the sets.

    Raises:
        InputError: the source cannot be read, or the service is not there or refuses.
    """
    if camera_number(options.source) is None and not Path(options.source).is_file():
        raise InputError(f"source {options.source!r} is no file: name a video, or `camera`.")
    token = options.token or os.environ.get("GYMSPOTTER_TOKEN") or None
    layout = JPEG if options.send == "pictures" else CANONICAL.name
    with pictures(options.source, options.fps) as source:
        # Before the session is opened: at its first use it is fetched, which takes a while.
        estimator = None if layout == JPEG else load_estimator("blazepose")
        # Of pictures that come faster than they are looked at, the service leaves some out: each is waited for.
        poses = options.fast and layout == JPEG
        live = LiveSession(options.url, layout=layout, fps=options.fps, hop=options.hop, token=token, poses=poses)
        try:
            with live:
                _Watch(options, live, _screen(options, live), estimator).run(source)
        except ServiceError as error:
            raise InputError(_mend(error)) from error


def _mend(error: ServiceError) -> str:
    """The sentence of an error, with what can be done about it."""
    said = error.detail.rstrip(".")
    if error.status == NO_ANSWER:
        return f"{said}: start a service with `gymspotter serve`, or name one with --url."
    if error.status in (401, 403):
        return f"{said}: name a token with --token, or in GYMSPOTTER_TOKEN."
    return f"{said}."


class _Watch:
    """One session: pictures go out, events change what is shown."""

    def __init__(self, options: WatchOptions, live: LiveSession, screen: "Screen", estimator: Estimator | None) -> None:
        self._options, self._live, self._screen, self._estimator = options, live, screen, estimator
        self._camera = camera_number(options.source) is not None
        self._athlete: Athlete | None = None
        self._ahead = _AHEAD_S if estimator else 0.0
        self._sent = self._answered = 0.0

    def run(self, source: Iterator[tuple[float, Frame]]) -> None:
        """To the end of the source, or until Ctrl-C."""
        failure: InputError | None = None
        try:
            try:
                self._stream(source)
            except KeyboardInterrupt:
                self._screen.leave()  # the terminal has written ^C into it
            except InputError as error:  # of the source, half-way
                failure = error
            goodbye = self._live.close()
            self._take(self._live.poll())
            self._screen.end(goodbye)
        finally:
            self._screen.leave()
        if failure:
            raise failure

    def _stream(self, source: Iterator[tuple[float, Frame]]) -> None:
        started, patient = time.monotonic(), self._options.fast
        for t, picture in source:
            send = self._sender(t, picture)
            if self._camera:
                pass  # it has its own time
            elif patient:
                patient = self._until_answered(self._sent - self._ahead)
            elif not self._options.fast:
                self._until(started + t)
            send()
            self._sent = t
            self._screen.at(t)
            self._take(self._live.poll())

    def _sender(self, t: float, picture: Frame) -> Callable[[], None]:
        """What sends a picture, once it is time: the pose is estimated before."""
        if self._estimator is None:
            jpeg = encoded(picture, self._live.welcome.limits.image_pixels)
            return lambda: self._live.send_picture(t, jpeg, wait=not self._camera)
        self._athlete, pose = step(self._estimator, picture, self._athlete)
        return lambda: _send(self._live, t, pose)

    def _until(self, moment: float) -> None:
        """Show events until the clock says ``moment``."""
        while (left := moment - time.monotonic()) > 0:
            self._take(self._live.wait_events(min(left, _REDRAW_S)))

    def _until_answered(self, t: float) -> bool:
        """Show events until what was sent up to ``t`` is answered; whether it is, before patience ends."""
        until = time.monotonic() + _PATIENCE_S
        while self._answered < t and time.monotonic() < until:
            self._take(self._live.wait_events(_REDRAW_S))
        return self._answered >= t

    def _take(self, events: list[LiveEvent]) -> None:
        for event in events:
            if isinstance(event, Label | Pose):
                self._answered = max(self._answered, event.t)
            elif isinstance(event, Notice | ErrorMessage | Reconnected):
                self._answered = self._sent  # there may be no other answer
            if not isinstance(event, Pose):
                self._screen.take(event)
        self._screen.draw()


def _send(live: LiveSession, t: float, pose: LivePose) -> None:
    live.send(t, pose.joints_JC if pose.seen else None, pose.scores_J)


def encoded(picture: Frame, most_pixels: int) -> bytes:
    """An RGB picture as JPEG, made smaller where it is larger than it need be or may be."""
    height, width = picture.shape[:2]
    scale = min(1.0, _PICTURE_HEIGHT / height, (most_pixels / (height * width)) ** 0.5)
    if scale < 1:
        size = (max(1, int(width * scale)), max(1, int(height * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype("uint8", copy=False)
    _, jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return bytes(jpeg.tobytes())


class Screen:
    """Where events go: here, one JSON object a line."""

    def __init__(self, out: TextIO, shown: Shown) -> None:
        self._out, self._shown = out, shown

    def at(self, t: float) -> None:
        """The frame at ``t`` was sent."""
        self._shown = replace(self._shown, t=t)

    def take(self, event: LiveEvent) -> None:
        """Show an event."""
        print(json.dumps(message(event)), file=self._out, flush=True)

    def draw(self) -> None:
        """Bring what is shown up to date."""

    def leave(self) -> None:
        """What is shown is not to be touched any more."""

    def end(self, goodbye: Goodbye) -> None:
        """The session is over."""


class Log(Screen):
    """Not a terminal: a line for each event that says something new."""

    def take(self, event: LiveEvent) -> None:
        """See `Screen`."""
        if not isinstance(event, Goodbye) and (text := line(self._shown, event)):
            print(text, file=self._out, flush=True)
        self._shown = updated(self._shown, event)

    def end(self, goodbye: Goodbye) -> None:
        """See `Screen`."""
        self.leave()
        print("\n".join(["", *summary(goodbye)]), file=self._out, flush=True)


class View(Log):
    """A terminal: the lines are drawn over the last ones, at most some times a second."""

    def __init__(self, out: TextIO, shown: Shown) -> None:
        super().__init__(out, shown)
        self._colour = "NO_COLOR" not in os.environ
        self._lines, self._drawn, self._news = 0, 0.0, True

    def take(self, event: LiveEvent) -> None:
        """See `Screen`."""
        self._shown = updated(self._shown, event)
        self._news = True

    def draw(self) -> None:
        """See `Screen`."""
        now = time.monotonic()
        if not self._news and now - self._drawn < _REDRAW_S:
            return
        size = shutil.get_terminal_size()
        lines = render(self._shown, size.columns - 1, size.lines - 1, self._colour)
        # Home of the last drawing, then each line with what was there erased, then all that is below.
        home = f"\x1b[{self._lines}F" if self._lines else "\x1b[?25l"
        print(home + "".join(f"{text}\x1b[K\n" for text in lines) + "\x1b[J", end="", file=self._out, flush=True)
        self._lines, self._drawn, self._news = len(lines), now, False

    def leave(self) -> None:
        """See `Screen`."""
        if self._lines:
            print("\x1b[?25h", file=self._out, flush=True)
            self._lines = 0


def _screen(options: WatchOptions, live: LiveSession) -> Screen:
    shown = Shown(source=options.source, url=options.url, model_version=live.welcome.model_version)
    kind = Screen if options.json else View if sys.stdout.isatty() else Log
    return kind(sys.stdout, shown)
