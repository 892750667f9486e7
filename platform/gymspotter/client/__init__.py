"""Python clients of the service: `Client` for HTTP and `LiveSession` for streams, each also for asyncio."""

from gymspotter.client.failures import NO_ANSWER, ServiceError, Timing
from gymspotter.client.http import AsyncClient, Client
from gymspotter.client.live import AsyncLiveSession
from gymspotter.client.live_sync import LiveSession
from gymspotter.client.news import Disconnected, LiveEvent, Reconnected
from gymspotter.client.posted import Served, post_videos
from gymspotter.client.results import (
    Classification,
    ExerciseSet,
    Model,
    Repetition,
    Segment,
    TimedSegment,
    Timeline,
    VideoPoses,
)

__all__ = [
    "NO_ANSWER",
    "AsyncClient",
    "AsyncLiveSession",
    "Classification",
    "Client",
    "Disconnected",
    "ExerciseSet",
    "LiveEvent",
    "LiveSession",
    "Model",
    "Reconnected",
    "Repetition",
    "Segment",
    "Served",
    "ServiceError",
    "TimedSegment",
    "Timeline",
    "Timing",
    "VideoPoses",
    "post_videos",
]
