"""What the streams need of a replica, so that they are tested without one."""

from typing import Protocol

from gymspotter.pose.live import Athlete, LivePose
from gymspotter.skeleton import Floats
from serve.access.guard import Guard
from serve.metrics import Meter
from serve.model.batcher import Answers, Source
from serve.settings import AppSettings
from serve.streams.keeper import Copies
from serve.streams.sessions import Sessions


class Classifies(Protocol):
    """See `batcher.Batcher`."""

    @property
    def overloaded(self) -> bool:
        """Whether more wait than it can answer in time."""
        ...

    async def classify(self, poses_STJC: Floats) -> Answers:
        """The answers to these windows, all of one version."""
        ...


class StreamBackend(Protocol):
    """What the streams need of a replica. They read it only; ``keeper`` is None where no copies are kept."""

    @property
    def settings(self) -> AppSettings:
        """Limits, and how often copies are made."""
        ...

    @property
    def guard(self) -> Guard:
        """Who may open a stream."""
        ...

    @property
    def metrics(self) -> Meter:
        """What is counted."""
        ...

    @property
    def sessions(self) -> Sessions:
        """The sessions of this replica; its clock must be the streams'."""
        ...

    @property
    def champion(self) -> Source:
        """The model that answers."""
        ...

    @property
    def batcher(self) -> Classifies:
        """What classifies windows of all sessions together."""
        ...

    @property
    def keeper(self) -> Copies | None:
        """Where copies outlive the replica."""
        ...

    async def pose(self, jpeg: bytes, state: Athlete | None) -> tuple[Athlete, LivePose]:
        """The pose in a picture, and what to hand in with the next one.

        Raises:
            InputError: the picture cannot be used.
            BusyError: the estimators have too much to do.
        """
        ...
