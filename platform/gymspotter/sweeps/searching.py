"""How points of the space are proposed, kept and ended early: Optuna's samplers, ASHA or PBT, and a sweep's diary.

Every proposed point is a small file beside the sweep before its trial begins, so that a sweep that is resumed proposes
the same ones again, in the same order.
"""

import hashlib
import json
import os
import tempfile
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

# Read when Tune is first imported: no CSV and TensorBoard files, which nobody looks at; Ctrl-C is for the command line;
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # its tables; ours is a line a trial

import optuna
from ray import tune as ray_tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, PopulationBasedTraining, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from gymspotter import storage
from gymspotter.errors import InputError
from gymspotter.sweeps.options import TuneOptions
from gymspotter.sweeps.space import Point, Real, Space
from gymspotter.sweeps.trainable import GRID, METRIC, Job, config_of, open_run, work

_POINTS = "points"
_LEARNING_RATE = "learning_rate"
_MAX_FAILURES = 3  # a trial whose worker or node was lost is started again so often


def key_of(point: Point) -> str:
    """12 hex digits that name a point."""
    return hashlib.sha256(json.dumps(point, sort_keys=True).encode()).hexdigest()[:12]


class Suggester:
    """The function that Optuna is searched with (define by run): a point for a trial, kept before it is run."""

    def __init__(self, space: Space, folder: str, seed: int) -> None:
        self.space, self.folder, self.seed = space, folder, seed
        self.suggested: Counter[str] = Counter()

    def __call__(self, trial: optuna.Trial) -> dict[str, Any]:
        """The configuration of the next trial; a point that comes again gets a key of its own."""
        point = self.space.suggest(trial)
        name = key_of(point)
        self.suggested[name] += 1
        key = name if self.suggested[name] == 1 else f"{name}-{self.suggested[name]}"
        number = self.suggested.total()
        place = storage.join(self.folder, _POINTS, f"{number:05d}-{key}.json")
        if storage.info(place) is None:
            storage.write_whole(place, json.dumps(point).encode())
        return {**point, "key": key, "kind": "trial", "seed": self.seed}


def read_points(folder: str) -> dict[str, Point]:
    """By key, the points that were proposed in a sweep so far, in their order."""
    return {
        storage.name(place).removesuffix(".json").split("-", 1)[1]: json.loads(storage.read_bytes(place))
        for place in storage.files(storage.join(folder, _POINTS))
    }


def proposals(suggester: Suggester, options: TuneOptions, first: list[Point]) -> dict[str, Any]:
    """What tells Tune of the points to try, ``first`` first: a searcher, or for PBT a population, drawn beforehand."""
    if options.scheduler != "pbt":
        search = OptunaSearch(suggester, metric=METRIC, mode="max", sampler=_sampler(options), points_to_evaluate=first)
        return {"search_alg": search, "num_samples": options.trials}
    study = optuna.create_study(sampler=_sampler(options))
    for point in first:
        study.enqueue_trial(point)
    return {"param_space": grid([suggester(study.ask()) for _ in range(options.trials)])}


def grid(configs: list[dict[str, Any]]) -> dict[str, Any]:
    """A parameter space of these configurations and no others."""
    return {GRID: ray_tune.grid_search(configs)}


def _sampler(options: TuneOptions) -> optuna.samplers.BaseSampler:
    """Who proposes points: the tree-structured Parzen estimator (Bergstra et al. 2011), or chance.

    Trials under way count as bad ones, so that parallel trials are not all alike; what only some models have is
    estimated among those.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if options.search == "random" or options.scheduler == "pbt":  # PBT starts from a population drawn at random
        return optuna.samplers.RandomSampler(seed=options.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=options.seed, multivariate=True, group=True, constant_liar=True)


def scheduler(options: TuneOptions, space: Space) -> TrialScheduler:
    """Who ends trials early: ASHA (Li et al. 2020), PBT (Jaderberg et al. 2017) or nobody."""
    if options.scheduler == "asha":
        return ASHAScheduler(
            metric=METRIC,
            mode="max",
            time_attr="epoch",
            max_t=options.epochs + 1,  # at the end a trial ends by itself, and says so
            grace_period=min(options.grace, options.epochs),
            reduction_factor=options.reduction,
        )
    if options.scheduler == "pbt":
        rate = space.training[_LEARNING_RATE]
        if not isinstance(rate, Real):
            raise InputError("scheduler is 'pbt' and the space has no range of learning_rate: give it low and high.")
        return PopulationBasedTraining(
            metric=METRIC,
            mode="max",
            time_attr="epoch",
            perturbation_interval=options.grace,
            # All are compared at one epoch, however few run at a time: else a quick trial ends before it has company.
            synch=True,
            hyperparam_mutations={GRID: {_LEARNING_RATE: ray_tune.loguniform(rate.low, rate.high)}},
        )
    return FIFOScheduler()


class Watch(ray_tune.Callback):
    """Looks on from the driver: tells of every trial that ends, and closes the runs of those that were ended."""

    def __init__(self, job: Job, trials: int, then: Callable[[], None] = lambda: None, *, last: bool) -> None:
        """``then`` is called after each trial; unless it is the ``last`` attempt, what is lost is tried again."""
        self.job, self.trials, self.then, self.last, self.done = job, trials, then, last, 0

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune keeps callbacks on disk, and this one knows the credentials of the store."""
        return {}

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """It ended by itself, or the scheduler or a budget ended it."""
        result, config = trial.last_result or {}, config_of(trial.config)
        run = open_run(self.job, config)
        if not run.finished:
            run.log({METRIC: result.get(METRIC, 0.0), "epochs_run": result.get("epoch", 0)})
            run.log({"seconds": result.get("seconds", 0.0)})
            run.tag("stopped", "early")
            run.finish("FINISHED" if result.get("epoch") else "KILLED")
        self._tell(config, f"macro F1 {result.get(METRIC, 0.0):.3f} after {result.get('epoch', 0)} epochs")

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Its worker or node was lost too often."""
        config = config_of(trial.config)
        run = open_run(self.job, config)
        if self.last:
            run.finish("FAILED", error="its worker was lost too often: look at the node's memory and Ray's logs")
        else:
            run.finish("KILLED")
        self._tell(config, "its worker was lost")

    def _tell(self, config: dict[str, Any], how: str) -> None:
        self.done += 1
        cell = f"{config['model']} {config['undersample']}"
        print(f"{config['kind']} {self.done} of {self.trials}: {cell}: {how}", flush=True)
        self.then()


def run_trials(job: Job, watch: Watch, options: TuneOptions, *, param_space: Any = None, **tune_config: Any) -> None:
    """Let Ray Tune run trials; what they come to is in MLflow."""
    trainable = ray_tune.with_resources(
        ray_tune.with_parameters(work, job=job), {"CPU": options.cpus_per_trial, "GPU": options.gpus_per_trial}
    )
    attempt = f"attempt-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}"
    # What Tune notes of an attempt is never read again. So it stays on the driver's disk, where no store can fail; but
    # under PBT trials go on from each other's checkpoints, on any node.
    with tempfile.TemporaryDirectory(prefix="gymspotter-") as here:
        folder = storage.absolute(job.folder) if job.interval else here
        ray_tune.Tuner(
            trainable,
            param_space=param_space,
            tune_config=ray_tune.TuneConfig(
                max_concurrent_trials=options.parallel or None,
                reuse_actors=True,
                trial_name_creator=_name,
                trial_dirname_creator=_name,
                **tune_config,
            ),
            run_config=ray_tune.RunConfig(
                name=attempt,
                storage_path=folder,
                failure_config=ray_tune.FailureConfig(max_failures=_MAX_FAILURES),
                callbacks=[watch],
                verbose=0,
            ),
        ).fit()
        if job.interval:
            storage.remove_folder(storage.join(folder, attempt))


def _name(trial: Any) -> str:
    return str(config_of(trial.config)["key"])
