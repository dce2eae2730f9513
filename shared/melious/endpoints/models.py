"""GET /models and GET /models/{id}."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from melious.answers.models import Model, ModelList
from melious.answers.reading import json_of, meta_of, read_as, set_source
from melious.endpoints.common import advice_of, check_known, check_model, check_utf8, request_of
from melious.errors import InvalidArgumentError, ResponseDecodeError
from melious.errors.checks import check_seconds
from melious.exchange.request import Operation, Response
from melious.settings.config import ClientConfig
from melious.settings.options import CallOptions

if TYPE_CHECKING:
    from melious.catalogue.card import ModelCard
    from melious.catalogue.found import ModelCards
    from melious.catalogue.live import ListedModel, LiveModels
    from melious.catalogue.selection import Order, Selection

PATH = "models"
_logger = logging.getLogger("melious")


class ModelParams(CallOptions, total=False):
    """The optional parameters of the model endpoints; these have no body."""


class FindParams(ModelParams, total=False):
    """What `find` chooses by. An unknown fact of a model never matches.

    Attributes:
        type: `chat`, `embeddings`, `rerank`, `image`, `audio`, or another type of the service.
        vision: Whether the model takes images.
        tools: Whether it calls tools.
        reasoning: Whether it reasons before it answers.
        min_context: Tokens that it must be able to read.
        max_input_cost: The most EUR per million tokens read.
        order_by: `price` (cheapest input first, then cheapest output), `input_cost`, `output_cost`,
            `context` (longest first), `max_output` (longest first) or `name`; a leading `-` reverses
            the order. Models with an unknown figure come last either way. By default the service's
            order.
        max_age: Seconds that the list may be old; 300 by default, as long as the service itself
            keeps it. 0 always asks.
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
    """Check the arguments; gives the selection, the age that the list may have, and a call for a new list."""
    from melious.catalogue.live import MAX_AGE  # noqa: PLC0415 - costs calls of other kinds nothing
    from melious.catalogue.selection import Selection  # noqa: PLC0415

    check_known(params, FindParams, "find")
    options: Any = {name: value for name, value in params.items() if name in ModelParams.__annotations__}
    wanted: Any = {name: value for name, value in params.items() if name not in options and name != "max_age"}
    age = params.get("max_age", MAX_AGE)
    if age != math.inf:
        check_seconds("max_age", age, zero=True)
    return Selection(**wanted), age, list_all(config, options, include_meta=True)


def chosen(wanted: Selection, cards: tuple[ModelCard, ...], config: ClientConfig) -> ModelCards:
    """The models that are wanted; the log says how many could not be judged, as nobody says their type."""
    unknown = sum(card.type is None for card in cards)
    if wanted.type is not None and unknown:
        _logger.warning(
            "models.find leaves out %d of %d models of %s: neither the service nor the catalogue says what "
            "kind they are; list all with client.models.list()",
            unknown,
            len(cards),
            config.base_url,
        )
    return wanted.of(cards)


def live_models(config: ClientConfig) -> LiveModels:
    """The live model list of a client's key, shared by all clients that use the key."""
    from melious.catalogue import live  # noqa: PLC0415 - as above

    return live.live_models(config.base_url, config.key_digest)


def listed_models(models: ModelList) -> Iterator[ListedModel]:
    """The entries of a list, for the catalogue."""
    from melious.catalogue.live import ListedModel  # noqa: PLC0415 - as above

    return (ListedModel(model.id, model.owned_by, model.card) for model in models.data)


def list_all(config: ClientConfig, params: ModelParams, *, include_meta: bool) -> Operation[ModelList]:
    """A call for all models that the key may use."""
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
    advise = partial(advice_of, model=model, endpoint="models", base_url=config.base_url)
    return Operation(
        request_of(config, "models", path, params, None, retry_timeouts=True, advise=advise), _one
    )


def _check(params: ModelParams) -> None:
    check_known(params, ModelParams, "models")
    if params.get("extra_body"):
        raise InvalidArgumentError("extra_body: requests for models have no body")


def _with_meta(path: str, include_meta: bool) -> str:  # noqa: FBT001
    return f"{path}?include_meta=true" if include_meta else path


def _list(response: Response) -> ModelList:
    raw = json_of(response, "models")
    data = raw.get("data")
    if not isinstance(data, list):
        raise ResponseDecodeError(
            "models: the answer has no models", request_id=response.request_id, body=raw
        )
    result = read_as(ModelList, raw, response, "models")
    for model, item in zip(result.data, data, strict=True):
        set_source(model, item, meta_of(response))
    return result


def _one(response: Response) -> Model:
    raw: Any = json_of(response, "models")
    return read_as(Model, raw, response, "models")
