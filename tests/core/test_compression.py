"""Compressed bodies, by values: whole, cut, broken, declared wrongly, and far too large."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melious import ResponseDecodeError
from melious.wire.compression import (
    FREE_BYTES,
    MAX_RATIO,
    BodyBuffer,
    Decoder,
    decoded,
    decoder_for,
)

pytestmark = pytest.mark.http_library

TEXT = json.dumps({"text": "Licht, свет, 光. " * 50}, ensure_ascii=False).encode()


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def made(encoding: str, *more: tuple[bytes, bytes], streamed: bool = False) -> Decoder:
    found = decoder_for([(b"Content-Encoding", encoding.encode("latin-1")), *more], streamed=streamed)
    assert found is not None
    return found


def read(encoding: str, body: bytes, size: int = 1 << 16) -> bytes:
    found = decoder_for([(b"content-encoding", encoding.encode("latin-1"))])
    parts = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(parts if found is None else decoded(found, parts))


half = len(TEXT) // 2
WHOLE = {
    "gzip": ("gzip", gzip.compress(TEXT)),
    "x-gzip": ("x-gzip", gzip.compress(TEXT)),
    "upper case": ("GZIP", gzip.compress(TEXT)),
    "in quotes, with a weight": ('"gzip";q=1.0', gzip.compress(TEXT)),
    "two members": ("gzip", gzip.compress(TEXT[:half]) + gzip.compress(TEXT[half:])),
    "an empty member": ("gzip", gzip.compress(b"") + gzip.compress(TEXT) + gzip.compress(b"")),
    "zeros behind": ("gzip", gzip.compress(TEXT) + bytes(600)),
    "zeros between": ("gzip", gzip.compress(TEXT[:half]) + bytes(7) + gzip.compress(TEXT[half:])),
    "zlib": ("deflate", zlib.compress(TEXT)),
    "raw deflate": ("deflate", raw_deflate(TEXT)),
    "stored deflate": ("deflate", zlib.compress(TEXT, 0)),
    "gzip called deflate": ("deflate", gzip.compress(TEXT)),
    "zlib called gzip": ("gzip", zlib.compress(TEXT)),
    "identity after": ("gzip, identity", gzip.compress(TEXT)),
    "identity before": ("identity, gzip", gzip.compress(TEXT)),
    "twice": ("gzip, gzip", gzip.compress(gzip.compress(TEXT))),
    "twice, said more often than done": ("gzip, gzip", gzip.compress(TEXT)),
    "deflate in gzip": ("deflate,gzip", gzip.compress(zlib.compress(TEXT))),
    "gzip in name only": ("gzip", TEXT),
    "deflate in name only": ("deflate", TEXT),
    **{
        f"{name!r} is no compression": (name, TEXT)
        for name in (
            "",
            "identity",
            "utf-8",
            "UTF-8",
            "iso-8859-1",
            "none",
            "binary",
            "application/json",
            ",",
        )
    },
}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("size", [1, 3, 17, 1 << 16])
def test_a_whole_body_is_read_however_it_is_cut_into_reads(kind: str, size: int) -> None:
    assert read(*WHOLE[kind], size=size) == TEXT


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_no_body_is_no_error(encoding: str) -> None:
    assert read(encoding, b"") == b""


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("body", [b"{}", b"ok", b'"a"', b"1", "光".encode(), b"x^y"])
def test_a_short_text_in_name_only_is_taken_as_it_is(encoding: str, body: bytes) -> None:
    assert read(encoding, body) == body


@given(st.text(max_size=30), st.booleans(), st.integers(1, 40))
def test_short_texts_are_read_raw_and_in_zlib(text: str, wrapped: bool, size: int) -> None:
    data = text.encode()
    packed = zlib.compress(data) if wrapped else raw_deflate(data)
    assert read("deflate", packed, size) == data
    assert read("gzip", gzip.compress(data), size) == data


PACKED = {"gzip": gzip.compress(TEXT), "zlib": zlib.compress(TEXT), "raw": raw_deflate(TEXT)}


@pytest.mark.parametrize("kind", PACKED)
def test_wherever_a_body_is_cut_it_is_a_broken_connection(kind: str) -> None:
    packed = PACKED[kind]
    for end in range(max(1, 2 if kind != "gzip" else 1), len(packed)):
        with pytest.raises(ConnectionError, match="ended before"):
            read("gzip" if kind == "gzip" else "deflate", packed[:end])


def test_a_second_member_that_is_cut_is_a_broken_connection() -> None:
    two = gzip.compress(TEXT) + gzip.compress(TEXT)
    for end in (len(two) // 2 + 1, len(two) // 2 + 12, len(two) - 1):
        with pytest.raises(ConnectionError, match="ended before"):
            read("gzip", two[:end])


BROKEN = {
    "a wrong checksum": ("gzip", PACKED["gzip"][:-8] + b"\1\2\3\4" + PACKED["gzip"][-4:]),
    "a wrong length": ("gzip", PACKED["gzip"][:-4] + b"\1\2\3\4"),
    "damage in the middle": ("gzip", PACKED["gzip"][:20] + b"\xff" * 20 + PACKED["gzip"][40:]),
    "text after the end": ("gzip", PACKED["gzip"] + b'{"more": 1}'),
    "text after the end of zlib": ("deflate", PACKED["zlib"] + b"more"),
    "no gzip after its magic bytes": ("gzip", b"\x1f\x8b no gzip at all, but this text"),
    "br": ("br", b"\x0b\x02\x80"),
    "zstd in gzip": ("zstd, gzip", gzip.compress(b"\x28\xb5\x2f\xfd")),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_body_is_not_a_broken_connection(kind: str) -> None:
    with pytest.raises(ResponseDecodeError):
        read(*BROKEN[kind])


def test_the_headers_of_one_name_count_together_and_transfer_codings_outside() -> None:
    twice = gzip.compress(gzip.compress(TEXT))
    for more in ((b"content-encoding", b"gzip"), (b"Transfer-Encoding", b"gzip, chunked")):
        assert b"".join(decoded(made("gzip", more), [twice])) == TEXT
    assert decoder_for([(b"transfer-encoding", b"chunked"), (b"content-type", b"gzip")]) is None


def bomb(size: int, filler: bytes = b" ") -> bytes:
    """So many bytes in a thousandth of the space."""
    packer = zlib.compressobj(9, wbits=31)
    block = filler * (1 << 20)
    return b"".join([*(packer.compress(block) for _ in range(size >> 20)), packer.flush()])


SMALL_BOMB = bomb(64 << 20)
BOMBS = {
    "60 KB": ("gzip", SMALL_BOMB),
    "nested": ("gzip, gzip", gzip.compress(SMALL_BOMB)),
    "deflate": ("deflate", zlib.compress(bytes(64 << 20))),
    "many members": ("gzip", bomb(1 << 20) * 40),
}


@pytest.mark.parametrize("kind", BOMBS)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_bomb_is_given_up_at_once(kind: str, *, streamed: bool) -> None:
    encoding, packed = BOMBS[kind]
    sizes: list[int] = []
    body = decoded(made(encoding, streamed=streamed), [packed])
    with pytest.raises(ResponseDecodeError, match="compressed more than"):
        sizes.extend(map(len, body))
    assert max(sizes) <= 1 << 16
    assert sum(sizes) <= max(FREE_BYTES, 100 * len(packed) if streamed else 0)


def test_an_inner_bomb_that_gives_nothing_is_given_up_too() -> None:
    """The outer compression unfolds to a header of the inner one that never ends."""
    endless = gzip.compress(b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + b"x" * (64 << 20))
    with pytest.raises(ResponseDecodeError, match="compressed more than"):
        b"".join(decoded(made("gzip, gzip"), [endless]))


def test_what_grows_as_answers_do_is_taken() -> None:
    """Vectors as base64 are 1.3 times as large as what they are packed into, JSON up to 20 times."""
    vectors = gzip.compress(random.Random(1).randbytes(12 << 20).hex().encode(), 1)
    assert len(read("gzip", vectors)) == 24 << 20
    noise = random.Random(2)
    rows = [f'{{"id": {noise.random()}, "name": "{"lighthouse " * 9}"}}' for _ in range(90_000)]
    body = ",".join(rows).encode()
    packed = gzip.compress(body)
    assert FREE_BYTES < len(body) < MAX_RATIO * len(packed)
    assert read("gzip", packed) == body


def test_many_members_cost_no_more_than_their_number() -> None:
    """Counted in the bytes that zlib hands back at the ends of members."""
    copied: dict[int, int] = {}
    for count in (500, 1000):
        found = made("gzip")
        layer = found._layers[0]
        real = layer._begin
        seen: list[int] = []

        def begin(kind: str, layer=layer, real=real, seen=seen) -> None:
            if layer._inflate is not None:
                seen.append(len(layer._inflate.unused_data))
            real(kind)

        layer._begin = begin  # type: ignore[method-assign]
        assert b"".join(decoded(found, [gzip.compress(b"ab") * count])) == b"ab" * count
        copied[count] = sum(seen)
    assert copied[1000] < 2.5 * copied[500]


def pieces(size: int, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"x" * size


def test_a_body_is_collected_up_to_its_bound() -> None:
    cut = BodyBuffer(100, cut=True)
    assert [cut.add(piece) for piece in pieces(40, 3)] == [False, False, True]
    assert cut.body() == b"x" * 100
    just = BodyBuffer(80, cut=False)
    assert [just.add(piece) for piece in pieces(40, 2)] == [False, False]
    assert just.body() == b"x" * 80
    with pytest.raises(ResponseDecodeError, match="larger than 80 bytes"):
        just.add(b"x")
