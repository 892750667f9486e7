"""Does it know what it does not know? Unknown movements and calibration, on the synthetic gym and on real skeletons.

    python benchmarks/unknown.py [--quick] [--json FILE] [--seeds 0,1,2] [--figure FILE] [--utd ZIP] [--clips STORE]

Three settings, each over several seeds (of the choice and the training). In `movements` all 22 exercises are known,
half of the kinds of other movements may be trained on, and the other half is tested. In `exercises` 17 exercises are
known and 5 are tested as unknown; all other movements may be trained on. Both are trained without and with "none of
these" (outlier exposure; Hendrycks et al. 2019). In `everything`, which is what one would serve, all exercises and all
kinds are trained on, and other performances of them tested.

The temperature is fitted on a calibration side; what is reported is of the test side, which nothing was fitted on. Each
model is judged by several scores. With --utd (UTD-MHAD's zip) and --clips (a store of tracks of real exercises) real
people are tested too, by the score that is served.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Claim, parser, report
from journal import Journal
from numpy.typing import NDArray
from torch import nn

from gymspotter import datasets
from gymspotter.calibration import calibrate, logits, reliability, softmax
from gymspotter.fit import class_indices, fit
from gymspotter.labels import EXERCISES
from gymspotter.models import Classifier
from gymspotter.models.spotter import SpotterConfig
from gymspotter.plots import reliability_figure
from gymspotter.recipes import sequence_recipe
from gymspotter.skeleton import Floats, to_canonical
from gymspotter.store import read_tracks
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.synth.others import OTHERS
from gymspotter.unknown import THRESHOLD, detection, knownness, passing, unknown
from gymspotter.windows import SEGMENT_FRAMES, Segments, cut_segments, fit_length, join_segments

ROOT = Path(__file__).parents[1]
UTD = ROOT.parent / "shared" / "data" / "utd-mhad-skeleton.zip"
HELD_OUT = 5
# What is unknown, and whether other movements are trained on.
SETTINGS = (("movements", False), ("movements", True), ("exercises", False), ("exercises", True), ("everything", True))
# UTD-MHAD's actions that are exercises of ours (with or without a bar).
KNOWN_IN_UTD = ("arm curl", "squat")
REAL_OTHERS, REAL_EXERCISES = "UTD-MHAD's other actions", ("UTD-MHAD's squats and curls", "real clips of exercises")
SERVED = "unknown (energy)"
# A third of the time of the default one, and within a point of its accuracy here.
SMALL = SpotterConfig(width=96, layers=2, feed_forward=192, frames_a_token=4)
DATA_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Size:
    """Performances of each movement on each side, and epochs."""

    train: int = 120
    others: int = 80
    calibration: int = 40
    test: int = 40
    epochs: int = 30


QUICK = Size(train=12, others=6, calibration=6, test=6, epochs=12)


@dataclass(frozen=True, kw_only=True)
class Gym:
    """All data: exercises, other movements and the kind of each, and real skeletons by name."""

    known: dict[str, Segments]
    others: dict[str, Segments]
    kinds: dict[str, NDArray[np.str_]]
    real: dict[str, Floats]

    @property
    def fingerprint(self) -> str:
        """Changes with the data, so that what was noted of other data is not taken for a result of these."""
        digest = hashlib.sha256()
        for segments in (*self.known.values(), *self.others.values()):
            digest.update(segments.poses.tobytes())
        for name, poses in self.real.items():
            digest.update(name.encode() + poses.tobytes())
        return digest.hexdigest()[:16]


def main() -> None:
    command = parser(__doc__)
    command.add_argument("--seeds", default="0,1,2", help="separated by commas")
    command.add_argument("--runs", type=Path, default=ROOT / "runs" / "unknown.jsonl", help="finished trainings")
    command.add_argument("--figure", type=Path, metavar="FILE", help="where to draw the first seed's reliability")
    command.add_argument("--utd", type=Path, default=UTD, metavar="ZIP", help="UTD-MHAD; left out where it is not")
    command.add_argument("--clips", metavar="STORE", help="tracks of real exercises")
    given = command.parse_args()
    size = Size()
    if given.quick:
        size, given.seeds, given.runs = QUICK, "0", given.runs.with_suffix(".quick.jsonl")
    torch.set_num_threads(1)
    seeds = [int(seed) for seed in given.seeds.split(",")]
    gym = make_gym(size, given.utd, given.clips)
    journal = Journal(given.runs)
    found: dict[tuple[str, bool, str], list[float]] = {}
    for seed in seeds:
        for setting, exposed in SETTINGS:
            key = f"{setting} {'with' if exposed else 'without'} others, seed {seed}, {size}, {gym.fingerprint}"
            figure = given.figure if (setting, seed) == ("everything", seeds[0]) else None
            outcome = journal.once(
                key, lambda s=setting, e=exposed, k=seed, f=figure: run(gym, s, e, k, size, figure=f)
            )
            print(f"{key}: accuracy {outcome['accuracy']:.3f}", flush=True)
            for name, value in outcome.items():
                found.setdefault((setting, exposed, name), []).append(value)
    report("unknown", claims(found), given, packages=("numpy", "torch"))


def make_gym(size: Size, utd: Path, clips: str | None) -> Gym:
    """Performances are numbered: one number is on one side only, and each has an athlete of its own."""
    options = SynthOptions(kind="skeletons", noise=1.0, seed=DATA_SEED)

    def made(movements: Sequence[str], numbers: range) -> Segments:
        items = [Item(exercise=movement, number=n, seed=DATA_SEED) for movement in movements for n in numbers]
        return cut_segments([make_track(item, options) for item in items])[0]

    a, b = size.train, size.train + size.calibration
    numbers = {"train": range(a), "calibration": range(a, b), "test": range(b, b + size.test)}
    several = {"train": range(size.others), "test": range(b, b + size.test)}
    others = {side: made(OTHERS, n) for side, n in several.items()}
    kind = {_stem(Item(exercise=movement, number=0, seed=0).name): movement for movement in OTHERS}
    real: dict[str, Floats] = {}
    if utd.exists():
        real |= _utd(utd)
    if clips:
        real[REAL_EXERCISES[1]] = cut_segments(read_tracks(clips))[0].poses
    return Gym(
        known={side: made(EXERCISES, n) for side, n in numbers.items()},
        others=others,
        kinds={side: np.array([kind[_stem(group)] for group in others[side].groups]) for side in others},
        real=real,
    )


def _stem(name: str) -> str:
    """The movement in an item's name."""
    return name[: name.rindex("-s")]


def _utd(path: Path) -> dict[str, Floats]:
    """UTD-MHAD on the canonical skeleton and the grid of 5 frames a second, played to and fro."""
    dataset = datasets.load("utd-mhad", path)
    poses, labels = [], []
    for sequence in dataset.sequences:
        sampled = sequence.poses[:: round(dataset.fps / 5)]
        joints, _ = to_canonical(sampled, np.ones(sampled.shape[:2], np.float32), dataset.layout)
        poses.append(fit_length(joints[:SEGMENT_FRAMES]))
        labels.append(sequence.label)
    ours = np.isin(labels, KNOWN_IN_UTD)
    return {REAL_OTHERS: np.stack(poses)[~ours], REAL_EXERCISES[0]: np.stack(poses)[ours]}


def run(gym: Gym, setting: str, exposed: bool, seed: int, size: Size, *, figure: Path | None) -> dict[str, float]:
    """Train one model, calibrate it, and measure it on the test side."""
    rng = np.random.default_rng(seed)
    kinds, shuffled = rng.permutation(OTHERS), rng.permutation(EXERCISES).tolist()
    held = shuffled[:HELD_OUT] if setting == "exercises" else []
    classes = [exercise for exercise in EXERCISES if exercise not in held]
    known = {side: segments[np.isin(segments.labels, classes)] for side, segments in gym.known.items()}
    half = len(OTHERS) // 2
    trained, strange = gym.others["train"], gym.others["test"]
    if setting == "exercises":
        strange = gym.known["test"][np.isin(gym.known["test"].labels, held)]
    elif setting == "movements":
        trained = trained[np.isin(gym.kinds["train"], kinds[:half])]
        strange = strange[np.isin(gym.kinds["test"], kinds[half:])]
    config = replace(sequence_recipe("spotter", seed=seed), epochs=size.epochs, batch_size=64, align_facing=True)
    side = join_segments(known["train"], trained) if exposed else known["train"]
    classifier = fit(side, config, classes=classes, model_config=SMALL).classifier
    out = _calibrated(classifier, known, classes, figure)
    judge = _scores(classifier, known["train"], classes)
    tested = {"known": known["test"].poses, "unknown": strange.poses}
    if setting != "exercises":
        tested |= gym.real
    of_known = judge(tested.pop("known"))
    for name, poses in tested.items():
        for score, values in judge(poses).items():
            if name in gym.real and score != SERVED:
                continue
            if name in REAL_EXERCISES:
                out[f"{name}, {score}: pass"] = float((values >= passing(of_known[score])).mean())
            else:
                against = detection(of_known[score], values)
                out[f"{name}, {score}: AUROC"] = against.auroc
                out[f"{name}, {score}: FPR at 95% recall"] = against.false_positives
    return out


def _calibrated(
    classifier: Classifier, known: dict[str, Segments], classes: Sequence[str], figure: Path | None
) -> dict[str, float]:
    """Fit temperature and level on the calibration side; what they do on the test side."""
    targets = class_indices(known["test"].labels, classes)
    before = softmax(logits(classifier, known["test"].poses))
    found = calibrate(classifier, known["calibration"], classes)
    raw = logits(classifier, known["test"].poses)
    after = softmax(raw)
    diagrams = {"before": reliability(before, targets), "after": reliability(after, targets)}
    if figure:
        titles = (f"before, {len(targets)} test segments", f"after, temperature {found.temperature:.2f}")
        reliability_figure(dict(zip(titles, diagrams.values(), strict=True))).savefig(figure, dpi=110)
    return {
        "accuracy": float((before.argmax(axis=1) == targets).mean()),
        "answers changed by the temperature": float((before.argmax(axis=1) != after.argmax(axis=1)).mean()),
        "temperature": found.temperature,
        "calibration error before": diagrams["before"].error,
        "calibration error after": diagrams["after"].error,
        "known test segments that pass the threshold of the calibration side": float(
            (unknown(raw) <= THRESHOLD).mean()
        ),
    }


def _scores(
    classifier: Classifier, train: Segments, classes: Sequence[str]
) -> Callable[[Floats], dict[str, NDArray[np.float64]]]:
    """Scores of poses, higher for what is known: three of the logits alone, and three that need the features too."""
    features_SD, logits_SK = _features(classifier, train.poses)
    targets = class_indices(train.labels, classes)
    means_KD = np.stack([features_SD[targets == k].mean(axis=0) for k in range(len(classes))])
    within = np.cov((features_SD - means_KD[targets]).T)
    precision = np.linalg.pinv(within + 1e-6 * np.eye(len(within)))
    unit_SD = features_SD / np.linalg.norm(features_SD, axis=1, keepdims=True)
    # ViM: what of the features lies outside their principal half, scaled like a logit.
    centre = features_SD.mean(axis=0)
    outside = np.linalg.eigh(np.cov(features_SD.T))[1][:, : len(within) // 2]
    scale = logits_SK.max(axis=1).mean() / np.linalg.norm((features_SD - centre) @ outside, axis=1).mean()

    def judge(poses: Floats) -> dict[str, NDArray[np.float64]]:
        f_SD, z_SK = _features(classifier, poses)
        distances = [np.einsum("sd,de,se->s", f_SD - mean, precision, f_SD - mean) for mean in means_KD]
        unit = f_SD / np.linalg.norm(f_SD, axis=1, keepdims=True)
        nearest = np.partition(unit @ unit_SD.T, -5, axis=1)[:, -5]
        residual = np.linalg.norm((f_SD - centre) @ outside, axis=1)
        return {
            "highest probability": softmax(z_SK).max(axis=1),
            "highest logit": z_SK.max(axis=1),
            SERVED: knownness(z_SK),
            "Mahalanobis": -np.min(distances, axis=0),
            "fifth neighbour": nearest,
            "ViM": knownness(z_SK) - scale * residual,
        }

    return judge


def _features(classifier: Classifier, poses: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What goes into the last linear layer [S, D], and the logits [S, K]."""
    last = [module for module in classifier.fusion.modules() if isinstance(module, nn.Linear)][-1]
    seen: list[torch.Tensor] = []
    hook = last.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].detach()))
    found = logits(classifier, poses)
    hook.remove()
    return torch.cat(seen).double().numpy(), found.astype(np.float64)


def claims(found: dict[tuple[str, bool, str], list[float]]) -> list[Claim]:
    """Means over the seeds."""
    out = []
    for (setting, exposed, name), runs in found.items():
        goal: dict[str, Any] = {"goal": 0.0, "better": "less"} if name.startswith("answers changed") else {}
        out.append(
            Claim(
                claim=f"{setting}, {'trained on others too' if exposed else 'exercises alone'}; {name}",
                value=float(np.mean(runs)),
                unit="" if name == "temperature" else "share",
                runs=[round(value, 4) for value in runs],
                **goal,
            )
        )
    return out


if __name__ == "__main__":
    main()
