"""The settings of the application: the arguments (``args:``) in config.yaml, and what `gymspotter serve` passes on."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gymspotter.names import CHALLENGER, CHAMPION


class AppSettings(BaseModel):
    """Arguments of the application; every field has a default that suits one machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # The model.
    model: Annotated[str, Field(description="Alias or version to serve; an alias is followed.")] = CHAMPION
    tracking_uri: Annotated[str | None, Field(description="MLflow's store; by default MLFLOW_TRACKING_URI.")] = None
    mlflow_url: Annotated[
        str | None,
        Field(description="Where browsers find MLflow; by default tracking_uri, if a server."),
    ] = None
    poll_seconds: Annotated[float, Field(gt=0, description="How often the alias is looked up.")] = 5.0
    shadow: Annotated[float, Field(ge=0, le=1, description="Share of segments that the challenger answers too.")] = 0.0
    challenger: Annotated[str, Field(description="Alias of the model in the shadow.")] = CHALLENGER
    max_batch: Annotated[int, Field(ge=1, description="Segments in one forward pass.")] = 64

    # Videos.
    estimator: str = "blazepose"
    max_body_mb: Annotated[int, Field(ge=1, description="Largest body of a request, an uploaded video included.")] = 64
    max_video_seconds: Annotated[float, Field(gt=0)] = 600.0
    video_uris: Annotated[
        tuple[str, ...], Field(description="Prefixes of the URIs that may be asked about; none by default.")
    ] = ()

    # Streams.
    live_estimator: Annotated[str, Field(description="Of pictures; one that works frame by frame.")] = "blazepose"
    max_sessions: Annotated[int, Field(ge=1, description="Open sessions on one replica.")] = 1200
    session_seconds: Annotated[float, Field(gt=0, description="A session is closed when it is older.")] = 4 * 3600.0
    idle_seconds: Annotated[float, Field(gt=0, description="... or when it was silent for so long.")] = 60.0
    resume_seconds: Annotated[float, Field(gt=0, description="A lost session can be resumed for so long.")] = 30.0
    copy_seconds: Annotated[
        float, Field(gt=0, description="How often sessions are copied to where they outlive a replica.")
    ] = 4.0
    message_bytes: Annotated[int, Field(ge=1024, description="Largest message of a stream.")] = 4 * 2**20
    frames_per_message: Annotated[int, Field(ge=1)] = 600
    frames_per_second: Annotated[float, Field(gt=0, description="What is sent faster is shed.")] = 120.0
    image_pixels: Annotated[int, Field(ge=1, description="Largest picture in a stream.")] = 1920 * 1080

    # Who may ask.
    tokens: Annotated[
        str | None, Field(description="File of tokens (`gymspotter token`); none: this machine only.")
    ] = None
    origins: Annotated[
        tuple[str, ...], Field(description="Origins of web pages of other hosts that may ask; none by default.")
    ] = ()
