"""Tables 2 and 3 of Le Viet et al. 2024 on the synthetic gym, beside the paper's figures, and what its split leaks.

    python benchmarks/paper_tables.py [--quick] [--json FILE] [--share 1.0] [--seeds 0,1,2,3,4] [--page FILE]

Six models, with and without undersampling, over five seeds (of data, split and training), by the paper's protocol; then
without undersampling and with whole groups on one side. At the paper's size (12,358 segments) that takes about an hour
and a quarter a seed and core on the CPU; --share makes the data smaller. Finished trainings are noted in --runs.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import torch
from common import Claim, Options, parser, report
from journal import Journal

from gymspotter.fit import evaluate, fit
from gymspotter.labels import PAPER_CLASS_SIZES
from gymspotter.metrics import spread
from gymspotter.paper import METRICS, TABLE_2, TABLES, beside_the_paper, paper_segments, percent, what_reproduces
from gymspotter.recipes import recipe
from gymspotter.splits import leak, split
from gymspotter.windows import Segments

ROOT = Path(__file__).parents[1]
SETTINGS = (("paper", "none"), ("paper", "plank-half"), ("group", "none"))


def main() -> None:
    command = parser(__doc__)
    command.add_argument("--share", type=float, default=1.0, help="part of the paper's class sizes")
    command.add_argument("--epochs", type=int, default=100, help="the paper's are 100")
    command.add_argument("--seeds", default="0,1,2,3,4", help="separated by commas")
    command.add_argument("--models", default=",".join(TABLE_2), help="separated by commas")
    command.add_argument("--runs", type=Path, default=ROOT / "runs" / "paper_tables.jsonl", help="finished trainings")
    command.add_argument("--page", type=Path, metavar="FILE", help="where to write the tables as Markdown")
    given = command.parse_args()
    if given.quick:
        given.share, given.epochs, given.seeds, given.runs = 0.02, 10, "0,1", given.runs.with_suffix(".quick.jsonl")
    torch.set_num_threads(1)
    models, seeds = given.models.split(","), [int(seed) for seed in given.seeds.split(",")]
    journal = Journal(given.runs)
    found: dict[tuple[str, str, str], list[dict[str, float]]] = {}
    for seed in seeds:
        segments = paper_segments(share=given.share, seed=seed)
        for protocol, undersample in SETTINGS:
            for model in models:
                key = f"{model} {protocol} {undersample} seed {seed} share {given.share:g} epochs {given.epochs} "
                outcome = journal.once(
                    key + fingerprint(segments),
                    lambda m=model, p=protocol, u=undersample, s=seed, x=segments: train_and_test(
                        x, m, p, u, s, given.epochs
                    ),
                )
                found.setdefault((protocol, undersample, model), []).append(outcome)
                print(f"{key}: accuracy {outcome['accuracy']:.3f}", flush=True)
    columns = {
        (protocol, undersample): {
            metric: {
                model: spread([outcome[metric] for outcome in found[protocol, undersample, model]]) for model in models
            }
            for metric in METRICS
        }
        for protocol, undersample in SETTINGS
    }
    text = page(columns, found, seeds, given.share, given.epochs, set(models) == set(TABLE_2))
    print(text)
    if given.page:
        given.page.write_text(text, encoding="utf-8")
    report(
        "paper_tables", claims(columns, found, models), Options(quick=given.quick, json=given.json), packages=("torch",)
    )


def fingerprint(segments: Segments) -> str:
    """16 hex digits that change with the data: figures of another generator must not be mixed in."""
    return hashlib.sha256(segments.poses.tobytes()).hexdigest()[:16]


def train_and_test(
    segments: Segments, model: str, protocol: str, undersample: str, seed: int, epochs: int
) -> dict[str, float]:
    """The four scores of the test side, what leaks into it, and the seconds of training."""
    sides = split(segments, protocol, seed=seed)
    fitted = fit(sides.train, replace(recipe(model, seed=seed), undersample=undersample, epochs=epochs))
    scores = evaluate(fitted.classifier, sides.test)
    return {metric: getattr(scores, metric) for metric in METRICS} | {
        "leak": leak(sides.train, sides.test),
        "seconds": fitted.seconds,
    }


def page(columns, found, seeds, share, epochs, whole) -> str:
    """Our tables beside the paper's, the leak, and what reproduces, in Markdown."""
    titles = {"none": "Table 2: all segments", "plank-half": "Table 3: half of the plank segments"}
    segments = sum(max(2, round(share * size)) for size in PAPER_CLASS_SIZES.values())
    parts = [
        f"Mean ± deviation over {len(seeds)} seeds, in percent; {segments:,} segments of the synthetic gym "
        f"({share:g} of Table 1's sizes), {epochs} epochs. The paper's figures are of its own videos, one run.",
    ]
    for undersample, title in titles.items():
        parts += [f"### {title}", beside_the_paper(columns["paper", undersample], TABLES[undersample])]
    random, by_group = columns["paper", "none"], columns["group", "none"]
    leaked = 100 * spread([o["leak"] for key, rows in found.items() if key[0] == "paper" for o in rows]).mean
    parts += [
        "### What the random split gives away",
        f"{leaked:.0f}% of the segments tested at random overlap with one that was trained on; by group none does.",
        "| model | accuracy, random split | accuracy, by group |\n|---|---:|---:|\n"
        + "\n".join(
            f"| {model} | {percent(spread)} | {percent(by_group['accuracy'][model])} |"
            for model, spread in random["accuracy"].items()
        ),
    ]
    if whole:
        verdicts = what_reproduces(random, columns["paper", "plank-half"], by_group)
        parts += ["### What reproduces", "\n".join(f"- {sentence}" for sentence in verdicts)]
    return "\n\n".join(parts) + "\n"


def claims(columns, found, models) -> list[Claim]:
    """Accuracy and F1 of every model and setting; the paper's are other data, so that there are no goals."""
    out = []
    for (protocol, undersample), metrics in columns.items():
        for metric in ("accuracy", "f1"):
            for model in models:
                runs = [100 * outcome[metric] for outcome in found[protocol, undersample, model]]
                value = 100 * metrics[metric][model].mean
                name = f"{model}, {protocol} split, undersampling {undersample}: {metric}, mean of the seeds"
                out.append(Claim(claim=name, value=value, unit="%", runs=runs))
    return out


if __name__ == "__main__":
    main()
