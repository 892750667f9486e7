"""Skeleton datasets that others are measured on: a plain dict from name to loader, and the type they all return."""

from collections.abc import Callable
from pathlib import Path

from gymspotter.datasets import florence3d, nw_ucla, utd_mhad, utkinect
from gymspotter.datasets.sequences import SkeletonDataset, SkeletonSequence
from gymspotter.errors import InputError

__all__ = ["LOADERS", "SkeletonDataset", "SkeletonSequence", "load"]

LOADERS: dict[str, Callable[[Path], SkeletonDataset]] = {
    "utd-mhad": utd_mhad.load,
    "nw-ucla": nw_ucla.load,
    "florence3d": florence3d.load,
    "utkinect": utkinect.load,
}


def load(name: str, path: Path) -> SkeletonDataset:
    """Read the dataset ``name`` from its folder, zip or file.

    Raises:
        InputError: no such dataset is known, or the files are not as its public description has them.
    """
    if name not in LOADERS:
        raise InputError(f"format is {name!r}: use one of {', '.join(LOADERS)}.")
    return LOADERS[name](path)
