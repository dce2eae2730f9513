"""POST /images/generations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from melious.answers.media import ImagesResult
from melious.answers.reading import json_of, read_as
from melious.endpoints.common import body_of, check_known, request_of
from melious.errors import InvalidArgumentError, ResponseDecodeError
from melious.errors.checks import check_one_of, check_text, check_whole
from melious.exchange.request import Operation, Response
from melious.settings.config import ClientConfig
from melious.settings.options import RoutingOptions

PATH = "images/generations"
MAX_IMAGES = 10
QUALITIES = ("standard", "hd")
IMAGE_FORMATS = ("b64_json", "url")

_SIZE = re.compile(r"[1-9]\d{1,4}x[1-9]\d{1,4}")
_BEGINNINGS = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (8, b"WEBP", "image/webp"),
    (0, b"GIF8", "image/gif"),
)


class ImageParams(RoutingOptions, total=False):
    """The optional parameters of an image request. None is not sent.

    Attributes:
        n: How many images: up to 10 (4 in the older documentation).
        size: Width x height in pixels, such as `1024x1024`.
        width: Width in pixels, for models that take it instead of `size`.
        height: Height in pixels.
        quality: `standard` or `hd`.
        style: A style that the model supports.
        response_format: `b64_json` (default) or `url`; newer services host no images.
        output_format: `png`, `jpeg`, ..., if the model supports it.
        output_quality: 0 to 100, if the model supports it.
        seed: For reproducible images, if the model supports it.
        user: Who the request is for.
    """

    n: int | None
    size: str | None
    width: int | None
    height: int | None
    quality: str | None
    style: str | None
    response_format: str | None
    output_format: str | None
    output_quality: int | None
    seed: int | None
    user: str | None


def create(config: ClientConfig, model: str, prompt: str, params: ImageParams) -> Operation[ImagesResult]:
    """A call that generates images."""
    check_known(params, ImageParams, "images")
    check_params(params)
    check_text("prompt", prompt)
    body = body_of(config, "images", model, {"prompt": prompt, "response_format": "b64_json"}, params)
    return Operation(request_of(config, "images", PATH, params, body), _parse)


def check_params(params: Mapping[str, Any]) -> None:
    """Refuse values that the service is known to refuse."""
    for name, least, most in (
        ("n", 1, MAX_IMAGES),
        ("width", 1, None),
        ("height", 1, None),
        ("output_quality", 0, 100),
    ):
        if params.get(name) is not None:
            check_whole(name, params[name], least=least, most=most)
    size = params.get("size")
    if size is not None and (not isinstance(size, str) or not _SIZE.fullmatch(size)):
        raise InvalidArgumentError(f"size: must be width x height, such as '1024x1024', not {size!r}")
    for name, known in (("quality", QUALITIES), ("response_format", IMAGE_FORMATS)):
        if params.get(name) is not None:
            check_one_of(name, params[name], known)


def media_type_of(data: bytes) -> str:
    r"""The media type of an image, by its first bytes; PNG if unknown.

    Examples:
        >>> media_type_of(b"\xff\xd8\xff\xe0")
        'image/jpeg'
    """
    return next((kind for at, mark, kind in _BEGINNINGS if data.startswith(mark, at)), "image/png")


def _parse(response: Response) -> ImagesResult:
    return read(json_of(response, "images"), response)


def read(raw: dict[str, Any], response: Response) -> ImagesResult:
    """Read a parsed answer."""
    if not isinstance(raw.get("data"), list) or not raw["data"]:
        raise ResponseDecodeError(
            "images: the answer has no images", request_id=response.request_id, body=raw
        )
    return read_as(ImagesResult, raw, response, "images")
