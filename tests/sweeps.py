"""A sweep as it is recorded in MLflow, written without training anything: for the tests of its report."""

import math
from pathlib import Path

import mlflow
import numpy as np
from mlflow.entities import Metric, Param

MODELS = {"mlp": 0.3, "cnn1d": 0.55, "rnn": 0.4, "lstm": 0.6, "transformer": 0.8, "spotter": 0.9}
UNDERSAMPLE = ("none", "plank-half", "to-median")
EVIL = "<script>alert('x')</script> & \"more\""
EPOCHS = 12


class RecordedSweep:
    """One parent run and what is written below it."""

    def __init__(self, uri: str, artifacts: Path, name: str = "sweep") -> None:
        self.client = mlflow.MlflowClient(tracking_uri=uri)
        found = self.client.get_experiment_by_name("gymspotter")
        self.experiment = (
            found.experiment_id if found else self.client.create_experiment("gymspotter", artifacts.as_uri())
        )
        tags = {
            "kind": "sweep", "sweep": name, "data": "d41d8cd98f00",
            "split": "group, 300 of 1000 segments tested, seed 0", "commit": "c0ffee", "device": EVIL, "python": "3.11",
        }  # fmt: skip
        self.run_id = self.client.create_run(self.experiment, run_name=name, tags=tags).info.run_id
        options = {"trials": 36, "minutes": 0, "epochs": EPOCHS, "scheduler": "asha"}
        self._log(self.run_id, options, {})
        self.client.log_text(self.run_id, "models: [mlp, spotter]\n", "space.yaml")
        self.rng = np.random.default_rng(0)

    def child(self, key, point, *, kind="trial", f1=0.5, epochs=EPOCHS, status="FINISHED", metrics=None, **tags):
        """A run below it, whose macro F1 rises to ``f1`` in ``epochs``."""
        cell = f"{point['model']} {point['undersample']}"
        every = {"kind": kind, "key": key, "cell": cell, "mlflow.parentRunId": self.run_id, **tags}
        run_id = self.client.create_run(self.experiment, run_name=cell, tags=every).info.run_id
        curve = [f1 * (1 - math.exp(-epoch / 5)) / (1 - math.exp(-epochs / 5)) for epoch in range(1, epochs + 1)]
        ended = {"best_validation_macro_f1": f1, "epochs_run": epochs, "seconds": 2.0 * epochs} | (metrics or {})
        self._log(run_id, {**point, "epochs": EPOCHS, "seed": 0}, ended if status == "FINISHED" else {}, curve)
        if status != "RUNNING":
            self.client.set_terminated(run_id, status)
        return run_id

    def _log(self, run_id, params, metrics, curve=()):
        learned = [Metric("validation_macro_f1", f1, 0, epoch) for epoch, f1 in enumerate(curve, 1)]
        self.client.log_batch(
            run_id,
            params=[Param(name, str(value)) for name, value in params.items()],
            metrics=[*learned, *(Metric(name, value, 0, 0) for name, value in metrics.items())],
        )

    def point(self, model, undersample):
        """A point whose learning rate matters; attention heads are the Transformers' alone."""
        heads = {f"{model}.heads": int(self.rng.choice([2, 4, 8]))} if model in ("transformer", "spotter") else {}
        return {
            "model": model, "undersample": undersample, "learning_rate": float(10 ** self.rng.uniform(-4, -2)),
            "batch_size": int(self.rng.choice([32, 64, 128])), "frames": int(self.rng.choice([15, 30, 60])),
            "augment": round(float(self.rng.uniform(0, 1)), 2), "align_facing": bool(self.rng.integers(2)), **heads,
        }  # fmt: skip

    def trials(self, each: int = 2) -> dict[tuple[str, str], tuple[str, dict]]:
        """``each`` trials of every cell, half of them ended early; returns the last of every cell: key and point."""
        best = {}
        for model, level in MODELS.items():
            for undersample in UNDERSAMPLE:
                for number in range(each):
                    key, point = f"{model}-{undersample}-{number}", self.point(model, undersample)
                    f1 = level - 0.15 * abs(math.log10(point["learning_rate"]) + 3) + float(self.rng.normal(0, 0.01))
                    early = number % 2 == 0
                    more = {"stopped": "early"} if early else {}
                    self.child(key, point, f1=f1, epochs=4 if early else EPOCHS, **more,
                               metrics={"seconds": (0.5 + 2 * level) * (4 if early else EPOCHS)})  # fmt: skip
                    best[model, undersample] = key, point
        return best

    def failures(self) -> None:
        """A trial that raised, one that was killed, one under way, and one whose metrics are no numbers."""
        self.child("raised", self.point("mlp", "none"), epochs=0, status="FAILED", error=EVIL)
        self.child("killed", self.point("rnn", "none"), epochs=2, status="KILLED")
        self.child("running", self.point("rnn", "none"), epochs=2, status="RUNNING")
        nan = math.nan
        self.child("nan", self.point("lstm", "none"), f1=nan, epochs=3, metrics={"seconds": nan})

    def finals(self, best, without=()) -> None:
        """Three seeds of every cell but those ``without``."""
        for (model, undersample), (key, point) in best.items():
            if (model, undersample) in without:
                continue
            for seed in range(3):
                f1 = MODELS[model] + 0.01 * seed
                self.child(f"{key}-seed{seed}", point, kind="finalist", trial=key, f1=f1, metrics=tested(f1 - 0.05))

    def winner(self, best, cell, won, version) -> None:
        """The last training of a cell."""
        key, point = best[cell]
        self.child(f"{key}-winner", point, kind="winner", trial=key, won=won, version=version, metrics=tested(0.85))

    def end(self) -> None:
        """The parent's own figures."""
        found = {
            "trials": 40, "trials_failed": 2, "epochs_spent": 450, "epochs_full": 800, "trial_seconds": 1234.5,
            "wall_seconds": 640.0, "leak_group": 0.0, "leak_random": 0.873,
        }  # fmt: skip
        self._log(self.run_id, {}, found)
        self.client.set_terminated(self.run_id)


def tested(f1: float) -> dict[str, float]:
    """What a final measures on the test side."""
    return {
        "test_macro_f1": f1, "test_accuracy": f1 + 0.02, "test_macro_precision": f1 + 0.01,
        "test_macro_recall": f1 - 0.01, "test_calibration_error": 0.034,
    }  # fmt: skip
