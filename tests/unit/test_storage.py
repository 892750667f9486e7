import hashlib
import os

import pytest
from pyarrow import fs

from gymspotter import mishaps, storage
from gymspotter.errors import InputError


@pytest.mark.parametrize(
    ("folder", "parts", "place"),
    [
        ("runs/a b", ("tracks", "x.parquet"), "runs/a b/tracks/x.parquet"),
        ("file:///data/a%20b", ("ü.mp4",), "/data/a b/ü.mp4"),
        ("s3://gym", ("a b", "ü?.mp4"), "s3://gym/a b/ü?.mp4"),
        ("s3://gym/a/", (), "s3://gym/a"),
        ("s3://gym/a", ("../b/c.mp4",), "s3://gym/b/c.mp4"),
        ("gs://gym/a?scheme=http&endpoint_override=h:1", ("b",), "gs://gym/a/b?scheme=http&endpoint_override=h:1"),
        ("/data", ("s3://gym/a.mp4",), "s3://gym/a.mp4"),
        ("s3://gym", ("/data/a.mp4",), "/data/a.mp4"),
    ],
)
def test_joining(folder, parts, place):
    assert storage.join(folder, *parts) == place


def test_a_place_has_a_parent_and_a_name_and_lies_somewhere_in_a_folder():
    for folder, query in (("/data/a b", ""), ("s3://gym/a b", ""), ("s3://gym/a b", "?region=eu-west-1")):
        place = f"{folder}/squat/x.mp4{query}"
        assert storage.parent(place) == f"{folder}/squat{query}"
        assert storage.name(place) == "x.mp4"
        assert storage.relative(place, folder + query) == "squat/x.mp4"


def test_which_file_system_a_uri_names(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    system, path = storage.filesystem("s3://gym/a b/ü.mp4?region=eu-west-1")
    assert isinstance(system, fs.S3FileSystem)
    assert (system.region, path) == ("eu-west-1", "gym/a b/ü.mp4")
    system, path = storage.filesystem("gs://anonymous@gym/a b/")
    assert isinstance(system, fs.GcsFileSystem)
    assert path == "gym/a b"


@pytest.mark.parametrize("uri", ["http://host/a.mp4", "s3://", "s3://key:secret@gym/a", "hdfs://a/b"])
def test_a_uri_of_another_kind_is_refused(uri):
    with pytest.raises(InputError, match="is no place for files: write a path, s3://"):
        storage.read_bytes(uri)


def test_a_file_is_written_read_listed_and_removed(tmp_path):
    place = storage.join(tmp_path, "a folder", "ü.txt")
    assert storage.info(place) is None
    storage.write_whole(place, b"first")
    storage.write_whole(place, b"second")
    storage.write_whole(storage.join(tmp_path, ".hidden", "x"), b"")
    assert storage.read_bytes(place) == b"second"
    assert storage.read_bytes(f"file://{tmp_path}/a%20folder/%C3%BC.txt") == b"second"
    assert storage.sha256(place) == hashlib.sha256(b"second").hexdigest()
    assert storage.files(tmp_path) == []
    assert storage.files(tmp_path, below=True) == [place]
    found = storage.info(place)
    assert (found.size, found.mtime_ns, found.is_folder) == (6, os.stat(place).st_mtime_ns, False)
    storage.remove(place)
    storage.remove(place)
    assert storage.info(place) is None
    assert storage.files(tmp_path / "nowhere") == []


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    place = tmp_path / "a.txt"
    place.write_bytes(b"before")
    with pytest.raises(TypeError):
        storage.write_whole(place, "no bytes")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert place.read_bytes() == b"before"


def test_what_cannot_be_done_is_said_in_one_sentence(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"^'.*/none' does not exist: check the path\.$"):
        storage.read_bytes(tmp_path / "none")
    with pytest.raises(InputError, match=r"is a folder: name a file\.$"):
        storage.read_bytes(tmp_path)
    with pytest.raises(InputError, match=r"^'.*' cannot be written: File exists: check its permissions"):
        storage.write_whole(tmp_path / "file" / "below", b"")


def test_a_server_that_is_not_there_is_named_soon(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    for attempt in (storage.read_bytes, lambda place: storage.write_whole(place, b"")):
        with pytest.raises(InputError, match=r"^'s3://gym/a' cannot be \w+: the server cannot be reached: check the"):
            attempt("s3://gym/a")


def test_a_server_that_answered_before_is_waited_for(monkeypatch, caplog):
    """Refused at first, then there again; and one that stays away is named in the end."""
    answers = [mishaps.UnreachableError("away."), mishaps.UnreachableError("away."), 3]

    @storage.patiently
    def ask(place):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(mishaps, "PAUSE_S", 0.01)
    monkeypatch.setattr(mishaps, "answered", set())
    monkeypatch.setattr(mishaps, "silent", set())
    with pytest.raises(InputError, match=r"^away\.$"):  # never seen yet: its address may be wrong
        ask("s3://gym/a")
    storage.expect("s3://gym/other")
    with pytest.raises(InputError, match="away"):
        ask("gs://gym/a")
    assert ask("s3://gym/a") == 3
    answers[:] = [mishaps.UnreachableError("away."), 4]
    assert ask("s3://gym/b") == 4
    said = [record.getMessage() for record in caplog.records]
    assert said == ["away. It is tried again for 120 s.", "the server of 's3://gym/b' answers again."]
    monkeypatch.setattr(mishaps, "PATIENCE_S", 0.05)
    answers[:] = [mishaps.UnreachableError("away.")] * 100
    with pytest.raises(InputError, match="away"):
        ask("s3://gym/b")


def test_another_server_is_not_the_one_that_answered(monkeypatch):
    monkeypatch.setattr(mishaps, "answered", set())
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:2")
    storage.expect("s3://gym/a")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(mishaps.time, "sleep", lambda seconds: pytest.fail("it waited"))
    with pytest.raises(InputError, match="cannot be reached"):
        storage.read_bytes("s3://gym/a")


def test_what_waiting_does_not_mend_is_not_waited_for(monkeypatch):
    def ask(place):
        raise InputError("there is no such bucket.")

    storage.expect("s3://gym/a")
    monkeypatch.setattr(mishaps.time, "sleep", lambda seconds: pytest.fail("it waited"))
    with pytest.raises(InputError, match="bucket"):
        storage.patiently(ask)("s3://gym/a")
