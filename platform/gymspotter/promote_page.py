"""The page that shows a verdict of the gate: what was decided, each condition, each class."""

from dataclasses import asdict

from gymspotter.compare import ClassChange
from gymspotter.gate import Contender, Evidence
from gymspotter.labels import EXERCISES
from gymspotter.page import Markup, escape, facts, page, plot, table, tag
from gymspotter.plots import confusion_figure, reliability_figure


def gate_page(evidence: Evidence) -> str:
    """One HTML page that needs nothing else."""
    one, other, found = evidence.champion, evidence.challenger, evidence.comparison
    passed = evidence.verdict.promote
    gain = found.gain
    return page(
        f"version {other.version} against version {one.version}",
        [
            tag(
                "h1",
                f"Version {other.version} ",
                tag("span", "passes" if passed else "is refused", class_="right" if passed else "wrong"),
            ),
            tag("p", f"{other.facts.model} against the champion, version {one.version} ({one.facts.model})."),
            facts(
                {
                    "macro F1, challenger": f"{found.challenger.f1:.1%}",
                    "macro F1, champion": f"{found.champion.f1:.1%}",
                    f"gain, {gain.confidence:.0%} interval {100 * gain.low:+.1f} to {100 * gain.high:+.1f}": (
                        f"{100 * gain.value:+.1f}"
                    ),
                    "p (McNemar)": f"{found.p_value:.3g}",
                    "segments": evidence.segments,
                    "groups": found.groups,
                }
            ),
            tag(
                "p",
                f"Both answered the same segments. {evidence.left_out} segments of the tracks are left out because one "
                f"of the models was trained on their video or group. The challenger alone is right on "
                f"{found.only_challenger}, the champion alone on {found.only_champion}. The interval is a bootstrap "
                f"over groups; unknown movements are from {evidence.unknown_from}.",
            ),
            tag("h2", "Conditions"),
            table(
                ["condition", "", "found"],
                [(check.name, _held(check.holds), check.sentence) for check in evidence.verdict.checks],
            ),
            tag("h2", "Beside each other"),
            table(
                ["", "champion", "challenger"],
                list(zip(_NAMES, _figures(one), _figures(other), strict=True)),
                numbers=(1, 2),
            ),
            tag("h2", "Recall by class"),
            table(
                ["class", "segments", "champion", "challenger", "change"],
                [_class(row) for row in sorted(found.classes, key=lambda row: row.change)],
                numbers=(1, 2, 3, 4),
            ),
            tag("h2", "How sure, and how right"),
            plot(
                reliability_figure(
                    {"champion": one.assessment.reliability, "challenger": other.assessment.reliability}
                ),
                "reliability diagrams of champion and challenger",
            ),
            tag("h2", "The challenger's confusion"),
            plot(confusion_figure(found.challenger.confusion, EXERCISES), "confusion matrix of the challenger"),
            tag("h2", "The policy"),
            table(["field", "value"], list(asdict(evidence.policy).items()), numbers=(1,)),
        ],
    )


_NAMES = (
    "accuracy",
    "macro precision",
    "macro recall",
    "macro F1",
    "expected calibration error",
    "AUROC of unknown movements",
    "known segments that pass",
    "ms a segment",
    "parameters",
)


def _figures(contender: Contender) -> list[str]:
    scores, traits = contender.assessment.scores, contender.traits
    shares = scores.accuracy, scores.precision, scores.recall, scores.f1, traits.calibration_error
    return [
        *(f"{share:.1%}" for share in shares),
        f"{traits.unknown_auroc:.3f}",
        f"{contender.assessment.passed:.1%}",
        f"{traits.milliseconds:.2f}",
        f"{traits.parameters:,}",
    ]


def _class(row: ClassChange) -> tuple[object, ...]:
    kind = "right" if row.change > 0 else "wrong"
    change = escape("0.00") if not row.change else tag("span", f"{row.change:+.2f}", class_=kind)
    return row.name, row.support, f"{row.champion:.2f}", f"{row.challenger:.2f}", change


def _held(holds: bool) -> Markup:
    return tag("b", "holds" if holds else "fails", class_="right" if holds else "wrong")
