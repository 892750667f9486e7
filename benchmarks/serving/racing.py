"""Segments a second over HTTP: the service and its peers in turns, and what a request costs beside its forward pass."""

import statistics
from functools import partial

import torch
import uvloop
from common import Claim, measured, seconds

from gymspotter import registry
from gymspotter.labels import EXERCISES
from serving import models
from serving.asking import Ask, as_json, as_npy, asked, once
from serving.load import elsewhere

CLIENTS, BATCH = 8, 16


def race(name: str, version: str, *, ours: str, bare: str, mlflow: str, quick: bool) -> list[Claim]:
    """Segments a second of each server and body, in turns; and the ratios of each round."""
    poses = models.batch(BATCH)
    asks = {
        "gymspotter, JSON": as_json(ours, poses),
        "gymspotter, .npy": as_npy(ours, poses),
        "mlflow models serve, JSON": as_json(f"{mlflow}/invocations", poses, "inputs"),
        "bare FastAPI, JSON": as_json(f"{bare}/classify", poses),
        "bare FastAPI, .npy": as_npy(f"{bare}/classify/npy", poses),
    }
    for server, ask in asks.items():  # also a warm-up
        same_answer(server, ask, version)
    rates: dict[str, list[float]] = {server: [] for server in asks}
    for _ in range(1 if quick else 3):
        for server, ask in asks.items():
            answered = elsewhere(asked, ask, clients=CLIENTS, seconds=1.0 if quick else 6.0)
            if answered.failures:
                raise SystemExit(f"{server}: {answered.failures[0][2]}")
            rates[server].append(answered.rate(BATCH))
            print(f"  {name}, {server}: {rates[server][-1]:.0f} segments/s", flush=True)
    here = f"{name}, batch {BATCH}, {CLIENTS} clients"
    claims = [measured(f"{here}: {server}", each, "segments/s") for server, each in rates.items()]
    for one, other, goal in (
        ("gymspotter, JSON", "mlflow models serve, JSON", 5.0),
        ("gymspotter, .npy", "mlflow models serve, JSON", None),
        ("gymspotter, JSON", "bare FastAPI, JSON", 1.0),
        ("gymspotter, .npy", "bare FastAPI, .npy", 1.0),
    ):
        ratios = [a / b for a, b in zip(rates[one], rates[other], strict=True)]
        claims.append(measured(f"{here}: {one}, over {other}", ratios, "x", goal=goal))
    return claims


def same_answer(server: str, ask: Ask, version: str) -> None:
    """End the benchmark if a server does not say what the model says."""
    expected = models.top_of(version, models.batch(BATCH))
    answer = uvloop.run(once(ask))
    if "predictions" in answer:
        got = [EXERCISES[max(range(len(row)), key=row.__getitem__)] for row in answer["predictions"]]
    else:
        got = [row["exercise"] for row in answer["segments"]]
    if got != [exercise for exercise, _ in expected]:
        raise SystemExit(f"{server} answers {got}, not {expected}.")


def overhead(name: str, version: str, url: str, *, quick: bool) -> list[Claim]:
    """How much longer one request takes, of one client alone, than the forward pass in it does (eager, one thread)."""
    torch.set_num_threads(1)
    module = registry.load(version).module
    claims = []
    for size in (1, BATCH):
        poses = models.batch(size)
        forward = torch.inference_mode()(partial(module, torch.from_numpy(poses)))
        for body, ask in (("JSON", as_json(url, poses)), (".npy", as_npy(url, poses))):
            more = []
            for _ in range(1 if quick else 3):
                bare = statistics.median(seconds(forward, runs=30, warm_up=3))
                answered = elsewhere(asked, ask, clients=1, seconds=0.5 if quick else 3.0)
                more.append(1000 * (statistics.median(answered.seconds) - bare))
            claims.append(
                measured(
                    f"{name}, batch {size}, {body}: a request over the forward pass (eager, one thread)", more, "ms"
                )
            )
    return claims
