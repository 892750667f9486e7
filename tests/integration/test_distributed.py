"""Training by several workers of a real Ray, some of which are killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gymspotter.distributed import Workers, fit_distributed
from gymspotter.errors import InputError
from gymspotter.fit import evaluate, fit
from gymspotter.loop import FitConfig
from gymspotter.splits import split
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.windows import cut_segments

# No dropout: with it each worker draws for itself, and the losses are others than those of one process.
CONFIG = FitConfig(model="rnn", epochs=12, batch_size=8, schedule="one-cycle", ema=0.9, balance="weights")


def make_sides():
    options = SynthOptions(kind="skeletons", seed=5)
    chosen = ("squat", "plank", "lateral raise")
    tracks = [make_track(Item(exercise=e, number=k, seed=5), options) for e in chosen for k in range(14)]
    return split(cut_segments(tracks)[0], validation_share=0.2, seed=0)


@pytest.fixture(scope="module")
def sides():
    return make_sides()


def children(name):
    """Process ids of this process' Ray workers of that name."""
    listing = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout
    return [int(line.split()[0]) for line in listing.splitlines() if name in line and "ps -eo" not in line]


def assert_the_same(together, alone):
    assert [epoch.number for epoch in together.epochs] == list(range(1, CONFIG.epochs + 1))
    np.testing.assert_allclose(together.losses, alone.losses, rtol=1e-4)
    assert together.best == alone.best
    for name, value in alone.classifier.state_dict().items():
        np.testing.assert_allclose(together.classifier.state_dict()[name], value, atol=1e-4)


@pytest.mark.slow
def test_two_workers_do_what_one_process_does(sides, tmp_path):
    workers, told = Workers(workers=2, cpus_per_worker=0.5, checkpoints=str(tmp_path)), []
    together = fit_distributed(sides.train, CONFIG, workers, validation=sides.validation, on_epoch=told.append)
    assert_the_same(together, fit(sides.train, CONFIG, validation=sides.validation))
    assert told == together.epochs
    assert not list(tmp_path.rglob("*.pt"))  # a finished training leaves no checkpoints


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(sides, tmp_path):
    told, killed = [], []

    def on_epoch(epoch):
        told.append(epoch.number)
        if epoch.number >= 3 and not killed:
            killed.extend(children("RayTrainWorker")[:1])
            os.kill(killed[0], signal.SIGKILL)

    workers = Workers(workers=2, cpus_per_worker=0.5, checkpoints=str(tmp_path), checkpoint_seconds=0.0)
    together = fit_distributed(sides.train, CONFIG, workers, on_epoch=on_epoch)
    assert killed
    assert told == list(range(1, CONFIG.epochs + 1))
    assert_the_same(together, fit(sides.train, CONFIG))


@pytest.mark.slow
def test_a_streamed_side_is_learnt_too(sides, tmp_path):
    config = FitConfig(model="cnn1d", epochs=8, batch_size=8, balance="weights")
    streamed = fit_distributed(sides.train, config, Workers(workers=1, checkpoints=str(tmp_path), resident_gib=0.0))
    assert len(streamed.epochs) == 8
    assert streamed.losses[-1] < streamed.losses[0] / 2
    assert evaluate(streamed.classifier, sides.test).accuracy > 0.6
    with pytest.raises(InputError, match="use weights, or more resident-gib"):
        fit_distributed(sides.train, FitConfig(balance="sampler"), Workers(workers=1, resident_gib=0.0))


PROGRAM = """
import sys
from gymspotter.distributed import Workers, fit_distributed
from tests.integration.test_distributed import CONFIG, make_sides
fit_distributed(
    make_sides().train, CONFIG, Workers(workers=1, checkpoints=sys.argv[1], checkpoint_seconds=0.0),
    on_epoch=lambda epoch: print(epoch.number, flush=True),
)
"""


@pytest.mark.slow
def test_a_killed_driver_s_training_goes_on_where_it_was(sides, tmp_path):
    program = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    process = subprocess.Popen(
        program, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2], start_new_session=True
    )
    for line in process.stdout:
        if int(line) >= 4:
            os.killpg(process.pid, signal.SIGKILL)
            break
    process.wait()
    told = []
    done = fit_distributed(
        sides.train,
        CONFIG,
        Workers(workers=1, checkpoints=str(tmp_path), checkpoint_seconds=0.0),
        on_epoch=lambda epoch: told.append(epoch.number),
    )
    assert 3 <= told[0] <= 12
    assert [epoch.number for epoch in done.epochs] == list(range(1, 13))
    np.testing.assert_allclose(done.losses, fit(sides.train, CONFIG).losses, rtol=1e-4)


@pytest.mark.parametrize(
    ("field", "value"),
    [("workers", -1), ("cpus_per_worker", 0), ("gpus_per_worker", -1), ("max_failures", -1), ("resident_gib", -1)],
)
def test_bad_options_name_their_field(field, value):
    with pytest.raises(InputError, match=field.replace("_", "-")):
        Workers(**{field: value})


def test_workers_that_share_batches_do_not_share_a_gpu():
    """NCCL would refuse them, after the cluster has started a node for each."""
    with pytest.raises(InputError, match=r"gpus-per-worker is 0\.5 and workers is 2"):
        Workers(workers=2, gpus_per_worker=0.5)
    for workers, gpus in ((1, 0.5), (2, 1), (2, 0)):
        Workers(workers=workers, gpus_per_worker=gpus)
