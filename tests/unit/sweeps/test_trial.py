import copy
import io
import pickle

import numpy as np
import pytest
import torch

from gymspotter.errors import InputError
from gymspotter.fit import fit
from gymspotter.loop import FitConfig
from gymspotter.splits import Split, split
from gymspotter.sweeps.space import Space
from gymspotter.sweeps.trial import Data, at_stride, run_trial
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.windows import cut_segments, join_segments
from tests.unit.test_windows import counting

CELLS = {cell["model"]: cell for cell in Space().cells() if cell["undersample"] == "none"}
# Everything that draws at random, and frames and stride of its own.
POINT = CELLS["transformer"] | {"augment": 1.0, "mixup": 0.2, "schedule": "one-cycle", "frames": 30, "stride": 60}


@pytest.fixture(scope="module")
def data():
    options = SynthOptions(seed=5, seconds=24.0)
    chosen = ("squat", "plank", "lateral raise")
    tracks = [make_track(Item(exercise=e, number=k, seed=5), options) for e in chosen for k in range(10)]
    sides = split(cut_segments(tracks, stride=15)[0], validation_share=0.3, seed=0)
    return Data.of(sides, 5.0)


def losses(point, data, seed=0, **more):
    fitted = run_trial(point, data, epochs=4, seed=seed, **more)
    return [(epoch.loss, epoch.validation_loss) for epoch in fitted.epochs]


@pytest.mark.parametrize("stride", [10, 20, 30, 60])
@pytest.mark.parametrize("t0", [0.0, 3.4])
def test_a_stride_takes_what_a_cut_at_that_stride_would_have(stride, t0):
    videos = [[counting(frames, video_id=f"{frames:064d}", t0=t0)] for frames in (9, 60, 61, 89, 90, 95, 120, 125, 290)]
    whole = [counting(300, span=k, t0=t0 + 60 * k, video_id="a" * 64) for k in range(2)]
    gap = [counting(frames, span=k, t0=t0 + 60 * k, video_id="b" * 64) for k, frames in ((0, 300), (2, 170), (4, 7))]
    tracks = [*whole, *gap, *(span for video in videos for span in video)]
    fine, coarse = cut_segments(tracks, stride=10)[0], cut_segments(tracks, stride=stride)[0]
    taken = at_stride(fine, stride, 5.0)
    np.testing.assert_array_equal(taken.poses, coarse.poses)
    np.testing.assert_array_equal(taken.starts, coarse.starts)
    np.testing.assert_array_equal(taken.video_ids, coarse.video_ids)


def test_a_stride_does_not_mind_the_order_of_the_segments():
    fine = cut_segments([counting(300), counting(155, video_id="b" * 64)], stride=10)[0]
    order = np.random.default_rng(0).permutation(len(fine))
    taken, mixed = at_stride(fine, 30, 5.0), at_stride(fine[order], 30, 5.0)
    rows = [sorted(zip(side.video_ids.tolist(), side.starts.tolist(), strict=True)) for side in (taken, mixed)]
    assert rows[0] == rows[1]


def test_a_stride_that_leaves_nothing_out_copies_nothing():
    fine = cut_segments([counting(300)], stride=10)[0]
    assert at_stride(fine, 10, 5.0) is fine
    none = fine[np.zeros(len(fine), bool)]
    assert len(at_stride(none, 30, 5.0)) == 0


def test_a_cell_does_what_the_recipe_does(data):
    config = FitConfig(model="mlp", epochs=3)
    train = at_stride(data.train, 30, 5.0)
    expected = fit(train, config, validation=data.validation)
    found = run_trial(CELLS["mlp"], data, epochs=3, seed=0)
    assert found.epochs == expected.epochs
    assert len(train) < len(data.train)


def test_the_seed_decides_everything(data):
    first = losses(POINT, data)
    assert first == losses(POINT, data)
    assert np.isfinite(first).all()
    assert not {loss for loss, _ in first} & {loss for loss, _ in losses(POINT, data, seed=1)}


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
def test_a_trial_goes_on_from_a_state_as_if_never_stopped(data, schedule):
    point, file = POINT | {"schedule": schedule}, io.BytesIO()

    def stop_after_two(fitting, epoch):
        if epoch.number == 2:
            torch.save(fitting.state(), file)
        return epoch.number == 2

    through, stopped = losses(point, data), losses(point, data, on_epoch=stop_after_two)
    assert stopped == through[:2]
    file.seek(0)
    state = torch.load(file, weights_only=True)
    numbers = []
    assert losses(point, data, state=state, on_epoch=lambda _, epoch: numbers.append(epoch.number)) == through
    assert numbers == [3, 4]


def test_a_state_goes_on_with_the_point_s_learning_rate(data):
    states, rates = {}, {}

    def note(name):
        def on_epoch(fitting, epoch):
            states[name, epoch.number] = copy.deepcopy(fitting.state())
            rates[name, epoch.number] = fitting.loop.learning_rate

        return on_epoch

    losses(POINT, data, on_epoch=note("old"))
    losses(POINT | {"learning_rate": 0.003}, data, state=states["old", 2], on_epoch=note("new"))
    assert rates["new", 3] == pytest.approx(3 * rates["old", 3])
    assert rates["new", 4] == pytest.approx(3 * rates["old", 4])


def test_what_an_epoch_s_listener_raises_ends_the_trial(data):
    def pruned(fitting, epoch):
        raise TimeoutError(epoch.number)

    with pytest.raises(TimeoutError, match="1"):
        run_trial(POINT, data, epochs=4, seed=0, on_epoch=pruned)


def test_shared_data_is_only_read(data, recwarn):
    buffers = []
    sent = pickle.dumps(data, protocol=5, buffer_callback=buffers.append)
    shared = pickle.loads(sent, buffers=[buffer.raw().toreadonly() for buffer in buffers])
    assert not shared.train.poses.flags.writeable
    assert len(sent) < data.train.poses.nbytes / 10  # the arrays are beside it, and are not copied
    point = POINT | {"stride": 15}
    assert losses(point, shared) == losses(point, data)
    assert not [warning for warning in recwarn if "not writable" in str(warning.message)]


def test_trials_need_a_validation_side(data):
    sides = Split(train=data.train, validation=None, test=data.validation, protocol="group", seed=0)
    with pytest.raises(InputError, match="set a validation-share"):
        Data.of(sides, 5.0)


def test_the_validation_side_keeps_its_windows_whatever_the_stride(data):
    seen = []
    for stride in (15, 60):
        run_trial(
            POINT | {"stride": stride},
            data,
            epochs=1,
            seed=0,
            on_epoch=lambda fitting, _: seen.append((len(fitting.watched[0]), len(fitting.loop.batches.poses))),
        )
    assert seen[0][0] == seen[1][0] == len(data.validation)
    assert seen[0][1] > seen[1][1]
    assert len(join_segments(data.train)) == seen[0][1]
