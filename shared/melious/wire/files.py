"""The bytes of a file as they arrive, and its lines. Pure."""

from __future__ import annotations

from melious.errors import MeliousError, ResponseDecodeError, StreamTruncatedError
from melious.wire.head import Head

MAX_LINE_BYTES = 256 * 1024 * 1024
"""The longest line: 2,048 vectors of 4,096 numbers as JSON take 170 MB."""


class FileParser:
    """Hands on the bytes of a file, and decides if all of them arrived.

    Attributes:
        ended: No more reads are wanted.
        done: Always False: the end of a file is the end of its answer.
        error: The error to raise after the last bytes, if any.
        nothing: No bytes.
        size: How many bytes have arrived.
    """

    def __init__(self, head: Head) -> None:
        self.nothing = b""
        self.ended = False
        self.done = False
        self.error: MeliousError | None = None
        self.size = 0
        self._head = head

    def feed(self, data: bytes) -> list[bytes]:
        """Take one read."""
        self.size += len(data)
        return [data] if data else []

    def close(self) -> list[bytes]:
        """End: the connection says whether it is the end of the file."""
        self.ended = True
        return []

    def lost(self, error: MeliousError) -> list[bytes]:
        """End with the error of a failed connection."""
        self.ended = True
        error.request_id = error.request_id or self._head.request_id
        if isinstance(error, StreamTruncatedError):
            error.advice = "Read the file again; it stays at the service"
        self.error = error
        return []

    def resume(self) -> float | None:
        """No limit but that of each silence."""
        return None

    def has_content(self, part: bytes) -> bool:
        """Whether some bytes arrived."""
        return bool(part)


class LineSplitter:
    r"""Divides bytes into lines.

    Examples:
        >>> splitter = LineSplitter()
        >>> splitter.feed(b"one\ntw"), splitter.feed(b"o\n\nthree"), splitter.rest()
        ([b'one'], [b'two'], [b'three'])
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that these bytes complete, without blank ones.

        Raises:
            ResponseDecodeError: A line is too long to be one.
        """
        first, newline, rest = data.partition(b"\n")
        self._parts.append(first)
        self._size += len(first)
        if self._size > MAX_LINE_BYTES:
            raise ResponseDecodeError(f"a line of the file is longer than {MAX_LINE_BYTES:,} bytes")
        if not newline:
            return []
        lines = [b"".join(self._parts), *rest.split(b"\n")]
        self._parts = [last := lines.pop()]
        self._size = len(last)
        return [line for line in lines if line.strip()]

    def rest(self) -> list[bytes]:
        """What is left at the end: the last line, if it has no newline."""
        last = b"".join(self._parts)
        self._parts, self._size = [], 0
        return [last] if last.strip() else []
