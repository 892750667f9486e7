"""Labelled tracks: what is learned from, checked, and the fingerprint that names it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gymspotter.errors import InputError
from gymspotter.store import read_tracks
from gymspotter.tracks import Track


@dataclass(frozen=True, kw_only=True)
class LabelledTracks:
    """Tracks to learn from, all labelled and on one grid; ``more`` are for the training side alone."""

    tracks: list[Track]
    more: list[Track]

    @property
    def grid_fps(self) -> float:
        """Frames a second of all of them."""
        return self.tracks[0].fps

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change with the tracks: videos, spans, labels, estimators."""
        rows = sorted(
            (t.video_id, t.span, t.label or "", t.estimator, t.estimator_version, t.fps)
            for t in [*self.tracks, *self.more]
        )
        return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]

    def spare(self, share: float) -> "LabelledTracks":
        """Without the groups that are held out (see `is_held_out`).

        Raises:
            InputError: of an exercise nothing would be left to learn from.
        """
        kept = [track for track in self.tracks if not is_held_out(track.group, share)]
        if lost := sorted({t.label or "" for t in self.tracks} - {t.label or "" for t in [*kept, *self.more]}):
            raise InputError(
                f"held-out is {share:g} and leaves nothing of {lost[0]!r} to learn from: add videos of other people, "
                "or hold out less."
            )
        return replace(self, tracks=kept)


def is_held_out(group: str, share: float) -> bool:
    """Whether a group is among that share of all groups that is never learned from.

    It hangs on the group's name alone, so it stays so whatever other groups come and go: models that were trained at
    different times can always be compared on these.
    """
    return int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) < share * 2**32


def read_labelled(store: str, also: Sequence[str] = ()) -> LabelledTracks:
    """The labelled tracks of a store, and those of further ones for the training side.

    Raises:
        InputError: a store cannot be read, has no labels, or is on another grid than the rest.
    """
    tracks = [track for track in read_tracks(store) if track.label]
    if not tracks:
        raise InputError(f"tracks {store!r} has no labels: extract from one folder per exercise.")
    more = [track for other in also for track in read_tracks(other)]
    for track in more:
        if not track.label:
            raise InputError(f"also: the track of {track.uri!r} has no label: extract it from a folder per exercise.")
    if len(grids := sorted({track.fps for track in [*tracks, *more]})) > 1:
        raise InputError(f"tracks are on grids of {grids[0]:g} and {grids[-1]:g} frames/s: extract them on one.")
    return LabelledTracks(tracks=tracks, more=more)
