"""JPEG pictures of strangers to pixels: what the header says is checked before anything is decoded."""

import re

import cv2
import numpy as np

from gymspotter.errors import InputError
from gymspotter.pose import Frame

_START, _SCAN, _END = 0xD8, 0xDA, 0xD9
_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended and progressive; the rest are codings that no camera writes
_OTHER_FRAMES = {0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
# In compressed data FF is followed by 0 (a byte FF) or by D0 to D7 (a restart); all else is the next marker. But 01 has
# no length: decoders pass over it, and a frame could hide in what is taken for its content.
_MARKER = re.compile(rb"\xff+([^\x00\x01\xd0-\xd7\xff])")
# A progressive picture has some ten; each goes over the whole picture, however few bytes it has.
_MAX_SCANS = 64
_MEND = "send a whole JPEG, baseline or progressive."


def decode_jpeg(data: bytes, max_pixels: int) -> Frame:
    """A JPEG as RGB [H, W, 3], upright as its EXIF orientation says.

    Grey pictures get three equal channels, CMYK is converted. Where the data were damaged in the middle, the pixels may
    be, too; a picture without its end is refused.

    Args:
        data: the file.
        max_pixels: of width times height, as the header has them.

    Raises:
        InputError: it is no JPEG, or larger, cut off, or damaged beyond decoding.
    """
    width, height = jpeg_size(data)
    if width * height > max_pixels:
        raise InputError(f"picture has {width} x {height} pixels: send at most {max_pixels} in all.")
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise InputError(f"picture cannot be decoded: {_MEND}") from error
    if picture is None or picture.dtype != np.uint8 or picture.shape not in ((height, width, 3), (width, height, 3)):
        raise InputError(f"picture cannot be decoded: {_MEND}")
    return np.asarray(picture, np.uint8)


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG, by its markers from the first to the last; no pixel is decoded.

    Raises:
        InputError: it is no JPEG of 8 bits in grey, three colours or CMYK, or it is cut off.
    """
    if data[:3] != bytes((0xFF, _START, 0xFF)):
        raise InputError(f"picture is no JPEG: {_MEND}")
    size: tuple[int, int] | None = None
    at, scans = 2, 0
    while match := _MARKER.search(data, at) if scans else _MARKER.match(data, at):
        marker, at = match[1][0], match.end()
        if marker == _END:
            break
        length = int.from_bytes(data[at : at + 2], "big")
        segment = data[at + 2 : at + length]
        if length < 2 or len(segment) < length - 2 or marker == _START:
            raise InputError(f"picture is cut off or damaged: {_MEND}")
        at += length
        if marker in _FRAMES and size is None:
            size = _frame_size(segment)
        elif marker in _FRAMES or marker in _OTHER_FRAMES:
            raise InputError(f"picture has a coding that is not supported: {_MEND}")
        scans += marker == _SCAN
    if match is None or size is None or not 0 < scans <= _MAX_SCANS:
        raise InputError(f"picture is cut off or damaged: {_MEND}")
    return size


def _frame_size(segment: bytes) -> tuple[int, int]:
    """Width and height from the header of a frame: bits, height, width, channels, ..."""
    if len(segment) < 6 or segment[0] != 8 or segment[5] not in (1, 3, 4):
        raise InputError("picture is not of 8 bits in grey, three colours or CMYK: save it as an RGB JPEG.")
    height, width = (int.from_bytes(segment[k : k + 2], "big") for k in (1, 3))
    if not width or not height:
        raise InputError(f"picture has {width} x {height} pixels: {_MEND}")
    return width, height
