"""What each fusion model costs: parameters, FLOPs and latency on the CPU.

    python -m gymspotter.models.cost

FLOPs are those of matrix products and convolutions for one segment, a multiplication and an addition counting as two;
they are counted on torch's meta device, where attention and recurrent cells fall apart into matrix products, which the
CPU's fused kernels hide from the counter.
"""

import copy
import time
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gymspotter.labels import EXERCISES
from gymspotter.models import MODELS, build
from gymspotter.skeleton import CANONICAL
from gymspotter.windows import SEGMENT_FRAMES


@dataclass(frozen=True, kw_only=True)
class Cost:
    """``flops`` for one segment; ``milliseconds`` from raw poses of one segment to logits, median, on the CPU."""

    model: str
    parameters: int
    flops: int
    milliseconds: float


def count_parameters(module: nn.Module) -> int:
    """Trained numbers in a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_flops(module: nn.Module, *shape: int) -> int:
    """FLOPs of one forward pass over an input of that shape."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        copy.deepcopy(module).to("meta").eval()(torch.empty(shape, device="meta"))
    return counter.get_total_flops()


@torch.inference_mode()
def measure_latency(module: nn.Module, *shape: int, repeats: int = 50) -> float:
    """Median milliseconds of one forward pass on the CPU, with as many threads as torch has."""
    poses, module, taken = torch.randn(shape), module.eval(), []
    for _ in range(repeats + 5):
        started = time.perf_counter()
        module(poses)
        taken.append(time.perf_counter() - started)
    return 1000 * median(taken[5:])  # the first passes allocate


def costs(models: Iterable[str] = MODELS, *, repeats: int = 50) -> list[Cost]:
    """One row a model, for canonical segments and all exercises."""
    rows = []
    shape = (1, SEGMENT_FRAMES, len(CANONICAL.joints), 3)
    for name in models:
        classifier = build(name, classes=len(EXERCISES), frames=SEGMENT_FRAMES)
        rows.append(
            Cost(
                model=name,
                parameters=count_parameters(classifier),
                flops=count_flops(classifier.fusion, *shape),
                milliseconds=measure_latency(classifier, *shape, repeats=repeats),
            )
        )
    return rows


def table(rows: Iterable[Cost]) -> str:
    """The rows in Markdown."""
    lines = ["| model | parameters | MFLOPs a segment | CPU ms |", "|---|---:|---:|---:|"]
    lines += [f"| {r.model} | {r.parameters:,} | {r.flops / 1e6:.2f} | {r.milliseconds:.2f} |" for r in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(costs()))
