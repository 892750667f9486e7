"""Catalogs and stores on a real S3 server (moto's) and on an emulator of Google Cloud Storage, and who may write."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import av
import boto3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gymspotter import storage
from gymspotter.catalog import Entry, read_catalog
from gymspotter.errors import InputError
from gymspotter.lock import only_writer
from gymspotter.loop import FitConfig
from gymspotter.store import (
    Probed,
    clear_quarantine,
    merge_track_files,
    quarantined,
    read_index,
    read_probes,
    read_quarantine,
    read_tracks,
    rename_tracks,
    write_probes,
    write_quarantine,
    write_tracks,
)
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.train import TrainOptions, train
from tests.unit.test_tracks import a_track, assert_same

LEASE = 2.0


@pytest.fixture(params=["s3", "gs"])
def folder(request):
    return request.getfixturevalue(request.param)


def test_files_are_written_read_listed_and_removed(folder):
    place = storage.join(folder, "a folder", "ü #%.txt")
    assert storage.info(place) is None
    assert storage.files(folder, below=True) == []
    storage.write_whole(place, b"first")
    storage.write_whole(place, b"second")
    storage.write_whole(storage.join(folder, "a folder", ".hidden"), b"x")
    assert storage.read_bytes(place) == b"second"
    assert storage.sha256(place) == hashlib.sha256(b"second").hexdigest()
    assert storage.files(folder, below=True) == storage.files(storage.join(folder, "a folder")) == [place]
    found = storage.info(place)
    assert (found.size, found.is_folder) == (6, False)
    assert abs(found.mtime_ns / 1e9 - time.time()) < 3600
    storage.remove(place)
    storage.remove(place)
    assert storage.info(place) is None
    with pytest.raises(InputError, match=r"does not exist: check the path\.$"):
        storage.read_bytes(place)


def test_a_video_is_decoded_where_it_lies(folder, clip):
    place = storage.join(folder, "clip.mp4")
    storage.write_whole(place, clip.read_bytes())
    with storage.open_input(place) as file, av.open(file) as container:
        assert sum(1 for _ in container.decode(video=0)) == 20
    with storage.open_input(place, buffer_bytes=1000) as file:
        file.seek(-10, os.SEEK_END)
        assert file.read(20) == clip.read_bytes()[-10:]


def test_a_store_does_what_it_does_on_disk(folder):
    with only_writer(folder):
        for number in range(3):
            write_tracks([a_track(number)], folder)
        rename_tracks(folder, {(a_track(1).video_id, 0): {"label": "plank"}})
        merge_track_files(folder)
        assert len(storage.files(storage.join(folder, "tracks"))) == 1
        rows = [quarantined("a.mp4", "pose", "X", "y", span=2)]
        write_quarantine(rows, folder)
        assert read_quarantine(folder) == rows
        clear_quarantine(folder)
        probed = Probed(uri=f"{folder}/ü.mp4", size=3, mtime_ns=7, video_id="f", seconds=2.5)
        write_probes([probed], folder)
    for number, track in enumerate(read_tracks(folder)):
        assert_same(track, a_track(number, label="plank" if number == 1 else "squat"))
    assert len(read_index(folder)) == 3
    assert read_quarantine(folder) == []
    assert read_probes(folder) == {probed.uri: probed}
    assert storage.files(storage.join(folder, ".lock")) == []


def test_a_catalog_is_a_folder_a_manifest_or_a_video(folder, tmp_path):
    def put(*parts):
        place = storage.join(folder, *parts)
        storage.write_whole(place, b"")
        return place

    a, b, c = put("Squats", "a.MP4"), put("tricep Pushdown", "sub", "b.mov"), put("c.mp4")
    put("Squats", "notes.txt"), put("Squats", "._a.mp4"), put("Squats", ".cache", "x.mp4"), put("papers", "x.pdf")
    in_folders = [Entry(uri=a, label="squat"), Entry(uri=c), Entry(uri=b, label="tricep pushdown")]
    assert read_catalog(folder) == in_folders
    assert read_catalog(c) == [Entry(uri=c)]

    text = f"uri,label,group\n../Squats/a.MP4,squat,007\n{c},,\n/data/d.mp4,,\n"
    manifest = storage.join(folder, "lists", "m.csv")
    storage.write_whole(manifest, text.encode())
    listed = [Entry(uri="/data/d.mp4"), Entry(uri=a, label="squat", group="007"), Entry(uri=c)]
    assert read_catalog(manifest) == sorted(listed, key=lambda entry: entry.uri)
    pq.write_table(pa.table({"uri": [c]}), tmp_path / "m.parquet")
    assert read_catalog(tmp_path / "m.parquet") == [Entry(uri=c)]
    storage.write_whole(storage.join(folder, "manifest.csv"), b"uri\nc.mp4\n")
    assert read_catalog(folder) == [Entry(uri=c)]
    with pytest.raises(InputError, match="does not exist"):
        read_catalog(storage.join(folder, "nowhere"))


def test_what_is_wrong_with_the_bucket_is_said_in_one_sentence(s3_server):
    for attempt in (read_catalog, read_tracks, lambda store: write_tracks([a_track()], store)):
        with pytest.raises(
            InputError, match=r"^'s3://nobody/.* cannot be \w+: there is no such bucket: create it or check its name"
        ):
            attempt("s3://nobody/here")


def test_an_upload_that_dies_midway_leaves_nothing(s3, s3_server):
    code = "import sys; from gymspotter import storage; storage.write_whole(sys.argv[1], bytes(2_000_000_000))"
    process = subprocess.Popen([sys.executable, "-c", code, f"{s3}/big"])
    client = boto3.client("s3", region_name="us-east-1")
    try:
        wait_for(lambda: uploaded_parts(client, s3.removeprefix("s3://gym/") + "/big"))
    finally:
        process.kill()
        process.wait()
    time.sleep(0.5)
    assert storage.info(f"{s3}/big") is None
    assert storage.files(s3) == []


def uploaded_parts(client, key):
    for upload in client.list_multipart_uploads(Bucket="gym").get("Uploads", []):
        if upload["Key"] == key:
            return client.list_parts(Bucket="gym", Key=key, UploadId=upload["UploadId"]).get("Parts")
    return None


def test_a_second_writer_is_told_so_soon_and_the_first_goes_on(s3):
    with only_writer(s3, lease_seconds=LEASE):
        write_tracks([a_track(0)], s3)
        for _ in range(2):
            with pytest.raises(InputError, match="another run"), only_writer(s3, lease_seconds=LEASE):
                pass
        other = start_writer(s3)
        assert "is being written by another run" in other.communicate(timeout=60)[0]
        write_tracks([a_track(1)], s3)
    with only_writer(s3, lease_seconds=LEASE):  # at once: the claim was given back
        assert len(read_tracks(s3)) == 2


def test_of_writers_that_start_at_once_at_most_one_at_a_time_goes_on(s3):
    """Ten threads as ten runs; each that holds the store looks whether another does."""
    start, holding, met = threading.Barrier(10), [], []

    def run(number):
        start.wait()
        with ExitStack() as stack:
            try:
                # Under a name of its own, lest the process knows by itself that it holds the store.
                stack.enter_context(only_writer(f"{s3}?region=eu-west-{number}", lease_seconds=LEASE))
            except InputError:
                return
            holding.append(number)
            time.sleep(0.3)
            met.append(len(holding))
            holding.remove(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(met) <= {1}


WRITER = """
import sys, time
from gymspotter.errors import InputError
from gymspotter.lock import only_writer
from gymspotter.store import write_tracks
from tests.unit.test_tracks import a_track
try:
    with only_writer(sys.argv[1], lease_seconds=float(sys.argv[2])):
        for number in range(1000, 2000):
            write_tracks([a_track(number)], sys.argv[1])
            time.sleep(0.1)
except InputError as error:
    print(error)
"""


def start_writer(store):
    """Another run, which writes a track every tenth of a second and prints why it ends."""
    return subprocess.Popen([sys.executable, "-c", WRITER, store, str(LEASE)], stdout=subprocess.PIPE, text=True)


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
    return found


def test_a_writer_that_was_killed_is_followed_after_its_lease(s3, capsys):
    process = start_writer(s3)
    wait_for(lambda: storage.files(f"{s3}/tracks"))
    process.kill()
    process.wait()
    began = time.monotonic()
    with only_writer(s3, lease_seconds=LEASE):
        assert LEASE <= time.monotonic() - began < 2 * LEASE + 60
        write_tracks([a_track(0)], s3)
    assert f"is claimed by process {process.pid}" in capsys.readouterr().out
    assert len(read_tracks(s3)) == len(read_index(s3))


@contextmanager
def stopped_writer(store):
    """A run that has begun to write and then stands still."""
    process = start_writer(store)
    try:
        wait_for(lambda: storage.files(f"{store}/tracks"))
        process.send_signal(signal.SIGSTOP)
        yield process
    finally:
        process.kill()


def goes_on_in_vain(process, store, before):
    """It writes nothing more; what it had sent before it was stopped may have come since."""
    process.send_signal(signal.SIGCONT)
    printed, _ = process.communicate(timeout=60)
    assert "is another run's by now" in printed
    assert len(read_index(store)) <= before + 1


def test_a_writer_that_was_stopped_for_long_writes_no_more(s3):
    with stopped_writer(s3) as process:
        with only_writer(s3, lease_seconds=LEASE):
            goes_on_in_vain(process, s3, len(read_index(s3)))
            write_tracks([a_track(0)], s3)
        assert storage.files(f"{s3}/.lock") == []


def test_a_writer_that_was_followed_for_a_while_writes_no_more(s3):
    """The follower has come and gone: nothing but the missing claim tells of it."""
    with stopped_writer(s3) as process:
        with only_writer(s3, lease_seconds=LEASE):
            pass
        goes_on_in_vain(process, s3, len(read_index(s3)))
        assert storage.files(f"{s3}/.lock") == []


def test_a_writer_that_was_stopped_for_long_goes_on_if_nobody_followed(s3):
    with stopped_writer(s3) as process:
        time.sleep(LEASE + 0.5)
        before = len(read_index(s3))
        process.send_signal(signal.SIGCONT)
        wait_for(lambda: len(read_index(s3)) > before + 3)
        with pytest.raises(InputError, match="another run"), only_writer(s3, lease_seconds=LEASE):
            pass
        assert process.poll() is None


def test_training_reads_a_store_on_s3(s3, tmp_path):
    options = SynthOptions(seconds=12, seed=5)
    names = ("squat", "plank", "push-up")
    write_tracks([make_track(Item(exercise=e, number=n, seed=5), options) for e in names for n in range(4)], s3)
    trained = train(
        TrainOptions(
            tracks=s3,
            fit=FitConfig(epochs=1),
            tracking_uri=f"sqlite:///{tmp_path}/mlflow.db",
            artifacts=tmp_path / "artifacts",
        )
    )
    assert np.isfinite(trained.fitted.losses).all()


@pytest.mark.slow
def test_extraction_reads_and_writes_s3(s3, squat_video):
    storage.write_whole(f"{s3}/videos/squat/a good one.mp4", squat_video.read_bytes())
    storage.write_whole(f"{s3}/videos/squat/text.mp4", b"This is no video.")
    for again in (False, True):
        done = subprocess.run(
            [Path(sys.executable).parent / "gymspotter", "extract", f"{s3}/videos", "--out", f"{s3}/tracks"],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        before = " (1 of them from before)" if again else ""
        assert f"2 videos: 1 spans + 1 unusable videos = 1 tracks{before} + 1 quarantined" in done.stdout
    (track,) = read_tracks(f"{s3}/tracks")
    assert (track.uri, track.label, track.seen) == (f"{s3}/videos/squat/a good one.mp4", "squat", 1.0)
    (row,) = read_quarantine(f"{s3}/tracks")
    assert "is damaged or not a video" in row.message
