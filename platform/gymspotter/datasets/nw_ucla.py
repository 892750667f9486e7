"""NW-UCLA (Wang et al. 2014, Cross-view action modeling): 10 actions by 10 people, seen by 3 Kinects at 30 fps.

The form that circulates with graph networks is a JSON file ``a<action>_s<subject>_e<take>_v<view>.json`` a sequence,
with ``skeletons``: for each frame 20 joints (in the order of Kinect's SDK) of 3 coordinates in metres. There are 1,484
of them. Its authors train on views 1 and 2 and test on view 3, so the people are the same on both sides.
"""

import json
from pathlib import Path

import numpy as np

from gymspotter.datasets.files import File, matching_files
from gymspotter.datasets.kinect import SDK_ORDER, from_kinect
from gymspotter.datasets.sequences import SkeletonDataset, SkeletonSequence
from gymspotter.errors import InputError
from gymspotter.skeleton import KINECT20, Floats

# By the number in the file's name: 7 and 10 were never recorded.
ACTIONS = {
    1: "pick up with one hand", 2: "pick up with two hands", 3: "drop trash", 4: "walk around", 5: "sit down",
    6: "stand up", 8: "donning", 9: "doffing", 11: "throw", 12: "carry",
}  # fmt: skip


def load(path: Path) -> SkeletonDataset:
    """Read all sequences below a folder or in a zip file; one without any frame is left out.

    Raises:
        InputError: there are none, or one of them is not as described; the message names the file.
    """
    files = matching_files(path, r"a(\d+)_s(\d+)_e(\d+)_v(\d+)\.json", "files named a01_s01_e00_v01.json")
    return SkeletonDataset(
        name="NW-UCLA",
        layout=KINECT20,
        classes=tuple(ACTIONS.values()),
        sequences=tuple(sequence for sequence in map(_sequence, files) if len(sequence.poses)),
        folds=(("3",),),
        fps=30,
        group_by="view",
    )


def _sequence(file: File) -> SkeletonSequence:
    action, subject, _, view = map(int, file.match.groups())
    if action not in ACTIONS:
        raise InputError(f"{file.uri} is of action {action}: NW-UCLA has {', '.join(map(str, ACTIONS))}.")
    return SkeletonSequence(
        poses=from_kinect(_joints(file), SDK_ORDER),
        label=ACTIONS[action],
        subject=str(subject),
        view=str(view),
        uri=file.uri,
    )


def _joints(file: File) -> Floats:
    try:
        found = json.loads(file.content)
    except ValueError as error:
        raise InputError(f"{file.uri} is no JSON ({error}): download it again.") from error
    frames = found.get("skeletons") if isinstance(found, dict) else found
    try:
        joints = np.asarray(frames, np.float32)
    except (TypeError, ValueError):
        joints = np.empty(0, np.float32)
        frames = None
    if frames == []:
        return np.empty((0, len(SDK_ORDER), 3), np.float32)
    if joints.ndim == 2 and joints.shape[1] == 3 * len(SDK_ORDER):
        joints = joints.reshape(-1, len(SDK_ORDER), 3)
    if joints.ndim != 3 or joints.shape[1:] != (len(SDK_ORDER), 3):
        raise InputError(f'{file.uri} has no "skeletons" of 20 joints of 3 coordinates a frame: download it again.')
    return joints
