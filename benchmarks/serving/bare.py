"""What one would write in an evening to serve the model: FastAPI, uvicorn and torch, one worker. A peer, not a service.

python benchmarks/serving/bare.py PORT TRACKING_URI VERSION
"""

import io
import sys
from typing import Any

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel

from gymspotter.registry import load
from gymspotter.tracking import use_store

app = FastAPI()


class Segments(BaseModel):
    """Skeletons [S, T, J, 3]; null where a joint was not seen."""

    segments: list[list[list[list[float | None]]]]


@torch.inference_mode()
def answer(poses: torch.Tensor) -> dict[str, Any]:
    best = app.state.module(poses).softmax(dim=1).max(dim=1)
    names = [app.state.classes[k] for k in best.indices.tolist()]
    pairs = zip(names, best.values.tolist(), strict=True)
    return {"segments": [{"exercise": name, "probability": value} for name, value in pairs]}


@app.post("/classify")
def classify(body: Segments) -> dict[str, Any]:
    return answer(torch.from_numpy(np.array(body.segments, dtype=np.float32)))  # None becomes NaN


@app.post("/classify/npy")
async def classify_npy(request: Request) -> dict[str, Any]:
    return answer(torch.from_numpy(np.load(io.BytesIO(await request.body()))))


if __name__ == "__main__":
    port, tracking_uri, version = sys.argv[1:]
    torch.set_num_threads(1)  # requests are answered at once by several threads already
    use_store(tracking_uri)
    loaded = load(version)
    app.state.module, app.state.classes = loaded.module, loaded.facts.classes
    print("ready", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")
