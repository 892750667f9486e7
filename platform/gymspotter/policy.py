"""The gate: what a challenger must show before it becomes the champion."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from gymspotter.compare import Comparison
from gymspotter.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What may not get worse, and by how much; a YAML file may set each of these."""

    gain: float = 0.0
    """Least gain in macro F1."""
    margin: float = 0.02
    """How far below 0 the confidence interval of the gain may reach: more would be a risk (non-inferiority)."""
    class_drop: float = 0.15
    """Largest drop of a class's recall."""
    class_support: int = 5
    """Classes with fewer test segments are not judged by themselves."""
    calibration: float = 0.02
    """Largest rise of the expected calibration error."""
    unknown: float = 0.02
    """Largest drop of the AUROC with which unknown movements are told apart."""
    latency: float = 1.5
    """Most that it may take for one segment, as a multiple of the champion's time."""
    size: float = 2.0
    """Most parameters, as a multiple of the champion's."""

    def __post_init__(self) -> None:
        for name in ("margin", "class_drop", "calibration", "unknown"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"policy: {name} is {getattr(self, name)!r}: use 0 to 1.")
        for name in ("latency", "size"):
            if not getattr(self, name) > 0:
                raise InputError(f"policy: {name} is {getattr(self, name)!r}: use more than 0.")


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What is known of a classifier beside its answers: ECE, AUROC of unknown movements, ms a segment, parameters."""

    calibration_error: float
    unknown_auroc: float
    milliseconds: float
    parameters: int


@dataclass(frozen=True, kw_only=True)
class Check:
    """One condition: whether it holds, and a sentence with its figures."""

    name: str
    holds: bool
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The decision and its grounds."""

    checks: tuple[Check, ...]

    @property
    def promote(self) -> bool:
        """Whether every condition holds."""
        return all(check.holds for check in self.checks)


def judge(comparison: Comparison, champion: Traits, challenger: Traits, policy: Policy) -> Verdict:
    """Hold a challenger to the policy."""
    gain = comparison.gain
    checks = [
        Check(
            name="gain",
            holds=gain.value >= policy.gain and gain.low >= -policy.margin,
            sentence=f"macro F1 {gain.value:+.3f}, {gain.confidence:.0%} interval {gain.low:+.3f} to {gain.high:+.3f}: "
            f"it must gain {policy.gain:g} or more, and the interval may reach down to {-policy.margin:g}",
        ),
        _classes(comparison, policy),
        Check(
            name="calibration",
            holds=challenger.calibration_error <= champion.calibration_error + policy.calibration,
            sentence=f"expected calibration error {champion.calibration_error:.3f} to "
            f"{challenger.calibration_error:.3f}: it may rise by {policy.calibration:g}",
        ),
        Check(
            name="unknown",
            holds=challenger.unknown_auroc >= champion.unknown_auroc - policy.unknown,
            sentence=f"AUROC of unknown movements {champion.unknown_auroc:.3f} to {challenger.unknown_auroc:.3f}: "
            f"it may drop by {policy.unknown:g}",
        ),
        Check(
            name="latency",
            holds=challenger.milliseconds <= policy.latency * champion.milliseconds,
            sentence=f"{champion.milliseconds:.2f} to {challenger.milliseconds:.2f} ms a segment: it may take "
            f"{policy.latency:g} times as long",
        ),
        Check(
            name="size",
            holds=challenger.parameters <= policy.size * champion.parameters,
            sentence=f"{champion.parameters:,} to {challenger.parameters:,} parameters: it may have {policy.size:g} "
            "times as many",
        ),
    ]
    return Verdict(checks=tuple(checks))


def _classes(comparison: Comparison, policy: Policy) -> Check:
    judged = [row for row in comparison.classes if row.support >= policy.class_support]
    fallen = [row for row in judged if row.change < -policy.class_drop]
    told = ", ".join(f"{row.name} {row.champion:.2f} to {row.challenger:.2f}" for row in fallen)
    return Check(
        name="classes",
        holds=not fallen,
        sentence=f"recall drops by more than {policy.class_drop:g} for {told or 'no class'} "
        f"({len(judged)} of {len(comparison.classes)} classes have {policy.class_support} segments or more)",
    )


def read_policy(path: Path) -> Policy:
    """The policy in a YAML file of the fields of `Policy`; what it does not name keeps its default.

    Raises:
        InputError: the file cannot be read, or names something else.
    """
    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"policy {str(path)!r} cannot be read ({reason}): name a YAML file.") from error
    if not isinstance(found, dict):
        raise InputError(f"policy {str(path)!r} is no list of fields: write lines such as `latency: 1.5`.")
    known = {field.name: type(field.default) for field in fields(Policy)}
    for name, value in found.items():
        if name not in known:
            raise InputError(f"policy {str(path)!r}: {name!r} is not a field: use {', '.join(known)}.")
        if type(value) is not known[name] and not (known[name] is float and type(value) is int):
            kind = "a whole number" if known[name] is int else "a number"
            raise InputError(f"policy {str(path)!r}: {name} is {value!r}: use {kind}.")
    return Policy(**found)
