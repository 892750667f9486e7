"""The evidence for and against a challenger: both models answer the same segments, which neither has seen.

Shapes: S segments, B batch, T frames, J joints, C = 3 coordinates, K classes.
"""

import functools
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from gymspotter import registry
from gymspotter.assessment import Assessment, assess
from gymspotter.calibration import logits
from gymspotter.compare import Comparison, compare
from gymspotter.errors import InputError
from gymspotter.fit import class_indices
from gymspotter.labels import EXERCISES
from gymspotter.names import MODEL_NAME
from gymspotter.policy import Policy, Traits, Verdict, judge
from gymspotter.registry import ModelFacts, Registered
from gymspotter.skeleton import CANONICAL
from gymspotter.spans import GRID_FPS
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.synth.others import OTHERS
from gymspotter.tracks import Track
from gymspotter.unknown import NONE
from gymspotter.windows import SEGMENT_FRAMES, Segments, cut_segments, join_segments

_UNKNOWN_SEED, _UNKNOWN_EACH = 77_001, 4  # performances of movements that are no exercise; no training uses this seed
_TIMES = 200  # classifications of one segment by each of the two, in turns


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A model, what it reached on the common segments, and what else is known of it."""

    version: str
    facts: ModelFacts
    assessment: Assessment
    traits: Traits


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the verdict rests on; ``left_out`` segments were seen by one of the models, ``segments`` were not."""

    champion: Contender
    challenger: Contender
    comparison: Comparison
    policy: Policy
    verdict: Verdict
    segments: int
    left_out: int
    unknown_from: str

    def summary(self) -> dict[str, Any]:
        """As JSON can say it."""
        gain = self.comparison.gain
        return {
            "verdict": "promote" if self.verdict.promote else "refuse",
            "champion": self.champion.version,
            "challenger": self.challenger.version,
            "segments": self.segments,
            "left_out": self.left_out,
            "groups": self.comparison.groups,
            "gain": asdict(gain),
            "p_value": self.comparison.p_value,
            "only_champion": self.comparison.only_champion,
            "only_challenger": self.comparison.only_challenger,
            "checks": [asdict(check) for check in self.verdict.checks],
            "policy": asdict(self.policy),
            "scores": {
                name: contender.assessment.summary() | asdict(contender.traits)
                for name, contender in (("champion", self.champion), ("challenger", self.challenger))
            },
            "classes": [asdict(row) for row in self.comparison.classes],
        }


def refuse_unfit(model: Registered) -> None:
    """Refuse what the server could not serve.

    Raises:
        InputError: layout, classes, frames or grid are not the server's, or its answers are none.
    """
    wanted = {"layout": CANONICAL.name, "classes": list(EXERCISES), "frames": SEGMENT_FRAMES, "grid_fps": GRID_FPS}
    for name, value in wanted.items():
        found = getattr(model.facts, name)
        if found != value:
            shown = (
                (f"{len(found)} classes", f"the {len(EXERCISES)} exercises") if name == "classes" else (found, value)
            )
            raise InputError(
                f"version {model.version} of {MODEL_NAME} does not fit the server: its {name} is {shown[0]}, and the "
                f"server's is {shown[1]}: train one that fits."
            )
    for size in (1, 2, 7, 64):
        poses = np.random.default_rng(size).normal(size=(size, SEGMENT_FRAMES, len(CANONICAL.joints), 3))
        poses[0], poses[-1, 10:, :5] = np.nan, np.nan  # nobody seen; and some joints only for a while
        try:
            with torch.inference_mode():
                answers = model.module(torch.from_numpy(poses.astype(np.float32)))
        except (RuntimeError, AssertionError, ValueError, TypeError) as error:
            raise InputError(
                f"version {model.version} of {MODEL_NAME} does not take a batch of {size} segments "
                f"({str(error).splitlines()[0][:150]}): train one that does."
            ) from error
        if (
            not isinstance(answers, torch.Tensor)
            or answers.shape != (size, len(EXERCISES))
            or not torch.isfinite(answers).all()
        ):
            raise InputError(
                f"version {model.version} of {MODEL_NAME} does not give {len(EXERCISES)} finite logits a segment: "
                "train one that does."
            )


def gather(
    champion: Registered,
    challenger: Registered,
    tracks: Sequence[Track],
    policy: Policy,
    *,
    stride: int,
    trust: bool = False,
) -> Evidence:
    """Let both answer the labelled tracks that neither has seen, and judge; with ``trust`` all of the tracks.

    Raises:
        InputError: nothing is left to compare on, or it is not known what a model was trained on.
    """
    segments, _ = cut_segments([track for track in tracks if track.label], stride=stride)
    if not len(segments):
        raise InputError("tracks has no labelled segments: extract from one folder per exercise.")
    kept = np.ones(len(segments), bool)
    for model in () if trust else (champion, challenger):
        kept &= registry.unseen(model.version, segments)
    known = segments[kept & (segments.labels != NONE)]
    if not len(known):
        raise InputError(
            f"all {len(segments)} segments of tracks are of videos or groups that one of the models was trained on: "
            "name tracks that neither has seen."
        )
    strangers = segments[kept & (segments.labels == NONE)]
    unknown_from = "the tracks"
    if not len(strangers):
        strangers, unknown_from = made_strangers(), "the synthetic gym"
    truth, everything = class_indices(known.labels, EXERCISES), join_segments(known, strangers)
    answers = [logits(model.module, known.poses).argmax(axis=1) for model in (champion, challenger)]
    comparison = compare(truth, *answers, groups=known.groups, classes=EXERCISES)
    milliseconds = latencies(champion.module, challenger.module, known.poses[:1])
    contenders = []
    for model, ms in zip((champion, challenger), milliseconds, strict=True):
        found = assess(model.module, everything)
        assert found.detection, "there are known and unknown segments"
        traits = Traits(
            calibration_error=found.reliability.error,
            unknown_auroc=found.detection.auroc,
            milliseconds=ms,
            parameters=sum(parameter.numel() for parameter in model.module.parameters()),
        )
        contenders.append(Contender(version=model.version, facts=model.facts, assessment=found, traits=traits))
    return Evidence(
        champion=contenders[0],
        challenger=contenders[1],
        comparison=comparison,
        policy=policy,
        verdict=judge(comparison, contenders[0].traits, contenders[1].traits, policy),
        segments=len(known),
        left_out=int((~kept).sum()),
        unknown_from=unknown_from,
    )


@functools.cache
def made_strangers() -> Segments:
    """Segments of movements that are none of the exercises, with errors like BlazePose's; the same ones every time."""
    options = SynthOptions(kind="skeletons", noise=1.0, seed=_UNKNOWN_SEED)
    tracks = [
        make_track(Item(exercise=movement, number=number, seed=_UNKNOWN_SEED), options)
        for movement in OTHERS
        for number in range(_UNKNOWN_EACH)
    ]
    return cut_segments([replace(track, label=NONE) for track in tracks])[0]


@torch.inference_mode()
def latencies(one: torch.nn.Module, other: torch.nn.Module, pose_1TJC: np.ndarray) -> tuple[float, float]:
    """Milliseconds of one core that each takes for one segment on this machine: the median of many, taken in turns."""
    pose, threads = torch.from_numpy(pose_1TJC), torch.get_num_threads()
    taken: tuple[list[float], list[float]] = ([], [])
    torch.set_num_threads(1)  # several would wait for each other where the machine is busy
    try:
        for number in range(_TIMES + 10):
            for model, times in zip((one, other), taken, strict=True):
                begun = time.perf_counter()
                model(pose)
                if number >= 10:  # the first ones warm up
                    times.append(1000 * (time.perf_counter() - begun))
    finally:
        torch.set_num_threads(threads)
    return statistics.median(taken[0]), statistics.median(taken[1])
