"""What benchmarks/faults.py stands on: a storage that can be away, and nodes that can be lost; and who waits for it."""

import os
import pickle
import threading

import mlflow
import numpy as np
import pytest
from pyarrow import fs

from gymspotter import storage
from gymspotter.decoder import Decoder
from gymspotter.errors import InputError
from gymspotter.patient import patient_filesystem
from gymspotter.tracking import await_store, use_store
from tests.benchmark_modules import importable

with importable():
    from faulting.nodes import RAYLET, Cluster, Network
    from faulting.rows import Row
    from faulting.services import Storage, Tracking


@pytest.fixture
def away(monkeypatch):
    """A storage that can be stopped, named by the environment."""
    storage = Storage("127.0.0.1")
    for name, value in storage.env.items():
        monkeypatch.setenv(name, value)
    yield storage
    storage.end()


def test_a_storage_that_is_stopped_refuses_and_has_lost_nothing(away):
    storage.write_whole("s3://gym/a", b"kept")
    away.stop()
    system, path = storage.filesystem("s3://gym/a")
    with pytest.raises(OSError, match="NETWORK_CONNECTION"):
        system.get_file_info(path)
    away.start()
    assert storage.read_bytes("s3://gym/a") == b"kept"


def test_a_storage_that_goes_while_a_file_is_read_is_waited_for(away, caplog):
    content = np.random.default_rng(0).bytes(100_000)
    storage.write_whole("s3://gym/file", content)
    with storage.open_input("s3://gym/file", buffer_bytes=1000) as file:
        assert file.read(10_000) == content[:10_000]
        away.stop()
        threading.Timer(3, away.start).start()
        assert file.read(10_000) == content[10_000:20_000]
        assert "It is tried again for" in caplog.text
        assert file.seek(-10, os.SEEK_END) == len(content) - 10
        assert file.read() == content[-10:]


def test_a_decoder_waits_for_a_storage_longer_than_it_may_stand_still(away, squat_video):
    storage.write_whole("s3://gym/squat.mp4", squat_video.read_bytes())
    times = np.arange(10) / 5
    with Decoder(stall_seconds=6) as decoder:
        here = list(decoder.frames_at(str(squat_video), times))
        away.stop()
        threading.Timer(9, away.start).start()
        there = list(decoder.frames_at("s3://gym/squat.mp4", times))
    assert all(map(np.array_equal, here, there))


def test_what_ray_train_writes_waits_for_a_storage_that_is_away(away, tmp_path):
    system, path = patient_filesystem("s3://gym/checkpoints")
    system = pickle.loads(pickle.dumps(system))  # as a worker gets it
    (tmp_path / "state.pt").write_bytes(bytes(100_000))
    disk = fs.LocalFileSystem()
    away.stop()
    threading.Timer(3, away.start).start()
    system.create_dir(f"{path}/one")
    fs.copy_files(str(tmp_path), f"{path}/one", source_filesystem=disk, destination_filesystem=system)
    away.stop()
    threading.Timer(3, away.start).start()
    (tmp_path / "back").mkdir()
    fs.copy_files(f"{path}/one", str(tmp_path / "back"), source_filesystem=system, destination_filesystem=disk)
    assert (tmp_path / "back" / "state.pt").read_bytes() == bytes(100_000)
    with pytest.raises(FileNotFoundError):
        system.open_input_stream(f"{path}/two")
    system.delete_dir(f"{path}/one")
    assert storage.files("s3://gym/checkpoints", below=True) == []


def test_the_end_of_a_training_waits_for_an_mlflow_that_is_away(tmp_path, caplog):
    tracking = Tracking("127.0.0.1", tmp_path)
    try:
        before = mlflow.get_tracking_uri()
        use_store(tracking.uri)
        tracking.stop()
        with pytest.raises(InputError, match="has not answered for 0 s: start its server"):
            await_store(patience=0)
        starter = threading.Timer(1, tracking.start)
        starter.start()
        await_store()
        starter.join()
        assert "does not answer. It is waited for" in caplog.text
        assert caplog.text.count("answers again") == 1
    finally:
        mlflow.set_tracking_uri(before)
        tracking.end()


def test_checkpoints_on_disk_need_no_such_thing(tmp_path):
    assert patient_filesystem(tmp_path) == (None, str(tmp_path))


def test_a_cell_holds_if_nothing_is_lost_or_twice_and_the_job_ended_well():
    cell = {"activity": "extraction", "fault": "worker"}
    assert Row(**cell, lost=0, twice=0, rc=0).holds
    assert not any(Row(**cell, **{name: 1}).holds for name in ("lost", "twice", "rc"))


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_nodes_are_lost_and_replaced():
    with Network() as network, Cluster(network, workers=2) as cluster:
        one, other = cluster.nodes
        one.kill_raylet()
        other.cut()
        assert other.pids(RAYLET)  # what is cut off goes on until it finds nobody
        cluster.until(lambda: not one.alive and not other.alive)
        assert not one.pids(RAYLET)
        other.mend()
        cluster.restore()
        assert cluster.alive() == {"head", *(node.name for node in cluster.nodes)}
        assert one not in cluster.nodes
        assert len(cluster.nodes) == 2
