"""UTD-MHAD (Chen, Jafari and Kehtarnavaz 2015): 27 actions by 8 people, up to 4 times each, before a Kinect at 30 fps.

A sequence is a file ``a<action>_s<subject>_t<trial>_skeleton.mat`` with ``d_skel`` [20 joints, 3, n frames] in metres.
Its authors train on subjects 1, 3, 5 and 7 and test on 2, 4, 6 and 8. Of 27 x 8 x 4 sequences three were broken and are
left out, so there are 861.
"""

from pathlib import Path

import numpy as np

from gymspotter.datasets.files import File, matching_files, read_mat
from gymspotter.datasets.kinect import from_kinect
from gymspotter.datasets.sequences import SkeletonDataset, SkeletonSequence
from gymspotter.errors import InputError
from gymspotter.skeleton import KINECT20

ACTIONS = (
    "swipe left", "swipe right", "wave", "clap", "throw", "cross arms", "basketball shoot", "draw x",
    "draw circle clockwise", "draw circle counter-clockwise", "draw triangle", "bowling", "boxing", "baseball swing",
    "tennis swing", "arm curl", "tennis serve", "push", "knock", "catch", "pick up and throw", "jog", "walk",
    "sit to stand", "stand to sit", "lunge", "squat",
)  # fmt: skip
TESTED = ("2", "4", "6", "8")


def load(path: Path) -> SkeletonDataset:
    """Read all skeletons below a folder or in a zip file.

    Raises:
        InputError: there are none, or one of them is not as described; the message names the file.
    """
    files = matching_files(path, r"a(\d+)_s(\d+)_t(\d+)(_skeleton)?\.mat", "files named a1_s1_t1_skeleton.mat")
    return SkeletonDataset(
        name="UTD-MHAD",
        layout=KINECT20,  # the order of Skeleton_joint_order.txt
        classes=ACTIONS,
        sequences=tuple(map(_sequence, files)),
        folds=(TESTED,),
        fps=30,
        sided=True,  # the right arm alone swipes, waves, throws and draws; the left foot steps forward
    )


def _sequence(file: File) -> SkeletonSequence:
    action, subject = int(file.match[1]), int(file.match[2])
    if not 1 <= action <= len(ACTIONS):
        raise InputError(f"{file.uri} is of action {action}: UTD-MHAD has 1 to {len(ACTIONS)}.")
    variables = read_mat(file.uri, file.content)
    joints = np.asarray(variables.get("d_skel", ()))
    if joints.dtype.kind not in "fiu" or joints.ndim != 3 or joints.shape[:2] != (20, 3) or not joints.shape[2]:
        raise InputError(f"{file.uri} has no d_skel of 20 joints, 3 coordinates and n frames: download it again.")
    return SkeletonSequence(
        poses=from_kinect(joints.transpose(2, 0, 1)),
        label=ACTIONS[action - 1],
        subject=str(subject),
        uri=file.uri,
    )
