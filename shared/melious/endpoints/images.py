"""POST /images/generations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from melious.answers.reading import json_of, read_as
from melious.answers.results import ImagesResult
from melious.endpoints.common import body_of, check_known, request_of
from melious.errors import InvalidArgumentError, ResponseDecodeError
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
    """The optional parameters of a picture request. None is not sent.

    Attributes:
        n: How many pictures: up to 4 by the older pages, up to 10 by the newer.
        size: Width x height, as in `1024x1024`.
        width: Width in pixels, for models that take it instead of `size`.
        height: Height in pixels.
        quality: `standard` or `hd`.
        style: A style that the model knows.
        response_format: `b64_json` unless you say `url`; newer services host no pictures.
        output_format: `png`, `jpeg`, ..., where the model knows it.
        output_quality: 0 to 100, where the model knows it.
        seed: For pictures that can be had again, where the model knows it.
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
    """A call that makes pictures."""
    check_known(params, ImageParams, "images")
    check_params(params)
    if not isinstance(prompt, str) or not prompt.strip():
        raise InvalidArgumentError(f"prompt: {prompt!r} describes no picture")
    body = body_of(config, model, {"prompt": prompt, "response_format": "b64_json"}, params)
    return Operation(request_of(config, "images", PATH, params, body), _parse)


def check_params(params: Mapping[str, Any]) -> None:
    """Refuse what the service is known not to take.

    Raises:
        InvalidArgumentError: A parameter is out of its bounds; it is named.
    """
    for name, least, most in (
        ("n", 1, MAX_IMAGES),
        ("width", 1, None),
        ("height", 1, None),
        ("output_quality", 0, 100),
    ):
        value = params.get(name)
        if value is None:
            continue
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or value < least or (most is not None and value > most):
            bounds = f"{least} to {most}" if most is not None else f"{least} or more"
            raise InvalidArgumentError(f"{name}: must be a whole number of {bounds}, not {value!r}")
    size = params.get("size")
    if size is not None and (not isinstance(size, str) or not _SIZE.fullmatch(size)):
        raise InvalidArgumentError(f"size: must be width x height, such as '1024x1024', not {size!r}")
    for name, known in (("quality", QUALITIES), ("response_format", IMAGE_FORMATS)):
        if params.get(name) not in (None, *known):
            raise InvalidArgumentError(f"{name}: must be one of {', '.join(known)}, not {params[name]!r}")


def media_type_of(data: bytes) -> str:
    r"""What kind of picture some bytes are, by how they begin; PNG where that is not known.

    Example:
        >>> media_type_of(b"\xff\xd8\xff\xe0")
        'image/jpeg'
    """
    return next((kind for at, mark, kind in _BEGINNINGS if data.startswith(mark, at)), "image/png")


def _parse(response: Response) -> ImagesResult:
    raw = json_of(response, "images")
    if not isinstance(raw.get("data"), list) or not raw["data"]:
        raise ResponseDecodeError(
            "images: the answer holds no pictures", request_id=response.request_id, body=raw
        )
    return read_as(ImagesResult, raw, response, "images")
