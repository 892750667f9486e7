"""Which segments are trained on and which are tested: three protocols, and the refusal of leaks.

``group`` puts whole groups (people, sessions or videos) on one side. ``folds`` does so k times, until every group was
tested. ``paper`` is the protocol of Le Viet et al. 2024: segments are divided at random although they overlap, so that
most of what is tested was seen in training. It exists to be compared with; `leak` measures what it gives away.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gymspotter.errors import InputError
from gymspotter.windows import Segments, join_segments

Protocol = Literal["group", "paper", "folds"]
PROTOCOLS: tuple[str, ...] = get_args(Protocol)
_INSTANT = 1e-6  # seconds; segments that meet do not overlap


@dataclass(frozen=True, kw_only=True)
class Split:
    """The sides of one experiment. A split with a leak cannot be made, but under the paper's protocol.

    ``validation`` (for early stopping and the best epoch) shares no group with ``train`` that `split` could keep apart;
    ``test`` is scored once, at the end.
    """

    train: Segments
    validation: Segments | None
    test: Segments
    protocol: str
    seed: int

    def __post_init__(self) -> None:
        if self.protocol == "paper":
            return
        refuse_leak(self.train, self.test)
        if self.validation is not None:
            refuse_leak(self.train, self.validation, "validation")
            refuse_leak(self.validation, self.test)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change with the side that any segment is on, and with its label."""
        digest = hashlib.sha256()
        for name in ("train", "validation", "test"):
            side = getattr(self, name)
            rows = (
                []
                if side is None
                else zip(side.video_ids.tolist(), side.starts.tolist(), side.labels.tolist(), strict=True)
            )
            digest.update(repr((name, sorted(rows))).encode())
        return digest.hexdigest()[:16]


def split(
    segments: Segments,
    protocol: Literal["group", "paper"] = "group",
    *,
    test_share: float = 0.3,
    validation_share: float = 0.0,
    seed: int = 0,
) -> Split:
    """Divide segments into sides by ``protocol``; `folds` makes those of the third one.

    Under ``group`` each exercise is divided as near to ``test_share`` as can be: groups are taken in a random order (by
    ``seed``) and each goes where it brings the test side's share of every exercise nearest to the goal. An exercise
    with a single group is trained on. ``validation_share`` of the training side is set apart in the same way, by group
    under either protocol; with 0 there is none.

    Raises:
        InputError: a share is out of range, or every exercise has a single group, so that nothing could be tested.
    """
    _check(segments, protocol, ("group", "paper"))
    _check_share("test-share", test_share)
    if protocol == "paper":
        on_test = np.zeros(len(segments), bool)
        on_test[np.random.default_rng(seed).permutation(len(segments))[: round(test_share * len(segments))]] = True
    else:
        on_test = _spared(segments, test_share, np.random.default_rng(seed), "test")
    return _sides(segments, on_test, protocol, validation_share, seed)


def folds(segments: Segments, k: int = 5, *, validation_share: float = 0.0, seed: int = 0) -> list[Split]:
    """``k`` splits by group; each segment is tested in one of them.

    Groups are taken in a random order (by ``seed``), and each goes to the fold that has least of its exercises. No fold
    holds all groups of an exercise: what is the last hope of being trained on is never tested.

    Raises:
        InputError: ``k`` is below 2, or there are not enough groups for so many folds.
    """
    _check(segments, "folds", PROTOCOLS)
    if k < 2:
        raise InputError(f"folds is {k}: use at least 2.")
    share, group_of = _shares(segments)
    held = np.zeros((k, share.shape[1]))
    fold_of = np.full(len(share), -1)
    for group in np.random.default_rng(seed).permutation(len(share)):
        full = (held + share[group] > 1 - 1e-9).any(axis=1)
        # The squared sum of the folds' shares grows by twice this; ties go to the emptier fold.
        order = np.lexsort((held.sum(axis=1), held @ share[group], full))
        if not full[order[0]]:
            fold_of[group] = order[0]
            held[order[0]] += share[group]
    empty = k - len(set(fold_of.tolist()) - {-1})
    if empty:
        raise InputError(f"folds is {k}, and {empty} of them would be empty: use fewer, or add videos.")
    return [
        _sides(segments, fold_of[group_of] == number, f"fold {number + 1} of {k}", validation_share, seed)
        for number in range(k)
    ]


def train_on_more(sides: Split, more: Segments) -> Split:
    """The same split with further segments on the training side.

    Raises:
        InputError: a group or a video of ``more`` is on another side, under whatever protocol.
    """
    refuse_leak(more, sides.test)
    if sides.validation is not None:
        refuse_leak(more, sides.validation, "validation")
    return replace(sides, train=join_segments(sides.train, more))


def spare_validation(sides: Split, share: float, seed: int = 0) -> Split:
    """The same split with about ``share`` of its training side set apart, whole groups, to validate on.

    Raises:
        InputError: the share is out of range, or no group can be spared.
    """
    _check_share("validation-share", share)
    # Another generator than the test side's: its choice must not be the same one again.
    apart = _spared(sides.train, share, np.random.default_rng([seed, 1]), "validation")
    return replace(sides, train=sides.train[~apart], validation=sides.train[apart])


def refuse_leak(train: Segments, other: Segments, side: str = "test") -> None:
    """Check that no stretch of time, no video and no group of the training side is on the other ``side``.

    Raises:
        InputError: one is; the message names it.
    """
    both = _overlapping(train, other)
    if both.any():
        first = other[np.flatnonzero(both)[:1]]
        raise InputError(
            f"video {str(first.video_ids[0])!r} from {first.starts[0]:g} to {first.ends[0]:g} s is on the {side} side, "
            "and the training side overlaps with it: split by group."
        )
    for what, one, two in (("video", train.video_ids, other.video_ids), ("group", train.groups, other.groups)):
        common = np.intersect1d(one, two)
        if len(common):
            raise InputError(f"{what} {str(common[0])!r} is on the training and on the {side} side: split by group.")


def leak(train: Segments, test: Segments) -> float:
    """The share of test segments that overlap in time with a training segment of the same video."""
    return float(_overlapping(train, test).mean())


def _overlapping(train: Segments, other: Segments) -> NDArray[np.bool_]:
    """Which segments of ``other`` show an instant that one of ``train`` shows too."""
    found = np.zeros(len(other), bool)
    for video in np.intersect1d(train.video_ids, other.video_ids):
        mine, theirs = train.video_ids == video, other.video_ids == video
        begun = other.starts[theirs, None] < train.ends[mine] - _INSTANT
        found[theirs] = (begun & (train.starts[mine] < other.ends[theirs, None] - _INSTANT)).any(axis=1)
    return found


def _sides(segments: Segments, on_test: NDArray[np.bool_], protocol: str, validation_share: float, seed: int) -> Split:
    sides = Split(train=segments[~on_test], validation=None, test=segments[on_test], protocol=protocol, seed=seed)
    return spare_validation(sides, validation_share, seed) if validation_share else sides


def _shares(segments: Segments) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Of each exercise the part that is in each group [groups, exercises], and the group of each segment [S]."""
    names, group_of = np.unique(segments.groups, return_inverse=True)
    classes, class_of = np.unique(segments.labels, return_inverse=True)
    counts = np.zeros((len(names), len(classes)))
    np.add.at(counts, (group_of, class_of), 1)
    return counts / counts.sum(axis=0), group_of


def _spared(segments: Segments, goal: float, rng: np.random.Generator, side: str) -> NDArray[np.bool_]:
    """Which segments go to the ``side`` that is to have the share ``goal`` of every exercise; whole groups."""
    share, group_of = _shares(segments)
    held = np.zeros(share.shape[1])
    chosen = np.zeros(len(share), bool)
    for group in rng.permutation(len(share)):
        here, there = held - goal, held + share[group] - goal
        # Never all of an exercise: what was not trained on cannot be tested.
        if (held + share[group] < 1 - 1e-9).all() and (there**2).sum() < (here**2).sum():
            chosen[group] = True
            held += share[group]
    if not chosen.any():
        raise InputError(
            f"no group can be spared for the {side}: add a second video of some exercises, or raise {side}-share."
        )
    return chosen[group_of]


def _check(segments: Segments, protocol: str, known: tuple[str, ...]) -> None:
    if protocol not in known:
        raise InputError(f"protocol is {protocol!r}: use one of {', '.join(known)}.")
    if not len(segments):
        raise InputError(
            "there are no segments to split: extract videos in which a person is seen for a second or more."
        )


def _check_share(name: str, share: float) -> None:
    if not 0 < share < 1:
        raise InputError(f"{name} is {share:g}: use a share between 0 and 1.")
