"""Segments in other formats, layouts and frame rates than JSON on the model's grid, through the whole API."""

import io
import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException

from gymspotter.calibration import softmax
from gymspotter.errors import InputError
from gymspotter.skeleton import LAYOUTS, root_at_hip, to_canonical
from serve.http.api import build_api
from serve.http.bodies import ARROW, NPY, Terms, read_question
from serve.settings import AppSettings
from tests.local_backend import LocalBackend, refusal


@pytest.fixture(scope="module")
def backend():
    return LocalBackend()


@pytest.fixture(scope="module")
def client(backend):
    return TestClient(build_api(backend, AppSettings(max_body_mb=4)), raise_server_exceptions=False)


@pytest.fixture
def poses():
    """Two segments in which some joints, and a frame, were not seen."""
    poses = np.random.default_rng(0).normal(size=(2, 60, 17, 3)).astype(np.float32)
    poses[0, 10] = poses[1, 3:5, 4] = np.nan
    return poses


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


FLOAT = pa.float32()


def arrow(rows, width=51, kind=FLOAT, metadata=None, large=False, options=None, **more):
    """Segments as an Arrow stream; a row is a list of frames."""
    frame = pa.list_(kind, width)
    column = pa.array(rows, pa.large_list(frame) if large else pa.list_(frame))
    table = pa.table({**more, "poses": column}).replace_schema_metadata(metadata)
    return stream(table, options)


def stream(table, options=None, rows=None):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue().to_pybytes()


def flat(poses):
    """As rows for `arrow`."""
    return [segment.reshape(len(segment), -1).tolist() for segment in poses]


def post(client, body, media_type=NPY, query=""):
    return client.post(f"/v1/classify{query}", content=body, headers={"content-type": media_type})


def in_json(client, poses, **fields):
    segments = [np.where(np.isnan(segment), None, segment.astype(np.float64)).tolist() for segment in poses]
    return client.post("/v1/classify", json={"segments": segments, **fields})


def answers(response):
    """The guesses by exercise, for each segment."""
    assert response.status_code == 200, response.text
    return [{guess["exercise"]: guess["probability"] for guess in row["top"]} for row in response.json()["segments"]]


def same(given, expected):
    assert len(given) == len(expected)
    for one, other in zip(given, expected, strict=True):
        assert one == {name: pytest.approx(value, abs=2e-3) for name, value in other.items()}


def test_an_array_and_a_table_say_the_same_as_json(client, poses):
    expected = answers(in_json(client, poses, top=22))
    for array in (poses, poses.astype(np.float64), poses.astype(">f4"), np.asfortranarray(poses)):
        same(answers(post(client, npy(array), query="?top=22")), expected)
    same(answers(post(client, npy(poses.astype(np.float16)), query="?top=22")), expected)
    same(answers(post(client, npy(poses[1]), query="?top=22")), expected[1:])
    for body in (
        arrow(flat(poses)),
        arrow(flat(poses), kind=pa.float64(), large=True, name=pa.array(["a", "b"])),
        stream(pa.ipc.open_stream(arrow(flat(poses))).read_all(), rows=1),
        stream(pa.ipc.open_stream(arrow(flat([poses[0], *poses]))).read_all().slice(1)),
    ):
        same(answers(post(client, body, ARROW, "?top=22")), expected)


def test_frames_and_joints_without_a_value_in_a_table_were_not_seen(client, poses):
    expected = answers(in_json(client, poses))
    rows = flat(poses)
    rows[0][10] = None
    for t in (3, 4):
        rows[1][t] = [None if np.isnan(value) else value for value in rows[1][t]]
    same(answers(post(client, arrow(rows), ARROW)), expected)


def test_a_table_holds_segments_of_any_length(client, poses):
    parts = [poses[0], poses[0, 20:], poses[1, :5]]
    same(answers(post(client, arrow(flat(parts)), ARROW)), answers(in_json(client, parts)))


def test_a_table_says_in_its_metadata_how_it_is_to_be_read(client, poses):
    at_10 = np.repeat(poses, 2, axis=1)[:, :-1]
    metadata = {"layout": "h36m17", "fps": "10", "top": "2"}
    got = answers(post(client, arrow(flat(at_10), metadata=metadata), ARROW, "?fps=30&top=7"))
    assert [len(row) for row in got] == [2, 2]
    same(got, answers(in_json(client, poses, top=2)))


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_taken_wherever_its_origin_is(client, backend, name):
    layout = LAYOUTS[name]
    rng = np.random.default_rng(1)
    native = (rng.normal(size=(1, 60, len(layout.joints), 3)) + np.array([0.5, -2.0, 7.0])).astype(np.float32)
    canonical, _ = to_canonical(native[0], np.ones(native.shape[1:3], np.float32), layout)
    expected = softmax(backend.module(torch.from_numpy(root_at_hip(canonical)[None])).detach().numpy())[0]
    for response in (
        in_json(client, native, layout=name, top=22),
        post(client, npy(native), query=f"?layout={name}&top=22"),
        post(client, arrow(flat(native), 3 * len(layout.joints)), ARROW, f"?layout={name}&top=22"),
    ):
        (row,) = answers(response)
        assert row == {
            k: pytest.approx(p, abs=1e-4) for k, p in zip(backend.current.facts.classes, expected, strict=True)
        }


@pytest.mark.parametrize("fps", [1, 2.5, 24, 30, 59.94, 240])
def test_any_frame_rate_is_resampled_to_the_model_s(client, fps):
    """A smooth movement, seen at another rate, gets (nearly) the answer of the grid."""

    def seen(fps):
        t = np.arange(int(11.5 * fps) + 1)[:, None, None] / fps
        joint = np.arange(17)[:, None]
        return (np.sin(2 * np.pi * t / 11 + joint + np.arange(3)) + joint / 17).astype(np.float32)

    same(answers(in_json(client, [seen(fps)], fps=fps)), answers(in_json(client, [seen(5)])))


@pytest.mark.parametrize(
    ("frames", "fps", "says"),
    [
        (1, 5, "1 frames: send 5 to 60, at 5 a second."),
        (24, 30, "24 frames: send 25 to 360, at 30 a second."),
        (361, 30, "361 frames: send 25 to 360, at 30 a second; cut it into several segments."),
        (2881, 240, "2881 frames: send 193 to 2880, at 240 a second; cut it into several segments."),
        (1, 1, "1 frames: send 2 to 12, at 1 a second."),
        (13, 1, "13 frames: send 2 to 12, at 1 a second; cut it into several segments."),
    ],
)
def test_what_is_too_short_or_too_long_is_refused_in_its_own_frames(client, frames, fps, says):
    body = npy(np.zeros((frames, 17, 3), np.float16))
    assert refusal(post(client, body, query=f"?fps={fps}"), 422) == f"segments[0] has {says}"


@pytest.mark.parametrize(("frames", "fps"), [(25, 30), (360, 30), (193, 240), (2880, 240), (2, 1), (12, 1)])
def test_the_shortest_and_the_longest_that_are_named_are_taken(client, frames, fps):
    body = npy(np.random.default_rng(0).normal(size=(frames, 17, 3)).astype(np.float16))
    assert post(client, body, query=f"?fps={fps}").status_code == 200


def test_frames_without_hips_show_nobody(client, poses):
    poses[0, 4:, 0] = np.nan
    assert "segments[0] shows joints in 4 frames" in refusal(in_json(client, poses), 422)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "not an array"),
        (b"\x93NUMPY", 400, "not an array"),
        (b"\x93NUMPY\x09\x00" + b"\x00" * 100, 400, "not an array"),
        (npy(np.zeros((60, 17, 3)))[:60], 400, "not an array"),
        (npy(np.zeros((60, 17, 3)))[:-1], 422, "send it whole"),
        (npy(np.zeros((60, 17, 3))) + b"0", 422, "send it whole"),
        (npy(np.zeros((60, 17, 3), np.int32)), 422, "of int32: send float16"),
        (npy(np.zeros((60, 17, 3), complex)), 422, "of complex128: send float16"),
        (npy(np.zeros((60, 17, 3), np.longdouble)), 422, "send float16"),
        (npy(np.array([{"a": 1}] * 3), allow_pickle=True), 422, "of object: send float16"),
        (npy(np.zeros((17, 3))), 422, "has the shape (17, 3)"),
        (npy(np.zeros((1, 60, 17, 2))), 422, "has the shape (1, 60, 17, 2)"),
        (npy(np.zeros((60, 33, 3))), 422, "33 joints: send the 17 of h36m17"),
        (npy(np.zeros((0, 60, 17, 3))), 422, "0 of them: send 1 to 256"),
        (npy(np.zeros((257, 1, 17, 3))), 422, "257 of them: send 1 to 256"),
        (npy(np.zeros((1, 0, 17, 3))), 422, "send it whole"),
        (npy(np.full((60, 17, 3), np.inf)), 422, "beyond 100 m"),
        (npy(np.full((60, 17, 3), np.nan)), 422, "in 0 frames"),
        (npy(np.full((60, 17, 3), 1e300)), 422, "segments[0] has a coordinate beyond"),
    ],
)
def test_an_array_that_cannot_be_used_is_refused(client, body, status, says):
    assert says in refusal(post(client, body), status)


def test_a_header_that_declares_more_than_there_is_allocates_nothing(client):
    header = str({"descr": "<f8", "fortran_order": False, "shape": (256, 2**40, 17, 3)}).encode().ljust(117) + b"\n"
    body = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 64
    assert "and 64 follow" in refusal(post(client, body), 422)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "not an Arrow IPC stream"),
        (b"ARROW1\0\0", 400, "not an Arrow IPC stream"),
        (arrow([[[0.0] * 51] * 5])[:200], 400, "not an Arrow IPC stream"),
        (stream(pa.table({"joints": [1]})), 422, "no column poses"),
        (stream(pa.table([[1], [2]], names=["poses", "poses"])), 422, "or several"),
        (
            stream(pa.table({"poses": [[[0.0] * 51] * 5]})),
            422,
            "of another type: send list<fixed_size_list<float>[51]>",
        ),
        (arrow([[[0.0] * 50] * 5], 50), 422, "of another type"),
        (arrow([]), 422, "has 0 rows: send 1 to 256"),
        (arrow([[]] * 257), 422, "has 257 rows: send 1 to 256"),
        (arrow([[]]), 422, "has 0 frames"),
        (arrow([None]), 422, "a row without a value"),
        (arrow([[[0.0] * 51] * 5], metadata={"fps": "fast"}), 422, "fps: the table's metadata say b'fast'"),
        (arrow([[[0.0] * 51] * 5], metadata={"fps": "nan"}), 422, "fps: must be"),
        (arrow([[[0.0] * 51] * 5], metadata={"layout": "\xff"}), 422, "is not registered"),
        (arrow([[[0.0] * 51] * 5], options=pa.ipc.IpcWriteOptions(compression="zstd")), 422, "is compressed"),
        (arrow([[[0.0] * 51] * 5], x=pa.array(["a"]).dictionary_encode()), 422, "dictionary"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(client, body, status, says):
    assert says in refusal(post(client, body, ARROW), status)


def test_a_query_that_cannot_be_read_is_refused(client, poses):
    for query, says in (
        ("fps=fast", "fps: "),
        ("fps=0", "fps: "),
        ("top=23", "top: "),
        ("layout=mine", "layout 'mine'"),
    ):
        assert refusal(post(client, npy(poses), query=f"?{query}"), 422).startswith(says)


def test_a_query_counts_for_json_that_does_not_say_it(client, poses):
    body = json.dumps({"segments": [np.zeros((60, 17, 3)).tolist()]})
    assert len(answers(post(client, body, "application/json; charset=utf-8", "?top=5"))[0]) == 5


def test_damaged_binary_bodies_are_refused_or_answered_and_nothing_else(poses):
    rng = np.random.default_rng(0)
    for media_type, good, head in ((NPY, npy(poses[:, :5]), 128), (ARROW, arrow(flat(poses[:, :5])), 1000)):
        outcomes = set()
        for _ in range(1500):
            body = bytearray(good)
            for at in rng.integers(0, head, rng.integers(1, 5)):
                body[at] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
            try:
                read_question(
                    bytes(body[: rng.integers(len(body))] if rng.random() < 0.2 else body), media_type, Terms()
                )
                outcomes.add("read")
            except (InputError, HTTPException) as error:
                outcomes.add(type(error).__name__)
        assert outcomes == {"read", "InputError", "HTTPException"}
