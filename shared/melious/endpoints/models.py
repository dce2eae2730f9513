"""GET /models and GET /models/{id}."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from melious.config import ClientConfig
from melious.endpoints.common import (
    CallOptions,
    check_known,
    check_model,
    json_of,
    meta_of,
    read_as,
    request_of,
)
from melious.errors import InvalidArgumentError, ResponseDecodeError
from melious.results import Model, ModelList
from melious.transport.request import Call, Response

PATH = "models"


class ModelParams(CallOptions, total=False):
    """The optional parameters of the model endpoints: those of every call, without a body."""


def list_all(config: ClientConfig, params: ModelParams, *, include_meta: bool) -> Call[ModelList]:
    """A call for every model that the key may use."""
    _check(params)
    return Call(
        request_of(config, "models", _with_meta(PATH, include_meta), params, None, retry_timeouts=True), _list
    )


def retrieve(config: ClientConfig, model: str, params: ModelParams, *, include_meta: bool) -> Call[Model]:
    """A call for one model."""
    _check(params)
    path = _with_meta(f"{PATH}/{quote(check_model(model), safe=':')}", include_meta)
    return Call(request_of(config, "models", path, params, None, retry_timeouts=True), _one)


def _check(params: ModelParams) -> None:
    check_known(params, ModelParams, "models")
    if params.get("extra_body"):
        raise InvalidArgumentError("extra_body: a request for models has no body")


def _with_meta(path: str, include_meta: bool) -> str:  # noqa: FBT001
    return f"{path}?include_meta=true" if include_meta else path


def _list(response: Response) -> ModelList:
    raw = json_of(response, "models")
    data = raw.get("data")
    if not isinstance(data, list):
        raise ResponseDecodeError(
            "models: the answer holds no models", request_id=response.request_id, body=raw
        )
    result = read_as(ModelList, raw, response, "models")
    for model, item in zip(result.data, data, strict=True):
        model.with_origin(item, meta_of(response))
    return result


def _one(response: Response) -> Model:
    raw: Any = json_of(response, "models")
    return read_as(Model, raw, response, "models")
