"""What of the athlete is out of view, told as a hint: seldom, and only when it lasts.

Shapes: N frames, J = 17 canonical joints, G groups of joints.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gymspotter.skeleton import CANONICAL, Floats

# A joint with a lower score is taken for out of view; estimators guess where such joints are.
VISIBLE = 0.3
# A group must be out of view for so long: less is a turn, or an error of the estimator.
STABLE_S = 2.0
# Between any two hints, and between two of the same code: who was told once and stays there knows.
EVERY_S = 10.0
AGAIN_S = 60.0
_LONGEST_STEP_S = 0.5  # what lies between two frames further apart is not known

_SIDE = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
# Code, text, and the joints of which none is in view; the first that applies is told.
HINTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("feet_not_visible", "step back: feet not visible.", ("l_ankle", "r_ankle")),
    ("head_not_visible", "step back or raise the camera: head not visible.", ("head", "neck")),
    ("hands_not_visible", "step back: hands not visible.", ("l_wrist", "r_wrist")),
    ("side_not_visible", "move to your right: your left side is not visible.", tuple(f"l_{part}" for part in _SIDE)),
    ("side_not_visible", "move to your left: your right side is not visible.", tuple(f"r_{part}" for part in _SIDE)),
)
_MEMBERS_JG = np.array(
    [[joint in joints for _, _, joints in HINTS] for joint in CANONICAL.joints], dtype=np.float32
)  # fmt: skip
_POWERS_G = 2 ** np.arange(len(HINTS))
_ALL = int(_POWERS_G.sum())


def groups(seen_NJ: NDArray[np.bool_], scores_NJ: Floats, *, whole: bool) -> tuple[list[int], int]:
    """For each frame the groups in view, one bit each, and the groups that the client sends at all.

    ``whole`` says that all of ``seen_NJ`` is true.
    """
    known = _ALL if whole else int(((seen_NJ.any(axis=0).astype(np.float32) @ _MEMBERS_JG) > 0) @ _POWERS_G)
    visible_NJ = scores_NJ >= VISIBLE
    if not whole:
        visible_NJ = visible_NJ & seen_NJ
    if visible_NJ.all():
        return [_ALL] * len(seen_NJ), known
    in_view_N: NDArray[Any] = ((visible_NJ.astype(np.float32) @ _MEMBERS_JG) > 0) @ _POWERS_G
    return in_view_N.tolist(), known


class Hints:
    """Follows what is in view; ``known`` are the groups that the client ever sent (the others are not its fault)."""

    def __init__(self) -> None:
        self.known = 0
        self._away_s = [0.0] * len(HINTS)
        self._told_at = [float("-inf")] * len(HINTS)
        self._calm = True  # nothing is away, as nearly always

    def see(self, visible: int, step: float) -> None:
        """A frame that shows a person, ``step`` seconds after the one before it."""
        if visible == _ALL and self._calm:
            return
        step = min(step, _LONGEST_STEP_S)
        for i, away in enumerate(self._away_s):
            # Twice as fast back: a joint that flickers about the threshold is in view often enough.
            changed = away - 2 * step if visible >> i & 1 else away + step
            self._away_s[i] = min(max(changed, 0.0), 2 * STABLE_S)
        self._calm = not any(self._away_s)

    def tell(self, t: float) -> int | None:
        """The position in `HINTS` of what is to be told now, if anything is."""
        if self._calm or t - max(self._told_at) < EVERY_S:
            return None
        for i, away in enumerate(self._away_s):
            if away > STABLE_S and self.known >> i & 1 and t - self._told_at[i] >= AGAIN_S:
                self._told_at[i] = t
                return i
        return None

    def restart(self) -> None:
        """The clock jumped: forget all times."""
        self._away_s, self._calm = [0.0] * len(HINTS), True
        self._told_at = [float("-inf")] * len(HINTS)

    def snapshot(self) -> dict[str, Any]:
        """All state as plain values."""
        told = [t if np.isfinite(t) else None for t in self._told_at]
        return {"known": self.known, "away_s": list(self._away_s), "told_at": told}

    @classmethod
    def restore(cls, snapshot: dict[str, Any]) -> "Hints":
        """The inverse of `snapshot`."""
        hints = cls()
        hints.known, hints._away_s = snapshot["known"], list(snapshot["away_s"])
        hints._told_at = [float("-inf") if t is None else t for t in snapshot["told_at"]]
        hints._calm = not any(hints._away_s)
        return hints
