"""Ask a running service about videos, as an app would: plain HTTP."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gymspotter.tracks import Track


@dataclass(frozen=True, kw_only=True)
class Served:
    """One video that was posted: what it shows, what the service said, and how long that took."""

    uri: str
    exercise: str
    predicted: str
    probability: float
    milliseconds: float
    answer: dict[str, Any]


def post_videos(url: str, tracks: list[Track]) -> list[Served]:
    """Upload the video of each track to the service, one after the other."""
    served = []
    with httpx.Client(base_url=url, timeout=300) as client:
        for track in tracks:
            started = time.perf_counter()
            with open(track.uri, "rb") as file:
                response = client.post("/v1/classify/video", files={"file": (Path(track.uri).name, file)})
            elapsed = 1000 * (time.perf_counter() - started)
            if response.status_code >= 500:
                raise RuntimeError(f"the service failed on {track.uri}: {response.status_code} {response.text}")
            answer = response.json()
            refused = response.status_code != 200
            served.append(
                Served(
                    uri=track.uri,
                    exercise=track.label or "",
                    predicted=f"({answer['detail']})" if refused else answer["exercise"],
                    probability=0.0 if refused else answer["probability"],
                    milliseconds=elapsed,
                    answer=answer,
                )
            )
    return served
