"""Fits: the Universal Scalability Law to throughputs, a line to CPU time, a queue's curve to latencies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, nnls


@dataclass(frozen=True)
class USL:
    """Throughput of N workers: one * N / (1 + serial (N - 1) + crosstalk N (N - 1)).

    With ``crosstalk`` 0 it is Amdahl's law; ``one`` is the throughput of one worker. N. J. Gunther, A General Theory of
    Computational Scalability Based on Rational Functions, 2008.
    """

    one: float
    serial: float
    crosstalk: float

    def __call__(self, n: float) -> float:
        """The throughput of ``n`` workers."""
        return self.one * n / (1 + self.serial * (n - 1) + self.crosstalk * n * (n - 1))


def fit_usl(workers: Sequence[float], throughput: Sequence[float]) -> USL:
    """The coefficients, none negative, of least squared relative errors of N / throughput, in which the law is linear.

    Raises:
        ValueError: there are fewer than three sizes.
    """
    n, x = np.asarray(workers, float), np.asarray(throughput, float)
    if len(set(n.tolist())) < 3:
        raise ValueError("give at least three numbers of workers.")
    a = np.stack([np.ones_like(n), n - 1, n * (n - 1)], axis=1) * (x / n)[:, None]
    (each, serial, crosstalk), _ = nnls(a, np.ones_like(n))
    return USL(1 / each, serial / each, crosstalk / each)


def fit_line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """(a, b) of y = a + b x, none negative, by least squares."""
    x_N, y_N = np.asarray(x, float), np.asarray(y, float)
    (a, b), _ = nnls(np.stack([np.ones_like(x_N), x_N], axis=1), y_N)
    return float(a), float(b)


@dataclass(frozen=True)
class Latency:
    """The 99th percentile of latency (ms) at n sessions: idle + wait * rho / (1 - rho), rho = n / most.

    The form of a queue with one server; ``most`` is where it would never end.
    """

    idle: float
    wait: float
    most: float

    def __call__(self, n: float) -> float:
        """Milliseconds at ``n`` sessions; infinite from ``most`` on."""
        rho = n / self.most
        return self.idle + self.wait * rho / (1 - rho) if rho < 1 else float("inf")

    def within(self, ms: float) -> float:
        """The most sessions whose percentile is within ``ms``."""
        if ms <= self.idle:
            return 0.0
        queue = (ms - self.idle) / self.wait
        return self.most * queue / (1 + queue)


def fit_latency(sessions: Sequence[float], ms: Sequence[float]) -> Latency:
    """The curve with the least squares of the logarithms.

    Raises:
        ValueError: there are fewer than three points.
    """
    n, y = np.asarray(sessions, float), np.log(np.asarray(ms, float))
    if len(n) < 3:
        raise ValueError("give at least three loads.")

    def curve(logs: NDArray[np.float64]) -> Latency:
        idle, wait, beyond = (float(value) for value in np.exp(logs))
        return Latency(idle, wait, float(n.max()) + beyond)

    start = np.log([np.exp(y.min()), np.exp(np.median(y)), 0.2 * n.max()])
    found = least_squares(
        lambda logs: np.log([curve(logs)(k) for k in n]) - y,
        start,
        bounds=(np.log([0.1, 0.01, 1.0]), np.log([1e4, 1e5, 1e5])),
    )
    return curve(found.x)
