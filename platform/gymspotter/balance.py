"""Against classes of unequal sizes: fewer segments of the large ones, weights in the loss, or a balanced order.

All of it is for the training side alone; a test side keeps its sizes.

Shapes: S segments, K classes.
"""

from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gymspotter.errors import InputError
from gymspotter.windows import Segments

Undersampling = Literal["none", "plank-half", "to-median", "to-min"]
UNDERSAMPLINGS: tuple[str, ...] = get_args(Undersampling)


def undersample(segments: Segments, variant: Undersampling, *, seed: int = 0) -> Segments:
    """Leave out random segments of the large classes; the rest keeps its order.

    ``plank-half`` halves the largest class, as Le Viet et al. 2024 (section 4) do with plank; ``to-median`` and
    ``to-min`` leave no class larger than the median, or the smallest, of those that occur.

    Raises:
        InputError: there is no such variant.
    """
    if variant not in UNDERSAMPLINGS:
        raise InputError(f"undersample is {variant!r}: use one of {', '.join(UNDERSAMPLINGS)}.")
    if variant == "none" or not len(segments):
        return segments
    _, class_of, counts = np.unique(segments.labels, return_inverse=True, return_counts=True)
    most = counts.copy()
    if variant == "plank-half":
        most[counts.argmax()] = (counts.max() + 1) // 2
    else:
        most = np.minimum(counts, int(np.median(counts)) if variant == "to-median" else counts.min())
    order = np.random.default_rng(seed).permutation(len(segments))
    kept = [order[class_of[order] == k][:limit] for k, limit in enumerate(most)]
    return segments[np.sort(np.concatenate(kept))]


def class_weights(targets: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Weights [K] that give every class that occurs in ``targets`` [S] the same say; over all segments they average 1.

    A class that does not occur has weight 1.
    """
    counts = np.bincount(targets, minlength=classes)
    there = counts > 0
    weights = np.ones(classes, np.float32)
    weights[there] = len(targets) / (there.sum() * counts[there])
    return weights


def balanced_order(targets: Tensor, weights: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """As many indices into ``targets`` [S] as it has entries, drawn with the class ``weights`` [K], on their device.

    With `class_weights` every class comes equally often on average: segments of a small one several times.
    """
    return torch.multinomial(weights[targets], len(targets), replacement=True, generator=generator)
