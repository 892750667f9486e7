"""What goes over HTTP of the model's making, and of what the service knows; see schemas.py."""

from typing import Annotated

from pydantic import BaseModel, Field

from gymspotter.labels import EXERCISES
from gymspotter.skeleton import CANONICAL
from serve.http.schemas import Refusal, Share


class ClassScore(BaseModel):
    """How well one exercise is told from the others."""

    precision: Annotated[Share, Field(description="Of what was named so.", examples=[0.97])]
    recall: Annotated[Share, Field(description="Of what is so.", examples=[0.94])]
    f1: Annotated[Share, Field(examples=[0.95])]
    support: Annotated[int, Field(description="Segments that are so.", examples=[34])]


class BinOut(BaseModel):
    """Answers given with a confidence above `low` and up to `high`."""

    low: Annotated[Share, Field(examples=[0.8])]
    high: Annotated[Share, Field(examples=[0.8666])]
    confidence: Annotated[Share, Field(description="Their mean.", examples=[0.84])]
    accuracy: Annotated[Share, Field(description="The share of them that is right.", examples=[0.81])]
    count: Annotated[int, Field(examples=[21])]


class ReliabilityOut(BaseModel):
    """Whether answers are right as often as they are sure."""

    error: Annotated[Share, Field(description="Expected calibration error.", examples=[0.021])]
    bins: Annotated[list[BinOut], Field(description="Those that hold answers, in order.")]


class SideOut(BaseModel):
    """How much a side of the data held."""

    segments: Annotated[int, Field(examples=[640])]
    videos: Annotated[int, Field(examples=[210])]
    groups: Annotated[int, Field(description="People or sessions; none is on two sides.", examples=[62])]
    per_class: Annotated[dict[str, int], Field(description="Segments by exercise.", examples=[{"squat": 30}])]


class ReportCard(BaseModel):
    """What a model carries of its making (`gymspotter.report_card`)."""

    confusion: list[list[int]]
    per_class: dict[str, ClassScore]
    reliability: ReliabilityOut
    uncalibrated: ReliabilityOut
    train: SideOut
    validation: SideOut | None
    test: SideOut


class DataOut(BaseModel):
    """What a model was trained, validated and tested on."""

    fingerprint: Annotated[str, Field(description="Of the tracks.", examples=["3f2a9c"])]
    split: Annotated[str, Field(examples=["30% of the groups, seed 0"])]
    train: SideOut
    validation: Annotated[SideOut | None, Field(description="null if nothing was set apart to calibrate on.")]
    test: SideOut


class ReportResponse(BaseModel):
    """How the model that answers was made, and how good it is."""

    model_version: Annotated[str, Field(examples=["7"])]
    model: Annotated[str, Field(examples=["spotter"])]
    classes: Annotated[list[str], Field(examples=[list(EXERCISES)])]
    scores: Annotated[
        dict[str, float], Field(description="On the test side.", examples=[{"accuracy": 0.95, "macro_f1": 0.94}])
    ]
    confusion: Annotated[
        list[list[int]] | None,
        Field(
            description="Segments of the test side: true classes in rows, named ones in columns.",
            examples=[[[31, 1], [0, 34]]],
        ),
    ]
    per_class: Annotated[dict[str, ClassScore] | None, Field(description="By exercise.")]
    reliability: ReliabilityOut | None
    uncalibrated: Annotated[ReliabilityOut | None, Field(description="The same before calibration.")]
    data: DataOut | None
    commit: Annotated[str, Field(description="Of the code that trained it.", examples=["cb36768"])]
    following: Annotated[
        str | None, Field(description="The alias that is followed; null if a version is fixed.", examples=["champion"])
    ]
    refused: Annotated[
        Refusal | None,
        Field(description="The version that the alias points to, if it cannot serve and an older one answers."),
    ]
    mlflow: Annotated[
        str | None,
        Field(
            description="The version's page in MLflow; null if the registry is a file or a database.",
            examples=["https://mlflow.example.com/#/models/gymspotter/versions/7"],
        ),
    ]


class LayoutOut(BaseModel):
    """One layout."""

    joints: Annotated[list[str], Field(examples=[list(CANONICAL.joints)])]
    bones: Annotated[list[tuple[int, int]], Field(description="Pairs of joints, counted from 0.", examples=[[[0, 1]]])]


class LayoutsResponse(BaseModel):
    """Layouts that may be sent, by name."""

    layouts: Annotated[
        dict[str, LayoutOut],
        Field(
            examples=[
                {CANONICAL.name: {"joints": list(CANONICAL.joints), "bones": [list(b) for b in CANONICAL.bone_indices]}}
            ]
        ),
    ]


class ExerciseOut(BaseModel):
    """One repetition of an exercise."""

    name: Annotated[str, Field(examples=["squat"])]
    held: Annotated[
        bool, Field(description="Whether it is held and not repeated, such as the plank.", examples=[False])
    ]
    frames: Annotated[
        list[list[tuple[float, float, float]]],
        Field(
            description="The joints in metres: x right, y down from the floor (0), z away. After the last frame "
            "comes the first again, without a jump.",
            examples=[[[[0.0, -0.93, 0.0]] * len(CANONICAL.joints)]],
        ),
    ]


class ExercisesResponse(BaseModel):
    """How each exercise looks, seen from where it shows best."""

    layout: Annotated[str, Field(examples=[CANONICAL.name])]
    fps: Annotated[float, Field(description="Frames a second.", examples=[10.0])]
    exercises: list[ExerciseOut]
