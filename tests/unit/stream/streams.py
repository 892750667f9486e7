"""Frames and answers for the tests of live sessions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gymspotter.labels import EXERCISES
from gymspotter.skeleton import Floats
from gymspotter.stream.events import Event
from gymspotter.stream.session import Answer, Session, StreamConfig, Window
from gymspotter.synth.generate import Item, SynthOptions, make_track

CLASSES = EXERCISES
SQUAT, CURL = CLASSES.index("squat"), CLASSES.index("barbell biceps curl")


def movement(exercise: str, seconds: float, number: int = 3, noise: float = 1.0) -> Floats:
    """[T, 17, 3] on the grid of 5 frames a second."""
    options = SynthOptions(seconds=seconds, noise=noise)
    return make_track(Item(exercise=exercise, number=number, seed=0), options).joints


def answer(best: int | None, probability: float = 0.9, unknown: float = 0.05) -> Answer:
    """An answer for one class; None: none of them."""
    if best is None:
        return Answer(probabilities_K=np.full(len(CLASSES), 1 / len(CLASSES)), unknown=0.95, version="7")
    probabilities_K = np.full(len(CLASSES), (1 - probability) / (len(CLASSES) - 1))
    probabilities_K[best] = probability
    return Answer(probabilities_K=probabilities_K, unknown=unknown, version="7")


def by_content(window: Window) -> Answer | None:
    """A made-up model: any function of the window's poses, that names two exercises and the unknown in turn."""
    if window.poses_TJC is None:
        return None
    mean = np.nan_to_num(window.poses_TJC).mean(axis=(0, 1))
    scores = np.sin(np.outer(np.arange(1, 4), mean).sum(axis=1) * 40)
    weights = np.exp(4 * scores)
    probabilities_K = np.full(len(CLASSES), 1e-3)
    probabilities_K[[SQUAT, CURL]] = weights[:2] / weights[:2].sum()
    return Answer(probabilities_K=probabilities_K / probabilities_K.sum(), unknown=float(weights[2] / 60), version="7")


def session(**config: Any) -> Session:
    return Session(StreamConfig(classes=CLASSES, **config))


def scores_of(joints_NJC: Floats) -> Floats:
    return np.isfinite(joints_NJC).all(axis=-1).astype(np.float32)


def push(one: Session, times: Any, joints_NJC: Floats, model: Any = by_content) -> list[Event]:
    """One bundle, and the answers to what is due after it; ``model`` is a function or an answer."""
    events = one.push(times, joints_NJC, scores_of(joints_NJC))
    for window in one.due():
        events += one.answer(window, model(window) if callable(model) else model if window.hop.person else None)
    return events


def play(
    one: Session, times: NDArray[np.float64], joints_NJC: Floats, model: Any = by_content, bundle: int = 5
) -> list[Event]:
    """All frames, ``bundle`` at once."""
    events: list[Event] = []
    for k in range(0, len(times), bundle):
        events += push(one, times[k : k + bundle], joints_NJC[k : k + bundle], model)
    return events


def of(kind: type, events: list[Event]) -> list[Any]:
    return [event for event in events if type(event) is kind]
