"""The file skeletal_data.mat of Vemulapalli, Arrate and Chellappa 2014 (Lie-group code), which holds a whole dataset.

Its variable ``skeletal_data`` is a cell array of structs. Each has ``original_skeletal_data`` [3, J, n], the recorded
joints, and ``joint_locations`` [3, J, n], the same with bones of equal length, the hip as origin and the hips turned
to the camera. The authors' script exchanges Kinect's second and third axis: a column is x, depth, height.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gymspotter.datasets.files import File, read_mat
from gymspotter.errors import InputError
from gymspotter.skeleton import Floats


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One struct: ``joints`` [n, J, 3] on our axes, its index in the cell array, and its numbers where it has them."""

    joints: Floats
    index: tuple[int, ...]
    action: int | None
    subject: int | None


def read_entries(file: File, joints: int) -> Iterator[Entry]:
    """The sequences of ``joints`` joints in the file; empty cells stand for actions that were not performed.

    The recorded joints are taken where the file has them, for they are what other datasets have.

    Raises:
        InputError: the file has no ``skeletal_data``, or one of its structs is not as described.
    """
    cells = read_mat(file.uri, file.content).get("skeletal_data")
    if cells is None or not (cells.dtype == object or cells.dtype.names):
        raise InputError(f"{file.uri} has no cell array skeletal_data: use the file that the Lie-group code makes.")
    for index in np.ndindex(cells.shape):
        # A cell holds a struct array of one element; a struct array holds the structs themselves.
        for struct in [cells[index]] if cells.dtype.names else np.asarray(cells[index]).ravel()[:1]:
            yield _entry(struct, index, joints, file.uri)


def _entry(struct: np.void, index: tuple[int, ...], joints: int, uri: str) -> Entry:
    names = struct.dtype.names or ()
    where = f"{uri}, skeletal_data{{{', '.join(str(i + 1) for i in index)}}}"
    found = next((struct[name] for name in ("original_skeletal_data", "joint_locations") if name in names), None)
    if found is None:
        raise InputError(f"{where} has no joint_locations: use the file that the Lie-group code makes.")
    if found.ndim == 2:  # MATLAB drops a last axis of one frame
        found = found[..., None]
    if found.dtype.kind not in "fiu" or found.ndim != 3 or found.shape[:2] != (3, joints) or not found.shape[2]:
        raise InputError(f"{where} has joints of shape {found.shape}: 3 x {joints} x frames are needed.")
    x, depth, height = found.transpose(0, 2, 1)
    return Entry(
        joints=np.stack([-x, -height, depth], axis=-1).astype(np.float32),
        index=index,
        action=_number(struct, "action"),
        subject=_number(struct, "subject"),
    )


def _number(struct: np.void, name: str) -> int | None:
    return int(np.ravel(struct[name])[0]) if name in (struct.dtype.names or ()) and np.size(struct[name]) else None
