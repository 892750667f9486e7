"""Calls that wait are classified together, each gets its own rows, and all of a call is of one version."""

import asyncio
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from serve.app import Gymspotter
from serve.http.problems import BusyError
from serve.metrics import Recorded
from serve.model.batcher import Batcher
from serve.model.champion import Loaded
from tests.registered import FACTS


class Model:
    """Answers at once, or when `gate` is opened; a segment's logits tell its number and which model it was."""

    def __init__(self, version="1", *, held=False, seconds=0.0):
        self.version, self.seconds, self.sizes = version, seconds, []
        self.gate, self.begun = threading.Event(), threading.Event()
        if not held:
            self.gate.set()
        self.current = Loaded(version=version, facts=FACTS, logits=self.logits)

    def hold(self):
        self.gate.clear()
        self.begun.clear()

    def logits(self, poses):
        self.sizes.append(len(poses))
        self.begun.set()
        time.sleep(self.seconds)
        assert self.gate.wait(30)
        if (poses[:, 0, 0, 0] < 0).any():
            raise ValueError("a negative segment")
        found = np.zeros((len(poses), 22), np.float32)
        found[np.arange(len(poses)), poses[:, 0, 0, 0].astype(int) % 22] = 10.0 * float(self.version)
        return found


def numbered(*numbers):
    poses = np.zeros((len(numbers), 60, 17, 3), np.float32)
    poses[:, 0, 0, 0] = numbers
    return poses


async def begun(model):
    while not model.begun.is_set():
        await asyncio.sleep(0.001)


def test_each_call_gets_its_own_answers():
    recorded = Recorded()

    async def ask():
        batcher = Batcher(Model(), recorded)
        return await asyncio.gather(*(batcher.classify(numbered(k, k + 1)) for k in range(20)))

    for k, answers in enumerate(asyncio.run(ask())):
        assert answers.version == "1"
        assert answers.facts is FACTS
        assert answers.probabilities_SK.argmax(axis=1).tolist() == [k % 22, (k + 1) % 22]
        np.testing.assert_allclose(answers.probabilities_SK.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(answers.unknown_S, 1 / (1 + np.exp(10) + 21), rtol=1e-3)
    assert sum(recorded.taken["gymspotter_windows_total", ()]) == 40
    assert recorded.gauges["gymspotter_unknown_share", ()] == 0


def test_what_waits_is_joined_into_one_pass():
    model = Model(held=True)

    async def ask():
        batcher = Batcher(model, Recorded(), max_batch=64)
        first = asyncio.create_task(batcher.classify(numbered(0)))
        await begun(model)
        others = [asyncio.create_task(batcher.classify(numbered(k))) for k in range(30)]
        await asyncio.sleep(0)
        assert batcher.depth == 30
        assert not batcher.idle
        model.gate.set()
        await asyncio.gather(first, *others)
        assert batcher.depth == 0

    asyncio.run(ask())
    assert model.sizes == [1, 30]


def test_no_pass_is_larger_than_allowed_and_a_long_call_lets_others_in():
    model, order = Model(held=True), []

    async def ask():
        batcher = Batcher(model, Recorded(), max_batch=8)

        async def one(name, poses):
            answers = await batcher.classify(poses)
            order.append(name)
            return answers

        long = asyncio.create_task(one("long", numbered(*range(22))))
        await begun(model)
        short = asyncio.create_task(one("short", numbered(3)))
        await asyncio.sleep(0)
        model.gate.set()
        answers, _ = await asyncio.gather(long, short)
        assert answers.probabilities_SK.argmax(axis=1).tolist() == list(range(22))

    asyncio.run(ask())
    assert max(model.sizes) == 8
    assert sum(model.sizes) == 23
    assert order == ["short", "long"]


def test_full_passes_are_lined_up_behind_the_one_that_runs():
    model = Model(held=True)

    async def ask():
        batcher = Batcher(model, Recorded(), max_batch=64)
        tasks = [asyncio.create_task(batcher.classify(numbered(0)))]
        await begun(model)
        waits = []
        for many in (15, 25, 20, 20):
            tasks += [asyncio.create_task(batcher.classify(numbered(k))) for k in range(many)]
            await asyncio.sleep(0.01)
            waits.append(batcher.depth)
        model.gate.set()
        answers = await asyncio.gather(*tasks)
        assert [int(row.probabilities_SK.argmax()) for row in answers[-20:]] == list(range(20))
        assert batcher.idle
        return waits

    assert asyncio.run(ask()) == [15, 0, 0, 20]  # too few, two passes, and no more than those
    assert model.sizes == [1, 40, 20, 20]


def test_a_call_that_two_passes_share_is_answered_after_the_second():
    model = Model(held=True)

    async def ask():
        batcher = Batcher(model, Recorded(), max_batch=16)
        long = asyncio.create_task(batcher.classify(numbered(*range(20))))
        await begun(model)
        others = [asyncio.create_task(batcher.classify(numbered(k))) for k in range(12)]
        await asyncio.sleep(0.01)
        assert batcher.depth == 0
        model.gate.set()
        answers, *_ = await asyncio.gather(long, *others)
        return answers.probabilities_SK.argmax(axis=1).tolist()

    assert asyncio.run(ask()) == list(range(20))
    assert model.sizes == [16, 16]


def test_a_loop_that_ends_with_passes_lined_up_leaves_the_batcher_usable():
    model = Model(held=True)
    batcher = Batcher(model, Recorded())

    async def leave():
        tasks = [asyncio.create_task(batcher.classify(numbered(0)))]
        await begun(model)
        tasks += [asyncio.create_task(batcher.classify(numbered(k))) for k in range(40)]
        await asyncio.sleep(0.01)
        tasks += [asyncio.create_task(batcher.classify(numbered(k))) for k in range(5)]
        await asyncio.sleep(0)

    asyncio.run(leave())
    model.gate.set()
    assert (batcher.idle, batcher.depth) == (True, 0)
    assert asyncio.run(batcher.classify(numbered(7))).probabilities_SK.argmax() == 7


def test_a_loop_that_ends_while_a_pass_waits_for_company_leaves_the_batcher_usable():
    model = Model(held=True)
    batcher = Batcher(model, Recorded())

    async def leave():
        tasks = [asyncio.create_task(batcher.classify(numbered(0)))]
        await begun(model)
        tasks += [asyncio.create_task(batcher.classify(numbered(k))) for k in range(3)]
        await asyncio.sleep(0.1)
        model.gate.set()
        while batcher._company is None:
            await asyncio.sleep(0)

    asyncio.run(leave())
    answers = asyncio.run(asyncio.wait_for(batcher.classify(numbered(7)), 30))
    assert answers.probabilities_SK.argmax() == 7


def test_a_call_of_several_passes_is_of_one_version_though_the_model_is_swapped():
    old, new = Model("1", held=True), Model("2")

    class Source:
        current = old.current

    async def ask():
        batcher = Batcher(Source, Recorded(), max_batch=8)
        long = asyncio.create_task(batcher.classify(numbered(*range(20))))
        await begun(old)
        Source.current = new.current
        late = asyncio.create_task(batcher.classify(numbered(5)))
        await asyncio.sleep(0)
        old.gate.set()
        return await asyncio.gather(long, late)

    long, late = asyncio.run(ask())
    assert (long.version, late.version) == ("1", "2")
    assert len(set(np.round(long.unknown_S, 9).tolist())) == 1
    assert (sum(old.sizes), sum(new.sizes)) == (20, 1)


def test_an_error_reaches_those_of_its_pass_alone():
    model = Model(held=True)

    async def ask():
        batcher = Batcher(model, Recorded(), max_batch=8)
        bad = asyncio.create_task(batcher.classify(numbered(-1)))
        await begun(model)
        good = asyncio.create_task(batcher.classify(numbered(4)))
        await asyncio.sleep(0)
        model.gate.set()
        return await asyncio.gather(bad, good, return_exceptions=True)

    bad, good = asyncio.run(ask())
    assert isinstance(bad, ValueError)
    assert good.probabilities_SK.argmax() == 4


def test_a_call_that_is_cancelled_while_it_waits_is_not_classified():
    model = Model(held=True)

    async def ask():
        batcher = Batcher(model, Recorded())
        first = asyncio.create_task(batcher.classify(numbered(0)))
        await begun(model)
        tasks = [asyncio.create_task(batcher.classify(numbered(k, k))) for k in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        model.gate.set()
        await asyncio.gather(first, tasks[0], tasks[2])
        assert batcher.depth == 0
        with pytest.raises(asyncio.CancelledError):
            await tasks[1]

    asyncio.run(ask())
    assert model.sizes == [1, 4]


def test_what_waits_is_an_overload_by_how_long_it_will_take_and_not_by_how_much_it_is():
    async def ask(seconds):
        """Whether 300 waiting segments are an overload, of a model that takes so long for each pass of one."""
        model = Model(seconds=seconds)
        batcher = Batcher(model, Recorded(), max_batch=64)
        for _ in range(12):
            await batcher.classify(numbered(0))
        model.hold()
        tasks = [asyncio.create_task(batcher.classify(numbered(0))) for _ in range(301)]
        await begun(model)
        found = batcher.overloaded
        model.gate.set()
        await asyncio.gather(*tasks)
        return found, batcher.overloaded

    assert asyncio.run(ask(0.0)) == (False, False)
    assert asyncio.run(ask(0.02)) == (True, False)


def test_what_has_waited_long_is_an_overload_and_so_is_more_than_memory_should_hold(monkeypatch):
    model = Model(held=True)

    async def ask():
        batcher = Batcher(model, Recorded(), max_batch=2)
        tasks = [asyncio.create_task(batcher.classify(numbered(0))) for _ in range(3)]
        await begun(model)
        before = batcher.overloaded
        monkeypatch.setattr("serve.model.batcher._OVERLOADED_SECONDS", 0.0)
        late = batcher.overloaded
        monkeypatch.undo()
        tasks += [asyncio.create_task(batcher.classify(numbered(0))) for _ in range(130)]
        await asyncio.sleep(0)
        many = batcher.overloaded
        model.gate.set()
        await asyncio.gather(*tasks)
        return before, late, many, batcher.overloaded

    assert asyncio.run(ask()) == (False, True, True, False)


def test_requests_are_refused_before_streams_have_to_leave_hops_out():
    model = Model(held=True)

    async def ask():
        batcher = Batcher(model, Recorded())
        batcher._seconds_each = 0.05
        replica = SimpleNamespace(batcher=batcher)
        tasks = [asyncio.create_task(batcher.classify(numbered(0)))]
        await begun(model)
        await asyncio.sleep(0.6)  # a pause is no reason
        tasks += [asyncio.create_task(Gymspotter.func_or_class.classify(replica, numbered(1))) for _ in range(11)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await Gymspotter.func_or_class.classify(replica, numbered(2))
        streams_go_on = not batcher.overloaded
        model.gate.set()
        await asyncio.gather(*tasks)
        answers = await Gymspotter.func_or_class.classify(replica, numbered(3))
        return streams_go_on, answers.probabilities_SK.argmax()

    assert asyncio.run(ask()) == (True, 3)


def test_a_pause_in_one_pass_does_not_make_the_next_ones_look_slow():
    model = Model()

    async def ask():
        batcher = Batcher(model, Recorded())
        for seconds in (0.0, 1.0):
            model.seconds = seconds
            await batcher.classify(numbered(0))
        model.seconds = 0.0
        model.hold()
        tasks = [asyncio.create_task(batcher.classify(numbered(0))) for _ in range(100)]
        await begun(model)
        found = batcher.will_take(0.5)
        model.gate.set()
        await asyncio.gather(*tasks)
        return found

    assert not asyncio.run(ask())


def test_no_segments_are_no_pass():
    model = Model()
    answers = asyncio.run(Batcher(model, Recorded()).classify(numbered()))
    assert answers.probabilities_SK.shape == (0, 22)
    assert answers.unknown_S.shape == (0,)
    assert model.sizes == []


def test_a_loop_that_ends_leaves_the_batcher_usable():
    model = Model(held=True)
    batcher = Batcher(model, Recorded())

    async def leave():
        asyncio.create_task(batcher.classify(numbered(0)))  # noqa: RUF006
        await begun(model)

    asyncio.run(leave())
    model.gate.set()
    assert batcher.idle
    assert asyncio.run(batcher.classify(numbered(7))).probabilities_SK.argmax() == 7


def test_a_watcher_sees_every_pass_and_cannot_stop_one():
    seen = []

    async def ask():
        batcher = Batcher(Model(), Recorded())
        batcher.watch(lambda poses, answers: 1 / 0)
        batcher.watch(lambda poses, answers: seen.append((poses[:, 0, 0, 0].tolist(), answers.version)))
        await batcher.classify(numbered(1, 2))

    asyncio.run(ask())
    assert seen == [([1.0, 2.0], "1")]
