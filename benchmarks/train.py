"""Training: an epoch at the paper's scale, against the same model in a textbook loop; on a GPU the paper's 100 epochs.

    python benchmarks/train.py [--quick] [--json FILE] [--models A,B]

The textbook loop is what tutorials teach: a Dataset, a DataLoader with two workers, copies and the normalisation batch
by batch, the loss asked for after every step. Model, optimiser (Adam), batch size and threads are the same. The two
take turns; an epoch of ours carries its share of what is done once before the first of 100. CPU seconds are those of
the training process alone: they leave out the textbook's loading processes, and are not disturbed by neighbours.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from common import Claim, Options, measured, parser, report, seconds
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from gymspotter.errors import InputError
from gymspotter.fit import Fitting, fit, on_device
from gymspotter.labels import EXERCISES
from gymspotter.loop import FitConfig, Resident
from gymspotter.models import MODELS, Classifier, build
from gymspotter.models.transformer import Transformer, TransformerConfig
from gymspotter.recipes import PAPER
from gymspotter.skeleton import CANONICAL
from gymspotter.windows import SEGMENT_FRAMES, Segments

SEGMENTS = 8650  # 70% of the 12,358 of the paper's table 1
BATCH = PAPER.batch_size
GOALS = {"transformer": 2.0}  # times faster; all others: no slower
GPU_SECONDS = 15.0
LOADERS = 2
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def main() -> None:
    command_line = parser(__doc__ or "")
    command_line.add_argument("--models", default=",".join(MODELS), metavar="A,B", help="which models; all by default")
    given = command_line.parse_args()
    if unknown := set(given.models.split(",")) - set(MODELS):
        raise InputError(f"model {unknown.pop()!r} is not known: use some of {', '.join(MODELS)}.")
    segments = random_segments(8 * BATCH if given.quick else SEGMENTS)
    claims = []
    for name in given.models.split(","):
        claims += race(name, segments, rounds=2 if given.quick else 5)
    if "transformer" in given.models.split(","):
        if DEVICE.type == "cuda":
            claims += paper_on_gpu(random_segments(SEGMENTS), runs=1 if given.quick else 5)
        else:
            claims += parts(segments, runs=10 if given.quick else 50)
    report("train", claims, Options(quick=given.quick, json=given.json), packages=("torch", "numpy"))


def random_segments(count: int) -> Segments:
    """Segments of noise, a tenth of whose joints is not seen: the time that training takes does not hang on more."""
    rng = np.random.default_rng(0)
    poses = rng.normal(size=(count, SEGMENT_FRAMES, len(CANONICAL.joints), 3)).astype(np.float32)
    poses[rng.random(poses.shape[:3]) < 0.1] = np.nan
    names = np.arange(count).astype(str)
    labels = np.array([EXERCISES[k % len(EXERCISES)] for k in range(count)])
    return Segments(
        poses=poses, labels=labels, groups=names, video_ids=names, starts=np.zeros(count), ends=np.full(count, 12.0)
    )


def race(name: str, segments: Segments, *, rounds: int) -> list[Claim]:
    """Seconds an epoch of the paper's size of either loop, and how many times faster ours is."""
    steps = -(-SEGMENTS // BATCH)
    here = -(-len(segments) // BATCH)
    started = time.perf_counter(), time.process_time()
    ours = our_epochs(replace(PAPER, model=name), segments)
    once = time.perf_counter() - started[0], time.process_time() - started[1]
    loops = {"ours": ours, "textbook": textbook_epochs(new_classifier(name), segments)}
    if name == "transformer":
        literal = new_classifier(name)
        shape = {"joints": len(CANONICAL.joints), "frames": SEGMENT_FRAMES, "classes": len(EXERCISES)}
        literal.fusion = LiteralTransformer(TransformerConfig(), **shape).to(DEVICE)
        loops["literal"] = textbook_epochs(literal, segments)
    for epochs in loops.values():
        next(epochs)
    wall: dict[str, list[float]] = {loop: [] for loop in loops}
    cpu: dict[str, list[float]] = {loop: [] for loop in loops}
    for k in range(rounds):
        for loop in sorted(loops, reverse=bool(k % 2)):
            before = time.perf_counter(), time.process_time()
            next(loops[loop])
            wall[loop].append((time.perf_counter() - before[0]) * steps / here)
            cpu[loop].append((time.process_time() - before[1]) * steps / here)
    share = len(segments) * PAPER.epochs / SEGMENTS
    wall["ours"] = [taken + once[0] / share for taken in wall["ours"]]
    cpu["ours"] = [taken + once[1] / share for taken in cpu["ours"]]
    claims = [measured(f"{name}: an epoch of {SEGMENTS} segments", wall["ours"], "s")]
    names = {"textbook": "a textbook loop", "literal": "a textbook loop with the equations one by one"}
    for loop in list(loops)[1:]:
        faster, cheaper = (
            [theirs / mine for mine, theirs in zip(times["ours"], times[loop], strict=True)] for times in (wall, cpu)
        )
        claims += [
            measured(f"{name}: an epoch in {names[loop]}", wall[loop], "s"),
            measured(f"{name}: times faster than {names[loop]}", faster, "x", goal=GOALS.get(name, 1.0)),
            measured(f"{name}: times fewer CPU seconds than {names[loop]}", cheaper, "x"),
        ]
    return claims


def our_epochs(config: FitConfig, segments: Segments) -> Iterator[None]:
    """What `fit` does, an epoch at a time."""
    classifier = new_classifier(config.model)
    poses, targets = on_device(segments, classifier, EXERCISES, DEVICE)
    batches = Resident(poses, targets, config, outputs=len(EXERCISES))
    fitting = Fitting(classifier, config, batches, classes=EXERCISES, layout=CANONICAL)

    def epochs() -> Iterator[None]:
        while True:
            fitting.epoch()
            yield

    return epochs()


class SegmentDataset(Dataset[tuple[Tensor, int]]):
    """Raw poses and class numbers."""

    def __init__(self, segments: Segments) -> None:
        self.poses = segments.poses
        self.targets = [EXERCISES.index(label) for label in segments.labels]

    def __len__(self) -> int:
        return len(self.poses)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.from_numpy(self.poses[index]), self.targets[index]


class LiteralTransformer(Transformer):
    """The same function of the same weights: queries, keys and values, attention, and the output's projection."""

    def _attend(self, x_BTF: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.project_in(x_BTF).chunk(3, dim=-1)
        )
        return self.project_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def textbook_epochs(classifier: Classifier, segments: Segments) -> Iterator[float]:
    """A tutorial's training loop; its workers stay from epoch to epoch."""
    loader = DataLoader(
        SegmentDataset(segments), batch_size=BATCH, shuffle=True, num_workers=LOADERS, persistent_workers=True
    )
    loss_of = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(classifier.parameters(), lr=PAPER.learning_rate)
    classifier.train()
    while True:
        total = 0.0
        for poses, targets in loader:
            poses, targets = poses.to(DEVICE), targets.to(DEVICE)
            optimizer.zero_grad()
            loss = loss_of(classifier(poses), targets)
            loss.backward()
            optimizer.step()
            total += loss.item()
        yield total / len(loader)


def new_classifier(name: str) -> Classifier:
    torch.manual_seed(0)
    return build(name, classes=len(EXERCISES), frames=SEGMENT_FRAMES, align_facing=PAPER.align_facing).to(DEVICE)


def parts(segments: Segments, *, runs: int) -> list[Claim]:
    """Where the Transformer's step spends its CPU time: what both loops do, and what each of them does beside."""
    classifier = new_classifier("transformer").train()
    raw, targets = torch.from_numpy(segments.poses[:BATCH]), torch.arange(BATCH) % len(EXERCISES)
    poses = classifier.normalise(raw)
    optimizers = {
        kind: torch.optim.Adam(classifier.fusion.parameters(), lr=0.0, fused=kind == "fused")
        for kind in ("fused", "textbook")
    }

    def pass_both_ways() -> None:
        F.cross_entropy(classifier.fusion(poses), targets).backward()

    measurements: dict[str, Callable[[], object]] = {
        "forward and backward of a batch": pass_both_ways,
        "normalisation of a batch": lambda: classifier.normalise(raw),
        "a step of torch's default Adam": optimizers["textbook"].step,
        "a step of the fused Adam": optimizers["fused"].step,
    }
    return [
        measured(
            f"transformer: {what}", [1000 * s for s in seconds(work, runs=runs, clock=time.process_time)], "CPU ms"
        )
        for what, work in measurements.items()
    ]


def paper_on_gpu(segments: Segments, *, runs: int) -> list[Claim]:
    """The paper's training of its Transformer, from segments in the computer's memory to the trained classifier."""
    variants = {"": PAPER, ", as a CUDA graph": replace(PAPER, cuda_graph=True)}
    return [
        measured(
            f"transformer: the paper's 100 epochs{how}",
            seconds(lambda config=config: fit(segments, config), runs=runs, warm_up=0),
            "s",
            goal=GPU_SECONDS,
            better="less",
        )
        for how, config in variants.items()
    ]


if __name__ == "__main__":
    main()
