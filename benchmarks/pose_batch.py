"""MMPose in batches against MMPose's own inferencers: the same frames of the same video, the same weights, one process.

    python benchmarks/pose_batch.py [--quick] [--json FILE]

A rendered video is decoded, joints are found in every frame of it, and lifted to 3D. Weights are random, drawn from one
seed: speed does not depend on them. MMPose's inferencers take the whole picture as the person's box; ours pays for its
person detector. They also look at every picture mirrored, as their configs say; with that switched off they do the same
passes as ours does, and that is the comparison that counts. On a CPU everybody has one thread, and CPU time is counted;
half precision there is bfloat16 in the 2D net, which the peers do not offer.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from common import Claim, measured, options, report, seconds

from gymspotter.pose import Frame, MMPoseOptions, estimate
from gymspotter.pose.mmpose import MMPose
from gymspotter.pose.mmpose_imports import import_mmpose
from gymspotter.pose.mmpose_models import build, read_config
from gymspotter.synth.generate import Item, SynthOptions, make_video
from gymspotter.video import frames_at, grid_times

import_mmpose()
from mmpose.apis.inferencers import Pose2DInferencer, Pose3DInferencer  # noqa: E402

FPS, SEED = 5, 7
NET = MMPoseOptions().pose2d
LIFTERS = {
    "MotionBERT": MMPoseOptions().lifter,
    "VideoPose3D": "video-pose-lift_tcn-243frm-supv_8xb128-160e_h36m",
}
CUDA = torch.cuda.is_available()
GOAL = 10.0 if CUDA else 3.0


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all are given: a video of so many seconds, a folder for configs, checkpoints by config, how often to run."""

    video: Path
    seconds: float
    folder: Path
    weights: dict[str, Path]
    runs: int

    @property
    def frames(self) -> Iterator[Frame]:
        """All of them, decoded anew."""
        return frames_at(self.video, grid_times(0, self.seconds, FPS))

    @property
    def count(self) -> int:
        """How many they are."""
        return len(grid_times(0, self.seconds, FPS))


def main() -> None:
    given = options(__doc__ or "")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder, length = Path(name), 6.0 if given.quick else 12.0
        made = SynthOptions(out=str(folder / "video"), seconds=length, fps=FPS, width=1280, height=720)
        bench = Bench(
            video=make_video(Item(exercise="squat", number=0, seed=SEED), made),
            seconds=length,
            folder=folder,
            weights={config: _weights(config, folder) for config in (NET, *LIFTERS.values())},
            runs=2 if given.quick else 5,
        )
        claims = _joints(bench)
        for lifter in LIFTERS:
            claims += _poses(lifter, bench)
    report("pose_batch", claims, given, packages=("torch", "mmpose", "mmengine", "mmcv-lite", "numpy"))


def _weights(config: str, folder: Path) -> Path:
    """A checkpoint of random weights for a shipped config."""
    torch.manual_seed(SEED)
    path = folder / f"{config}.pth"
    torch.save({"state_dict": build(read_config(config, "config")).state_dict()}, path)
    return path


# ---- ours and the peers


def _joints(bench: Bench) -> list[Claim]:
    """The 2D half alone."""

    def ours(estimator: MMPose) -> object:
        return estimator._net.find(estimator.watch(bench.frames).crops)

    peers = [_peer(Pose2DInferencer, NET, mirrored, bench) for mirrored in (False, True)]
    return _compared("joints in 2D", "Pose2DInferencer", "MotionBERT", ours, peers, bench)


def _poses(lifter: str, bench: Bench) -> list[Claim]:
    """The whole way to 3D."""
    peers = []
    for mirrored in (False, True):
        net = {"pose2d_model": _peer_config(NET, mirrored, bench.folder), "pose2d_weights": str(bench.weights[NET])}
        peers.append(_peer(Pose3DInferencer, LIFTERS[lifter], mirrored, bench, **net))
    what = f"poses by {lifter}"
    return _compared(what, "Pose3DInferencer", lifter, lambda e: estimate(e, bench.frames), peers, bench, goal=GOAL)


def _ours(lifter: str, precision: Any, bench: Bench) -> MMPose:
    config = LIFTERS[lifter]
    return MMPose.load(
        MMPoseOptions(
            pose2d_weights=str(bench.weights[NET]),
            lifter=config,
            lifter_weights=str(bench.weights[config]),
            precision=precision,
        )
    )


def _peer(kind: Any, config: str, mirrored: bool, bench: Bench, **more: str) -> Any:
    device = "cuda" if CUDA else "cpu"
    given = {"weights": str(bench.weights[config]), "device": device, "det_model": "whole_image"}
    return kind(_peer_config(config, mirrored, bench.folder), **given, **more)


def _peer_config(config: str, mirrored: bool, folder: Path) -> str:
    """A shipped config as MMPose's inferencers can use it without MMDetection, with or without mirrored passes."""
    read = read_config(config, "config")
    read.model.backbone.pop("_scope_", None)
    read.model.test_cfg = {"flip_test": mirrored and read.model.get("test_cfg", {}).get("flip_test", False)}
    path = folder / f"{config}-{mirrored}.py"
    read.dump(str(path))
    return str(path)


# ---- timing


def _compared(
    what: str,
    peer: str,
    lifter: str,
    ours: Callable[[MMPose], object],
    peers: list[Any],
    bench: Bench,
    **goal: float,
) -> list[Claim]:
    """Ours in each precision against a peer without and with its mirrored passes."""
    kinds = {precision: _ours(lifter, precision, bench) for precision in ("full", "half")}
    works: list[Callable[[], object]] = [lambda e=e: ours(e) for e in kinds.values()]
    *mine, plain, mirrored = _rounds([*works, *(lambda p=p: _run(p, bench) for p in peers)], bench)
    claims = [_per_frame(f"{what}, {peer} without mirrored passes", plain, bench)]
    for precision, taken in zip(kinds, mine, strict=True):
        over = f"over ours in {precision} precision"
        claims += [
            _per_frame(f"{what}, ours in {precision} precision", taken, bench),
            _ratio(f"{what}: {peer} without mirrored passes, {over}", plain, taken, **goal),
            _ratio(f"{what}: {peer} as configured, {over}", mirrored, taken, **goal),
        ]
    return claims


def _run(peer: Any, bench: Bench) -> None:
    frames = sum(1 for _ in peer(str(bench.video)))
    assert frames == bench.count, frames


def _rounds(works: list[Callable[[], object]], bench: Bench) -> list[list[float]]:
    """Seconds of each, by turns, so that what the machine does beside it hits all alike."""
    clock = time.perf_counter if CUDA else time.process_time
    for work in works:
        work()
    rounds = [[seconds(work, runs=1, warm_up=0, clock=clock)[0] for work in works] for _ in range(bench.runs)]
    return [list(column) for column in zip(*rounds, strict=True)]


def _per_frame(claim: str, runs: list[float], bench: Bench) -> Claim:
    return measured(f"{claim}, a frame", [1000 * s / bench.count for s in runs], "ms")


def _ratio(claim: str, theirs: list[float], mine: list[float], **goal: float) -> Claim:
    return measured(claim, [t / m for t, m in zip(theirs, mine, strict=True)], "x", **goal)


if __name__ == "__main__":
    main()
