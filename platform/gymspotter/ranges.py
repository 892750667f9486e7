"""A file to read and seek in, of something that is asked for ranges of bytes."""

import io
from collections.abc import Callable
from typing import Any


class RangeReader(io.RawIOBase):
    """The bytes of ``read(start, count)``, of which there are ``size``.

    What ``read`` raises comes out of the call that needed it, and nothing has moved then.
    """

    def __init__(self, size: int, read: Callable[[int, int], bytes], close: Callable[[], None]) -> None:
        """``close`` is called once, with the reader's own."""
        self._size, self._read, self._close, self._at = size, read, close, 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Where the next byte comes from."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go somewhere, also behind the end.

        Raises:
            OSError: it would be before the beginning.
        """
        at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        if at < 0:
            raise OSError("there is nothing before the beginning of a file")
        self._at = at
        return at

    def readinto(self, buffer: Any, /) -> int:
        """Fill as much of a buffer as there is; how much."""
        into = memoryview(buffer).cast("B")
        count = min(len(into), max(0, self._size - self._at))
        data = self._read(self._at, count) if count else b""
        into[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        """Let go of what is read."""
        if not self.closed:
            self._close()
        super().close()
