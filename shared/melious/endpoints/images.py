"""POST /images/generations."""

from __future__ import annotations

from melious.config import ClientConfig
from melious.endpoints.common import RoutingOptions, body_of, check_known, json_of, read_as, request_of
from melious.errors import InvalidArgumentError, ResponseDecodeError
from melious.results import ImagesResult
from melious.transport.request import Call, Response

PATH = "images/generations"


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


def create(config: ClientConfig, model: str, prompt: str, params: ImageParams) -> Call[ImagesResult]:
    """A call that makes pictures."""
    check_known(params, ImageParams, "images")
    if not isinstance(prompt, str) or not prompt.strip():
        raise InvalidArgumentError(f"prompt: {prompt!r} describes no picture")
    body = body_of(config, model, {"prompt": prompt, "response_format": "b64_json"}, params)
    return Call(request_of(config, "images", PATH, params, body), _parse)


def _parse(response: Response) -> ImagesResult:
    raw = json_of(response, "images")
    if not isinstance(raw.get("data"), list) or not raw["data"]:
        raise ResponseDecodeError(
            "images: the answer holds no pictures", request_id=response.request_id, body=raw
        )
    return read_as(ImagesResult, raw, response, "images")
