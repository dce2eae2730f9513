"""Images and sounds inside messages, described in words."""

import base64
import binascii
import struct
from collections.abc import Mapping
from typing import Any

__all__ = ["image_size", "picture_or_sound"]

_PNG = b"\x89PNG\r\n\x1a\n"


def picture_or_sound(part: Mapping[str, Any]) -> str:
    """Describe a content part of a message: "a png image of 640 x 480 pixels (1,234 bytes)"."""
    match part.get("type"):
        case "image_url":
            holder = part.get("image_url")
            return _image(str(holder.get("url", "") if isinstance(holder, Mapping) else holder))
        case "input_audio":
            holder = part.get("input_audio")
            sound = holder if isinstance(holder, Mapping) else {}
            return f"{sound.get('format', 'audio')} sound ({_bytes(_decoded(str(sound.get('data', ''))))})"
        case kind:
            return f"a part of type {kind}"


def _image(url: str) -> str:
    if not url.startswith("data:"):
        return f"an image at {url}, which the sandbox does not fetch"
    head, _, packed = url.partition(",")
    data = _decoded(packed)
    size = image_size(data) if data is not None else None
    pixels = f" of {size[1]} x {size[2]} pixels" if size else ""
    return f"a {head.removeprefix('data:image/').partition(';')[0]} image{pixels} ({_bytes(data)})"


def _bytes(data: bytes | None) -> str:
    return "base64 that cannot be read" if data is None else f"{len(data):,} bytes"


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def image_size(data: bytes) -> tuple[str, int, int] | None:
    """Give ``PNG``, width and height of a PNG image; None for anything else.

    >>> from melious_sandbox.brain.pictures import png
    >>> image_size(png("a fox", 40, 30))
    ('PNG', 40, 30)
    """
    if not data.startswith(_PNG):
        return None
    try:
        width, height = struct.unpack_from(">II", data, 16)
    except struct.error:
        return None
    return "PNG", width, height
