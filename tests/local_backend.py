"""What answers the HTTP API in tests: a real classifier and a real estimator in this process, without Ray or MLflow."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
import torch

from gymspotter.calibration import logits, softmax
from gymspotter.labels import EXERCISES
from gymspotter.models import Classifier
from gymspotter.models.transformer import Transformer, TransformerConfig
from gymspotter.pose import Poses, load_estimator
from gymspotter.registry import ModelFacts
from gymspotter.unknown import unknown
from serve.http.progress import in_thread
from serve.skeletons import skeletonise

FACTS = ModelFacts(model="transformer", classes=list(EXERCISES), frames=60, grid_fps=5.0)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    version: str
    facts: ModelFacts


@dataclass(frozen=True, kw_only=True)
class Answers:
    version: str
    facts: ModelFacts
    probabilities_SK: np.ndarray
    unknown_S: np.ndarray


class QuickEstimator:
    """Sees somebody who goes up and down in every picture, where the picture does not matter."""

    name, version, layout = "quick", "1", "h36m17"

    def watch(self, frames):
        return sum(1 for _ in frames)

    def poses(self, watched):
        def swinging(frames):
            joints = np.zeros((frames, 17, 3), np.float32)
            joints[..., 1] = np.arange(17) / 17 * (1 + 0.3 * np.cos(np.arange(frames) * np.pi / 5))[:, None]
            return Poses(
                joints=joints,
                scores=np.ones((frames, 17), np.float32),
                image_xy=np.full((frames, 17, 2), 0.5, np.float32),
                layout=self.layout,
            )

        return [swinging(frames) for frames in watched]


class LocalBackend:
    """The weights are random, which the API must not care about."""

    def __init__(self, facts: ModelFacts = FACTS, estimator=None):
        torch.manual_seed(0)
        fusion = Transformer(TransformerConfig(), joints=17, frames=60, classes=22)
        self.module = Classifier(fusion).eval()
        self.estimator = estimator or load_estimator("blazepose")
        self.current = Loaded(version="7", facts=facts)
        self.one_at_a_time = asyncio.Lock()

    def status(self):
        return {"model": "champion", "follows": True, "refused": {"version": "8", "why": "it is broken."}}

    async def classify(self, poses_STJC):
        current, logits_SK = self.current, logits(self.module, poses_STJC)
        return Answers(
            version=current.version,
            facts=current.facts,
            probabilities_SK=softmax(logits_SK),
            unknown_S=unknown(logits_SK),
        )

    async def skeletons(self, video, name):
        fps = self.current.facts.grid_fps

        def work(tell):
            return skeletonise(video, name, self.estimator, fps=fps, max_seconds=60.0, tell=tell)

        async with self.one_at_a_time, aclosing(in_thread(work)) as steps:
            async for step in steps:
                yield step


def refusal(response, status):
    """The one sentence of a refused request, after checking the form of the answer."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return sentence(response.json(), status)


def sentence(problem, status):
    assert set(problem) == {"type", "title", "status", "detail", "model_version"}
    assert problem["type"].startswith("urn:gymspotter:")
    assert problem["status"] == status
    assert problem["model_version"] == "7"
    assert problem["detail"].endswith(".")
    assert "\n" not in problem["detail"]
    return problem["detail"]
