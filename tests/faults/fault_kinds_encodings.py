"""Answers that are compressed, well or badly, though nobody asked for it."""

import gzip
import json
import zlib
from collections.abc import Callable

from fault_server import Ask, Kind, Play

from melious import (
    APIConnectionError,
    AuthenticationError,
    MeliousError,
    RateLimitError,
    ResponseDecodeError,
    ServerError,
)

JSON_AND_STREAM = ("chat", "stream", "audio as text", "file")
BAD = (APIConnectionError, ResponseDecodeError)
WHOLE_OR_SAID = (None, ResponseDecodeError)
"""Its whole answer, or an error that says what could not be read; never a broken connection."""


def encoded(name: str, pack: Callable[[bytes], bytes]) -> Play:
    """Send the sound body, packed, under the name of an encoding."""
    return lambda ask: ask.whole(pack(ask.body), f"content-encoding: {name}")


def refused(status: str, encoding: str, pack: Callable[[bytes], bytes], *lines: str) -> Play:
    """Send an error, packed."""
    body = json.dumps({"error": {"message": "no, said the service", "code": "no"}}).encode()
    return lambda ask: ask.whole(pack(body), f"content-encoding: {encoding}", *lines, status=status)


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def _members(data: bytes) -> bytes:
    middle = len(data) // 2
    return gzip.compress(data[:middle]) + gzip.compress(data[middle:])


def _cut(data: bytes) -> bytes:
    packed = gzip.compress(data)
    return packed[: len(packed) // 2]


def _flushed_and_cut(data: bytes) -> bytes:
    """Half of the data, complete as far as it goes, without an end."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data[: len(data) // 2]) + packer.flush(zlib.Z_SYNC_FLUSH)


def _wrong_checksum(data: bytes) -> bytes:
    packed = bytearray(gzip.compress(data))
    packed[-8] ^= 0xFF
    return bytes(packed)


def _bomb(_: bytes) -> bytes:
    """Less than a tenth of a megabyte that holds 72."""
    packer = zlib.compressobj(9, wbits=31)
    megabyte = b" " * (1 << 20)
    return b"".join(packer.compress(megabyte) for _ in range(72)) + packer.flush()


def _brotli(_: bytes) -> bytes:
    return b"\x0b\x02\x80hello\x03"


def _zstandard(_: bytes) -> bytes:
    return b"\x28\xb5\x2f\xfd\x04\x00\x29\x00\x00hello\x00\x00\x00\x00"


def _same(data: bytes) -> bytes:
    return data


def _stream_in_gzip(ask: Ask) -> None:
    packer = zlib.compressobj(wbits=31)
    ask.begin("content-encoding: gzip", "connection: close")
    for event in ask.events:
        ask.send(packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH))
    ask.send(packer.flush())
    ask.close()


def _bounded_body(error: MeliousError) -> None:
    assert len(error.body or "") <= 64 * 1024, f"an error body of {len(error.body):,} characters is kept"


def _still_says(error: MeliousError) -> None:
    assert error.status_code is not None
    assert error.attempts == (1 if isinstance(error, AuthenticationError) else 2)


def _reads(error: MeliousError) -> None:
    _still_says(error)
    assert "no, said the service" in str(error)


AGAIN = "retry-after: 0"
ENCODINGS = {
    "gzip": Kind(encoded("gzip", gzip.compress), (None,), JSON_AND_STREAM, sent=1),
    "deflate": Kind(encoded("deflate", zlib.compress), (None,), JSON_AND_STREAM, sent=1),
    "GZIP in capitals": Kind(encoded("GZIP", gzip.compress), (None,), sent=1),
    "gzip of a stream, event by event": Kind(_stream_in_gzip, (None,), ("stream",), sent=1),
    "identity": Kind(encoded("identity", _same), (None,), sent=1),
    "gzip that is cut": Kind(encoded("gzip", _cut), BAD, JSON_AND_STREAM),
    "gzip without its end": Kind(
        encoded("gzip", lambda data: gzip.compress(data)[:-8]), BAD, ("chat", "audio as text", "file")
    ),
    "gzip that is flushed and cut": Kind(encoded("gzip", _flushed_and_cut), BAD, JSON_AND_STREAM),
    "gzip with a wrong checksum": Kind(
        encoded("gzip", _wrong_checksum), BAD, ("chat", "audio as text", "file")
    ),
    "gzip in two members": Kind(
        encoded("gzip", _members),
        WHOLE_OR_SAID,
        JSON_AND_STREAM,
        sent=1,
        differs={"stream": (None, MeliousError)},
    ),
    "gzip with garbage behind": Kind(
        encoded("gzip", lambda data: gzip.compress(data) + b"garbage"), WHOLE_OR_SAID, JSON_AND_STREAM, sent=1
    ),
    "deflate that is raw": Kind(
        encoded("deflate", _raw_deflate), WHOLE_OR_SAID, ("chat", "audio as text", "file"), sent=1
    ),
    "gzip in name only": Kind(encoded("gzip", _same), WHOLE_OR_SAID, JSON_AND_STREAM, sent=1),
    "gzip, identity": Kind(encoded("gzip, identity", gzip.compress), WHOLE_OR_SAID, JSON_AND_STREAM, sent=1),
    "gzip twice": Kind(
        encoded("gzip, gzip", lambda data: gzip.compress(gzip.compress(data))),
        WHOLE_OR_SAID,
        ("chat",),
        sent=1,
    ),
    "a charset for an encoding": Kind(encoded("utf-8", _same), WHOLE_OR_SAID, ("chat", "stream"), sent=1),
    "br": Kind(encoded("br", _brotli), (MeliousError,), JSON_AND_STREAM, sent=1),
    "zstd": Kind(encoded("zstd", _zstandard), (MeliousError,), ("chat", "stream"), sent=1),
    "a bomb": Kind(encoded("gzip", _bomb), (MeliousError,), ("chat",), sent=1),
    "a bomb with status 500": Kind(
        refused("500 Internal Server Error", "gzip", _bomb, AGAIN),
        (ServerError,),
        ("chat",),
        check=_bounded_body,
    ),
    "a 429 in gzip": Kind(
        refused("429 Too Many Requests", "gzip", gzip.compress, AGAIN), (RateLimitError,), check=_reads
    ),
    "a 429 in br": Kind(
        refused("429 Too Many Requests", "br", _brotli, AGAIN),
        (RateLimitError,),
        ("chat", "stream", "embeddings"),
        check=_still_says,
    ),
    "a 401 in gzip": Kind(
        refused("401 Unauthorized", "gzip", gzip.compress), (AuthenticationError,), check=_reads
    ),
    "a 401 in zstd": Kind(
        refused("401 Unauthorized", "zstd", _zstandard), (AuthenticationError,), check=_still_says
    ),
    "a 503 in br": Kind(
        refused("503 Unavailable", "br", _brotli, AGAIN),
        (ServerError,),
        ("chat", "stream"),
        check=_still_says,
    ),
    "a 503 in gzip that is cut": Kind(
        refused("503 Unavailable", "gzip", _cut, AGAIN), (ServerError,), check=_still_says
    ),
    "a 503 that is gzip in name only": Kind(
        refused("503 Unavailable", "gzip", _same, AGAIN), (ServerError,), check=_still_says
    ),
}
