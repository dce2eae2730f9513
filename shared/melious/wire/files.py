"""The bytes of a file as they arrive, and its lines. Pure."""

from __future__ import annotations

from melious.errors import MeliousError, ResponseDecodeError, StreamTruncatedError
from melious.errors.table import web_page
from melious.wire.head import Head
from melious.wire.refusals import MAX_ERROR_BODY, error_object, refusal

_OK = 200
_ERROR = b'{"error":'
_MOST_OF_A_BEGINNING = 200
_MOST_OF_A_PAGE = 4000
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
        self._start: bytes | None = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take one read; what begins like an error object is held back until it cannot be one."""
        self.size += len(data)
        if self._start is None:
            return [data] if data else []
        self._start += data
        if len(self._start) <= MAX_ERROR_BODY and b"\n" not in self._start and self._may_be_an_error():
            return []
        return self._begun()

    def _may_be_an_error(self) -> bool:
        begins = b"".join((self._start or b"")[:_MOST_OF_A_BEGINNING].split())
        return begins.startswith(_ERROR[: len(begins)])

    def _begun(self) -> list[bytes]:
        """The first bytes; none if they are an error in place of the file."""
        start, self._start = self._start or b"", None
        said = error_object(start)
        if said is not None and "custom_id" not in said:
            self.ended = True
            self.error = refusal(self._head, said, "files")
            return []
        page = web_page(start[:_MOST_OF_A_PAGE].decode("utf-8", "replace"))
        if page is not None:
            self.ended = True
            self.error = ResponseDecodeError(
                f"files: the answer is not a file of JSON lines: {page}", request_id=self._head.request_id
            )
            return []
        return [start] if start else []

    def close(self) -> list[bytes]:
        """End: the connection says whether it is the end of the file."""
        first = [] if self._start is None else self._begun()
        self.ended = True
        if self._head.status != _OK and not self.size:
            self.error = ResponseDecodeError(
                f"files: the answer has status {self._head.status} and no content",
                status_code=self._head.status,
                request_id=self._head.request_id,
            )
        return first

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
        >>> splitter.feed(b"one\ntw"), splitter.feed(b"o\r\n\r\nthree"), splitter.rest()
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
        return [line.removesuffix(b"\r") for line in lines if line.strip()]

    def rest(self) -> list[bytes]:
        """What is left at the end: the last line, if it has no newline."""
        last = b"".join(self._parts)
        self._parts, self._size = [], 0
        return [last.removesuffix(b"\r")] if last.strip() else []
