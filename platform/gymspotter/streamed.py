"""Batches of segments from a Ray Dataset, for a training side that is too large for a device's memory.

Shapes: S segments, T frames, J joints, C = 3 coordinates, K classes.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray

from gymspotter.loop import Batch, FitConfig, Share
from gymspotter.skeleton import Floats

_ROWS_A_BLOCK = 512
_BUFFERED_BATCHES = 20
_COLUMN = "data"  # as Ray Data calls the column of an array


def dataset_of(poses: Floats, targets: NDArray[np.int64]) -> ray.data.Dataset:
    """Segments [S, T, J, C] and their classes [S] as rows in Ray's object store, which spills to disk.

    A row is one flat array, its last entry the class: Ray Data keeps the rows of two arrays together only at a price.
    """
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    order = np.random.default_rng(0).permutation(len(poses))  # blocks of one exercise could not be shuffled later
    pieces = np.array_split(order, -(-len(poses) // _ROWS_A_BLOCK))
    return ray.data.from_numpy(
        [
            np.concatenate([poses[piece].reshape(len(piece), -1), targets[piece, None]], axis=1, dtype=np.float32)
            for piece in pieces
        ]
    )


class Streamed:
    """A worker's batches from its shard of `dataset_of`, shuffled within a buffer.

    Every worker does as many steps as the others (they would wait for it for ever); the segments that remain are left
    out of that epoch.
    """

    def __init__(
        self,
        shard: Any,
        config: FitConfig,
        shape: tuple[int, ...],
        *,
        normalise: torch.nn.Module,
        weights: NDArray[np.float32] | None,
        device: torch.device,
        share: Share,
    ) -> None:
        """``shape`` is that of all poses [S, T, J, C]; ``weights`` [K] are those of the classes, if they have some."""
        self.shard, self.config, self.shape, self.normalise = shard, config, shape, normalise
        self.device, self.share = device, share
        self.weights = None if weights is None else torch.from_numpy(weights).to(device)
        self.part = max(1, config.batch_size // share.workers)
        self.steps = max(1, shape[0] // share.workers // self.part)

    def of_epoch(self, number: int) -> Iterator[Batch]:
        """The batches of one epoch, in an order of its own."""
        rows = self.shard.iter_torch_batches(
            batch_size=self.part,
            local_shuffle_buffer_size=_BUFFERED_BATCHES * self.part,
            local_shuffle_seed=self.config.seed + number,
            device=self.device,
        )
        workers = self.share.workers
        for _, batch in zip(range(self.steps), rows, strict=False):
            data = batch[_COLUMN]
            targets = data[:, -1].long()
            weight = len(targets) if self.weights is None else self.weights[targets].sum()
            with torch.no_grad():
                poses = self.normalise(data[:, :-1].unflatten(1, self.shape[1:]))
            yield Batch(poses=poses, targets=targets, segments=workers * len(targets), weight=workers * weight)
