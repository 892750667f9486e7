"""Skeletons as BlazePose would have seen them: a model of its errors, fitted to rendered videos whose truth is known.

seen = blazepose_errors().seen(joints, np.random.default_rng(0))  # [T, 17, 3], as exact joints were

A frame as it is seen is a linear function of the exact one (depth comes out flatter, bent limbs straighter) plus an
error of a mean that stays the same over a recording, and of one that wanders. Both errors are Gaussian over all 51
coordinates at once, so that a limb errs as a whole, and they differ between the upright and the lying. How large they
are is drawn from how large they were in the recordings of the fit. Lengths are in torsos (hip to thorax).

Shapes: R recordings, T frames, J = 17 joints, D = 51 coordinates.
"""

import functools
from dataclasses import dataclass, fields
from importlib import resources
from typing import IO

import numpy as np
from numpy.typing import NDArray

from gymspotter.skeleton import CANONICAL, Floats, root_at_hip

_D = 3 * len(CANONICAL.joints)
_THORAX = CANONICAL.index("thorax")
# A trunk whose share of height is less than this lies (as in camera.py).
_LYING = 0.62
_RIDGE = 30.0
_QUANTILES = np.linspace(0.02, 0.98, 25)
# Once in so many recordings nobody is found for a moment, of 0.2 s to 3 s.
_LOST = 0.08


@dataclass(frozen=True, kw_only=True)
class ErrorModel:
    """See the module's docstring. The first axis of size 2 is upright, lying.

    ``slope`` [D, D] and ``offset`` [D] give the mean; ``bias`` and ``wander`` [2, D, D] turn D standard normal numbers
    into an error, and ``bias_sizes`` and ``wander_sizes`` [2, Q] are quantiles of their size; ``memory`` is the share
    of a wandering error that is left after a frame (0.2 s).
    """

    slope: Floats
    offset: Floats
    bias: Floats
    wander: Floats
    bias_sizes: Floats
    wander_sizes: Floats
    memory: Floats

    def seen(self, joints: Floats, rng: np.random.Generator, *, level: float = 1.0) -> Floats:
        """Exact joints [T, J, 3] on camera axes (metres, hip-rooted) as the estimator would see them.

        ``level`` 0 leaves them as they are, 1 has errors as BlazePose makes them. A moment in which nobody is found is
        NaN.
        """
        if level <= 0:
            return joints
        torso = np.linalg.norm(joints[:, _THORAX], axis=-1).mean()
        exact = joints.reshape(-1, _D) / torso
        kind = int(lies(joints))
        mean = exact @ self.slope + self.offset
        size_bias, size_wander = (rng.choice(sizes[kind]) for sizes in (self.bias_sizes, self.wander_sizes))
        error = size_bias * (rng.standard_normal(_D) @ self.bias[kind])
        error = error + size_wander * (self._walk(len(exact), rng) @ self.wander[kind])
        out = (torso * (exact + level * (mean - exact + error))).astype(np.float32).reshape(joints.shape)
        if rng.random() < _LOST * level:
            start = int(rng.integers(len(out)))
            out[start : start + int(rng.integers(1, 16))] = np.nan
        return root_at_hip(out)

    def _walk(self, frames: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """[T, D]: each column an autoregressive process of unit variance."""
        keep = float(self.memory)
        steps = rng.standard_normal((frames, _D))
        steps[1:] *= np.sqrt(1 - keep**2)
        for k in range(1, frames):
            steps[k] += keep * steps[k - 1]
        return steps

    def save(self, file: IO[bytes]) -> None:
        """Write it as an .npz file."""
        np.savez_compressed(file, **{f.name: getattr(self, f.name).astype(np.float16) for f in fields(self)})

    @staticmethod
    def load(file: IO[bytes]) -> "ErrorModel":
        """Read what `save` wrote."""
        with np.load(file, allow_pickle=False) as data:
            return ErrorModel(**{f.name: data[f.name].astype(np.float32) for f in fields(ErrorModel)})


def lies(joints: Floats) -> bool:
    """Whether the trunk of a recording [T, J, 3] is nearer to the level than to the upright, in the mean."""
    trunk = np.nanmean(joints[:, _THORAX] - joints[:, 0], axis=0)
    return bool(abs(trunk[1]) < _LYING * np.linalg.norm(trunk))


@functools.cache
def blazepose_errors() -> ErrorModel:
    """The model of BlazePose "full", fitted by ``python benchmarks/synthetic_to_real.py --fit-errors``."""
    with resources.files("gymspotter.synth").joinpath("blazepose_errors.npz").open("rb") as file:
        return ErrorModel.load(file)


def fit_errors(exact: list[Floats], seen: list[Floats]) -> ErrorModel:
    """The model of an estimator from R recordings of each kind, [T, J, 3], hip-rooted; frames with NaN do not count.

    Each recording is also used in its mirror image, so that left and right err alike.
    """
    pairs = [_in_torsos(e, s) for e, s in zip(exact, seen, strict=True)]
    pairs = [pair for pair in pairs if len(pair[0]) >= 5]
    pairs += [(_mirrored(e), _mirrored(s)) for e, s in pairs]
    x = np.concatenate([np.c_[e.reshape(-1, _D), np.ones(len(e))] for e, _ in pairs])
    y = np.concatenate([s.reshape(-1, _D) for _, s in pairs])
    weights = np.linalg.solve(x.T @ x + _RIDGE * np.eye(_D + 1), x.T @ y)
    slope, offset = weights[:-1], weights[-1]
    kinds = np.array([lies(e) for e, _ in pairs], dtype=int)
    residuals = [s.reshape(-1, _D) - e.reshape(-1, _D) @ slope - offset for e, s in pairs]
    biases = [r.mean(axis=0) for r in residuals]
    wanders = [r - r.mean(axis=0) for r in residuals]
    ahead = np.concatenate([w[1:] for w in wanders])
    behind = np.concatenate([w[:-1] for w in wanders])
    parts = {
        name: zip(
            *(_spread([w for w, k in zip(whole, kinds, strict=True) if k == kind]) for kind in (0, 1)), strict=True
        )
        for name, whole in (("bias", [b[None] for b in biases]), ("wander", wanders))
    }
    (bias, bias_sizes), (wander, wander_sizes) = parts["bias"], parts["wander"]
    return ErrorModel(
        slope=slope.astype(np.float32), offset=offset.astype(np.float32),
        bias=np.stack(bias).astype(np.float32), wander=np.stack(wander).astype(np.float32),
        bias_sizes=np.stack(bias_sizes).astype(np.float32), wander_sizes=np.stack(wander_sizes).astype(np.float32),
        memory=np.array((ahead * behind).sum() / (behind**2).sum(), np.float32),
    )  # fmt: skip


def _in_torsos(exact: Floats, seen: Floats) -> tuple[Floats, Floats]:
    """The frames of a recording that are seen, both in units of their mean torso."""
    there = np.isfinite(exact).all(axis=(1, 2)) & np.isfinite(seen).all(axis=(1, 2))
    e, s = (
        part[there] / max(float(np.linalg.norm(part[there][:, _THORAX], axis=-1).mean()), 1e-3)
        if there.any()
        else part[:0]
        for part in (exact, seen)
    )
    return e, s


def _mirrored(joints: Floats) -> Floats:
    return joints[:, CANONICAL.mirror] * np.array((-1, 1, 1), np.float32)


def _spread(errors: list[Floats]) -> tuple[Floats, Floats]:
    """A factor [D, D] of the errors' covariance at size 1, and quantiles of the recordings' sizes."""
    sizes = np.array([np.sqrt((error**2).mean()) for error in errors])
    alike = np.concatenate([error / max(size, 1e-6) for error, size in zip(errors, sizes, strict=True)])
    values, vectors = np.linalg.eigh(alike.T @ alike / len(alike))
    return (vectors * np.sqrt(np.maximum(values, 0))).T, np.quantile(sizes, _QUANTILES)
