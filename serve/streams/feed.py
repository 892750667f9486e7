"""Messages of clients into their sessions: frames at once, pictures by way of the pose estimators.

What is sent faster than the service takes is shed and told, never queued: a stream is only worth something while it is
live.
"""

import asyncio
import logging
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gymspotter.errors import InputError
from gymspotter.pose.live import LivePose
from gymspotter.skeleton import Floats, Layout, root_at_hip, to_canonical
from gymspotter.stream.events import Pose, as_message
from gymspotter.stream.protocol import Frames, Picture
from serve.access.limits import Bucket
from serve.http.problems import BusyError
from serve.streams.backend import StreamBackend
from serve.streams.hops import Hops, encode
from serve.streams.sessions import Held, told_of

_log = logging.getLogger(__name__)

_FIRST_SECONDS = 5.0  # of frames that a new session may send at once
# Of a frame in JSON: 33 joints with all their digits have 2,600.
_FRAME_BYTES = 4096
_BYE_BYTES = 64
_SHED_FRAMES = "frames come faster than {:g} a second: some were left out."
_SHED_TEXT = "messages of more than {:.0f} kB of text a second: some were left out; write shorter numbers, or binary."
_SHED_PICTURES = "pictures come faster than their poses can be estimated: some were left out."
_LOST_PICTURES = "the pose estimators do not answer: pictures were left out."


class Feed:
    """The way in, of all sessions of a replica."""

    def __init__(self, backend: StreamBackend, hops: Hops, clock: Callable[[], float]) -> None:
        self._backend = backend
        self._hops = hops
        self._clock = clock
        self._rate = backend.settings.frames_per_second
        # After a resume the frames of all that time may come again at once.
        self._burst = self._rate * max(_FIRST_SECONDS, backend.settings.resume_seconds)

    def welcome(self, held: Held, *, resumed: bool) -> None:
        """A connection begins. One that finds its session here may send what it might have sent meanwhile."""
        if held.frames is None:
            now, first = self._clock(), self._burst if resumed else self._rate * _FIRST_SECONDS
            held.frames, held.text = Bucket(first, now), Bucket(first * _FRAME_BYTES, now)

    def may_read(self, held: Held, data: str | bytes, now: float) -> bool:
        """Whether a message that came ``now`` is to be read: doing so takes time that all sessions share.

        Text takes long, whatever is in it, so there is a limit to its bytes; a bye is always read.
        """
        if len(data) <= _BYE_BYTES or not isinstance(data, str) or held.text is None:
            return True
        if held.text.refill(now, self._rate * _FRAME_BYTES, self._burst * _FRAME_BYTES) < len(data):
            self._hops.tell(held, "shed", _SHED_TEXT.format(self._rate * _FRAME_BYTES / 1024))
            return False
        held.text.left -= len(data)
        return True

    def frames(self, held: Held, frames: Frames, layout: Layout, came: float) -> None:
        """Push frames that came at ``came`` by the clock."""
        times_N, joints, scores = frames.times_N, frames.joints_NJC, frames.scores_NJ
        allowed = self._allow(held, len(times_N), came)
        if allowed < len(times_N):
            self._hops.tell(held, "shed", _SHED_FRAMES.format(self._rate), len(times_N) - allowed)
            if not allowed:
                return
            # Evenly, and with the last one: thinner frames are still a movement.
            kept = np.linspace(len(times_N) - 1, 0, allowed).round().astype(int)[::-1]
            times_N, joints, scores = times_N[kept], joints[kept], scores[kept]
        joints, scores = to_canonical(joints, scores, layout)
        self._push(held, times_N, root_at_hip(joints), scores, came)

    def picture(self, held: Held, picture: Picture, poses: bool, came: float) -> None:
        """Have a picture estimated, then pushed; one that waits behind another gives way to a newer one."""
        if not self._allow(held, 1, came):
            self._hops.tell(held, "shed", _SHED_FRAMES.format(self._rate))
            return
        if held.picture is not None:
            self._hops.tell(held, "shed", _SHED_PICTURES)
        held.picture = (picture, came)
        if held.posing is None:
            held.posing = asyncio.create_task(self._pose(held, poses))

    async def drain(self, held: Held) -> None:
        """Wait until all that was sent has been answered."""
        while held.posing is not None:
            await asyncio.shield(held.posing)
        await self._hops.drain(held)

    async def _pose(self, held: Held, poses: bool) -> None:
        try:
            while held.picture is not None:
                (picture, came), held.picture = held.picture, None
                await self._estimate(held, picture, poses, came)
                if held.outlet is not None:
                    held.outlet.flush_soon()
        finally:
            held.posing = None

    async def _estimate(self, held: Held, picture: Picture, poses: bool, came: float) -> None:
        try:
            held.athlete, pose = await self._backend.pose(picture.jpeg, held.athlete)
        except InputError as error:
            if held.outlet is not None:
                held.outlet.bad(str(error))
            return
        except BusyError:
            self._hops.tell(held, "shed", _SHED_PICTURES)
            return
        except Exception:  # a replica of the estimators that died, say
            _log.exception("a picture could not be estimated", extra=told_of(held))
            self._hops.tell(held, "shed", _LOST_PICTURES)
            return
        self._push(held, np.array([picture.t]), pose.joints_JC[None], pose.scores_J[None], came)
        if poses and held.outlet is not None:
            held.outlet.put("pose", encode(as_message(_pose_event(picture.t, pose))))

    def _push(
        self, held: Held, times_N: NDArray[np.float64], joints_NJC: Floats, scores_NJ: Floats, came: float
    ) -> None:
        notices = held.session.push(times_N, joints_NJC, scores_NJ)
        held.changed = True
        if notices:
            self._hops.deliver(held, notices)
        self._hops.due(held, came)

    def _allow(self, held: Held, n: int, now: float) -> int:
        """How many of ``n`` frames that came ``now`` may pass."""
        assert held.frames is not None, "no connection has been welcomed"
        allowed = min(n, int(held.frames.refill(now, self._rate, self._burst)))
        held.frames.left -= allowed
        return allowed


def _pose_event(t: float, pose: LivePose) -> Pose:
    image_xy = tuple(
        (x, y) if math.isfinite(x) and math.isfinite(y) else None for x, y in pose.image_xy_J2.round(4).tolist()
    )
    return Pose(t=t, image_xy=image_xy, scores=tuple(pose.scores_J.round(3).tolist()))
