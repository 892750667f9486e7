"""UTKinect-Action3D (Xia, Chen and Aggarwal 2012): 10 actions by 10 people, twice each, one Kinect at 15 fps.

A take is a file ``joints_s<subject>_e<take>.txt``: a line a frame with the frame's number and 20 joints (in the order
of Kinect's SDK) of 3 coordinates in metres. actionLabel.txt says from which frame to which each of its ten actions
lasts; one ("NaN NaN") is missing, so there are 199 sequences. Also read is the skeletal_data.mat of the Lie-group code
(`lie_group`). Of the protocols in use, ours is the one without a person on both sides: the first five people are
trained on and the others tested (Zhu, Chen and Guo 2013 divide them by halves; Xia et al. leave single sequences out).
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gymspotter.datasets.files import File, matching_files
from gymspotter.datasets.kinect import SDK_ORDER, from_kinect
from gymspotter.datasets.lie_group import read_entries
from gymspotter.datasets.sequences import SkeletonDataset, SkeletonSequence
from gymspotter.errors import InputError
from gymspotter.skeleton import KINECT20

# In the files, and in words.
ACTIONS = {
    "walk": "walk", "sitdown": "sit down", "standup": "stand up", "pickup": "pick up", "carry": "carry",
    "throw": "throw", "push": "push", "pull": "pull", "wavehands": "wave hands", "claphands": "clap hands",
}  # fmt: skip
TESTED = ("6", "7", "8", "9", "10")
# The Lie-group code lists the joints in its own order.
_MAT_ORDER = (
    "l_shoulder", "r_shoulder", "shoulder_centre", "spine", "l_hip", "r_hip", "hip_centre", "l_elbow", "r_elbow",
    "l_wrist", "r_wrist", "l_hand", "r_hand", "l_knee", "r_knee", "l_ankle", "r_ankle", "l_foot", "r_foot", "head",
)  # fmt: skip
_COLUMNS = 1 + 3 * len(SDK_ORDER)
# A slip in the file as it is published: the action would begin before the one that comes first.
_SLIPS = {("s03_e01", "push", 2556): 3556}


def load(path: Path) -> SkeletonDataset:
    """Read the text files with actionLabel.txt, or the .mat, in a folder or in a zip file (or the .mat by itself).

    Where ``path`` is the folder or zip of the joints alone, actionLabel.txt may lie beside it.

    Raises:
        InputError: there are none, or one is not as described; the message names the file.
    """
    name = r"joints_s(\d+)_e(\d+)\.txt|actionlabels?\.txt|skeletal_data\.mat"
    wanted = "joints_s01_e01.txt and actionLabel.txt, or skeletal_data.mat"
    files = list(matching_files(path, name, wanted, lone=rf"{name}|.*\.mat"))
    mats = [file for file in files if file.uri.lower().endswith(".mat")]
    if mats and len(files) > 1:
        raise InputError(f"{path} holds {mats[0].uri} and other files of the dataset: give one or the other.")
    return SkeletonDataset(
        name="UTKinect",
        layout=KINECT20,
        classes=tuple(ACTIONS.values()),
        sequences=tuple(_from_mat(mats[0]) if mats else _from_text(files, path)),
        folds=(TESTED,),
        fps=15,
    )


def _from_text(files: list[File], path: Path) -> Iterator[SkeletonSequence]:
    takes = [file for file in files if file.match[1]]
    labels = [file for file in files if not file.match[1]]
    beside = path.parent / "actionLabel.txt"
    if not labels and beside.is_file():
        labels = list(matching_files(beside, r"actionlabel\.txt", "actionLabel.txt"))
    if len(labels) != 1:
        raise InputError(f"{path} has {len(labels)} files actionLabel.txt: one must lie in it or beside it.")
    spans = _spans(labels[0])
    for take in takes:
        name = f"s{int(take.match[1]):02}_e{int(take.match[2]):02}"
        if name not in spans:
            raise InputError(f"{labels[0].uri} has no lines for {name}: add them, or leave {take.uri} out.")
        numbers, joints = _frames(take)
        for action, first, last in spans[name]:
            shown = (numbers >= first) & (numbers <= last)
            if shown.any():
                yield SkeletonSequence(
                    poses=from_kinect(joints[shown], SDK_ORDER),
                    label=ACTIONS[action],
                    subject=str(int(take.match[1])),
                    uri=f"{take.uri}#{action}",
                )


def _spans(file: File) -> dict[str, list[tuple[str, int, int]]]:
    """For each take its actions with their first and last frame; those that are NaN are left out."""
    spans: dict[str, list[tuple[str, int, int]]] = {}
    take = None
    for number, line in enumerate(file.content.decode(errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        if named := re.fullmatch(r"s(\d+)_e(\d+)", line.strip(), re.IGNORECASE):
            take = f"s{int(named[1]):02}_e{int(named[2]):02}"
            spans[take] = []
            continue
        found = re.fullmatch(r"(\w+)\s*:\s*(\d+|nan)\s+(\d+|nan)", line.strip(), re.IGNORECASE)
        if take is None or not found or found[1].lower() not in ACTIONS:
            raise InputError(
                f'{file.uri}, line {number}, is {line.strip()[:40]!r}: it should be like "s01_e01" or "walk: 252 390".'
            )
        if "nan" not in (found[2].lower(), found[3].lower()):
            action, first = found[1].lower(), int(found[2])
            spans[take].append((action, _SLIPS.get((take, action, first), first), int(found[3])))
    return spans


def _frames(file: File) -> tuple[np.ndarray, np.ndarray]:
    """Frame numbers [n], rising, and joints [n, 20, 3]; of frames that were written twice the first."""
    try:
        values = np.array(file.content.decode(errors="replace").split(), np.float64)
    except ValueError as error:
        raise InputError(f"{file.uri} is not made of numbers ({error}): download it again.") from error
    if not len(values) or len(values) % _COLUMNS:
        raise InputError(f"{file.uri} has {len(values)} numbers, not {_COLUMNS} a frame: download it again.")
    table = values.reshape(-1, _COLUMNS)
    numbers, first = np.unique(table[:, 0], return_index=True)
    return numbers, table[first, 1:].reshape(-1, len(SDK_ORDER), 3)


def _from_mat(file: File) -> Iterator[SkeletonSequence]:
    """The cell array is one of actions, subjects and takes."""
    labels = list(ACTIONS.values())
    for entry in read_entries(file, len(_MAT_ORDER)):
        place = (*entry.index, 0)
        action = place[0] + 1 if entry.action is None else entry.action
        subject = place[1] + 1 if entry.subject is None else entry.subject
        uri = f"{file.uri}#{','.join(str(i + 1) for i in entry.index)}"
        if not 1 <= action <= len(labels):
            raise InputError(f"{uri} is of action {action}: UTKinect has 1 to {len(labels)}.")
        yield SkeletonSequence(
            poses=entry.joints[:, [_MAT_ORDER.index(name) for name in KINECT20.joints]],
            label=labels[action - 1],
            subject=str(subject),
            uri=uri,
        )
