"""The registry's gate: hold a challenger to the policy and make it the champion; roll back; show the history.

    gymspotter promote runs/tracks
    gymspotter rollback --why "complaints about planks"
    gymspotter history

The verdict and its evidence are kept with the challenger: tags of its version, and gate.html and gate.json in its run.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import mlflow
import tyro

from gymspotter import aliases, registry
from gymspotter.aliases import Move, history, move_champion, one_back, version_at
from gymspotter.errors import InputError
from gymspotter.gate import Evidence, gather, refuse_unfit
from gymspotter.names import CHALLENGER, CHAMPION, MODEL_NAME
from gymspotter.policy import Policy, read_policy
from gymspotter.promote_page import gate_page
from gymspotter.store import read_tracks
from gymspotter.tracking import use_store
from gymspotter.windows import SEGMENT_FRAMES

REFUSED = 3  # the exit status where the gate refuses the challenger; 1 is a crash, 2 bad input


@dataclass(frozen=True, kw_only=True)
class PromoteOptions:
    """Compare the challenger with the champion on tracks that neither has seen, and promote it if it passes."""

    tracks: Annotated[str, tyro.conf.Positional] = "runs/tracks"
    """Store of labelled tracks; what either model was trained on is left out of it."""
    challenger: str = CHALLENGER
    """Alias or version of the model that wants to be the champion."""
    policy: Path | None = None
    """YAML file with what may not get worse, and by how much; see docs/registry.md for the default."""
    stride: int = SEGMENT_FRAMES
    """Frames from one segment of a video to the next."""
    why: str = ""
    """A word for the history; by default what the gate found."""
    who: str = ""
    """Who promotes; by default user@machine."""
    dry_run: bool = False
    """Only say what would be done; nothing is moved or written."""
    trust_tracks: bool = False
    """Compare on all of the tracks: you know yourself that neither model has seen them."""
    tracking_uri: str | None = None
    """MLflow's store; by default MLFLOW_TRACKING_URI, else sqlite:///mlflow.db."""

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise InputError(f"stride is {self.stride}: use at least 1.")


@dataclass(frozen=True, kw_only=True)
class RollbackOptions:
    """Make the champion before this one the champion again, or any version."""

    to: str = ""
    """Version to go to; by default one step back in the history."""
    why: str
    """A word for the history."""
    who: str = ""
    """Who rolls back; by default user@machine."""
    tracking_uri: str | None = None
    """MLflow's store; by default MLFLOW_TRACKING_URI, else sqlite:///mlflow.db."""


@dataclass(frozen=True, kw_only=True)
class HistoryOptions:
    """Show who made which version the champion, when and why."""

    json: bool = False
    """Print a line of JSON a move."""
    tracking_uri: str | None = None
    """MLflow's store; by default MLFLOW_TRACKING_URI, else sqlite:///mlflow.db."""


def promote(options: PromoteOptions) -> Evidence | None:
    """Judge the challenger and move the alias, or not; None if it is the champion already.

    Raises:
        InputError: as `judge`.
    """
    evidence = judge(options)
    if evidence and evidence.verdict.promote and not options.dry_run:
        gain = evidence.comparison.gain
        why = options.why or f"passed the gate against version {evidence.champion.version}, macro F1 {gain.value:+.3f}"
        promote_judged(evidence.challenger.version, why, options.who)
    return evidence


def judge(options: PromoteOptions) -> Evidence | None:
    """Compare the challenger with the champion and keep the verdict with it (not in a dry run), moving nothing.

    Returns:
        The evidence, or None if it is the champion already.

    Raises:
        InputError: a model or the tracks cannot be used, or the challenger does not fit the server.
    """
    policy = read_policy(options.policy) if options.policy else Policy()
    use_store(options.tracking_uri, existing=True)
    served, challenger = registry.load(CHAMPION), registry.load(options.challenger)
    if served.version == challenger.version:
        print(f"version {served.version} is the champion already: nothing to do.")
        return None
    for model in (challenger, served):
        refuse_unfit(model)
    evidence = gather(
        served,
        challenger,
        read_tracks(options.tracks),
        policy,
        stride=options.stride,
        trust=options.trust_tracks,
    )
    print(told(evidence))
    if options.dry_run:
        print("nothing was moved or written: dry-run.")
    else:
        _keep(evidence)
    return evidence


def promote_judged(version: str, why: str, who: str = "") -> None:
    """Make a version that has passed the gate the champion."""
    print(moved(move_champion(version, "promotion", why=why, who=who)))


def promote_or_exit(options: PromoteOptions) -> None:
    """The verb: exit status REFUSED where the challenger is refused."""
    evidence = promote(options)
    if evidence and not evidence.verdict.promote:
        sys.exit(REFUSED)


def rollback(options: RollbackOptions) -> Move:
    """Move the champion's alias back, or to a version that fits the server.

    Raises:
        InputError: there is nothing to go back to, the version is the champion, or it cannot be served.
    """
    use_store(options.tracking_uri, existing=True)
    version = version_at(options.to or one_back(history(), aliases.champion()))
    if version == version_at(CHAMPION):
        raise InputError(f"to is {version}, which is the champion: name another version.")
    refuse_unfit(registry.load(version))
    move = move_champion(version, "rollback", why=options.why, who=options.who)
    print(moved(move))
    return move


def show_history(options: HistoryOptions) -> list[Move]:
    """Print the moves of the champion's alias, the first one first."""
    use_store(options.tracking_uri, existing=True)
    moves = history()
    for move in moves:
        print(json.dumps(asdict(move)) if options.json else f"{move.when}  {moved(move)}")
    if not moves and not options.json:
        print("no version was ever the champion.")
    return moves


def told(evidence: Evidence) -> str:
    """The verdict, and a line for each condition."""
    verdict = "it passes" if evidence.verdict.promote else "it is refused"
    lines = [
        f"version {evidence.challenger.version} against the champion, version {evidence.champion.version}, on "
        f"{evidence.segments} segments of {evidence.comparison.groups} groups, without {evidence.left_out} that "
        f"one of them was trained on: {verdict}"
    ]
    lines += [
        f"  {'ok    ' if check.holds else 'FAILED'} {check.name}: {check.sentence}" for check in evidence.verdict.checks
    ]
    return "\n".join(lines)


def moved(move: Move) -> str:
    """A move in a line."""
    return f"{move.kind}: {move.before or 'none'} -> {move.after} by {move.who}: {move.why}"


def _keep(evidence: Evidence) -> None:
    """Write verdict and evidence to the challenger's version and run."""
    client, version = mlflow.MlflowClient(), evidence.challenger.version
    gain = evidence.comparison.gain
    tags = {
        "verdict": "promote" if evidence.verdict.promote else "refuse",
        "against": evidence.champion.version,
        "gain": f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})",
        "p_value": f"{evidence.comparison.p_value:.4g}",
        "segments": str(evidence.segments),
        "failed": ", ".join(check.name for check in evidence.verdict.checks if not check.holds) or "nothing",
    }
    for name, value in tags.items():
        client.set_model_version_tag(MODEL_NAME, version, f"gate.{name}", value)
    run_id = str(client.get_model_version(MODEL_NAME, version).run_id)
    client.log_dict(run_id, evidence.summary(), "gate.json")
    client.log_text(run_id, gate_page(evidence), "gate.html")
