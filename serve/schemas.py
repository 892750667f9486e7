"""What goes over HTTP. Field descriptions and examples are the API's documentation (/docs)."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# Strict, so that true and "1" are refused; a whole number is a float all the same.
Coordinate = Annotated[
    Annotated[float, Field(strict=True)] | None, Field(description="Metres; null where the joint was not seen.")
]
Joint = tuple[Coordinate, Coordinate, Coordinate]
Frame = Annotated[list[Joint], Field(description="The 17 canonical joints (x right, y down, z away from the camera).")]
Segment = Annotated[
    list[Frame], Field(description="5 or more frames, at most `frames` of /v1/model, `grid_fps` a second.")
]


class ClassifyRequest(BaseModel):
    """Segments of skeletons to name."""

    model_config = ConfigDict(extra="forbid")

    segments: Annotated[list[Segment], Field(min_length=1, max_length=256)]
    top: Annotated[int, Field(strict=True, ge=1, le=22, description="How many guesses to return for each segment.")] = 3


class GuessOut(BaseModel):
    """An exercise with its probability."""

    exercise: str
    probability: float


class SegmentOut(BaseModel):
    """The best guess for a segment, and the best few."""

    exercise: str
    probability: float
    top: list[GuessOut]


class ClassifyResponse(BaseModel):
    """One answer for each segment sent, in order."""

    model_version: str
    segments: list[SegmentOut]


class TimedSegmentOut(SegmentOut):
    """A segment of a video, in seconds from its start."""

    start: float
    end: float


class VideoResponse(BaseModel):
    """The timeline of a video."""

    model_version: str
    estimator: str
    seconds: Annotated[float, Field(description="Length of the video.")]
    person_seen: Annotated[float, Field(description="Share of the sampled frames in which a person was found.")]
    exercise: Annotated[str, Field(description="The exercise with the highest mean probability over the segments.")]
    probability: Annotated[float, Field(description="That mean probability.")]
    segments: list[TimedSegmentOut]


class ModelResponse(BaseModel):
    """The model that answers."""

    model_version: str
    name: str
    model: str
    classes: list[str]
    frames: Annotated[int, Field(description="Frames in a segment.")]
    grid_fps: Annotated[float, Field(description="Frames a second in a segment.")]
    layout: str
    scores: Annotated[dict[str, float], Field(description="On the test side of its training data.")]
    data: Annotated[str, Field(description="Fingerprint of the tracks it was trained on.")]
    split: str
    commit: str


class Health(BaseModel):
    """The service answers."""

    status: str
    model_version: str


class Problem(BaseModel):
    """What was wrong with a request: ``detail`` is one sentence that names the field and says how to mend it."""

    title: str
    status: int
    detail: str
    model_version: str
