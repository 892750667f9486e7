"""What answers follows its alias; what cannot be used is refused, and the old one stays."""

import asyncio
import logging
import shutil
import threading
import time
import weakref
from dataclasses import replace

import mlflow
import numpy as np
import pytest

from gymspotter import tracking
from gymspotter.errors import InputError
from serve.metrics import Recorded
from serve.model import champion as module
from serve.model.batcher import Batcher
from serve.model.champion import Champion
from serve.settings import AppSettings
from tests.registered import copy_of, point, some_poses

SWAPS = 10  # under load; benchmarks/serve.py does a thousand
SQUAT, PLANK = 20, 10  # what versions 1 and 2 name
BAD = {}  # versions that are to be refused, by what is wrong with them


def corrupt(said):
    said["golden"][1][7] += 0.01


@pytest.fixture(scope="module")
def store(model_store, tmp_path_factory):
    """Versions 1 and 2 are good; BAD has wrong golden answers, none, other classes, broken files, no files."""
    folder = tmp_path_factory.mktemp("versions")
    tracking.use_store(model_store)
    BAD.update(
        golden=copy_of("2", folder / "golden", corrupt),
        old=copy_of("2", folder / "old", lambda said: said.pop("golden")),
        classes=copy_of("2", folder / "classes", lambda said: said.update(classes=said["classes"][:4])),
        broken=copy_of("2", folder / "broken"),
        gone=copy_of("2", folder / "gone"),
    )
    for file in (folder / "broken").rglob("*.pt2"):
        file.write_bytes(b"this is not a program")
    shutil.rmtree(folder / "gone")
    return model_store


@pytest.fixture(scope="module")
def good(store):
    """Versions 1 and 2, loaded once."""
    tracking.use_store(store)
    return {version: module.prepare(version, 8) for version in ("1", "2")}


@pytest.fixture
def settings(store):
    tracking.use_store(store)
    point("champion", "1")
    return AppSettings(model="champion", tracking_uri=store, poll_seconds=0.05, max_batch=8)


@pytest.fixture
def recorded():
    return Recorded()


@pytest.fixture
def champion(settings, recorded, good):
    following = Champion(good["1"], "champion", poll_seconds=0.05, max_batch=8, metrics=recorded)
    yield following
    following.stop()


@pytest.fixture
def loaded_before(good, monkeypatch):
    """Good versions need not be loaded again, and what was refused is refused again; the versions that were tried."""
    tried, known, prepare = [], dict(good), module.prepare

    def remembered(version, *more):
        tried.append(version)
        if version not in known:
            try:
                known[version] = prepare(version, *more)
            except InputError as error:
                known[version] = error
        if isinstance(known[version], InputError):
            raise known[version]
        return known[version]

    monkeypatch.setattr(module, "prepare", remembered)
    return tried


def named(loaded):
    """The exercise that a loaded version names, whatever it is shown."""
    (answer,) = set(loaded.logits(some_poses(3)).argmax(axis=1).tolist())
    return answer


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def test_what_the_alias_points_at_answers(settings, recorded):
    champion = Champion.load(settings, recorded)
    assert champion.current.version == "1"
    assert champion.current.runtime == "traced"
    assert named(champion.current) == SQUAT
    assert recorded.gauges["gymspotter_model_version", ()] == 1.0
    assert not champion.poll()
    assert champion.status()["swaps"] == 0


def test_a_moved_alias_is_followed_and_listeners_are_told(champion, recorded):
    told = []
    champion.on_swap(lambda loaded: 1 / 0)
    champion.on_swap(told.append)
    champion.start()
    point("champion", "2")
    until(lambda: told)
    assert told == [champion.current]
    assert named(champion.current) == PLANK
    status = champion.status()
    assert (status["version"], status["swaps"], status["refused"], status["registry"]) == ("2", 1, None, "")
    assert recorded.taken["gymspotter_swaps_total", ("swapped",)] == [1.0]
    assert recorded.gauges["gymspotter_model_version", ()] == 2.0


def test_a_version_number_is_not_followed(settings, loaded_before):
    pinned = Champion.load(settings.model_copy(update={"model": "2"}))
    pinned.start()
    assert pinned.status()["follows"] is False
    assert pinned.current.version == "2"
    assert "follow 2" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("golden", "of gymspotter does not give its golden answers"),
        ("classes", "does not fit the server: its classes is 4 classes"),
        ("broken", "was not made by `gymspotter train`"),
    ],
)
def test_a_bad_version_is_refused_once_and_the_old_one_stays(champion, recorded, caplog, loaded_before, kind, why):
    version = BAD[kind]
    point("champion", version)
    assert [champion.poll() for _ in range(3)] == [False] * 3
    assert loaded_before == [version]
    assert named(champion.current) == SQUAT
    refused = champion.status()["refused"]
    assert refused["version"] == version
    assert why in refused["why"]
    assert [record.message for record in caplog.records if "is refused" in record.message] == [
        f"version {version} is refused, 1 goes on answering: {refused['why']}"
    ]
    assert recorded.taken["gymspotter_swaps_total", ("refused",)] == [1.0]

    point("champion", "1")
    assert not champion.poll()
    assert champion.status()["refused"] is None
    point("champion", version)
    assert not champion.poll()
    assert loaded_before == [version] * 2

    point("champion", "2")
    assert champion.poll()
    assert named(champion.current) == PLANK
    assert champion.status()["refused"] is None


def test_files_that_cannot_be_read_are_asked_for_again_later(champion, caplog, monkeypatch, good):
    point("champion", BAD["gone"])
    assert [champion.poll() for _ in range(2)] == [False] * 2
    assert "cannot be read" in champion.status()["refused"]["why"]
    monkeypatch.setattr(module, "prepare", lambda version, *more: replace(good["2"], version=version))
    assert not champion.poll()  # too soon
    monkeypatch.setattr(module.time, "monotonic", lambda now=time.monotonic: now() + 3600)
    assert champion.poll()
    assert champion.current.version == BAD["gone"]
    assert len([record for record in caplog.records if "is refused" in record.message]) == 1


def test_a_version_from_before_golden_answers_is_served(store):
    old = module.prepare(BAD["old"], 8)
    assert old.facts.golden is None
    assert named(old) == PLANK


def test_a_bad_version_is_no_champion_to_begin_with(settings, loaded_before):
    with pytest.raises(InputError, match="golden answers"):
        Champion.load(settings.model_copy(update={"model": BAD["golden"]}))
    with pytest.raises(InputError, match="gymspotter@nobody is not in the registry"):
        Champion.load(settings.model_copy(update={"model": "nobody"}))


def test_a_registry_that_is_away_changes_nothing_and_is_logged_once(champion, recorded, caplog, monkeypatch, store):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_registry_uri("http://me:secret@127.0.0.1:9")
    assert [champion.poll() for _ in range(3)] == [False] * 3
    assert named(champion.current) == SQUAT
    assert champion.status()["registry"]
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len([text for text in warnings if "cannot be looked up" in text]) == 1
    assert "secret" not in str(warnings) + str(champion.status())
    assert recorded.taken["gymspotter_swaps_total", ("unreachable",)] == [1.0]

    tracking.use_store(store)
    point("champion", "2")
    assert champion.poll()
    assert champion.status()["registry"] == ""


def test_the_version_before_is_kept_for_a_rollback_and_those_before_it_are_freed(store, tmp_path):
    tracking.use_store(store)
    third = copy_of("2", tmp_path / "third")
    champion = Champion(module.prepare("2", 8), "champion", max_batch=8)
    oldest, weights = weakref.ref(champion.current), weakref.ref(champion.current.logits)
    point("champion", "1")
    assert champion.poll()
    first = champion.current
    assert oldest() is not None
    point("champion", third)
    assert champion.poll()
    assert oldest() is None
    assert weights() is None
    point("champion", "1")
    assert champion.poll()
    assert champion.current is first


def test_swaps_under_load_fail_no_call_and_mix_no_versions(champion, loaded_before):
    versions, names, calls = set(), {"1": SQUAT, "2": PLANK}, 0
    swapping = True

    def swap():
        nonlocal swapping
        for number in range(SWAPS):
            point("champion", str(1 + (number + 1) % 2))
            before = calls
            champion.poll()
            until(lambda before=before: calls >= before + 12)
        swapping = False

    async def ask(batcher, segments):
        nonlocal calls
        while swapping:
            answers = await batcher.classify(some_poses(segments))
            assert answers.probabilities_SK.shape == (segments, 22)
            assert set(answers.probabilities_SK.argmax(axis=1).tolist()) == {names[answers.version]}
            np.testing.assert_allclose(answers.probabilities_SK.sum(axis=1), 1, atol=1e-5)
            versions.add(answers.version)
            calls += 1

    async def load():
        batcher = Batcher(champion, Recorded(), max_batch=8)
        await asyncio.gather(*(ask(batcher, segments) for segments in (1, 1, 2, 3, 5, 20)))
        batcher.close()

    thread = threading.Thread(target=swap, daemon=True)
    thread.start()
    asyncio.run(load())
    thread.join()
    assert versions == {"1", "2"}
    assert champion.status()["swaps"] == SWAPS
