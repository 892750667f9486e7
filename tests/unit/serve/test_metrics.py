"""What is counted reaches Ray's metrics: counters summed, histograms one by one, gauges each time."""

import pytest

from serve.metrics import DECLARED, Metrics, Recorded


class Fake:
    """In the place of one of Ray's metrics, which accept only the tags that they were declared with."""

    def __init__(self, declared):
        self.tags, self.calls = declared.tags, []

    def _take(self, kind, number, tags):
        assert tuple(tags) == self.tags
        assert all(isinstance(value, str) for value in tags.values())
        self.calls.append((kind, number, tuple(tags.values())))

    def inc(self, number, tags):
        assert number > 0
        self._take("inc", number, tags)

    def observe(self, number, tags):
        self._take("observe", number, tags)

    def set(self, number, tags):
        self._take("set", number, tags)


@pytest.fixture
def made():
    return {declared.name: Fake(declared) for declared in DECLARED}


@pytest.fixture
def metrics(made):
    metrics = Metrics(flush_seconds=3600, made=made)
    yield metrics
    metrics.close()


def use_all(meter):
    meter.request("POST", "/v1/classify", 200, 0.25)
    meter.sessions(3)
    meter.label("squat", 0.01)
    meter.batch(16, 0.02)
    meter.event("start")
    meter.notice("late")
    meter.unknown(0.5)
    meter.drift({"torso": 0.1, "facing": 0.2})
    meter.swap("swapped")
    meter.version("12")
    meter.shadow(0.9)


def test_counts_are_added_up_and_handed_over_once(metrics, made):
    for _ in range(5):
        metrics.label("squat", 0.01)
    metrics.label("plank", 0.2)
    metrics.batch(16, 0.02)
    assert not made["gymspotter_labels_total"].calls
    metrics.flush()
    metrics.flush()
    assert sorted(made["gymspotter_labels_total"].calls) == [("inc", 1.0, ("plank",)), ("inc", 5.0, ("squat",))]
    assert made["gymspotter_label_seconds"].calls == [("observe", 0.01, ())] * 5 + [("observe", 0.2, ())]
    assert made["gymspotter_windows_total"].calls == [("inc", 16.0, ())]


def test_gauges_are_set_again_at_each_flush(metrics, made):
    metrics.sessions(2)
    metrics.sessions(7)
    metrics.flush()
    metrics.flush()
    assert made["gymspotter_sessions"].calls == [("set", 7.0, ())] * 2


def test_every_declared_metric_has_a_hook_and_every_hook_a_declared_metric(metrics, made):
    use_all(metrics)
    metrics.flush()
    assert {name for name, fake in made.items() if fake.calls} == {declared.name for declared in DECLARED}
    for declared in DECLARED:
        kinds = {"counter": "inc", "gauge": "set", "histogram": "observe"}
        assert {call[0] for call in made[declared.name].calls} == {kinds[declared.kind]}
        assert declared.name.endswith("_total") == (declared.kind == "counter")
        assert bool(declared.boundaries) == (declared.kind == "histogram")


def test_the_recording_one_takes_the_same(made):
    recorded = Recorded()
    use_all(recorded)
    assert {name for name, _ in [*recorded.taken, *recorded.gauges]} == set(made)
    assert recorded.taken["gymspotter_requests_total", ("POST", "/v1/classify", "200")] == [1.0]
    assert recorded.gauges["gymspotter_model_version", ()] == 12.0


def test_a_thread_hands_over_without_being_asked(made):
    metrics = Metrics(flush_seconds=0.01, made=made)
    metrics.notice("gap")
    metrics.close()
    assert made["gymspotter_notices_total"].calls == [("inc", 1.0, ("gap",))]


def test_whoever_invents_tags_cannot_make_series_without_end(metrics, made):
    for number in range(1000):
        metrics.event(f"invented {number}")
    metrics.flush()
    calls = made["gymspotter_events_total"].calls
    assert len(calls) <= 301
    assert sum(number for _, number, _ in calls) == 1000
    assert ("inc", 700.0, ("other",)) in calls


def test_a_metric_that_fails_does_not_end_the_thread(made):
    def fail(number, tags):
        raise RuntimeError("Ray is gone")

    made["gymspotter_events_total"].inc = fail
    metrics = Metrics(flush_seconds=0.01, made=made)
    metrics.event("start")
    metrics.notice("gap")
    metrics.close()
    metrics.notice("late")
    metrics.flush()
    assert ("inc", 1.0, ("late",)) in made["gymspotter_notices_total"].calls
