"""The batcher's segments are sampled for drift, against the reference of the model that answers."""

import math
from dataclasses import replace

import numpy as np

from gymspotter.drift import FEATURES, Reference
from serve.metrics import Recorded
from serve.model.batcher import Answers
from serve.model.drifting import Drifting
from tests.registered import FACTS, some_poses

KNOWN = replace(FACTS, reference=Reference.of(some_poses(200)).as_dict())


def answered(facts, version="1"):
    none = np.zeros((0, 22), np.float32)
    return Answers(version=version, facts=facts, probabilities_SK=none, unknown_S=none[:, 0])


def test_drift_is_reported_once_enough_segments_were_seen():
    recorded = Recorded()
    drifting = Drifting(recorded, window=20, every=3600)
    drifting.see(some_poses(5, seed=1), answered(KNOWN))
    assert drifting.report() == {}
    drifting.see(some_poses(15, seed=2), answered(KNOWN))
    assert set(drifting.report()) == set(FEATURES)
    assert {tags for _, tags in recorded.gauges} == {(feature,) for feature in FEATURES}
    drifting.close()


def test_a_flood_is_sampled_evenly():
    drifting = Drifting(Recorded(), window=1000, every=3600)
    poses = some_poses(64)
    for _ in range(50):
        drifting.see(poses, answered(KNOWN))
    assert 16 <= sum(len(some) for some in drifting._noted) <= 60
    drifting.close()


def test_another_model_is_watched_by_its_own_reference_and_one_without_is_not():
    drifting = Drifting(recorded := Recorded(), window=20, every=3600)
    drifting.see(some_poses(20), answered(KNOWN))
    assert drifting.report()
    drifting.see(some_poses(20), answered(FACTS, "2"))
    assert drifting.report() == {}
    assert all(math.isnan(value) for value in recorded.gauges.values())  # those of version 1 are not told any longer
    drifting.see(some_poses(20), answered(replace(FACTS, reference={"no": "reference"}), "3"))
    assert drifting.report() == {}
    drifting.close()


def test_what_was_seen_is_held_against_the_next_models_reference_at_once():
    drifting = Drifting(Recorded(), window=20, every=3600)
    drifting.see(some_poses(20), answered(KNOWN))
    first = drifting.report()
    larger = replace(FACTS, reference=Reference.of(3 * some_poses(200)).as_dict())
    drifting.see(some_poses(1), answered(larger, "2"))
    second = drifting.report()
    assert set(second) == set(FEATURES)
    assert second["torso"] > 1 > first["torso"]
    drifting.close()


def test_the_gauges_follow_another_model_without_waiting_for_their_time():
    drifting = Drifting(recorded := Recorded(), window=20, every=3600)
    drifting.see(some_poses(20), answered(KNOWN))
    drifting._ended.wait(2.5)
    assert recorded.gauges["gymspotter_drift", ("torso",)] < 1
    drifting.see(some_poses(1), answered(replace(FACTS, reference=Reference.of(3 * some_poses(200)).as_dict()), "2"))
    drifting._ended.wait(2.5)
    assert recorded.gauges["gymspotter_drift", ("torso",)] > 1
    drifting.close()


def test_the_thread_sets_the_gauges():
    recorded = Recorded()
    drifting = Drifting(recorded, window=20, every=0.02)
    drifting.see(some_poses(20), answered(KNOWN))
    for _ in range(1000):
        if recorded.gauges:
            break
        drifting._ended.wait(0.02)
    drifting.close()
    assert recorded.gauges
