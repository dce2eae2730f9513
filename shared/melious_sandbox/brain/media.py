"""Images and sounds: those in messages described in words, and pictures drawn without a model."""

import base64
import hashlib
import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

_PNG = b"\x89PNG\r\n\x1a\n"


def described(part: Mapping[str, Any]) -> str:
    """Describe a content part of a message: "a png image of 640 x 480 pixels (1,234 bytes)"."""
    kind = str(part.get("type"))
    content = part.get(kind)
    match kind:
        case "image_url":
            url = str(content.get("url", "") if isinstance(content, Mapping) else content)
            return _image(url)
        case "input_audio":
            sound = content if isinstance(content, Mapping) else {}
            return f"{sound.get('format', 'audio')} sound ({_size(_decoded(str(sound.get('data', ''))))})"
        case _:
            return f"a part of type {kind}"


def _image(url: str) -> str:
    if not url.startswith("data:"):
        return f"an image at {url}, which the sandbox does not fetch"
    head, _, packed = url.partition(",")
    data = _decoded(packed)
    size = image_size(data or b"")
    pixels = f" of {size[1]} x {size[2]} pixels" if size else ""
    return f"a {head.removeprefix('data:image/').partition(';')[0]} image{pixels} ({_size(data)})"


def _size(data: bytes | None) -> str:
    return "base64 that cannot be read" if data is None else f"{len(data):,} bytes"


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def image_size(data: bytes) -> tuple[str, int, int] | None:
    """Give ``PNG``, width and height of a PNG image; None for anything else.

    >>> image_size(png("a fox", 40, 30))
    ('PNG', 40, 30)
    """
    if not data.startswith(_PNG) or len(data) < 24:  # noqa: PLR2004 - width and height end there
        return None
    return "PNG", *struct.unpack_from(">II", data, 16)


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
    return _PNG + b"".join(_chunk(kind, data) for kind, data in chunks)


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
