"""Where the weights come from, and what is said when they do not come."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gymspotter.errors import InputError
from gymspotter.pose import weights
from gymspotter.pose.weights import DETECTOR, LANDMARKER, blazepose_files, cache_folder


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GYMSPOTTER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GYMSPOTTER_WEIGHTS", raising=False)
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one's own with both real files, copied from the cache that the machine already has, or fetched."""
    files, own = blazepose_files(), tmp_path_factory.mktemp("own")
    for path in (files.detector, files.landmarker):
        shutil.copy(path, own)
    return own


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GYMSPOTTER_CACHE", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert cache_folder() == tmp_path / "a"
    monkeypatch.delenv("GYMSPOTTER_CACHE")
    assert cache_folder() == tmp_path / "b" / "gymspotter"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "gymspotter"


def test_a_given_folder_needs_no_network(
    folder: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(weights, "_pip_download", lambda _: pytest.fail("went to the network"))
    assert blazepose_files(folder).landmarker == folder / LANDMARKER.name
    monkeypatch.setenv("GYMSPOTTER_WEIGHTS", str(folder))
    assert blazepose_files().detector == folder / DETECTOR.name
    assert not empty_cache.exists()
    with pytest.raises(InputError, match="missing"):
        blazepose_files(tmp_path)


def test_a_wrong_file_in_a_given_folder_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / LANDMARKER.name).write_bytes(b"half a file")
    with pytest.raises(InputError) as caught:
        blazepose_files(tmp_path)
    message = str(caught.value)
    assert str(tmp_path / LANDMARKER.name) in message
    assert LANDMARKER.sha256 in message
    assert weights._hash_of(tmp_path / LANDMARKER.name) in message


def _wheel_of(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_damaged_cache_is_mended_and_a_right_one_left_alone(
    folder: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []

    def download(temporary: Path) -> Path:
        fetched.append(temporary)
        members = {file.member: (folder / file.name).read_bytes() for file in (DETECTOR, LANDMARKER)}
        return _wheel_of(temporary / "w.whl", members)

    monkeypatch.setattr(weights, "_pip_download", download)
    files = blazepose_files()
    assert blazepose_files() == files
    assert len(fetched) == 1
    files.detector.write_bytes(b"damaged")
    blazepose_files()
    assert len(fetched) == 2
    assert files.detector.stat().st_size == 2_959_046
    assert sorted(path.name for path in files.detector.parent.iterdir()) == [DETECTOR.name, LANDMARKER.name]


@pytest.mark.parametrize("members", [{DETECTOR.member: b"x", LANDMARKER.member: b"y"}, {"other": b""}])
def test_a_wrong_wheel_is_refused(
    members: dict[str, bytes], empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_pip_download", lambda temporary: _wheel_of(temporary / "w.whl", members))
    with pytest.raises(InputError, match=DETECTOR.member):
        blazepose_files()
    assert not list(empty_cache.rglob("*.tflite"))


def test_without_a_network_the_mend_is_said(empty_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # The real pip, with no index to ask and nowhere else to look.
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(InputError) as caught:
        blazepose_files()
    message = str(caught.value)
    assert "mediapipe==0.10.21" in message
    assert "GYMSPOTTER_WEIGHTS" in message
    assert "\n" not in message
    assert not list(empty_cache.rglob("*.tflite"))


def test_a_folder_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv("GYMSPOTTER_WEIGHTS", raising=False)
    monkeypatch.setenv("GYMSPOTTER_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="GYMSPOTTER_CACHE"):
        blazepose_files()


def test_processes_that_race_all_get_the_files(empty_cache: Path) -> None:
    code = "from gymspotter.pose.weights import blazepose_files; blazepose_files()"
    racers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [racer.wait(timeout=300) for racer in racers] == [0, 0]
    kept = sorted(path.name for path in (empty_cache / "blazepose-0.10.21").iterdir())
    assert kept == [DETECTOR.name, LANDMARKER.name]
