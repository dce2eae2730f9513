"""GET /models and GET /models/{id}."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from melious.answers.reading import json_of, meta_of, read_as, set_origin
from melious.answers.results import Model, ModelList
from melious.endpoints.common import check_known, check_model, check_utf8, request_of
from melious.errors import InvalidArgumentError, ResponseDecodeError
from melious.exchange.request import Operation, Response
from melious.settings.config import ClientConfig
from melious.settings.options import CallOptions

if TYPE_CHECKING:
    from melious.catalogue.heard import Shelf, Told
    from melious.catalogue.selection import Order, Selection

PATH = "models"


class ModelParams(CallOptions, total=False):
    """The optional parameters of the model endpoints: those of every call, without a body."""


class FindParams(ModelParams, total=False):
    """What `find` chooses by: what is not given does not matter, and what is unknown is never a yes.

    Attributes:
        type: `chat`, `embeddings`, `rerank`, `image`, `audio`, or what else the service names.
        vision: Whether the model takes images.
        tools: Whether it calls tools.
        reasoning: Whether it thinks before it answers.
        min_context: Tokens that it must be able to read.
        max_input_cost: The most EUR per million tokens read.
        order_by: `price` (cheapest input first, then cheapest output), `input_cost`, `output_cost`,
            `context` (longest first), `max_output` (longest first) or `name`; with a `-` in front
            the other way round. Models whose figure is unknown come last either way. By default
            the service's order.
        max_age: Seconds that an earlier answer may be old; 300 by default, as long as the service
            itself keeps its list. 0 asks anew.
    """

    type: str | None
    vision: bool | None
    tools: bool | None
    reasoning: bool | None
    min_context: int | None
    max_input_cost: Decimal | float | str | None
    order_by: Order | str | None
    max_age: float


def find(config: ClientConfig, params: FindParams) -> tuple[Selection, float, Operation[ModelList]]:
    """Check what is wanted: the choice, the age that the list may have, and a call for a newer one.

    Raises:
        InvalidArgumentError: An argument is wrong.
    """
    from melious.catalogue.heard import MAX_AGE  # noqa: PLC0415 - for those who look models up
    from melious.catalogue.selection import Selection  # noqa: PLC0415

    check_known(params, FindParams, "find")
    options: Any = {name: value for name, value in params.items() if name in ModelParams.__annotations__}
    wanted: Any = {name: value for name, value in params.items() if name not in options and name != "max_age"}
    age = params.get("max_age", MAX_AGE)
    if isinstance(age, bool) or not isinstance(age, int | float) or not age >= 0:
        raise InvalidArgumentError(f"max_age: {age!r} is not a number of seconds from zero up")
    return Selection(**wanted), age, list_all(config, options, include_meta=True)


def shelf_of(config: ClientConfig) -> Shelf:
    """Where the models that a client hears of are kept, for all clients of its key."""
    from melious.catalogue import heard  # noqa: PLC0415 - for those who look models up

    return heard.shelf_of(config.base_url, config.key_digest)


def told_by(models: ModelList) -> Iterator[Told]:
    """What a list says, for the catalogue."""
    from melious.catalogue.heard import Told  # noqa: PLC0415 - for those who look models up

    return (Told(model.id, model.owned_by, model.card) for model in models.data)


def list_all(config: ClientConfig, params: ModelParams, *, include_meta: bool) -> Operation[ModelList]:
    """A call for every model that the key may use."""
    _check(params)
    return Operation(
        request_of(config, "models", _with_meta(PATH, include_meta), params, None, retry_timeouts=True), _list
    )


def retrieve(
    config: ClientConfig, model: str, params: ModelParams, *, include_meta: bool
) -> Operation[Model]:
    """A call for one model."""
    _check(params)
    name = check_utf8("model", check_model(model))
    path = _with_meta(f"{PATH}/{quote(name, safe=':')}", include_meta)
    return Operation(request_of(config, "models", path, params, None, retry_timeouts=True), _one)


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
        set_origin(model, item, meta_of(response))
    return result


def _one(response: Response) -> Model:
    raw: Any = json_of(response, "models")
    return read_as(Model, raw, response, "models")
