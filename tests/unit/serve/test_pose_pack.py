"""The pose pack: built once, from what was published, or not at all."""

import base64
import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gymspotter.errors import InputError
from gymspotter.pose.weights import DETECTOR, LANDMARKER, BlazePoseFiles
from serve import pose_pack

GLUE, WASM = "package/wasm/litert_wasm_compat_internal.js", "package/wasm/litert_wasm_compat_internal.wasm"
WHOLE = {GLUE: b"var ModuleFactory = 1;", WASM: b"\0asm", "package/README.md": b"not needed"}
NAMES = ["LICENSE", "NOTICE", "litert.js", "litert.wasm", "manifest.json", DETECTOR.name, LANDMARKER.name]

Fetch = Callable[[Path], Path]


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    for file in (DETECTOR, LANDMARKER):
        (folder / file.name).write_bytes(b"model " + file.name.encode())
    files = BlazePoseFiles(detector=folder / DETECTOR.name, landmarker=folder / LANDMARKER.name)
    monkeypatch.setattr(pose_pack, "blazepose_files", lambda: files)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, bytes]], Fetch]:
    """A registry that has a package of those files, which is the one expected."""

    def publish(files: dict[str, bytes]) -> Fetch:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        digest = base64.b64encode(hashlib.sha512(buffer.getvalue()).digest()).decode()
        monkeypatch.setattr(pose_pack, "INTEGRITY", f"sha512-{digest}")

        def fetch(folder: Path) -> Path:
            (folder / "package.tgz").write_bytes(buffer.getvalue())
            return folder / "package.tgz"

        return fetch

    return publish


def no_registry(folder: Path) -> Path:
    raise AssertionError("nothing is to be fetched")


def test_only_what_is_needed_is_kept(tmp_path: Path, registry: Callable[[dict[str, bytes]], Fetch]) -> None:
    folder = tmp_path / "vendor" / "pose"
    assert pose_pack.build(folder, registry(WHOLE))
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    assert (folder / "litert.js").read_bytes() == WHOLE[GLUE] + b"\nexport default ModuleFactory;\n"
    assert (folder / "litert.wasm").read_bytes() == WHOLE[WASM]
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert pose_pack.PACKAGE in (folder / "NOTICE").read_text()
    assert list(folder.parent.iterdir()) == [folder]


def test_a_second_build_changes_nothing(tmp_path: Path, registry: Callable[[dict[str, bytes]], Fetch]) -> None:
    folder = tmp_path / "pose"
    pose_pack.build(folder, registry(WHOLE))
    assert pose_pack.is_built(folder)
    assert not pose_pack.build(folder, no_registry)


@pytest.mark.parametrize("harm", ["changed", "missing", "another version"])
def test_a_pack_that_is_not_whole_is_built_anew(
    tmp_path: Path, registry: Callable[[dict[str, bytes]], Fetch], harm: str
) -> None:
    folder = tmp_path / "pose"
    fetch = registry(WHOLE)
    pose_pack.build(folder, fetch)
    if harm == "changed":
        (folder / "litert.wasm").write_bytes(b"half")
    elif harm == "missing":
        (folder / "litert.js").unlink()
    else:
        manifest = folder / "manifest.json"
        manifest.write_text(manifest.read_text().replace(pose_pack.PACKAGE, "@litertjs/core@1.0.0"))
    assert not pose_pack.is_built(folder)
    assert pose_pack.build(folder, fetch)
    assert pose_pack.is_built(folder)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (WHOLE | {"../outside.js": b"x"}, r"'../outside\.js', a path that leads out of it"),
        (WHOLE | {"/etc/outside.js": b"x"}, r"'/etc/outside\.js', a path that leads out of it"),
        ({GLUE: b"x"}, rf"lacks {WASM}"),
    ],
)
def test_a_package_that_is_not_as_it_should_be_is_refused(
    tmp_path: Path, registry: Callable[[dict[str, bytes]], Fetch], files: dict[str, bytes], sentence: str
) -> None:
    folder = tmp_path / "vendor" / "pose"
    with pytest.raises(InputError, match=sentence):
        pose_pack.build(folder, registry(files))
    assert list(folder.parent.iterdir()) == []


def test_another_file_than_the_published_one_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    def fetch(folder: Path) -> Path:
        (folder / "package.tgz").write_bytes(b"not even a tarball")
        return folder / "package.tgz"

    with pytest.raises(InputError, match=r"has integrity sha512-\S+ but sha512-PlGm\S+ is expected"):
        pose_pack.build(tmp_path / "pose", fetch)


def test_what_is_there_stays_if_a_build_fails(tmp_path: Path) -> None:
    folder = tmp_path / "vendor" / "pose"
    folder.mkdir(parents=True)
    (folder / "litert.js").write_text("of an older version")

    def offline(_: Path) -> Path:
        raise InputError("offline.")

    with pytest.raises(InputError, match="offline"):
        pose_pack.build(folder, offline)
    assert [path.name for path in folder.iterdir()] == ["litert.js"]
    assert list(folder.parent.iterdir()) == [folder]


def test_without_npm_one_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"needs npm, to fetch @litertjs/core@\S+: install Node\.js"):
        pose_pack.build(tmp_path / "pose")


def test_without_a_registry_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"could not be fetched \(npm ended with status 1\): connect to a network"):
        pose_pack.build(tmp_path / "pose")


def test_the_command_ends_with_its_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def fails() -> bool:
        raise InputError("the registry is gone.")

    monkeypatch.setattr(pose_pack, "build", fails)
    with pytest.raises(SystemExit) as ended:
        pose_pack.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "pose pack: the registry is gone.\n"
