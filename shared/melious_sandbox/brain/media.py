"""Images and sounds inside messages: what kind they are and how large, told from their bytes."""

import base64
import binascii
import struct
from collections.abc import Mapping
from typing import Any

from melious_sandbox.brain.sound import describe

__all__ = ["image_size", "picture_or_sound"]


def picture_or_sound(part: Mapping[str, Any]) -> str:
    """Describe a content part of a message in words: "a PNG image of 640 x 480 pixels (1,234 bytes)"."""
    match part.get("type"):
        case "image_url":
            holder = part.get("image_url")
            return _image(str(holder.get("url", "") if isinstance(holder, Mapping) else holder))
        case "input_audio":
            holder = part.get("input_audio")
            return _audio(holder if isinstance(holder, Mapping) else {})
        case kind:
            return f"a part of type {kind}"


def _image(url: str) -> str:
    if not url.startswith("data:"):
        return f"an image at {url}, which the sandbox does not fetch"
    data = _decoded(url.partition(",")[2])
    if data is None:
        return "an image whose base64 cannot be read"
    found = image_size(data)
    if found is None:
        return f"{len(data):,} bytes that are no PNG, JPEG, GIF or WebP image"
    kind, width, height = found
    return f"a {kind} image of {width} x {height} pixels ({len(data):,} bytes)"


def _audio(holder: Mapping[str, Any]) -> str:
    data = _decoded(str(holder.get("data", "")))
    if data is None:
        return "a sound whose base64 cannot be read"
    try:
        info = describe(data, "the sound")
    except ValueError:
        return f"{len(data):,} bytes said to be {holder.get('format', 'audio')}, without a known audio header"
    return f"{info.duration_seconds:.1f} seconds of {info.format.upper()} sound ({len(data):,} bytes)"


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def image_size(data: bytes) -> tuple[str, int, int] | None:
    """Kind, width and height of a PNG, GIF, JPEG or WebP image; None for anything else.

    >>> from melious_sandbox.brain.pictures import png
    >>> image_size(png("a fox", 40, 30))
    ('PNG', 40, 30)
    """
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return ("PNG", *struct.unpack_from(">II", data, 16))
        if data[:6] in {b"GIF87a", b"GIF89a"}:
            return ("GIF", *struct.unpack_from("<HH", data, 6))
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
    except (struct.error, IndexError):
        return None
    return None


def _jpeg(data: bytes) -> tuple[str, int, int] | None:
    position = 2
    while data[position] == 0xFF:  # noqa: PLR2004 - every marker begins with it
        marker, size = struct.unpack_from(">BH", data, position + 1)
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:  # noqa: PLR2004 - start of frame
            height, width = struct.unpack_from(">HH", data, position + 5)
            return "JPEG", width, height
        position += 2 + size
    return None


def _webp(data: bytes) -> tuple[str, int, int] | None:
    match data[12:16]:
        case b"VP8X":
            return (
                "WebP",
                1 + int.from_bytes(data[24:27], "little"),
                1 + int.from_bytes(data[27:30], "little"),
            )
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return "WebP", width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return "WebP", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case _:
            return None
