"""POST /v1/classify/video: from what was sent to a file, to tracks, to the timeline and the sets.

Shapes: S segments, K classes.
"""

import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from anyio import to_thread
from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from gymspotter.classify import LabelledSegment, label
from gymspotter.errors import InputError
from gymspotter.sets import find_sets
from gymspotter.skeleton import CANONICAL
from gymspotter.storage import name as name_of
from gymspotter.windows import MIN_FRAMES, Segments, cut_segments
from serve.http.bodies import read_json_object
from serve.http.segments import Answers, best
from serve.http.uris import allowed_place, fetch
from serve.skeletons import UPLOAD, Skeletonised

_TOP = 3
_UNREADABLE_FORM = (
    "the body cannot be read as multipart/form-data: send the video as the field file, as "
    "`curl -F file=@clip.mp4` does."
)
_NO_FILE = "file is not an uploaded file: send it with a file name, as `curl -F file=@clip.mp4` does."


async def save_video(request: Request, media_type: str, folder: Path, *, uris: Sequence[str], limit: int) -> str:
    """Put the video of a request, sent along or named by its URI, into ``folder`` as `UPLOAD`; its name for sentences.

    Raises:
        InputError: the request cannot be used.
        HTTPException: it cannot be read (400), is not allowed (403) or too large (413).
    """
    if media_type == "application/json":
        fields = read_json_object(await request.body(), {"uri"})
        uri = fields.get("uri")
        if not isinstance(uri, str):
            raise InputError('uri is missing or no text: send {"uri": "s3://..."}, or upload the video.')
        place = await to_thread.run_sync(allowed_place, uri, uris)
        await to_thread.run_sync(fetch, uri, place, folder / UPLOAD, limit)
        return _shown(name_of(uri))
    try:
        # Parts go to a temporary file as they come; a part without a file name is small or refused.
        form = await request.form(max_files=1, max_fields=8)
    except HTTPException as error:
        raise error if error.status_code == 413 else HTTPException(400, _UNREADABLE_FORM) from error
    except (FormParserError, ValueError, KeyError, LookupError) as error:
        raise HTTPException(400, _UNREADABLE_FORM) from error
    try:
        file = form.get("file")
        if file is None:
            raise InputError("file is missing: add it; /docs has an example.")
        if not isinstance(file, UploadFile):
            raise InputError(_NO_FILE)
        with (folder / UPLOAD).open("wb") as out:
            await to_thread.run_sync(shutil.copyfileobj, file.file, out, 2**20)
        return _shown(Path(file.filename or "").name)
    finally:
        with anyio.CancelScope(shield=True):
            await form.close()


def _shown(name: str) -> str:
    return (name or "video")[:100]


async def answer_video(
    steps: AsyncIterator[float | Skeletonised],
    classify: Callable[[Any], Any],
    name: str,
    *,
    frames: int,
    grid_fps: float,
    poses: bool = False,
) -> AsyncIterator[float | dict[str, Any]]:
    """The shares of ``steps``, and last the fields of `schemas.VideoResponse`.

    Args:
        steps: of `api.Backend.skeletons`.
        classify: `api.Backend.classify`; asked once, so that all segments are answered by one version.
        name: what the client calls the video.
        frames: in a segment.
        grid_fps: of the segments.
        poses: whether the joints of every frame are in the answer.

    Raises:
        InputError: the video cannot be used.
    """
    async with aclosing(steps) as closing:  # type: ignore[type-var]
        async for step in closing:
            if isinstance(step, Skeletonised):
                found = step
                break
            yield float(step)
        else:
            raise RuntimeError("the backend's skeletons ended without any")
    segments, _ = cut_segments(found.tracks, length=frames, stride=max(1, frames // 2))
    if not len(segments):
        raise InputError(
            f"file {name!r} shows a person too briefly to name an exercise: at least {MIN_FRAMES} of the frames "
            f"sampled at {grid_fps:g} a second must show one."
        )
    answers = await classify(segments.poses)
    yield await to_thread.run_sync(video_response, answers, found, segments, poses)


def video_response(answers: Answers, found: Skeletonised, segments: Segments, poses: bool = False) -> dict[str, Any]:
    """The fields of `schemas.VideoResponse`."""
    classes = answers.facts.classes
    labelled = label(segments, answers.probabilities_SK, answers.unknown_S, classes, top=len(classes))
    mean_K = np.asarray(answers.probabilities_SK, np.float64).mean(axis=0)
    answer = {
        "model_version": answers.version,
        "estimator": f"{found.tracks[0].estimator} {found.tracks[0].estimator_version}",
        "seconds": found.seconds,
        "person_seen": sum(track.seen * len(track.joints) for track in found.tracks) / found.frames,
        "exercise": classes[int(mean_K.argmax())],
        "probability": min(float(mean_K.max()), 1.0),
        "segments": [
            best(segment.guesses[:_TOP], segment.unknown)
            | {"start": segment.start, "end": min(segment.end, found.seconds)}
            for segment in labelled
        ],
        "sets": _sets(labelled, found),
    }
    return answer | ({"poses": _poses(found)} if poses else {})


def _poses(found: Skeletonised) -> dict[str, Any]:
    """The fields of `schemas.PosesOut`: all frames sampled, also those of spans without a person."""
    fps = found.tracks[0].fps
    xy_TJC = np.full((found.frames, len(CANONICAL.joints), 2), np.nan)
    for track in found.tracks:
        first = round(track.t0 * fps)
        part = xy_TJC[first : first + len(track.image_xy)]
        part[:] = np.where(track.scores[..., None] > 0, track.image_xy, np.nan)[: len(part)]
    # What an estimator guesses beyond the picture's border is not in the picture.
    inside_TJ: list[list[bool]] = np.all((xy_TJC >= 0) & (xy_TJC <= 1), axis=-1).tolist()
    frames = [
        [xy if seen else None for xy, seen in zip(row, inside, strict=True)] if any(inside) else None
        for row, inside in zip(xy_TJC.round(4).tolist(), inside_TJ, strict=True)
    ]
    times = [round(k / fps, 4) for k in range(found.frames)]
    return {
        "layout": CANONICAL.name,
        "fps": fps,
        "width": found.width,
        "height": found.height,
        "times": times,
        "image_xy": frames,
    }


def _sets(labelled: Sequence[LabelledSegment], found: Skeletonised) -> list[dict[str, Any]]:
    return [
        {
            "exercise": one.exercise,
            "start": one.start,
            "end": min(one.end, found.seconds),
            "probability": min(one.probability, 1.0),
            "repetitions": None if one.repetitions is None else len(one.repetitions),
            "times": [{"start": each.start, "end": each.end} for each in one.repetitions or ()],
        }
        for one in find_sets(labelled, found.tracks)
    ]
