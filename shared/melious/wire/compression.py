"""Decompresses answers that are compressed although that was not requested. Pure.

Headers are not reliable: proxies decompress but keep the header, or name a charset
as the encoding. A body that is cut, corrupt, or too large is an error.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator

from melious.errors import ResponseDecodeError

FREE_BYTES = 8 * 1024 * 1024
MAX_RATIO = 20
MAX_RATIO_STREAMED = 100
"""How many times its compressed size a body larger than `FREE_BYTES` may have.

JSON grows five to ten times, a repetitive stream up to fifty times, a zip bomb a thousand times.
"""

_PIECE = 64 * 1024
_SLICE = 4 * 1024
"""Bytes given to zlib at a time: it copies the rest at the end of each member."""
_TELLING = 16
"""Bytes needed to tell compression from text."""
_GZIP = b"\x1f\x8b"
_WBITS = {"gzip": 31, "zlib": 15, "deflate": -15}
_NOT_COMPRESSED = re.compile(
    r"|identity|none|null|binary|plain|text|chunked|[78]bit|[\w.+-]+/[\w.+-]+"
    r"|(?:charset=)?(?:utf|ucs|iso|cp|windows|latin|us-ascii|ascii|koi8)[-_]?[\w-]*"
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")


class Decoder:
    """Decodes a body piece by piece, through all its compressions."""

    def __init__(self, layers: list[_Layer]) -> None:
        self._layers = layers

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode some bytes, into pieces of at most 64 KiB.

        Raises:
            ResponseDecodeError: They are corrupt, or grow too much.
        """
        for layer in self._layers:
            layer.received += len(data)
        return self._through(0, data, last=False)

    def finish(self) -> Iterator[bytes]:
        """Decode what was held back until the end of the body.

        Raises:
            ConnectionError: The body ended before the compressed data did.
            ResponseDecodeError: What was held back is corrupt.
        """
        for place in range(len(self._layers)):
            yield from self._through(place, b"", last=True)

    def _through(self, place: int, data: bytes, *, last: bool) -> Iterator[bytes]:
        if place == len(self._layers):
            yield data
            return
        layer = self._layers[place]
        for piece in layer.finish() if last else layer.feed(data):
            yield from self._through(place + 1, piece, last=False)


class _Layer:
    """One compression, or none if the body turns out to be plain."""

    def __init__(self, name: str, max_ratio: int) -> None:
        self.received = 0
        self._name = name
        self._max_ratio = max_ratio
        self._made = 0
        self._held = b""
        self._kind: str | None = None
        self._inflate: zlib._Decompress | None = None
        self._between = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._kind is None:
            self._held += data
            if len(self._held) < _TELLING and not self._held.startswith(_GZIP):
                return
            self._begin(_kind_of(self._held, self._name))
            data, self._held = self._held, b""
        if self._kind == "plain":
            yield data
            return
        view = memoryview(data)
        for start in range(0, len(view), _SLICE):
            yield from self._inflated(bytes(view[start : start + _SLICE]))

    def finish(self) -> Iterator[bytes]:
        if self._kind is None and self._held:
            data, self._held = self._held, b""
            self._begin(_kind_of_all(data, self._name))
            if self._kind == "plain":
                yield data
                return
            yield from self._inflated(data)
        if self._inflate is not None and not self._between:
            raise ConnectionError(f"the answer ended before its {self._name} data did")

    def _begin(self, kind: str) -> None:
        self._kind = kind
        if kind in _WBITS:
            self._inflate = zlib.decompressobj(_WBITS[kind])

    def _inflated(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._between:
                # Members may be padded with zeros.
                data = data.lstrip(b"\0")
                if not data:
                    return
                if self._kind != "gzip" or data[:1] != _GZIP[:1]:
                    raise ResponseDecodeError(
                        f"the answer has more bytes after the end of its {self._name} data"
                    )
                self._begin("gzip")
                self._between = False
            assert self._inflate is not None  # noqa: S101 - there is no other kind
            try:
                made = self._inflate.decompress(data, _PIECE)
            except zlib.error as error:
                raise ResponseDecodeError(
                    f"the {self._name} data of the answer is corrupt: {error}"
                ) from error
            if made:
                self._made += len(made)
                self._check()
                yield made
            if self._inflate.eof:
                self._between = True
                data = self._inflate.unused_data
            else:
                data = self._inflate.unconsumed_tail
            if not data and len(made) < _PIECE:
                return

    def _check(self) -> None:
        if self._made > max(FREE_BYTES, self._max_ratio * self.received):
            raise ResponseDecodeError(
                f"the answer is compressed more than {self._max_ratio} times: "
                f"{self.received} bytes had grown to {self._made} when decoding was stopped"
            )


class _UnknownLayer(_Layer):
    """An unknown compression: an error as soon as there is a body."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        if data:
            raise ResponseDecodeError(f"the answer is compressed as {self._name!r}, which was not requested")
        return iter(())

    def finish(self) -> Iterator[bytes]:
        return iter(())


def _kind_of(beginning: bytes, name: str) -> str:
    if beginning.startswith(_GZIP):
        return "gzip"
    if _is_text(beginning):
        return "plain"
    if beginning[0] & 0x8F == 0x08 and int.from_bytes(beginning[:2], "big") % 31 == 0:  # noqa: PLR2004
        return "zlib"
    return "deflate" if name == "deflate" else "plain"


def _kind_of_all(body: bytes, name: str) -> str:
    """The format of a body that is too short for `_kind_of`."""
    if name == "deflate":
        for kind in ("zlib", "deflate"):
            try:
                inflate = zlib.decompressobj(_WBITS[kind])
                inflate.decompress(body, _PIECE)
            except zlib.error:
                continue
            if inflate.eof and not inflate.unused_data.strip(b"\0"):
                return kind
    return "gzip" if _GZIP.startswith(body) else _kind_of(body, name)


def _is_text(beginning: bytes) -> bool:
    """Whether bytes are UTF-8 without control characters; the last character may be cut."""
    try:
        text = beginning[:256].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < min(len(beginning), 256) - 3 or "unexpected end" not in error.reason:
            return False
        text = beginning[: error.start].decode("utf-8")
    return not _CONTROL.search(text)


def decoder_for(headers: Iterable[tuple[bytes, bytes]], *, streamed: bool = False) -> Decoder | None:
    """The decoder for a body with these headers; None if it is not compressed.

    An unknown compression fails only once there is a body. `streamed` bodies may grow more.
    """
    content: list[str] = []
    transfer: list[str] = []
    for name, value in headers:
        lower = name.lower()
        if lower == b"content-encoding":
            content += _names(value)
        elif lower == b"transfer-encoding":
            transfer += _names(value)
    names = [name for name in (*content, *transfer) if not _NOT_COMPRESSED.fullmatch(name)]
    if not names:
        return None
    max_ratio = MAX_RATIO_STREAMED if streamed else MAX_RATIO
    return Decoder([_layer(name, max_ratio) for name in reversed(names)])


def _names(value: bytes) -> list[str]:
    words = value.decode("latin-1").lower().split(",")
    return [word.partition(";")[0].strip(" \t\"'") for word in words]


def _layer(name: str, max_ratio: int) -> _Layer:
    if name in ("gzip", "x-gzip", "deflate", "x-deflate", "zlib"):
        known = "gzip" if name.endswith("gzip") else "deflate"
        return _Layer(known, max_ratio)
    return _UnknownLayer(name, max_ratio)


def decoded(decode: Decoder, parts: Iterable[bytes]) -> Iterator[bytes]:
    """Decode a body as it arrives."""
    for part in parts:
        yield from decode.feed(part)
    yield from decode.finish()


class BodyBuffer:
    """A body while it arrives, up to a limit.

    Args:
        limit: The largest size, in bytes.
        cut: Cut a larger body at `limit`; else it is an error.
    """

    def __init__(self, limit: int, *, cut: bool) -> None:
        self._limit = limit
        self._cut = cut
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> bool:
        """Add a piece; True if no more is wanted.

        Raises:
            ResponseDecodeError: The body is too large.
        """
        self._parts.append(data)
        self._size += len(data)
        if self._size > self._limit and not self._cut:
            raise ResponseDecodeError(f"the answer is larger than {self._limit:,} bytes")
        return self._cut and self._size >= self._limit

    def body(self) -> bytes:
        """The bytes so far, up to the limit."""
        return b"".join(self._parts)[: self._limit]
