"""Probabilities over time: an exponential mean in which a second weighs the same at any hop.

Shapes: K exercises, L = K + 1 with "none of these" at the end.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A window spans twelve seconds and is smooth by itself; this takes the jumps of short windows and of noisy poses.
TIME_CONSTANT_S = 1.0


class Smoother:
    """``values_L``, which sum to 1: probability x (1 - unknown) of each exercise, then unknown. None before `step`."""

    def __init__(self) -> None:
        self.values_L: NDArray[np.float64] | None = None
        self._t = 0.0

    def step(self, t: float, probabilities_K: NDArray[Any], unknown: float) -> NDArray[np.float64]:
        """One answer of the model at ``t``."""
        new_L = np.empty(len(probabilities_K) + 1)
        new_L[:-1] = probabilities_K
        new_L *= 1 - unknown
        new_L[-1] = unknown
        if self.values_L is None:
            self.values_L = new_L
        else:
            new_L -= self.values_L
            new_L *= 1 - math.exp(-(t - self._t) / TIME_CONSTANT_S)
            self.values_L = self.values_L + new_L
        self._t = t
        return self.values_L

    def forget(self) -> None:
        """The person has left, or the clock has jumped: begin anew."""
        self.values_L = None

    def snapshot(self) -> dict[str, Any]:
        """All state as plain values and arrays."""
        return {"t": self._t, "values": None if self.values_L is None else self.values_L.copy()}

    @classmethod
    def restore(cls, snapshot: dict[str, Any]) -> "Smoother":
        """The inverse of `snapshot`."""
        smoother = cls()
        smoother._t, smoother.values_L = snapshot["t"], snapshot["values"]
        return smoother
