"""From what a client sent to what the model takes, and from what the model says to the answer.

Shapes: S segments, T = the model's frames, J = 17 canonical joints, N frames of all segments in a row.
"""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gymspotter.classify import Guess, guesses
from gymspotter.errors import InputError
from gymspotter.registry import ModelFacts
from gymspotter.resample import frames_after, resample
from gymspotter.skeleton import Floats, root_at_hip, to_canonical
from gymspotter.unknown import THRESHOLD
from gymspotter.windows import MIN_FRAMES, fit_length
from serve.http.bodies import Question


class Answers(Protocol):
    """What one version of the model says of S segments; ``serve.model.batcher.Answers`` is one."""

    @property
    def version(self) -> str:
        """The version that answered, all of it."""
        ...

    @property
    def facts(self) -> ModelFacts:
        """Of that version."""
        ...

    @property
    def probabilities_SK(self) -> NDArray[np.floating]:
        """Among the K exercises of ``facts.classes``; a row's sum is 1."""
        ...

    @property
    def unknown_S(self) -> NDArray[np.floating]:
        """How surely each segment shows none of the exercises, in 0..1."""
        ...


def to_poses(question: Question, facts: ModelFacts) -> Floats:
    """The segments [S, T, J, 3] of a question: canonical, on the model's grid, filled to and fro.

    Raises:
        InputError: one is too short, too long, or shows a person in too few frames.
    """
    _check_lengths(question, facts)
    scores_NJ = np.ones(question.joints_NJC.shape[:2], np.float32)  # nobody asks for the scores
    joints_NJC, _ = to_canonical(question.joints_NJC, scores_NJ, question.layout)
    joints_NJC = root_at_hip(joints_NJC)
    if len(set(question.lengths)) == 1:  # all at once
        joints_STJC = joints_NJC.reshape(len(question.lengths), -1, *joints_NJC.shape[1:])
        moved_STJC = resample(joints_STJC.swapaxes(0, 1), question.fps, facts.grid_fps).swapaxes(0, 1)
        _check_seen(np.isfinite(moved_STJC).any(axis=(2, 3)).sum(axis=1), facts)
        if moved_STJC.shape[1] == facts.frames:
            return moved_STJC
        parts: Sequence[Floats] = list(moved_STJC)
    else:
        ends = np.cumsum(question.lengths)[:-1]
        parts = [resample(part, question.fps, facts.grid_fps) for part in np.split(joints_NJC, ends)]
        _check_seen(np.array([np.isfinite(part).any(axis=(1, 2)).sum() for part in parts]), facts)
    return np.stack([fit_length(part, facts.frames) for part in parts])


def _check_seen(frames_S: NDArray[np.integer], facts: ModelFacts) -> None:
    """InputError unless each segment shows a person in enough frames."""
    if (few := np.flatnonzero(frames_S < MIN_FRAMES)).size:
        i = int(few[0])
        raise InputError(
            f"segments[{i}] shows joints in {frames_S[i]} frames: send at least {MIN_FRAMES} at {facts.grid_fps:g} a "
            "second with a person in them, hips included."
        )


def _check_lengths(question: Question, facts: ModelFacts) -> None:
    least = max(2, math.ceil((MIN_FRAMES - 1) * question.fps / facts.grid_fps - 1e-6) + 1)
    for i, length in enumerate(question.lengths):
        frames = frames_after(length, question.fps, facts.grid_fps)
        if length < least or frames > facts.frames:
            most = math.ceil(facts.frames * question.fps / facts.grid_fps - 1e-6)
            mend = "; cut it into several segments" if length >= least else ""
            raise InputError(
                f"segments[{i}] has {length} frames: send {least} to {most}, at {question.fps:g} a second{mend}."
            )


def best(top: Sequence[Guess], unknown: float) -> dict[str, Any]:
    """The fields of `schemas.SegmentOut`."""
    return {
        "exercise": top[0].exercise,
        "probability": top[0].probability,
        "top": [{"exercise": guess.exercise, "probability": guess.probability} for guess in top],
        "unknown": unknown,
        "known": unknown <= THRESHOLD,
    }


def classify_response(answers: Answers, top: int) -> dict[str, Any]:
    """The fields of `schemas.ClassifyResponse`."""
    named = guesses(answers.probabilities_SK, answers.facts.classes, top)
    return {
        "model_version": answers.version,
        "segments": [best(row, float(none)) for row, none in zip(named, answers.unknown_S, strict=True)],
    }
