"""Do the segments that are seen now look like those that a model was trained on? A few features anybody can picture.

Each feature of the training segments is cut at its deciles; the population stability index compares the shares that
fall between the cuts with those of today: sum of (now - then) ln(now / then). By rule of thumb nothing has changed to
speak of below 0.1, and something has from 0.25 on (Siddiqi 2006, "Credit risk scorecards").

Shapes: S segments, T frames, J = 17 canonical joints, C = 3 coordinates (x right, y down, z away), F features.
"""

import warnings
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gymspotter.errors import InputError
from gymspotter.skeleton import CANONICAL, Floats

FEATURES = ("missing", "torso", "extent", "motion", "upright", "facing")
"""What each means, of one segment:

missing: share of joints that were not seen; torso: mean distance from hip to thorax, m; extent: median distance from
the highest to the lowest joint, m; motion: mean way of a joint from one frame to the next, m; upright: cosine between
the torso and the vertical (1 standing, 0 lying, -1 on the head); facing: cosine between the line of the hips and the
picture's plane, seen from above (1 facing the camera or away from it, 0 from the side).
"""

ENOUGH = 100  # segments before an index says anything
_CUTS = 9  # deciles
_FLOOR = 0.005  # a share of nothing would make the index infinite
_HIP, _THORAX, _R_HIP, _L_HIP = (CANONICAL.index(name) for name in ("hip", "thorax", "r_hip", "l_hip"))


def features(poses_STJC: Floats) -> NDArray[np.float64]:
    """The features [S, F] of segments; NaN where a segment does not say (nobody in it, no hips)."""
    if not len(poses_STJC):
        return np.empty((0, len(FEATURES)))
    poses = np.asarray(poses_STJC, dtype=np.float64)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # means of nothing: NaN is what they are
        torso = poses[:, :, _THORAX] - poses[:, :, _HIP]
        length = np.linalg.norm(torso, axis=-1)
        height = poses[..., 1]
        steps = np.linalg.norm(np.diff(poses, axis=1), axis=-1)
        hips = poses[:, :, _L_HIP] - poses[:, :, _R_HIP]
        found = (
            np.isnan(poses).any(axis=-1).mean(axis=(1, 2)),
            np.nanmean(length, axis=1),
            np.nanmedian(np.nanmax(height, axis=2) - np.nanmin(height, axis=2), axis=1),
            np.nanmean(steps, axis=(1, 2)),
            np.nanmean(-torso[..., 1] / length, axis=1),
            np.nanmean(np.abs(hips[..., 0]) / np.hypot(hips[..., 0], hips[..., 2]), axis=1),
        )
    return np.stack(found, axis=1)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """How a model's training segments are spread, by feature: their inner cuts, ascending, and the shares between them.

    There is a share more than there are cuts, and one more for segments whose feature is not known.
    """

    segments: int
    cuts: dict[str, list[float]]
    shares: dict[str, list[float]]

    @classmethod
    def of(cls, poses_STJC: Floats) -> "Reference":
        """The reference that training segments make.

        Raises:
            InputError: there are none.
        """
        if not len(poses_STJC):
            raise InputError("the training side has no segments: a reference for drift needs some.")
        parts = [features(poses_STJC[i : i + 256]) for i in range(0, len(poses_STJC), 256)]  # bounds memory
        values, cuts, shares = np.concatenate(parts), {}, {}
        for name, column in zip(FEATURES, values.T, strict=True):
            known = column[np.isfinite(column)]
            deciles = np.quantile(known, np.linspace(0, 1, _CUTS + 2)[1:-1]) if len(known) else np.zeros(0)
            cuts[name] = np.unique(np.round(deciles, 5)).tolist()  # equal ones, as where nothing is missing, are one
            shares[name] = np.round(_shares(column, cuts[name]), 5).tolist()
        return cls(segments=len(values), cuts=cuts, shares=shares)

    def as_dict(self) -> dict[str, Any]:
        """As a model's metadata holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Reference":
        """Read one back.

        Raises:
            InputError: it is none.
        """
        try:
            made = cls(
                segments=int(found["segments"]),
                cuts={str(name): [float(x) for x in row] for name, row in found["cuts"].items()},
                shares={str(name): [float(x) for x in row] for name, row in found["shares"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError("reference is not that of a model's training segments: train the model again.") from error
        fits = all(len(made.shares.get(name, ())) == len(row) + 2 for name, row in made.cuts.items())
        if not fits or set(made.shares) != set(made.cuts):
            raise InputError("reference has not a share for each of its cuts: train the model again.")
        return made


class Watch:
    """The last ``window`` segments that were seen, against a reference. Not for several threads at once."""

    def __init__(self, reference: Reference, window: int = 1000) -> None:
        self.reference = reference
        self._seen: deque[NDArray[np.float64]] = deque(maxlen=window)

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, poses_STJC: Floats) -> None:
        """Take note of segments."""
        self._seen.extend(features(poses_STJC))

    def psi(self) -> dict[str, float]:
        """The population stability index of each feature; empty until `ENOUGH` segments were seen."""
        if len(self._seen) < min(ENOUGH, self._seen.maxlen or ENOUGH):
            return {}
        values = np.array(self._seen)
        return {
            name: index(self.reference.shares[name], _shares(column, self.reference.cuts[name]))
            for name, column in zip(FEATURES, values.T, strict=True)
            if name in self.reference.cuts
        }


def index(then: Any, now: Any) -> float:
    """The population stability index of two lists of shares."""
    before, after = (np.maximum(np.asarray(shares, dtype=np.float64), _FLOOR) for shares in (then, now))
    return float(((after - before) * np.log(after / before)).sum())


def _shares(column_S: NDArray[np.float64], cuts: list[float]) -> NDArray[np.float64]:
    """Shares of values up to the first cut, between the cuts, above the last, and unknown."""
    known = column_S[np.isfinite(column_S)]
    bins = np.bincount(np.searchsorted(cuts, known, side="left"), minlength=len(cuts) + 1)
    return np.append(bins, len(column_S) - len(known)) / max(len(column_S), 1)
