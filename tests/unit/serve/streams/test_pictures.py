"""JPEGs that are fine, that are bombs, and that are broken in every way chance finds."""

import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gymspotter.errors import InputError
from serve.streams.pictures import decode_jpeg, jpeg_size

MANY = 10_000_000


def scene(height: int = 48, width: int = 80) -> NDArray[np.uint8]:
    """A red corner at the upper left of a soft ramp, so that channels and orientation can be told."""
    picture = np.full((height, width, 3), 60, np.uint8)
    picture[..., 1] = np.linspace(0, 120, width).astype(np.uint8)
    picture[: height // 2, : width // 2] = (230, 20, 20)
    return picture


def jpeg(picture: NDArray[np.uint8], **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=95, **options)
    return out.getvalue()


def with_size(data: bytes, width: int, height: int) -> bytes:
    """The same bytes, whose header says something else."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + data[at + 4 :]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 2}])
def test_a_picture_is_rgb_of_the_size_of_its_header(options: dict[str, object]) -> None:
    data = jpeg(scene(), **options)
    picture = decode_jpeg(data, MANY)
    assert jpeg_size(data) == (80, 48)
    assert (picture.shape, picture.dtype) == ((48, 80, 3), np.uint8)
    assert np.abs(picture.astype(int) - scene()).mean() < 5
    np.testing.assert_allclose(picture[5, 5], (230, 20, 20), atol=12)


def test_what_a_camera_of_opencv_writes_is_read() -> None:
    done, data = cv2.imencode(".jpg", scene()[..., ::-1])
    assert done
    np.testing.assert_allclose(decode_jpeg(data.tobytes(), MANY)[5, 5], (230, 20, 20), atol=12)


def test_grey_gets_three_equal_channels() -> None:
    picture = decode_jpeg(jpeg(scene()[..., 0]), MANY)
    assert picture.shape == (48, 80, 3)
    assert (picture == picture[..., :1]).all()
    assert abs(int(picture[5, 5, 0]) - 230) < 10


def test_cmyk_is_converted() -> None:
    out = io.BytesIO()
    Image.fromarray(scene()).convert("CMYK").save(out, "JPEG", quality=95)
    np.testing.assert_allclose(decode_jpeg(out.getvalue(), MANY)[5, 5], (230, 20, 20), atol=15)


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_a_turned_camera_gives_an_upright_picture(orientation: int, corner: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode_jpeg(jpeg(scene(), exif=exif.tobytes()), MANY)
    assert picture.shape == ((48, 80, 3) if orientation in (1, 3) else (80, 48, 3))
    np.testing.assert_allclose(picture[corner], (230, 20, 20), atol=15)


def test_a_small_picture_and_bytes_after_the_end_do_no_harm() -> None:
    assert decode_jpeg(jpeg(scene(1, 1)), 1).shape == (1, 1, 3)
    assert decode_jpeg(jpeg(scene()) + b"\0" * 100 + b"\xff\xd8\xff\xda", MANY).shape == (48, 80, 3)


def test_a_bomb_is_refused_before_a_pixel_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = with_size(jpeg(scene()), 65_500, 65_500)
    decoded: list[object] = []
    monkeypatch.setattr(cv2, "imdecode", lambda *arguments: decoded.append(arguments))
    with pytest.raises(InputError, match="65500 x 65500 pixels: send at most 2073600"):
        decode_jpeg(bomb, 1920 * 1080)
    assert not decoded


def test_the_limit_is_of_pixels_and_belongs_to_what_is_allowed() -> None:
    assert decode_jpeg(jpeg(scene()), 48 * 80).shape == (48, 80, 3)
    with pytest.raises(InputError, match="at most 3839"):
        decode_jpeg(jpeg(scene()), 48 * 80 - 1)


def test_a_size_hidden_in_a_thumbnail_or_a_second_header_does_not_count() -> None:
    data, small = jpeg(scene()), jpeg(scene(8, 8))
    thumbnail = b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small
    assert jpeg_size(data[:2] + thumbnail + data[2:]) == (80, 48)
    frame = data.index(b"\xff\xc0")
    header = data[frame : frame + 2 + int.from_bytes(data[frame + 2 : frame + 4], "big")]
    with pytest.raises(InputError, match="not supported"):
        jpeg_size(data[:frame] + with_size(header, 8, 8) + data[frame:])


def test_a_bomb_behind_a_marker_without_a_length_is_refused() -> None:
    bomb, small = with_size(jpeg(scene()), 30_000, 30_000), jpeg(scene(8, 8))
    hidden = b"\xff\x01" + (len(bomb)).to_bytes(2, "big") + bomb[2:]
    with pytest.raises(InputError, match="damaged"):
        jpeg_size(small[:2] + hidden + small[2:])


def test_a_picture_of_a_thousand_scans_is_refused() -> None:
    data = jpeg(scene(), progressive=True)
    first = data.index(b"\xff\xda")
    second = data.index(b"\xff\xc4", first)
    with pytest.raises(InputError, match="damaged"):
        decode_jpeg(data[:first] + data[first:second] * 1000 + data[second:], MANY)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        b"not a picture at all",
        cv2.imencode(".png", scene())[1].tobytes(),
        b"GIF89a" + bytes(100),
        b"\xff\xd8\xff" + bytes(10_000),
        b"\xff\xd8" + b"\xff" * 100_000,
        with_size(jpeg(scene()), 0, 48),
        with_size(jpeg(scene()), 80, 0),
        jpeg(scene()).replace(b"\xff\xc0", b"\xff\xc3", 1),
        jpeg(scene())[:-2],
    ],
    ids=lambda data: repr(data[:8]),
)
def test_what_is_no_whole_jpeg_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^picture .*\.$"):
        decode_jpeg(data, MANY)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_picture_that_is_cut_off_anywhere_is_refused(progressive: bool) -> None:
    data = jpeg(scene(24, 24), progressive=progressive)
    for length in range(len(data)):
        with pytest.raises(InputError):  # by its markers alone: what a decoder makes of it is not relied upon
            jpeg_size(data[:length])


def test_broken_files_are_refused_or_a_picture_and_never_anything_else() -> None:
    rng = np.random.default_rng(6)
    whole = [jpeg(scene()), jpeg(scene(), progressive=True), jpeg(scene()[..., 0]), jpeg(scene(200, 300))]
    outcomes = {"refused": 0, "picture": 0}
    for k in range(600):
        data = bytearray(whole[k % len(whole)])
        if k % 3 == 0:
            start = int(rng.integers(len(data)))
            del data[start : start + int(rng.integers(1, 200))]
        for _ in range(int(rng.integers(1, 12))):
            # The first bytes are the header, where most harm can be done.
            at = int(rng.integers(min(len(data), 700 if k % 2 else len(data))))
            data[at] = int(rng.integers(256))
        try:
            picture = decode_jpeg(bytes(data), MANY)
        except InputError:
            outcomes["refused"] += 1
        else:
            outcomes["picture"] += 1
            assert (picture.ndim, picture.shape[2], picture.dtype) == (3, 3, np.uint8)
            assert picture.shape[0] * picture.shape[1] <= MANY
    assert min(outcomes.values()) > 50
