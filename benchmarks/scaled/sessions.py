"""What one live session costs besides the model: bytes of its copy, of what it sends and of what it is told."""

import json
import pickle

import numpy as np

from gymspotter.labels import EXERCISES
from gymspotter.stream.events import as_message
from gymspotter.stream.protocol import write_frames
from gymspotter.stream.session import Answer, Session, StreamConfig
from gymspotter.synth.generate import Item, SynthOptions, make_track

FPS, SECONDS = 5, 60
# As in serve/settings.py and serve/streams/keeper.py, which a script beside benchmarks/serve.py cannot import.
COPY_SECONDS, KEEPER_BYTES = 4.0, 512 * 2**20


def measure() -> dict[str, float]:
    """A minute of squats as one session has it.

    Returns:
        ``copy``: bytes of the session's snapshot, which is nearly all of a copy; ``sent`` and ``told``: bytes a second
        of joints and of events.
    """
    track = make_track(Item(exercise="squat", number=0, seed=1), SynthOptions(seconds=SECONDS))
    session = Session(StreamConfig(classes=EXERCISES))
    answer = Answer(probabilities_K=np.eye(len(EXERCISES))[EXERCISES.index("squat")], unknown=0.0, version="1")
    sent = told = 0
    for k in range(0, SECONDS * FPS, FPS):
        times, joints, scores = np.arange(k, k + FPS) / FPS, track.joints[k : k + FPS], track.scores[k : k + FPS]
        sent += len(write_frames(times, joints))
        session.push(times, joints, scores)
        for window in session.due():
            told += sum(len(json.dumps(as_message(event))) for event in session.answer(window, answer))
    copy = pickle.dumps(session.snapshot(), protocol=5)
    return {"copy": float(len(copy)), "sent": sent / SECONDS, "told": told / SECONDS}
