"""What the HTTP API asks: a model, whose versions may follow one another, and what makes skeletons of videos."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

from gymspotter.registry import ModelFacts
from gymspotter.skeleton import Floats
from serve.http.problems import NotReadyError
from serve.http.segments import Answers
from serve.skeletons import Skeletonised


class Current(Protocol):
    """A loaded version of the model; ``serve.model.champion.Loaded`` is one."""

    @property
    def version(self) -> str:
        """Its number in the registry."""
        ...

    @property
    def facts(self) -> ModelFacts:
        """What it says of itself."""
        ...


class Backend(Protocol):
    """What answers requests. Versions may follow one another, but ``frames`` and ``grid_fps`` are those of all."""

    @property
    def current(self) -> Current | None:
        """The version that would answer now; None until one is loaded."""
        ...

    def status(self) -> dict[str, Any]:
        """``model``: the alias or version asked for, ``follows``: whether it is followed, ``refused``: None or what it
        points to and cannot serve (version, why). More is not looked at.
        """
        ...

    async def classify(self, poses_STJC: Floats) -> Answers:
        """What one version says of all the segments. Raises BusyError."""
        ...

    def skeletons(self, video: Path, name: str) -> AsyncIterator[float | Skeletonised]:
        """Shares 0..1 of the work done, and last the tracks of a video on the model's grid.

        Closing or cancelling the iteration ends the work; ``video`` is removed after that. ``name`` is the client's.
        Raises InputError, or BusyError.
        """
        ...


def loaded(backend: Backend) -> Current:
    """The version that would answer now; NotReadyError if there is none yet."""
    if (current := backend.current) is None:
        raise NotReadyError
    return current
