"""Training on Ray Train: several workers share every batch, and what is done survives workers and drivers.

Each worker holds the training side as one tensor on its device; a larger one is streamed to it from a Ray Dataset.
Gradients are averaged by DistributedDataParallel (gloo on CPUs, NCCL on GPUs). A checkpoint holds tensors and plain
values and is loaded as such; killed workers are started again from the last one, and a run that is started with the
same data and configuration and folder goes on where its driver was killed.

Shapes: S segments, T frames, J joints, C = 3 coordinates.
"""

import hashlib
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import torch
import torch.distributed
from ray import train as ray_train
from ray.train.torch import TorchTrainer, get_device
from torch.nn.parallel import DistributedDataParallel

from gymspotter import storage
from gymspotter.balance import class_weights
from gymspotter.cluster import connect
from gymspotter.errors import InputError
from gymspotter.fit import Epoch, Fitted, Fitting, check_sides, class_indices, new_classifier, on_device, training_side
from gymspotter.labels import EXERCISES
from gymspotter.loop import Batch, FitConfig, Resident, Share
from gymspotter.patient import patient_filesystem
from gymspotter.progress import listening, start_progress
from gymspotter.skeleton import CANONICAL, Layout
from gymspotter.stopping import handler_kept
from gymspotter.streamed import Streamed, dataset_of
from gymspotter.unknown import NONE
from gymspotter.windows import Segments

_FILE = "state.pt"


@dataclass(frozen=True, kw_only=True)
class Workers:
    """How a training is spread over a cluster."""

    workers: int = 0
    """Workers that share each batch, through Ray Train; 0 trains in this process."""
    cpus_per_worker: float = 1.0
    """CPUs of a worker."""
    gpus_per_worker: float = 0.0
    """GPUs of a worker."""
    checkpoints: str = "runs/checkpoints"
    """Folder for a training under way, which all nodes can reach: also s3:// or gs://."""
    checkpoint_seconds: float = 30.0
    """At least so long between two checkpoints."""
    max_failures: int = 3
    """So often workers may die before the training is given up."""
    resident_gib: float = 8.0
    """Training sides up to this size are held whole by each worker, on its device; larger ones are streamed to it."""

    def __post_init__(self) -> None:
        for name, least in (("workers", 0), ("gpus_per_worker", 0), ("checkpoint_seconds", 0), ("resident_gib", 0)):
            if not least <= getattr(self, name) < float("inf"):
                raise InputError(f"{name.replace('_', '-')} is {getattr(self, name):g}: use {least} or more.")
        if self.max_failures < 0:
            raise InputError(f"max-failures is {self.max_failures}: use 0 or more.")
        if not 0 < self.cpus_per_worker < float("inf"):
            raise InputError(f"cpus-per-worker is {self.cpus_per_worker:g}: use more than 0.")
        if self.workers > 1 and 0 < self.gpus_per_worker < 1:  # NCCL takes each GPU for one worker only
            raise InputError(
                f"gpus-per-worker is {self.gpus_per_worker:g} and workers is {self.workers}, which cannot share a GPU: "
                "use 1 of either."
            )


def fit_distributed(
    train: Segments,
    config: FitConfig,
    workers: Workers,
    *,
    validation: Segments | None = None,
    classes: Sequence[str] = EXERCISES,
    layout: Layout = CANONICAL,
    model_config: Any = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Fitted:
    """What `fit.fit` does, by several workers; ``on_epoch`` is called from another thread.

    The same segments are in the same batches, however many workers share them; so are the losses up to rounding, where
    nothing is drawn beside (dropout, augmentation). Batch normalisation takes the statistics of a worker's part.

    Raises:
        InputError: as `fit` does; the configuration cannot be streamed; or workers died too often.
    """
    check_sides(train, config, validation)
    if not workers.gpus_per_worker:
        config.refuse_without_gpu()
    if config.cuda_graph and workers.workers > 1:
        raise InputError(f"cuda-graph is on and workers is {workers.workers}: use 1, or compile.")
    connect()
    train = training_side(train, config)
    targets = class_indices(train.labels, [*classes, NONE])
    outputs = len(classes) + (NONE in train.labels)
    streams = train.poses.nbytes > workers.resident_gib * 2**30
    if streams and config.balance == "sampler":
        raise InputError("balance is 'sampler' and the segments are streamed: use weights, or more resident-gib.")
    system, folder = patient_filesystem(workers.checkpoints)
    name = f"{config.model}-{_fingerprint(train, validation, config, model_config, tuple(classes), layout.name)}"
    progress = start_progress()
    job = _Job(
        train=None if streams else ray.put(train),
        validation=validation,
        config=config,
        model_config=model_config,
        workers=workers,
        classes=tuple(classes),
        layout=layout,
        shape=train.poses.shape,
        others=outputs > len(classes),
        weights=class_weights(targets, outputs) if config.balance == "weights" else None,
        progress=progress,
    )
    trainer = TorchTrainer(
        _work,
        train_loop_config={"job": job},
        datasets={"train": dataset_of(train.poses, targets)} if streams else None,
        scaling_config=ray_train.ScalingConfig(
            num_workers=workers.workers,
            use_gpu=workers.gpus_per_worker > 0,
            resources_per_worker={"CPU": workers.cpus_per_worker}
            | ({"GPU": workers.gpus_per_worker} if workers.gpus_per_worker else {}),
        ),
        run_config=ray_train.RunConfig(
            name=name,
            storage_path=folder,
            storage_filesystem=system,
            failure_config=ray_train.FailureConfig(max_failures=workers.max_failures),
            checkpoint_config=ray_train.CheckpointConfig(num_to_keep=2),
        ),
    )
    started = time.perf_counter()
    with listening(progress, on_epoch), _ctrl_c_as_before():
        try:
            result = trainer.fit()
        except ray_train.TrainingFailedError as error:
            raise InputError(_cause(error)) from error
    fitting = _fitting(job, batches=_Nothing(), device=torch.device("cpu"))
    assert result.checkpoint, "the last epoch ends with one"
    fitting.load_state(_read(result.checkpoint))
    fitted = fitting.fitted(time.perf_counter() - started)
    storage.remove_folder(storage.join(workers.checkpoints, name))
    return fitted


@contextmanager
def _ctrl_c_as_before() -> Iterator[None]:
    """Ray Train takes Ctrl-C over, to end its actors too, leaves it so for good, and exits with status 0."""
    with handler_kept(signal.SIGINT):
        try:
            yield
        except SystemExit as stop:
            if not stop.code:
                raise KeyboardInterrupt from stop
            raise


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What every worker is told."""

    train: Any  # a reference to Segments, or None where they are streamed
    validation: Segments | None
    config: FitConfig
    model_config: Any
    workers: Workers
    classes: tuple[str, ...]
    layout: Layout
    shape: tuple[int, ...]  # of the training side's poses
    others: bool
    weights: Any  # [K], or None
    progress: Any


def _work(told: dict[str, _Job]) -> None:
    """One worker, from the last checkpoint to the end."""
    job = told["job"]
    context = ray_train.get_context()
    share = Share(rank=context.get_world_rank(), workers=context.get_world_size())
    device = get_device()
    torch.set_num_threads(max(1, int(job.workers.cpus_per_worker)))
    fitting = _fitting(job, batches=None, device=device, share=share)
    checkpoint = ray_train.get_checkpoint()
    if checkpoint:
        fitting.load_state(_read(checkpoint))
    begun, saved = len(fitting.epochs), time.monotonic()
    # Workers may rank epochs differently, for batch normalisation counts what each of them saw: the first one decides.
    while not _agreed(fitting.done, device):
        epoch = fitting.epoch()
        due = fitting.done or time.monotonic() - saved > job.workers.checkpoint_seconds
        if share.rank == 0:
            job.progress.tell.remote(epoch)
        if _agreed(due, device):
            _save(fitting, share)
            saved = time.monotonic()
    if len(fitting.epochs) == begun:
        _save(fitting, share)  # it was done already; a run that reports nothing has no result


def _fitting(job: _Job, *, batches: Any, device: torch.device, share: Share | None = None) -> Fitting:
    """A worker's training; or, without a ``share``, one that only takes in the state of another."""
    torch.manual_seed(job.config.seed)  # all workers begin with the same weights
    classifier = new_classifier(
        job.config,
        job.classes,
        job.layout,
        frames=job.shape[1],
        others=job.others,
        model_config=job.model_config,
    ).to(device)
    outputs = len(job.classes) + job.others
    alone = share is None or share.workers == 1
    if share and job.train is not None:
        poses, targets = on_device(ray.get(job.train), classifier, job.classes, device)
        batches = Resident(poses, targets, job.config, outputs=outputs, share=share)
    elif share:
        batches = Streamed(
            ray_train.get_dataset_shard("train"),
            job.config,
            job.shape,
            normalise=classifier.normalise,
            weights=job.weights,
            device=device,
            share=share,
        )
    return Fitting(
        classifier,
        job.config,
        batches,
        classes=job.classes,
        layout=job.layout,
        weights=None if job.weights is None else torch.from_numpy(job.weights).to(device),
        validation=job.validation,
        share=share or Share(),
        wrap=(lambda model: model) if alone else DistributedDataParallel,
        whole=(lambda loss: loss) if alone else lambda loss: _sum(loss, device),
    )


class _Nothing:
    """No batches: for a training that only takes in a state."""

    steps = 1

    def of_epoch(self, number: int) -> Iterator[Batch]:
        return iter(())


def _agreed(mine: bool, device: torch.device) -> bool:
    """What the first worker says: all of them take a checkpoint or stop, or none does."""
    if not torch.distributed.is_initialized():
        return mine
    flag = torch.tensor([int(mine)], device=device)
    torch.distributed.broadcast(flag, src=0)
    return bool(flag.item())


def _sum(loss: float, device: torch.device) -> float:
    total = torch.tensor([loss], dtype=torch.float64, device=device)
    torch.distributed.all_reduce(total)
    return float(total.item())


def _save(fitting: Fitting, share: Share) -> None:
    metrics = {"epoch": len(fitting.epochs)}
    if share.rank:
        ray_train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        torch.save(fitting.state(), Path(folder) / _FILE)
        ray_train.report(metrics, checkpoint=ray_train.Checkpoint.from_directory(folder))


def _read(checkpoint: ray_train.Checkpoint) -> dict[str, Any]:
    with checkpoint.as_directory() as folder:
        return torch.load(Path(folder) / _FILE, weights_only=True, map_location="cpu")


def _fingerprint(train: Segments, validation: Segments | None, *settings: Any) -> str:
    digest = hashlib.sha256(repr(settings).encode())
    for side in (train, validation):
        if side is not None:
            for part in (side.poses.tobytes(), "\0".join(side.labels.tolist()).encode()):
                digest.update(part)
    return digest.hexdigest()[:16]


def _cause(error: Exception) -> str:
    failures = getattr(error, "worker_failures", None) or {}
    for failure in failures.values():
        inner = getattr(failure, "cause", failure)
        if isinstance(inner, InputError):
            return str(inner)
    first = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    return f"the training was given up ({first}): look at the workers' logs, or raise max-failures."
