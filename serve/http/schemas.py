"""What goes over HTTP. Field descriptions and examples are the API's documentation (/docs).

The models of requests are documentation only: pydantic takes long over thousands of nested joints, so `bodies.py` reads
them by itself. What the two say must be the same.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from gymspotter.labels import EXERCISES
from gymspotter.skeleton import CANONICAL, LAYOUTS

MAX_SEGMENTS = 256
MIN_FPS, MAX_FPS = 1.0, 240.0

# Somebody who stands, in the canonical layout.
_STANDING = (
    (0, 0, 0), (-0.12, 0.02, 0), (-0.13, 0.45, 0.02), (-0.14, 0.87, 0.08), (0.12, 0.02, 0), (0.13, 0.45, 0.02),
    (0.14, 0.87, 0.08), (0, -0.25, 0.01), (0, -0.5, 0), (0, -0.62, -0.05), (0, -0.68, -0.02), (0.18, -0.48, 0),
    (0.25, -0.2, 0.02), (0.27, 0.05, -0.05), (-0.18, -0.48, 0), (-0.25, -0.2, 0.02), None,
)  # fmt: skip
EXAMPLE_FRAME: Any = [list(joint) if joint else [None, None, None] for joint in _STANDING]

Coordinate = Annotated[float | None, Field(description="Metres; null where the joint was not seen.")]
Joint = tuple[Coordinate, Coordinate, Coordinate]
Frame = Annotated[
    list[Joint],
    Field(description="The joints of the layout in its order (x right, y down, z away from the camera)."),
]
Segment = Annotated[
    list[Frame],
    Field(
        min_length=2,
        description="Frames at `fps` a second: at least 5 on the model's grid (`grid_fps` of /v1/model) and at most "
        "`frames` of them, which are 12 s.",
    ),
]
LayoutField = Annotated[str, Field(json_schema_extra={"enum": list(LAYOUTS)}, description="Which joints a frame has.")]
Fps = Annotated[float, Field(ge=MIN_FPS, le=MAX_FPS, description="Frames a second.")]
Top = Annotated[int, Field(ge=1, le=len(EXERCISES), description="How many guesses to return for each segment.")]
Share = Annotated[float, Field(ge=0, le=1)]


class ClassifyRequest(BaseModel):
    """Segments of skeletons to name."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"segments": [[EXAMPLE_FRAME] * 5], "layout": CANONICAL.name, "fps": 5.0, "top": 3}]
        },
    )

    segments: Annotated[list[Segment], Field(min_length=1, max_length=MAX_SEGMENTS)]
    layout: LayoutField = CANONICAL.name
    fps: Fps = 5.0
    top: Top = 3


class VideoRequest(BaseModel):
    """A video that the service is to fetch."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"uri": "s3://gym/clips/squat.mp4"}]})

    uri: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2000,
            description="A path, or a file://, s3:// or gs:// URI, below one of the service's `video_uris`.",
        ),
    ]


class GuessOut(BaseModel):
    """An exercise with its probability."""

    exercise: Annotated[str, Field(examples=["squat"])]
    probability: Annotated[Share, Field(examples=[0.97])]


class SegmentOut(BaseModel):
    """The best guess for a segment, the best few, and whether it shows an exercise at all."""

    exercise: Annotated[str, Field(examples=["squat"])]
    probability: Annotated[Share, Field(description="Among the exercises.", examples=[0.97])]
    top: list[GuessOut]
    unknown: Annotated[Share, Field(description="How surely it shows none of the exercises.", examples=[0.08])]
    known: Annotated[bool, Field(description="Whether `unknown` is at most 0.5.")]


class ClassifyResponse(BaseModel):
    """One answer for each segment sent, in order, all by one version of the model."""

    model_version: Annotated[str, Field(examples=["7"])]
    segments: list[SegmentOut]


class TimedSegmentOut(SegmentOut):
    """A segment of a video, in seconds from its start."""

    start: Annotated[float, Field(examples=[0.0])]
    end: Annotated[float, Field(examples=[12.0])]


class RepetitionOut(BaseModel):
    """One repetition, in seconds from the video's start."""

    start: Annotated[float, Field(examples=[1.4])]
    end: Annotated[float, Field(examples=[3.6])]


class SetOut(BaseModel):
    """One exercise without interruption, in seconds from the video's start."""

    exercise: Annotated[str, Field(examples=["squat"])]
    start: Annotated[float, Field(examples=[0.0])]
    end: Annotated[float, Field(examples=[24.0])]
    probability: Annotated[Share, Field(description="Mean over that time.", examples=[0.95])]
    repetitions: Annotated[
        int | None, Field(description="null for an exercise that is held, such as the plank.", examples=[1])
    ]
    times: Annotated[list[RepetitionOut], Field(description="When each repetition was done.")]


class PosesOut(BaseModel):
    """Where the athlete's joints are in the pictures, every 1 / `fps` seconds from the video's start."""

    layout: Annotated[str, Field(examples=[CANONICAL.name])]
    fps: Annotated[float, Field(examples=[5.0])]
    width: Annotated[int, Field(description="Pixels of a picture, as it is shown.", examples=[640])]
    height: Annotated[int, Field(examples=[480])]
    times: Annotated[list[float], Field(description="Seconds; one for each frame.", examples=[[0.0, 0.2]])]
    image_xy: Annotated[
        list[list[tuple[Share, Share] | None] | None],
        Field(
            description="Frames: the joints of the layout in its order, as shares of the picture's width (from left) "
            "and height (from the top). null is a joint that is not seen in the picture, or a frame without anybody.",
            examples=[[None, [[0.5, 0.52], None]]],
        ),
    ]


class VideoResponse(BaseModel):
    """The timeline of a video."""

    model_version: Annotated[str, Field(examples=["7"])]
    estimator: Annotated[str, Field(examples=["blazepose 0.10.14"])]
    seconds: Annotated[float, Field(description="Length of the video.", examples=[24.0])]
    person_seen: Annotated[
        Share, Field(description="Share of the sampled frames in which a person was found.", examples=[0.99])
    ]
    exercise: Annotated[
        str, Field(description="The exercise with the highest mean probability over the segments.", examples=["squat"])
    ]
    probability: Annotated[Share, Field(description="That mean probability.", examples=[0.93])]
    segments: Annotated[list[TimedSegmentOut], Field(description="They overlap by half.")]
    sets: Annotated[list[SetOut], Field(description="What was done from when to when, by the segments' vote.")]
    poses: Annotated[PosesOut | None, Field(description="Only if they were asked for.")] = None


class Refusal(BaseModel):
    """A version that cannot serve, and why."""

    version: Annotated[str, Field(examples=["8"])]
    why: Annotated[str, Field(examples=["version 8 of gymspotter does not give its golden answers."])]


class ModelResponse(BaseModel):
    """The model that answers."""

    model_version: Annotated[str, Field(examples=["7"])]
    name: Annotated[str, Field(examples=["gymspotter"])]
    model: Annotated[str, Field(examples=["spotter"])]
    classes: Annotated[list[str], Field(examples=[list(EXERCISES)])]
    frames: Annotated[int, Field(description="Frames in a segment.", examples=[60])]
    grid_fps: Annotated[float, Field(description="Frames a second in a segment.", examples=[5.0])]
    layout: Annotated[str, Field(examples=[CANONICAL.name])]
    layouts: Annotated[list[str], Field(description="Layouts that may be sent.", examples=[list(LAYOUTS)])]
    scores: Annotated[
        dict[str, float], Field(description="On the test side of its training data.", examples=[{"accuracy": 0.95}])
    ]
    data: Annotated[str, Field(description="Fingerprint of the tracks it was trained on.", examples=["3f2a9c"])]
    split: Annotated[str, Field(examples=["30% of the groups, seed 0"])]
    commit: Annotated[str, Field(examples=["cb36768"])]
    following: Annotated[
        str | None, Field(description="The alias that is followed; null if a version is fixed.", examples=["champion"])
    ]
    refused: Annotated[
        Refusal | None,
        Field(description="The version that the alias points to, if it cannot serve and an older one answers."),
    ]


class Health(BaseModel):
    """The service answers."""

    status: Annotated[str, Field(examples=["ok"])]
    model_version: Annotated[str | None, Field(examples=["7"])]


class Problem(BaseModel):
    """What was wrong with a request (RFC 9457): ``detail`` is one sentence that names the field and the mend."""

    type: Annotated[str, Field(description="The kind of problem, for programs.", examples=["urn:gymspotter:invalid"])]
    title: Annotated[str, Field(examples=["Unprocessable Content"])]
    status: Annotated[int, Field(examples=[422])]
    detail: Annotated[str, Field(examples=["top: must be 1 to 22: see /docs for an example."])]
    model_version: str | None = None


def body_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a request's body, whole in itself."""
    return model.model_json_schema()
