"""The results of Le Viet et al. 2024, and their experiment on the synthetic gym: same class sizes, same random split.

The paper's data are not public. What can be repeated is its protocol: videos cut into overlapping segments of 12 s, as
many of each exercise as in Table 1, divided 7:3 at random, six models, 100 epochs of Adam.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gymspotter.labels import PAPER_CLASS_SIZES
from gymspotter.metrics import Spread
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.windows import SEGMENT_FRAMES, Segments, cut_segments, join_segments

VIDEO_SECONDS = 48.0
"""Length of a video here, which the paper does not tell: 7 segments that overlap by half."""


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """A row of Table 2 or 3, in percent; recall, precision and F1 are macro means."""

    recall: float
    precision: float
    f1: float
    accuracy: float


TABLE_2: dict[str, PaperRow] = {
    "mlp": PaperRow(recall=27.12, precision=26.11, f1=24.23, accuracy=25.32),
    "cnn1d": PaperRow(recall=25.11, precision=23.33, f1=25.19, accuracy=26.89),
    "rnn": PaperRow(recall=31.12, precision=30.83, f1=28.91, accuracy=30.23),
    "lstm": PaperRow(recall=30.95, precision=26.97, f1=29.83, accuracy=32.49),
    "bilstm": PaperRow(recall=30.87, precision=32.23, f1=29.74, accuracy=33.22),
    "transformer": PaperRow(recall=91.82, precision=90.77, f1=88.94, accuracy=91.07),
}
"""Without undersampling."""
TABLE_3: dict[str, PaperRow] = {
    "mlp": PaperRow(recall=26.2, precision=26.77, f1=25.01, accuracy=25.2),
    "cnn1d": PaperRow(recall=24.89, precision=24.13, f1=25.79, accuracy=26.17),
    "rnn": PaperRow(recall=31.00, precision=29.89, f1=28.76, accuracy=30.73),
    "lstm": PaperRow(recall=31.14, precision=27.82, f1=30.88, accuracy=31.53),
    "bilstm": PaperRow(recall=31.65, precision=33.93, f1=31.74, accuracy=32.09),
    "transformer": PaperRow(recall=91.30, precision=90.98, f1=90.14, accuracy=90.65),
}
"""With half of the plank segments left out of the training."""
TABLES: dict[str, dict[str, PaperRow]] = {"none": TABLE_2, "plank-half": TABLE_3}
METRICS = ("recall", "precision", "f1", "accuracy")

# Of one score: what each model reached over the seeds.
Column = Mapping[str, Spread]


def paper_segments(*, share: float = 1.0, seed: int = 0) -> Segments:
    """The synthetic gym at the sizes of Table 1 (times ``share``): exact skeletons with errors like an estimator's.

    Each video is a group; its segments overlap by half, as the paper's do by an amount that it does not state.
    """
    options = SynthOptions(kind="skeletons", seconds=VIDEO_SECONDS, noise=1.0, seed=seed)
    parts = []
    for exercise, size in PAPER_CLASS_SIZES.items():
        wanted, number, have = max(2, round(share * size)), 0, 0
        while have < wanted:
            track = make_track(Item(exercise=exercise, number=number, seed=seed), options)
            segments, _ = cut_segments([track], stride=SEGMENT_FRAMES // 2)
            parts.append(segments[np.arange(min(len(segments), wanted - have))])
            number, have = number + 1, have + len(parts[-1])
    return join_segments(*parts)


def beside_the_paper(ours: Mapping[str, Column], paper: Mapping[str, PaperRow]) -> str:
    """A Markdown table: for each metric of ``ours`` the mean and deviation in percent, and the paper's figure."""
    lines = [
        "| model | " + " | ".join(f"{metric} | paper" for metric in METRICS) + " |",
        "|---|" + "---:|" * (2 * len(METRICS)),
    ]
    for model in paper:
        if model in ours["accuracy"]:
            cells = [f"{percent(ours[metric][model])} | {getattr(paper[model], metric):.2f}" for metric in METRICS]
            lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def percent(spread: Spread) -> str:
    """Mean and deviation over the seeds, in percent."""
    deviation = "" if math.isnan(spread.deviation) else f" ± {100 * spread.deviation:.1f}"
    return f"{100 * spread.mean:.1f}{deviation}"


def what_reproduces(
    plain: Mapping[str, Column], undersampled: Mapping[str, Column], by_group: Mapping[str, Column]
) -> Sequence[str]:
    """The paper's findings, each with what came of it here; every sentence is made of the measured figures.

    Args:
        plain: of each metric the spread of each model, by the paper's random split.
        undersampled: the same with plank-half.
        by_group: the same as ``plain``, with whole groups on one side.
    """
    accuracy, f1, f1_under = plain["accuracy"], plain["f1"], undersampled["f1"]
    best = max(accuracy, key=lambda model: accuracy[model].mean)
    rest = [spread.mean for model, spread in accuracy.items() if model != "transformer"]
    gap = 100 * (accuracy["transformer"].mean - max(rest))
    sentences = [
        _verdict("the Transformer is the best of the six", best == "transformer", f"here it is {best}"),
        _verdict(
            "it is 58 points of accuracy ahead of the next model",
            gap > 29,
            f"here it is {gap:+.1f} points from the best of the others",
        ),
        _verdict(
            "the other five stay below 34% accuracy",
            max(rest) < 0.34,
            f"here they reach {100 * min(rest):.1f} to {100 * max(rest):.1f}%",
        ),
    ]
    clear = [
        model
        for model in f1
        if abs(f1_under[model].mean - f1[model].mean) > max(f1[model].deviation, f1_under[model].deviation)
    ]
    better = [model for model in clear if f1_under[model].mean > f1[model].mean]
    sentences.append(
        _verdict(
            "undersampling plank improves the F1 of all models but the RNN",
            set(better) == set(f1) - {"rnn"},
            f"here the change is beyond one deviation over the seeds for {_listed(clear)}, "
            f"and an improvement for {_listed(better)}",
        )
    )
    falls = {model: 100 * (accuracy[model].mean - by_group["accuracy"][model].mean) for model in by_group["accuracy"]}
    sentences.append(
        "The paper's random split is not repeated with groups there. Here whole videos on one side cost "
        + ", ".join(f"{model} {fall:.1f}" for model, fall in falls.items())
        + " points of accuracy: so much of the random split's figures is memory of the video."
    )
    return sentences


def _verdict(finding: str, reproduced: bool, here: str) -> str:
    return f"{'Reproduced' if reproduced else 'Not reproduced'}: {finding}; {here}."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
