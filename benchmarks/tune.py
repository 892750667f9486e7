"""A sweep over all models and undersamplings on the synthetic gym, beside one process that does the same without Ray.

    python benchmarks/tune.py [--quick] [--json FILE] [--trials 48] [--epochs 30] [--keep FOLDER]

The sweep is `gymspotter tune` with ASHA and TPE, one trial a core. Its peer takes the same points in the same order in
this process, with Optuna's successive halving, which is ASHA for one worker, and without MLflow. The finals and the
winners come after the search and are not in its time.
"""

import os
import tempfile
import time
from pathlib import Path

import optuna
import torch
from common import Claim, Options, parser, report

from gymspotter import storage
from gymspotter.fit import Epoch, Fitting
from gymspotter.labelled import read_labelled
from gymspotter.sweeps.options import TuneOptions
from gymspotter.sweeps.record import read_sweep
from gymspotter.sweeps.searching import read_points
from gymspotter.sweeps.space import Point, Space
from gymspotter.sweeps.trial import Data, run_trial
from gymspotter.synth.generate import SynthOptions, synthesise
from gymspotter.tracking import use_store
from gymspotter.tune import sides_for, tune


def main() -> None:
    command = parser(__doc__ or "")
    command.add_argument("--trials", type=int, default=48)
    command.add_argument("--epochs", type=int, default=30)
    command.add_argument("--per-exercise", type=int, default=40, help="performances of each exercise")
    command.add_argument("--keep", type=Path, metavar="FOLDER", help="where to keep the sweep and its MLflow store")
    given = command.parse_args()
    if given.quick:
        given.trials, given.epochs, given.per_exercise = 6, 4, 6
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        tracks = str(folder / "tracks")
        synthesise(SynthOptions(out=tracks, kind="skeletons", per_exercise=given.per_exercise, noise=1.0))
        options = TuneOptions(
            tracks=tracks,
            name="benchmark",
            trials=given.trials,
            epochs=given.epochs,
            models=("mlp", "rnn", "transformer") if given.quick else (),
            finalists=1,  # the finals are no part of what is measured
            seeds=1,
            folder=str(folder / "sweeps"),
            tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
            artifacts=folder / "artifacts",
        )
        sweep = tune(options)
        assert sweep is not None
        claims = of_the_sweep(options, sweep.run_id) + of_the_peer(options)
    report("tune", claims, Options(quick=given.quick, json=given.json), packages=("ray", "optuna", "torch", "mlflow"))


def of_the_sweep(options: TuneOptions, run_id: str) -> list[Claim]:
    record = read_sweep(use_store(options.tracking_uri), run_id)
    trials, found = [run for run in record.runs if run.kind == "trial"], record.metrics
    parallel = len(os.sched_getaffinity(0)) / options.cpus_per_trial
    ideal = found["trial_seconds"] / parallel
    cells = {trial.cell for trial in trials}
    return [
        Claim(claim="trials", value=len(trials), unit="trials", goal=48),
        Claim(claim="models x undersamplings that were tried", value=len(cells), unit="", goal=21),
        Claim(claim="trials that failed", value=sum(t.failed for t in trials), unit="trials", goal=0, better="less"),
        Claim(
            claim="epochs spent, of those that running all to the end takes",
            value=found["epochs_spent"] / found["epochs_full"],
            unit="share",
            goal=0.5,
            better="less",
        ),
        Claim(claim="the search", value=found["wall_seconds"], unit="s"),
        Claim(
            claim="the search, of (sum of trial times / parallel trials)",
            value=found["wall_seconds"] / ideal,
            unit="x",
            goal=1.15,
            better="less",
        ),
    ]


def run_alone(study: optuna.Study, point: Point, data: Data, options: TuneOptions) -> int:
    """One trial in this process; the epochs it was given."""
    trial = study.ask()
    best, done = 0.0, 0

    def on_epoch(fitting: Fitting, epoch: Epoch) -> bool:
        nonlocal best, done
        best, done = max(best, epoch.validation_f1 or 0.0), epoch.number
        trial.report(best, epoch.number)
        return trial.should_prune()

    run_trial(point, data, epochs=options.epochs, seed=options.seed, on_epoch=on_epoch)
    study.tell(trial, best)
    return done


def of_the_peer(options: TuneOptions) -> list[Claim]:
    """The same points, one after the other in this process."""
    labelled = read_labelled(options.tracks)
    data = Data.of(sides_for(options, Space(), labelled), labelled.grid_fps)
    points = list(read_points(storage.join(options.folder, options.name)).values())
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=options.grace, reduction_factor=options.reduction)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    begun, epochs = time.perf_counter(), 0
    for point in points:
        epochs += run_alone(study, point, data, options)
    seconds = time.perf_counter() - begun
    return [
        Claim(claim="one process without Ray: the search", value=seconds, unit="s"),
        Claim(
            claim="one process without Ray: epochs spent, of those that running all to the end takes",
            value=epochs / (len(points) * options.epochs),
            unit="share",
        ),
    ]


if __name__ == "__main__":
    main()
