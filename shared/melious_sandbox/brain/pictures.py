"""Pictures without a model: a PNG of any size whose colours and waves follow from the prompt."""

import hashlib
import math
import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(prompt: str, width: int, height: int) -> bytes:
    r"""Draw ``prompt`` as a pattern of ``width`` x ``height`` pixels, 8-bit RGB, the same for the same words.

    The prompt is kept in the file as its ``Description``.

    >>> png("a red fox", 64, 32)[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    if width < 1 or height < 1:
        raise ValueError(f"an image needs at least one pixel each way, not {width} x {height}")
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    description = b"Description\0\0\0\0\0" + prompt.encode("utf-8", "replace")
    pixels = zlib.compress(_pixels(prompt, width, height), level=1)
    chunks = ((b"IHDR", header), (b"iTXt", description), (b"IDAT", pixels), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _pixels(prompt: str, width: int, height: int) -> bytes:
    """Rows of one colour wave, each shifted against the one above it: a pattern at the price of slices."""
    seed = hashlib.blake2b(prompt.encode("utf-8", "replace"), digest_size=16).digest()
    colours = (seed[0:3], seed[3:6])
    waves, sway, swings = 1 + seed[6] % 3, (0.1 + seed[7] / 512) * width, 1 + seed[8] % 4
    base = bytearray()
    for x in range(width):
        share = 0.5 - 0.5 * math.cos(2 * math.pi * waves * x / width)
        base += bytes(round(a + (b - a) * share) for a, b in zip(*colours, strict=True))
    twice = bytes(base) * 2
    rows = bytearray()
    for y in range(height):
        shift = round(sway * math.sin(2 * math.pi * swings * y / height) + y * width / height) % width
        rows += b"\0" + twice[3 * shift : 3 * (shift + width)]
    return bytes(rows)
