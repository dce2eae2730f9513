"""Server-sent events from bytes: the algorithm of the HTML specification, without I/O.

Lines end at CR, LF or CRLF only, however the bytes are cut into reads, and only
whole lines are decoded. Beyond the specification, `close` returns an unterminated
last event, because servers forget the last blank line.
"""

from __future__ import annotations

from typing import NamedTuple

from melious.errors import ResponseDecodeError

MAX_EVENT_BYTES = 65 * 1024 * 1024  # openai-python passes events of 64 MiB on
_LONG_LINE = 1024 * 1024
_CR, _LF = b"\r\n"
_MOST_DIGITS = 20
_BOM = b"\xef\xbb\xbf"


class ServerSentEvent(NamedTuple):
    """One event.

    Attributes:
        event: The event's type; `message` if the stream names none.
        data: The data lines, joined by LF.
        id: The stream's last event id so far, or "".
        retry: The reconnection time in milliseconds that this event sets, if any.
    """

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None


class SSEDecoder:
    r"""Parses reads of a stream into events.

    Attributes:
        retry: The last valid reconnection time of the stream, in milliseconds.
        error: The value of an `error:` field, by which some servers report failures.

    Examples:
        >>> decoder = SSEDecoder()
        >>> decoder.feed(b"data: one\n\ndata: tw")
        [ServerSentEvent(event='message', data='one', id='', retry=None)]
        >>> decoder.feed(b"o\n\n")[0].data
        'two'
    """

    __slots__ = (
        "_between",
        "_data",
        "_event",
        "_held",
        "_id",
        "_max_bytes",
        "_partial",
        "_retry",
        "_size",
        "_skip_lf",
        "_started",
        "error",
        "retry",
    )

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        """Start at the beginning of a stream.

        Args:
            max_event_bytes: The largest event, in bytes.
        """
        self.retry: int | None = None
        self.error: str | None = None
        self._max_bytes = max_event_bytes
        self._partial: list[bytes] = []
        self._held = 0
        self._size = 0
        self._between = False
        self._skip_lf = False
        self._started = False
        self._data: list[str] = []
        self._event = ""
        self._id = ""
        self._retry: int | None = None

    def only_data(self, data: bytes) -> bytes | None:
        """The data of a read that is one event of one data line, as most are; else None.

        Do not `feed` that read again.
        """
        line, _, rest = data.partition(b"\n")
        if (
            rest == b"\n"
            and self._between
            and line.startswith(b"data: ")
            and b"\r" not in line
            and len(data) <= self._max_bytes
        ):
            return line[6:]
        return None

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Parse one read; returns the events that it completes.

        Raises:
            ResponseDecodeError: An event is too large.
        """
        only = self.only_data(data)
        if only is not None:
            return [ServerSentEvent("message", only.decode("utf-8", "replace"), self._id)]
        if not self._started:
            data = self._without_bom(data)
        return self._feed(data) if data else []

    def _feed(self, data: bytes) -> list[ServerSentEvent]:
        if self._skip_lf:
            self._skip_lf = False
            if data[0] == _LF:
                data = data[1:]
        if b"\r" in data:
            self._skip_lf = data[-1] == _CR
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = data.split(b"\n")
        rest = lines.pop()
        events: list[ServerSentEvent] = []
        if lines:
            if self._partial:
                lines[0] = self._joined(lines[0])
            for line in lines:
                self._line(line, events)
        if rest:
            self._partial.append(rest)
            self._held += len(rest)
            self._check(self._size + self._held)
        self._between = not (rest or self._skip_lf or self._size or self._event or self._retry is not None)
        return events

    def close(self) -> list[ServerSentEvent]:
        """End the stream; returns an unterminated last event."""
        events: list[ServerSentEvent] = []
        if self._partial:
            self._line(self._joined(b""), events)
        self._line(b"", events)
        return events

    def _without_bom(self, data: bytes) -> bytes:
        """Hold back the first bytes while they may be a byte order mark."""
        if self._partial:
            data = self._partial.pop() + data
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._partial.append(data)
            return b""
        self._started = True
        return data.removeprefix(_BOM)

    def _joined(self, end: bytes) -> bytes:
        line = b"".join((*self._partial, end))
        self._partial.clear()
        self._held = 0
        return line

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise ResponseDecodeError(f"an event of the stream is larger than {self._max_bytes:,} bytes")

    def _line(self, line: bytes, events: list[ServerSentEvent]) -> None:
        if not line:
            if self._data:
                events.append(
                    ServerSentEvent(self._event or "message", "\n".join(self._data), self._id, self._retry)
                )
                self._data = []
            self._event = ""
            self._retry = None
            self._size = 0
            return
        if len(line) > _LONG_LINE and line.startswith(b"data: "):
            # Decoded from where it is, since each slice of it would be a copy.
            name, value = b"data", str(memoryview(line)[6:], "utf-8", "replace")
        else:
            name, _, raw = line.partition(b":")
            if not name:
                return
            value = (raw[1:] if raw[:1] == b" " else raw).decode("utf-8", "replace")
        self._size += len(line)
        self._check(self._size)
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value
        elif name == b"id":
            if "\0" not in value:
                self._id = value
        elif name == b"retry":
            # Python refuses to parse thousands of digits, and no time is that long.
            if value.isascii() and value.isdigit() and len(value) < _MOST_DIGITS:
                self.retry = self._retry = int(value)
        elif name == b"error":
            self.error = value
