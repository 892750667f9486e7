"""Weights are fetched once, checked, and read without running what a pickle says."""

import hashlib
import os
import pickle
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub

from gymspotter import storage
from gymspotter.errors import InputError
from gymspotter.pose.checkpoints import Checkpoint, fetch, load_state

OPTION = "mmpose.lifter-weights"
TENSORS = {"head.weight": torch.arange(6.0).reshape(2, 3), "head.bias": torch.ones(2)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GYMSPOTTER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """A web server: its address, the folder it shows, and the paths that were asked for."""
    folder, asked = tmp_path / "web", []
    folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}", folder, asked
        http.shutdown()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _saved(content: object, path: Path, **how: object) -> Checkpoint:
    torch.save(content, path, **how)
    return Checkpoint(path=path, sha256=_sha256(path))


def _is_equal(state: dict[str, torch.Tensor]) -> bool:
    return state.keys() == TENSORS.keys() and all(torch.equal(state[name], TENSORS[name]) for name in TENSORS)


# ---- where they come from


def test_a_local_file_is_used_where_it_is(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "own weights.pth"
    file.write_bytes(b"content")
    assert fetch(str(file), None, OPTION) == Checkpoint(path=file, sha256=_sha256(file))
    assert fetch(f"file://{tmp_path}/own%20weights.pth", _sha256(file).upper(), OPTION).path == file
    assert not cache.exists()


def test_a_remote_file_is_fetched_once_and_again_when_the_cache_is_damaged(
    server: tuple[str, Path, list[str]], cache: Path
) -> None:
    url, folder, asked = server
    (folder / "net.pth").write_bytes(b"content")
    sha256 = _sha256(folder / "net.pth")
    for _ in range(2):
        checkpoint = fetch(f"{url}/net.pth", sha256, OPTION)
    assert checkpoint.path.read_bytes() == b"content"
    assert asked == ["/net.pth"]
    checkpoint.path.write_bytes(b"damaged")
    assert fetch(f"{url}/net.pth", sha256, OPTION).path.read_bytes() == b"content"
    assert len(list(cache.rglob("*.pth"))) == 1


def test_a_file_in_a_bucket_is_fetched(s3: str, cache: Path) -> None:
    storage.write_whole(f"{s3}/net.pth", b"content")
    with pytest.raises(InputError, match=r"give mmpose\.lifter-sha256"):
        fetch(f"{s3}/net.pth", None, OPTION)
    path = fetch(f"{s3}/net.pth", hashlib.sha256(b"content").hexdigest(), OPTION).path
    assert path.read_bytes() == b"content"
    assert path.is_relative_to(cache)


def test_a_published_name_is_its_own_check(server: tuple[str, Path, list[str]], cache: Path) -> None:
    url, folder, _ = server
    begin = hashlib.sha256(b"content").hexdigest()[:8]
    (folder / f"net_256x192-{begin}_20230504.pth").write_bytes(b"content")
    (folder / "net_256x192-00000000_20230504.pth").write_bytes(b"content")
    assert fetch(f"{url}/net_256x192-{begin}_20230504.pth", None, OPTION).sha256.startswith(begin)
    with pytest.raises(InputError, match=r"lifter-weights .* but 00000000 is expected.*mmpose\.lifter-sha256"):
        fetch(f"{url}/net_256x192-00000000_20230504.pth", None, OPTION)
    assert [path.name[9:] for path in cache.rglob("*") if path.is_file()] == [f"net_256x192-{begin}_20230504.pth"]


def test_what_cannot_be_had_or_checked_names_the_option(tmp_path: Path, server: tuple[str, Path, list[str]]) -> None:
    url, _, _ = server
    (tmp_path / "net.pth").write_bytes(b"content")
    for source, sha256, said in [
        (str(tmp_path / "no.pth"), None, "there is no file"),
        (str(tmp_path / "net.pth"), "0" * 64, "is expected"),
        (str(tmp_path / "net.pth"), "abc", "give the 64 hex digits"),
        (f"{url}/net.pth", None, "give mmpose.lifter-sha256"),
        (f"{url}/none.pth", "0" * 64, "404.*as a path"),
        ("http://127.0.0.1:9/none.pth", "0" * 64, "refused.*as a path"),
    ]:
        with pytest.raises(InputError, match=said) as caught:
            fetch(source, sha256, OPTION)
        assert "mmpose.lifter-" in str(caught.value)
        assert "\n" not in str(caught.value)


# ---- what is in them


def test_tensors_are_read_with_and_without_a_state_dict(tmp_path: Path) -> None:
    assert _is_equal(load_state(_saved({"state_dict": TENSORS}, tmp_path / "a.pth"), OPTION))
    assert _is_equal(load_state(_saved(TENSORS, tmp_path / "b.pth"), OPTION))
    legacy = _saved({"state_dict": TENSORS}, tmp_path / "c.pth", _use_new_zipfile_serialization=False)
    assert _is_equal(load_state(legacy, OPTION))


def test_the_notes_of_mmengine_are_skipped(tmp_path: Path) -> None:
    hub = MessageHub.get_instance("a run")
    hub.update_scalar("train/loss", np.float64(0.5))
    hub.update_info("iter", np.int64(7))
    notes = {
        "meta": {"epoch": 3, "cfg": "model = dict()", "dataset_meta": {"sigmas": np.ones(17, np.float32)}},
        "message_hub": hub.state_dict(),
    }
    checkpoint = _saved(notes | {"state_dict": TENSORS}, tmp_path / "net.pth")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(checkpoint.path, weights_only=True)
    assert _is_equal(load_state(checkpoint, OPTION))


class _Malicious:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


class _Sly(_Malicious):
    """Looks for what it calls with getattr, which is among the notes' names."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return getattr, (self.mark, "mkdir")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_pickle_does_nothing_and_is_named(tmp_path: Path, zipped: bool) -> None:
    content = {"state_dict": TENSORS, "meta": _Malicious(tmp_path / "done")}
    checkpoint = _saved(content, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"refused \((posix|nt)\.mkdir\).*only tensors are read"):
        load_state(checkpoint, OPTION)
    assert not (tmp_path / "done").exists()


def test_getattr_in_a_pickle_gets_nothing(tmp_path: Path) -> None:
    code = b"\x80\x02cbuiltins\ngetattr\ncbuiltins\ngetattr\nX\x08\x00\x00\x00__call__\x86R."
    path = tmp_path / "net.pth"
    torch.save({"state_dict": TENSORS}, path)
    with pytest.raises(InputError, match="holds no state_dict"):
        load_state(_with_pickle(path, code), OPTION)
    checkpoint = _saved({"state_dict": TENSORS, "meta": _Sly(tmp_path)}, tmp_path / "sly.pth")
    with pytest.raises(InputError, match=r"refused \(pathlib"):
        load_state(checkpoint, OPTION)


def _with_pickle(path: Path, code: bytes) -> Checkpoint:
    """The checkpoint with another pickle in its place."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, content in members.items():
            new.writestr(name, code if name.endswith("data.pkl") else content)
    return Checkpoint(path=path, sha256=_sha256(path))


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 half a file", pickle.dumps({"a": 1})])
def test_what_is_no_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"mmpose\.lifter-weights .*net\.pth"):
        load_state(Checkpoint(path=path, sha256=""), OPTION)


@pytest.mark.parametrize("content", [{}, [1], {"state_dict": {"a": 1}}, {"epoch": 3}])
def test_a_file_without_tensors_is_named(tmp_path: Path, content: object) -> None:
    with pytest.raises(InputError, match="holds no state_dict"):
        load_state(_saved(content, tmp_path / "net.pth"), OPTION)
