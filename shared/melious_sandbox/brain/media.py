"""Images and sounds inside messages, described in words."""

import base64
import struct
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

    >>> from melious_sandbox.brain.pictures import png
    >>> image_size(png("a fox", 40, 30))
    ('PNG', 40, 30)
    """
    if not data.startswith(_PNG) or len(data) < 24:  # noqa: PLR2004 - width and height end there
        return None
    return "PNG", *struct.unpack_from(">II", data, 16)
