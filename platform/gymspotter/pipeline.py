"""Videos to a judged champion in one job: extract, tune, evaluate, gate, promote.

    gymspotter pipeline s3://gym/videos --out s3://gym/pipeline

Each stage is passed over when nothing it depends on has changed, and goes on where it was stopped. So the same command
at night makes a challenger of the videos that came during the day, and does next to nothing if there were none.
"""

import math
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

import mlflow

from gymspotter import __version__, registry, storage
from gymspotter.aliases import champion, version_at
from gymspotter.assessment import assess
from gymspotter.catalog import Entry, read_catalog
from gymspotter.errors import InputError
from gymspotter.extract import NOTE, extract
from gymspotter.labelled import read_labelled
from gymspotter.lock import only_writer
from gymspotter.pipeline_options import STAGES, PipelineOptions
from gymspotter.policy import Policy, read_policy
from gymspotter.promote import REFUSED, judge, promote_judged
from gymspotter.stages import GONE, Plain, Stages, digest
from gymspotter.sweeps.options import TuneOptions
from gymspotter.sweeps.report import ReportOptions, report
from gymspotter.sweeps.space import Space, read_space
from gymspotter.tracking import use_store
from gymspotter.tune import begun, sides_for, tune

# Where the sweep's things are and how fast it goes; its data and its space are told apart by what is in them.
_OF_NO_MATTER = (
    "name", "tracks", "also", "folder", "tracking_uri", "artifacts", "space",
    "cluster", "parallel", "cpus_per_trial", "gpus_per_trial",
)  # fmt: skip
_TOLERANCE = 0.005  # of a score, between the registered model and the one that was trained: a segment in two hundred


def pipeline(options: PipelineOptions) -> dict[str, Plain]:
    """Run what has to be run; what came of each stage, by its name.

    Raises:
        InputError: a stage cannot be done with what it was given, or another run works on the same folder.
    """
    folder = storage.join(options.out, "stages")
    with only_writer(folder):
        return _Pipeline(options, Stages(folder, again=options.again)).run()


def pipeline_or_exit(options: PipelineOptions) -> None:
    """The verb: exit status REFUSED where the challenger was refused."""
    if pipeline(options).get("gate", {}).get("verdict") == "refuse":
        sys.exit(REFUSED)


class _Pipeline:
    """One run of it. Each stage is given what it depends on, and knows no more than that."""

    def __init__(self, options: PipelineOptions, stages: Stages) -> None:
        self.options, self.stages = options, stages
        self.done: dict[str, Plain] = {}

    def run(self) -> dict[str, Plain]:
        for name in STAGES:
            self.done[name] = getattr(self, f"_{name}")()
            if name == self.options.until:
                break
        return self.done

    def _extract(self) -> Plain:
        options = self.options.extraction
        entries = read_catalog(options.videos, options.map)
        inputs = {
            "gymspotter": __version__,
            "videos": digest(_listed(entries)),
            "estimator": options.estimator,
            "tracks": storage.absolute(options.out),
        }

        def work() -> Plain:
            result = extract(options)
            return {"videos": result.videos, "tracks": result.tracks, "quarantined": result.quarantined}

        def again(outputs: Plain) -> str:
            if storage.info(storage.join(options.out, NOTE)) is None:
                return GONE
            # Not every fault is the video's: credentials, memory, a worker that died. What is there costs nothing.
            return "what is in quarantine is tried again" if outputs["quarantined"] else ""

        return self.stages.run("extract", inputs, work, again=again)

    @cached_property
    def _data(self) -> str:
        """The fingerprint of all tracks that are learned from."""
        return read_labelled(self.options.tracks, self.options.also).fingerprint

    @cached_property
    def _space(self) -> Space:
        return read_space(self.options.space) if self.options.space else Space()

    def _tune(self) -> Plain:
        asked = self.options.sweep("sweep").recorded()
        for name in _OF_NO_MATTER:
            del asked[name]
        inputs = {"gymspotter": __version__, "data": self._data, "space": digest(str(self._space)), **asked}

        def work() -> Plain:
            sweep = self._latest_sweep(f"pipeline-{digest(inputs)}")
            found = tune(replace(sweep, resume=begun(sweep)))
            assert found is not None
            return {
                "sweep": sweep.name,
                "run_id": found.run_id,
                "versions": found.versions,
                "challenger": next(iter(found.versions.values())),  # of the best Transformer, or else of all
            }

        def again(outputs: Plain) -> str:
            use_store(self.options.tracking_uri)
            try:
                return "" if version_at(outputs["challenger"]) else GONE
            except InputError:
                return GONE

        return self.stages.run("tune", inputs, work, again=again)

    def _latest_sweep(self, name: str) -> TuneOptions:
        """The last sweep that was begun of these inputs, or the first; if it is to be done again, a further one."""
        number = 1
        while begun(self.options.sweep(f"{name}-{number + 1}")):
            number += 1
        if self.stages.forced("tune") and begun(self.options.sweep(f"{name}-{number}")):
            number += 1
        return self.options.sweep(f"{name}-{number}")

    def _evaluate(self) -> Plain:
        """The challenger as it will be served answers the test side once more; the sweep's report goes to its run."""
        tuned, options = self.done["tune"], self.options
        inputs = {"data": self._data, "challenger": tuned["challenger"], "sweep": tuned["sweep"]}

        def work() -> Plain:
            use_store(options.tracking_uri, existing=True)
            with tempfile.TemporaryDirectory(prefix="gymspotter-") as folder:
                path = Path(folder) / "sweep.html"
                report(ReportOptions(sweep=tuned["run_id"], tracking_uri=options.tracking_uri, out=str(path)))
                mlflow.MlflowClient().log_artifact(tuned["run_id"], str(path))
            loaded = registry.load(tuned["challenger"])
            data = read_labelled(options.tracks, options.also).spare(options.held_out)
            sides = sides_for(options.sweep(tuned["sweep"]), self._space, data)
            found = assess(loaded.module, sides.test).summary()
            then = loaded.facts.scores or {}
            for score in ("accuracy", "macro_f1"):
                if not math.isclose(found[score], then.get(score, math.nan), abs_tol=_TOLERANCE):
                    raise InputError(
                        f"version {loaded.version} reaches a {score} of {found[score]:.3f} as registered, and reached "
                        f"{then.get(score, math.nan):.3f} in training: run the sweep again with --again tune."
                    )
            print(f"version {loaded.version}: " + ", ".join(f"{name} {value:.3f}" for name, value in found.items()))
            return {"scores": found, "segments": len(sides.test)}

        return self.stages.run("evaluate", inputs, work)

    def _gate(self) -> Plain:
        options = self.options.judged
        policy = read_policy(options.policy) if options.policy else Policy()
        inputs = {"challenger": self.done["tune"]["challenger"], "data": self._data, "policy": asdict(policy)}

        def work() -> Plain:
            evidence = judge(replace(options, challenger=inputs["challenger"]))
            if evidence is None:
                return {"verdict": "champion", "champion": inputs["challenger"], "why": ""}
            failed = [check.name for check in evidence.verdict.checks if not check.holds]
            gain = evidence.comparison.gain.value
            return {
                "verdict": "promote" if evidence.verdict.promote else "refuse",
                "champion": evidence.champion.version,
                "gain": gain,
                "failed": failed,
                "why": f"passed the gate against version {evidence.champion.version}, macro F1 {gain:+.3f}",
            }

        return self.stages.run("gate", inputs, work)

    def _promote(self) -> Plain:
        gate, challenger = self.done["gate"], self.done["tune"]["challenger"]

        def work() -> Plain:
            use_store(self.options.tracking_uri, existing=True)
            if gate["verdict"] == "promote" and champion() != challenger:  # unless a run that was stopped did it
                if champion() != gate["champion"]:
                    raise InputError(
                        f"version {champion()} has become the champion since version {challenger} was compared with "
                        f"version {gate['champion']}: compare again with --again gate."
                    )
                promote_judged(challenger, gate["why"])
            else:
                print(f"version {champion()} stays the champion.")
            return {"champion": champion()}

        inputs = {"challenger": challenger, "verdict": gate["verdict"], "against": gate["champion"]}
        return self.stages.run("promote", inputs, work)


def _listed(entries: Sequence[Entry]) -> list[list[object]]:
    """What tells one listing of videos from another: each one's place, label, group, size and time."""

    def row(entry: Entry) -> list[object]:
        info = storage.info(entry.uri)
        return [entry.uri, entry.label, entry.group, info.size if info else None, info.mtime_ns if info else None]

    with ThreadPoolExecutor(16) as threads:  # a request each where they are in a bucket
        return list(threads.map(row, entries))
