"""Florence 3D Actions (Seidenari et al. 2013): 9 actions by 10 people, 2 or 3 times each, 215 sequences, one Kinect.

It is one text file, Florence_dataset_WorldCoordinates.txt: a line a frame with the numbers of the video, the actor and
the category and 15 joints of 3 coordinates in millimetres, y up. Its authors suggest leaving one actor out at a time.
Also read is the skeletal_data.mat of the Lie-group code (`lie_group`).
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from gymspotter.datasets.files import File, matching_files
from gymspotter.datasets.lie_group import read_entries
from gymspotter.datasets.sequences import SkeletonDataset, SkeletonSequence
from gymspotter.errors import InputError
from gymspotter.skeleton import FLORENCE15, Floats

ACTIONS = (
    "wave", "drink from a bottle", "answer phone", "clap", "tight lace", "sit down", "stand up", "read watch", "bow",
)  # fmt: skip
_COLUMNS = 3 + 3 * len(FLORENCE15.joints)


def load(path: Path) -> SkeletonDataset:
    """Read the text file or the .mat, by itself, in a folder or in a zip file.

    Raises:
        InputError: there is none, or it is not as described; the message names the file and the line.
    """
    name, wanted = r"(?!\.).*world.?coordinates.*\.txt|skeletal_data\.mat", "Florence_dataset_WorldCoordinates.txt"
    files = list(matching_files(path, name, f"{wanted} or skeletal_data.mat", lone=r".*\.(txt|mat)"))
    if len(files) > 1:
        raise InputError(f"{path} holds {' and '.join(file.uri for file in files)}: give one of them.")
    read = _from_mat if files[0].uri.lower().endswith(".mat") else _from_text
    sequences = _facing_camera(tuple(read(files[0])))
    actors = sorted({sequence.subject for sequence in sequences}, key=int)
    return SkeletonDataset(
        name="Florence3D",
        layout=FLORENCE15,
        classes=ACTIONS,
        sequences=sequences,
        folds=tuple((actor,) for actor in actors),
        fps=30,
    )


def _from_text(file: File) -> Iterator[SkeletonSequence]:
    rows = []
    for number, line in enumerate(file.content.decode(errors="replace").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("%"):
            continue
        try:
            row = [float(word) for word in line.replace(",", " ").split()]
        except ValueError as error:
            raise InputError(f"{file.uri}, line {number}, is not made of numbers: download it again.") from error
        if len(row) != _COLUMNS or not all(value.is_integer() for value in row[:3]):
            raise InputError(
                f"{file.uri}, line {number}, has {len(row)} numbers: it needs {_COLUMNS}, of which the first three are "
                "whole (video, actor, category)."
            )
        rows.append(row)
    table = np.array(rows).reshape(-1, _COLUMNS)
    for video in dict.fromkeys(table[:, 0].tolist()):
        frames = table[table[:, 0] == video]
        joints = frames[:, 3:].reshape(-1, len(FLORENCE15.joints), 3)
        metres = np.where((joints != 0).any(axis=-1, keepdims=True), joints * [-1e-3, -1e-3, 1e-3], np.nan)
        uri = f"{file.uri}#{video:g}"
        yield _sequence(metres.astype(np.float32), int(frames[0, 2]), int(frames[0, 1]), uri)


def _from_mat(file: File) -> Iterator[SkeletonSequence]:
    for number, entry in enumerate(read_entries(file, len(FLORENCE15.joints)), start=1):
        uri = f"{file.uri}#{number}"
        if entry.action is None or entry.subject is None:
            raise InputError(f"{uri} has no action or no subject: use the file that the Lie-group code makes.")
        yield _sequence(entry.joints, entry.action, entry.subject, uri)


def _sequence(poses: Floats, action: int, actor: int, uri: str) -> SkeletonSequence:
    if not 1 <= action <= len(ACTIONS):
        raise InputError(f"{uri} is of category {action}: Florence3D has 1 to {len(ACTIONS)}.")
    return SkeletonSequence(poses=poses, label=ACTIONS[action - 1], subject=str(actor), uri=uri)


def _facing_camera(sequences: tuple[SkeletonSequence, ...]) -> tuple[SkeletonSequence, ...]:
    """All sequences with x to the right of the picture.

    Which way x points is not documented. All actors face the camera, so left shoulders are on the right.
    """
    left, right = FLORENCE15.index("l_shoulder"), FLORENCE15.index("r_shoulder")
    if sum(np.nansum(sequence.poses[:, left, 0] - sequence.poses[:, right, 0]) for sequence in sequences) >= 0:
        return sequences
    mirrored = np.array([-1, 1, 1], np.float32)
    return tuple(replace(sequence, poses=sequence.poses * mirrored) for sequence in sequences)
