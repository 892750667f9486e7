"""Inference on the CPU: eager torch against torch.compile against ONNX Runtime, from raw poses to logits.

    python benchmarks/inference.py [--quick] [--json FILE]

The classifiers are `transformer` and `spotter` with all that is served with them: NaN filling, normalisation,
temperature. All runtimes get the same batches, a tenth of whose joints is NaN, take turns, and use as many threads as
torch does. Before anything is timed, their logits must agree to 1e-4 on batches of other sizes than the exported one.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np
import torch
from common import Claim, measured, options, report
from numpy.typing import NDArray
from torch import Tensor

from gymspotter.labels import EXERCISES
from gymspotter.models import Classifier, build
from gymspotter.skeleton import CANONICAL
from gymspotter.windows import SEGMENT_FRAMES

MODELS = ("transformer", "spotter")
BATCHES = (1, 16, 64, 256)
SERVED = (1, 16)
RUNTIMES = ("eager", "ONNX Runtime", "torch.compile")
EXPORTED_BATCH = 4  # exporting with 1 would fix the batch at 1
TOLERANCE = 1e-4

Runtime = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def main() -> None:
    given = options(__doc__ or "")
    claims: list[Claim] = []
    for name in MODELS:
        torch.manual_seed(0)
        classifier = build(name, classes=len(EXERCISES), frames=SEGMENT_FRAMES).eval()
        runtimes = all_runtimes(classifier)
        claims.append(agreement(name, runtimes))
        for batch in BATCHES:
            claims += race(name, batch, runtimes, rounds=3 if given.quick else 15)
    for name in MODELS:
        print(f"{name}: serve with {pick(name, claims)}")
    report("inference", claims, given, packages=("torch", "onnx", "onnxscript", "onnxruntime"))


def all_runtimes(classifier: Classifier) -> dict[str, Runtime]:
    """What is compared; without torch.compile, said in a sentence, where there is no C++ compiler."""

    @torch.inference_mode()
    def eager(poses: NDArray[np.float32]) -> NDArray[np.float32]:
        return classifier(torch.from_numpy(poses)).numpy()

    runtimes: dict[str, Runtime] = {"eager": eager, "ONNX Runtime": onnx_runtime(classifier)}
    if shutil.which("g++") or shutil.which("clang++"):
        compiled = torch.compile(classifier, dynamic=True)

        @torch.inference_mode()
        def run(poses: NDArray[np.float32]) -> NDArray[np.float32]:
            return compiled(torch.from_numpy(poses)).numpy()

        runtimes["torch.compile"] = run
    else:
        print("torch.compile is left out: it needs a C++ compiler, and there is neither g++ nor clang++.")
    return runtimes


def onnx_runtime(classifier: Classifier) -> Runtime:
    """The classifier as an ONNX graph of any batch size, in a session with torch's number of threads."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "classifier.onnx"
        program = torch.export.export(
            classifier,
            (torch.from_numpy(random_poses(EXPORTED_BATCH)),),
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
        program = program.run_decompositions(
            {torch.ops.aten.cummax.default: running_maximum, torch.ops.aten.hypot.default: hypotenuse}
        )
        torch.onnx.export(program, f=path, input_names=["poses"], output_names=["logits"], verbose=False)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    return lambda poses: session.run(None, {"poses": poses})[0]


def running_maximum(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """What cummax is in ONNX, which has none: maxima over the last 2, 4, 8, ... entries; its indices are not used."""
    length, reach = x.shape[dim], 1
    while reach < length:
        earlier = torch.cat([x.narrow(dim, 0, reach), x.narrow(dim, 0, length - reach)], dim)
        x, reach = torch.maximum(x, earlier), 2 * reach
    return x, torch.zeros_like(x, dtype=torch.int64)


def hypotenuse(x: Tensor, y: Tensor) -> Tensor:
    """The length of (x, y): ONNX has no hypot either."""
    return (x * x + y * y).sqrt()


def random_poses(batch: int) -> NDArray[np.float32]:
    """Noise; a tenth of the joints is not seen, one of them never, and in the first segment nobody at all."""
    rng = np.random.default_rng(batch)
    poses = rng.normal(size=(batch, SEGMENT_FRAMES, len(CANONICAL.joints), 3)).astype(np.float32)
    poses[rng.random(poses.shape[:3]) < 0.1] = np.nan
    poses[:, :, -1] = np.nan
    poses[0] = np.nan
    return poses


def agreement(name: str, runtimes: dict[str, Runtime]) -> Claim:
    """How far the logits are apart at most; more than the tolerance ends the benchmark."""
    worst = 0.0
    for batch in (1, 3, 16):
        poses = random_poses(batch)
        expected = runtimes["eager"](poses)
        assert np.isfinite(expected).all()
        for runtime, run in runtimes.items():
            difference = float(np.abs(run(poses) - expected).max())
            if not difference <= TOLERANCE:
                raise SystemExit(f"{name}: {runtime} differs from eager by {difference:g} at batch {batch}.")
            worst = max(worst, difference)
    return Claim(
        claim=f"{name}: largest difference of a logit from eager", value=worst, unit="", goal=TOLERANCE, better="less"
    )


def race(name: str, batch: int, runtimes: dict[str, Runtime], *, rounds: int) -> list[Claim]:
    """Milliseconds a batch and segments a second of each runtime; in a round they take turns."""
    poses, taken = random_poses(batch), {runtime: [] for runtime in runtimes}
    repeats = max(1, 128 // batch)  # a round of small batches is as long as one of large ones
    for runtime in runtimes.values():
        runtime(poses)
    for _ in range(rounds):
        for runtime, run in runtimes.items():
            started = time.perf_counter()
            for _ in range(repeats):
                run(poses)
            taken[runtime].append(1000 * (time.perf_counter() - started) / repeats)
    claims = []
    for runtime, milliseconds in taken.items():
        claims.append(measured(title(name, runtime, batch), milliseconds, "ms"))
        rates = [1000 * batch / each for each in milliseconds]
        claims.append(measured(f"{name}, {runtime}, batch {batch}: segments a second", rates, "segments/s"))
    return claims


def title(name: str, runtime: str, batch: int) -> str:
    return f"{name}, {runtime}, batch {batch}: a batch"


def pick(name: str, claims: list[Claim]) -> str:
    """The runtime to serve with, by the batches that a replica sees: a request, or a few that came together."""
    value = {claim.claim: claim.value for claim in claims}
    runtimes = [runtime for runtime in RUNTIMES if title(name, runtime, 1) in value]
    relative = {
        runtime: prod(value[title(name, runtime, batch)] / value[title(name, "eager", batch)] for batch in SERVED)
        ** (1 / len(SERVED))
        for runtime in runtimes
    }
    best = min(relative, key=relative.__getitem__)
    return f"{best} ({relative[best]:.2f} of eager's time, the geometric mean over batches of {SERVED})"


if __name__ == "__main__":
    main()
