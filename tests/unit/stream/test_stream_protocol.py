import json
import struct

import numpy as np
import pytest

from gymspotter.errors import InputError
from gymspotter.skeleton import BLAZEPOSE33, FLORENCE15, H36M17
from gymspotter.stream.events import Limits
from gymspotter.stream.protocol import (
    Bye,
    Frames,
    Hello,
    Picture,
    read_hello,
    read_message,
    write_frames,
    write_hello,
    write_picture,
)

LIMITS = Limits(
    message_bytes=200_000,
    frames_per_message=20,
    frames_per_second=120,
    session_seconds=3600,
    resume_seconds=30,
    image_pixels=10**6,
)
DEEP = 100_000


def some_joints(n=3, layout=H36M17):
    return np.random.default_rng(0).normal(size=(n, len(layout.joints), 3)).astype(np.float32)


def text(joints=None, **fields):
    joints = some_joints().tolist() if joints is None else joints
    return json.dumps({"type": "frames", "t": [0.0, 0.2, 0.4], "joints": joints} | fields)


def refused(data, layout=H36M17, limits=LIMITS):
    """The one sentence."""
    with pytest.raises(InputError) as error:
        read_message(data, layout, limits)
    sentence = str(error.value)
    assert sentence.endswith(".")
    assert len(sentence) < 300
    return sentence


def hello(**fields):
    return json.dumps({"type": "hello", "protocol": 1, "layout": "coco17"} | fields)


def hello_refused(data):
    with pytest.raises(InputError) as error:
        read_hello(data)
    assert str(error.value).endswith(".")
    return str(error.value)


def test_a_hello_needs_only_its_layout():
    assert read_hello(hello()) == Hello(layout="coco17", fps=5.0, hop=1.0, top=3)


def test_a_hello_comes_back_as_it_was_written():
    one = Hello(layout="jpeg", fps=30, hop=0.5, top=5, token="t", resume="r", seen=17, poses=True)
    assert read_hello(write_hello(one)) == one
    assert read_hello(write_hello(one).encode()) == one
    assert "token" not in json.loads(write_hello(Hello(layout="coco17")))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"type": "frames"}, "hello"),
        ({"protocol": 2}, "protocol is 2"),
        ({"protocol": True}, "protocol"),
        ({"protocol": None}, "protocol is missing"),
        ({"layout": "coco18"}, "layout is 'coco18'"),
        ({"layout": ["coco17"]}, "layout is a list"),
        ({"layout": None}, "layout"),
        ({"fps": 0.4}, "fps"),
        ({"fps": "5"}, "fps"),
        ({"fps": True}, "fps"),
        ({"fps": 10**400}, "fps is a huge number"),
        ({"hop": 0.1}, "hop"),
        ({"hop": 5.1}, "hop"),
        ({"hop": None}, "hop"),
        ({"top": 0}, "top"),
        ({"top": 2.0}, "top"),
        ({"token": 5}, "token"),
        ({"token": ""}, "token"),
        ({"token": "x" * 600}, "token"),
        ({"resume": {}}, "resume"),
        ({"seen": -1}, "seen"),
        ({"seen": False}, "seen"),
        ({"poses": 1}, "poses"),
        ({"poses": True}, "poses"),  # the layout is not jpeg
        ({"hopp": 1}, "'hopp'"),
        ({"x" * 10_000: 1}, "unknown field"),
    ],
)
def test_an_odd_hello_is_refused_by_the_name_of_its_field(fields, named):
    assert named in hello_refused(hello(**fields))


@pytest.mark.parametrize(
    "data",
    [
        "",
        "{",
        "[]",
        "5",
        "null",
        b"\xff\xfe{}",
        "[" * DEEP,
        '{"a":' * DEEP,
        '{"protocol": NaN}',
        "9" * 5000,
        '{"type": "hello", "protocol": ' + "9" * 5000 + "}",
        b"\x00\x01\x02",
    ],
)
def test_what_is_no_json_object_is_refused(data):
    hello_refused(data)
    if isinstance(data, str):
        refused(data)


def test_a_secret_is_never_shown():
    assert "swordfish" not in hello_refused(hello(token=["swordfish"]))


@pytest.mark.parametrize("layout", [H36M17, BLAZEPOSE33, FLORENCE15])
def test_frames_as_json_are_arrays(layout):
    joints = some_joints(3, layout)
    frames = read_message(text(joints.tolist()), layout, LIMITS)
    assert isinstance(frames, Frames)
    np.testing.assert_array_equal(frames.times_N, [0.0, 0.2, 0.4])
    np.testing.assert_allclose(frames.joints_NJC, joints, atol=1e-6)
    assert frames.joints_NJC.dtype == frames.scores_NJ.dtype == np.float32
    assert (frames.scores_NJ == 1).all()


def test_null_is_a_joint_or_a_person_that_was_not_seen():
    joints = some_joints().tolist()
    joints[0] = None
    joints[1][4] = None
    frames = read_message(text(joints), H36M17, LIMITS)
    assert np.isnan(frames.joints_NJC[0]).all()
    assert np.isnan(frames.joints_NJC[1, 4]).all()
    assert np.isfinite(frames.joints_NJC).sum() == (16 + 17) * 3
    np.testing.assert_array_equal(frames.scores_NJ, np.isfinite(frames.joints_NJC).all(axis=-1))


def test_frames_without_anybody_are_frames():
    frames = read_message(text([None, None, None]), H36M17, LIMITS)
    assert frames.joints_NJC.shape == (3, 17, 3)
    assert not frames.scores_NJ.any()


def test_whole_numbers_are_numbers():
    frames = read_message(text(np.zeros((3, 17, 3), int).tolist(), t=[0, 1, 2]), H36M17, LIMITS)
    np.testing.assert_array_equal(frames.times_N, [0.0, 1.0, 2.0])
    assert not frames.joints_NJC.any()


def test_scores_are_taken():
    scores = np.random.default_rng(1).uniform(size=(3, 17))
    frames = read_message(text(scores=scores.tolist()), H36M17, LIMITS)
    np.testing.assert_allclose(frames.scores_NJ, scores, atol=1e-6)


def changed(place, value):
    joints = some_joints().tolist()
    at = joints
    for index in place[:-1]:
        at = at[index]
    at[place[-1]] = value
    return joints


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"type": "hello"}, "type"),
        ({"type": None}, "type"),
        ({"type": ["frames"]}, "type"),
        ({"t": None}, "t is missing"),
        ({"t": 5.0}, "t is 5.0"),
        ({"t": []}, "0 frames"),
        ({"t": [0.0, 0.2]}, "joints"),
        ({"t": ["0", "0.2", "0.4"]}, "t has '0'"),
        ({"t": [True, 1, 2]}, "t has true"),
        ({"t": [0.0, None, 0.4]}, "t has missing"),
        ({"t": [0.0, 1e300, 0.4]}, "t is not finite"),
        ({"t": [0.0, 10**400, 0.4]}, "t is not finite"),
        ({"t": [1.7e12, 1.7e12, 1.7e12]}, "send seconds"),
        ({"t": [[0.0], [0.2], [0.4]]}, "t has a list"),
        ({"joints": 5}, "joints"),
        ({"joints": {}}, "joints"),
        ({"joints": [[], [], []]}, "17 joints"),
        ({"joints": [1, 2, 3]}, "17 joints"),
        ({"joints": [None, 5, None]}, "17 joints"),
        ({"joints": some_joints(3, FLORENCE15).tolist()}, "17 joints"),
        ({"joints": some_joints()[..., :2].tolist()}, "17 joints"),
        ({"joints": changed((1,), [])}, "17 joints"),
        ({"joints": changed((1, 2), [])}, "17 joints"),
        ({"joints": changed((1, 2), {})}, "17 joints"),
        ({"joints": changed((1, 2, 0), {})}, "17 joints"),
        ({"joints": changed((1, 2, 0), [1.0])}, "17 joints"),
        ({"joints": changed((1, 2, 0), "1.5")}, "a text"),
        ({"joints": changed((1, 2, 0), "x" * 100_000)}, "a text"),
        ({"joints": changed((1, 2, 0), True)}, "true or false"),
        ({"joints": changed((1, 2, 0), None)}, "null for a coordinate"),
        ({"joints": changed((1, 2, 0), 10**30)}, "100 m"),
        ({"joints": changed((1, 2, 0), 10**400)}, "17 joints"),
        ({"joints": changed((1, 2, 0), 100.5)}, "100 m"),
        ({"joints": changed((1, 2, 0), -1e300)}, "100 m"),
        ({"scores": 1}, "scores"),
        ({"scores": np.ones((3, 16)).tolist()}, "scores"),
        ({"scores": np.full((3, 17), 1.5).tolist()}, "0 to 1"),
        ({"scores": [[None] * 17] * 3}, "0 to 1"),
        ({"score": []}, "'score'"),
    ],
)
def test_odd_frames_are_refused_by_the_name_of_their_field(fields, named):
    assert named in refused(text(**fields))


def test_numbers_beyond_a_double_are_refused():
    one = json.dumps({"type": "frames", "t": [0], "joints": [[[123.5, 0, 0]] * 17]})
    assert "100 m" in refused(one.replace("123.5", "1e999"))
    assert "NaN" in refused(one.replace("123.5", "NaN"))
    assert "-Infinity" in refused(one.replace("123.5", "-Infinity"))


def test_nesting_in_a_field_is_refused():
    for field in ("t", "joints", "scores"):
        message = f'{{"type": "frames", "t": [0], "joints": [null], "{field}": {"[" * 900}{"]" * 900}}}'
        refused(message)


def test_more_frames_or_bytes_than_the_limits_are_refused():
    assert "at most 20" in refused(text([None] * 21, t=list(range(21)))).replace("1 to 20", "at most 20")
    assert "bytes" in refused("x" * 200_001)
    assert "21 frames" in refused(write_frames(np.arange(21), some_joints(21)))


def test_a_bye_is_a_bye():
    assert read_message('{"type": "bye"}', H36M17, LIMITS) == Bye()
    assert read_message('{"type": "bye"}', None, LIMITS) == Bye()
    refused('{"type": "bye", "now": 1}')


@pytest.mark.parametrize("with_scores", [False, True])
def test_binary_frames_come_back_as_they_were_written(with_scores):
    joints = some_joints()
    joints[1, 3] = np.nan
    scores = np.random.default_rng(1).uniform(size=(3, 17)) if with_scores else None
    times = [1.7e9, 1.7e9 + 0.25, 1.7e9 + 0.5]
    frames = read_message(write_frames(times, joints, scores), H36M17, LIMITS)
    assert isinstance(frames, Frames)
    np.testing.assert_array_equal(frames.times_N, times)
    np.testing.assert_array_equal(frames.joints_NJC, joints)
    expected = np.isfinite(joints).all(axis=-1) if scores is None else scores.astype(np.float32)
    np.testing.assert_array_equal(frames.scores_NJ, expected)


def test_the_binary_form_is_the_documented_one():
    data = struct.pack("<BBH", 1, 0, 1) + struct.pack("<d", 2.5) + struct.pack("<51f", *range(51))
    frames = read_message(data, H36M17, LIMITS)
    assert frames.times_N.tolist() == [2.5]
    np.testing.assert_array_equal(frames.joints_NJC[0], np.arange(51).reshape(17, 3))
    assert write_frames([2.5], np.arange(51).reshape(1, 17, 3)) == data


def test_a_binary_message_cut_anywhere_is_refused():
    data = write_frames([0.0, 0.2], some_joints(2), np.ones((2, 17)))
    for end in range(len(data)):
        refused(data[:end])
    refused(data + b"\0")


def test_odd_binary_frames_are_refused():
    good = write_frames([0.0, 0.2], some_joints(2))
    assert "kind 0" in refused(b"\0" + good[1:])
    assert "flags" in refused(good[:1] + b"\2" + good[2:])
    assert "0 frames" in refused(struct.pack("<BBH", 1, 0, 0))
    for odd in (np.nan, np.inf, -np.inf, 1e12):
        assert "t is not finite" in refused(write_frames([0.0, odd], some_joints(2)))
    for odd in (np.inf, -np.inf, 101, 3e38):
        joints = some_joints(2)
        joints[1, 5, 2] = odd
        assert "100 m" in refused(write_frames([0.0, 0.2], joints))
    for odd in (np.nan, -0.1, 1.1, np.inf):
        assert "0 to 1" in refused(write_frames([0.0, 0.2], some_joints(2), np.full((2, 17), odd)))


def test_a_picture_comes_back_as_it_was_written():
    assert read_message(write_picture(3.5, b"\xff\xd8..."), None, LIMITS) == Picture(t=3.5, jpeg=b"\xff\xd8...")


def test_an_odd_picture_is_refused():
    refused(write_picture(3.5, b""), None)
    refused(write_picture(float("nan"), b"x"), None)
    refused(struct.pack("<BBHd", 2, 1, 1, 0.0) + b"x", None)
    refused(struct.pack("<BBHd", 2, 0, 2, 0.0) + b"x", None)
    for end in range(13):
        refused(write_picture(3.5, b"x")[:end], None)


def test_joints_and_pictures_do_not_mix():
    assert "send joints" in refused(write_picture(0.0, b"x"), H36M17)
    assert "send pictures" in refused(write_frames([0.0], some_joints(1)), None)
    assert "send pictures" in refused(text(), None)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_bytes_come_nothing_but_an_input_error_is_raised(seed):
    rng = np.random.default_rng(seed)
    originals = [
        write_frames([0.0, 0.2], some_joints(2), np.ones((2, 17))),
        write_picture(1.0, b"jpeg"),
        text(np.round(some_joints(3), 1).tolist()).encode(),
        text([None, *some_joints(2).tolist()], scores=np.ones((3, 17)).tolist()).encode(),
        hello(token="abc", seen=3).encode(),
    ]
    read = 0
    for _ in range(1500):
        data = bytearray(originals[rng.integers(len(originals))])
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(len(data)))
            what = rng.integers(3)
            if what == 0:
                data[at] = rng.integers(256)
            elif what == 1:
                del data[at : at + int(rng.integers(1, 20))]
            else:
                data[at:at] = bytes(
                    rng.choice(list(b'0[]{},:"-.eEnulltrue\\'), int(rng.integers(1, 5))).astype(np.uint8)
                )
            data = data or bytearray(b"{")
        layout = H36M17 if rng.random() < 0.8 else None
        for reader in (
            lambda data=data, layout=layout: read_message(bytes(data), layout, LIMITS),
            lambda data=data, layout=layout: read_message(data.decode("latin-1"), layout, LIMITS),
            lambda data=data: read_hello(bytes(data)),
        ):
            try:
                one = reader()
            except InputError:
                continue
            read += 1
            if isinstance(one, Frames):
                assert np.isfinite(one.times_N).all()
                assert not (np.abs(one.joints_NJC) > 100).any()
                assert ((one.scores_NJ >= 0) & (one.scores_NJ <= 1)).all()
    assert read > 20  # some changes do no harm, and are read


def test_arrays_that_do_not_fit_together_are_not_written():
    for arguments in (([0.0], some_joints(2)), ([[0.0]], some_joints(1)), ([0.0], some_joints(1)[0])):
        with pytest.raises(InputError):
            write_frames(*arguments)
    with pytest.raises(InputError):
        write_frames([0.0], some_joints(1), np.ones(17))
