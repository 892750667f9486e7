"""A file system for Ray Train whose server may be away for a while: calls wait for it as those of `storage` do.

Ray Train's controller and workers write checkpoints and notes of their own, and take the first error of a file system
for the end of the training.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from gymspotter import storage
from gymspotter.mishaps import plain_errors


def patient_filesystem(place: str | Path) -> tuple[fs.FileSystem | None, str]:
    """pyarrow's file system of a place and the path in it; None and the whole path on local disk.

    It can be sent to other processes, which take the credentials from their own environment. The server is expected to
    answer by now.

    Raises:
        InputError: as `storage.filesystem`.
    """
    if storage.is_local(place):
        return None, storage.absolute(place)
    _, path = storage.filesystem(str(place))
    return fs.PyFileSystem(_Patient(str(place), path)), path


class _Patient(fs.FileSystemHandler):
    """The file system of ``place``, whose own path in it is ``root``."""

    def __init__(self, place: str, root: str) -> None:
        self._given = place, root
        self._system, _ = storage.filesystem(place)
        storage.expect(place)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Patient, self._given

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Patient) and self._given == other._given

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._given)

    def _call(self, name: str, *args: Any, **named: Any) -> Any:
        return _ask(self._given[0], lambda: getattr(self._system, name)(*args, **named))

    def get_type_name(self) -> str:
        return "patient"

    def normalize_path(self, path: str) -> str:
        return str(self._system.normalize_path(path))

    def get_file_info(self, paths: list[str]) -> Any:
        return self._call("get_file_info", paths)

    def get_file_info_selector(self, selector: fs.FileSelector) -> Any:
        return self._call("get_file_info", selector)

    def create_dir(self, path: str, recursive: bool) -> None:
        self._call("create_dir", path, recursive=recursive)

    def delete_dir(self, path: str) -> None:
        self._call("delete_dir", path)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> None:
        self._call("delete_dir_contents", path, missing_dir_ok=missing_dir_ok)

    def delete_root_dir_contents(self) -> None:
        raise OSError("a bucket is not emptied from here")

    def delete_file(self, path: str) -> None:
        self._call("delete_file", path)

    def move(self, src: str, dest: str) -> None:
        self._call("move", src, dest)

    def copy_file(self, src: str, dest: str) -> None:
        self._call("copy_file", src, dest)

    def open_input_stream(self, path: str) -> pa.NativeFile:
        """All of it at once, so that a server that goes while it is read is waited for: checkpoints fit in memory."""

        def read() -> Any:
            with self._system.open_input_stream(path) as file:
                return file.read_buffer()

        return pa.BufferReader(_ask(self._given[0], read))

    def open_input_file(self, path: str) -> pa.NativeFile:
        return self.open_input_stream(path)

    def open_output_stream(self, path: str, metadata: Any) -> pa.NativeFile:
        return pa.PythonFile(_Whole(self, path), mode="w")

    def open_append_stream(self, path: str, metadata: Any) -> pa.NativeFile:
        raise OSError("nothing is appended to on an object store")

    def write(self, path: str, data: bytes) -> None:
        """A whole file."""

        def write() -> None:
            with self._system.open_output_stream(path) as file:
                file.write(data)

        _ask(self._given[0], write)


class _Whole(io.BytesIO):
    """Held until it is closed, and written then."""

    def __init__(self, system: _Patient, path: str) -> None:
        super().__init__()
        self._system, self._path = system, path

    def close(self) -> None:
        if not self.closed:
            data = self.getvalue()
            super().close()
            self._system.write(self._path, data)


@storage.patiently
def _ask(place: str | Path, work: Callable[[], Any]) -> Any:
    """What ``work`` returns; where a file is missing, that is said as it is."""
    try:
        return work()
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        with plain_errors(place, "used"):
            raise error
