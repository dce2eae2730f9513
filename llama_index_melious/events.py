"""`MeliousUsageEvent` reports to LlamaIndex's event handlers what each request cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.dispatcher import Dispatcher, active_instrument_tags
from llama_index_instrumentation.event_handlers.base import BaseEventHandler
from pydantic import BaseModel, ConfigDict, field_validator

from llama_index_melious.listeners import has_handler
from melious.answers.meta import Meta
from melious.answers.results import Result, Usage
from melious.impact import BillingCost, EnvironmentImpact
from melious.settings.field_signatures import show_fields

if TYPE_CHECKING:
    from melious.clients.streams import StreamBase

dispatcher: Dispatcher = get_dispatcher(__name__)

_WARN_OF_OTHERS_EVENTS = ("openinference.",)
"""Packages whose handlers know a closed list of events, and log a warning for each that is not in it."""


class MeliousUsageEvent(BaseEvent):
    """What one answered request used and cost. Anything not reported by the service is None, never zero.

    Each batch of texts has its own event. A stream has one, after its last chunk.

    Attributes:
        endpoint: `chat`, `embeddings`, `rerank`, `images`, `audio` or `documents`.
        model: The model that answered, as the service names it.
        request_id: The service's id of the request.
        routing: The request's flavor, or else its preset.
        relaxed: The filters that `routing_fallbacks` relaxed, in order.
        usage: Token counts.
        environment_impact: Energy in kWh, carbon in grams of CO2, water in litres, and the location.
        billing_cost: The price, in exact decimals.
        pages: Converted pages of documents.
        span_id: The span of the request.
        timestamp: When the answer arrived.
        id_: The id of the event.
        tags: The active tags; see `llama_index.core.instrumentation`.

    Examples:
        >>> from llama_index.core.instrumentation import get_dispatcher
        >>> from llama_index.core.instrumentation.event_handlers import BaseEventHandler
        >>> from llama_index_melious import MeliousUsageEvent
        >>> class Carbon(BaseEventHandler):
        ...     grams: float = 0.0
        ...
        ...     def handle(self, event, **kwargs):
        ...         if isinstance(event, MeliousUsageEvent) and event.environment_impact:
        ...             self.grams += event.environment_impact.carbon_g_co2 or 0.0
        >>> carbon = Carbon()
        >>> get_dispatcher().add_event_handler(carbon)
        >>> # engine.query(...), embed_model.get_text_embedding_batch(...), ...
        >>> carbon.grams
        0.0
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(defer_build=True)

    endpoint: str
    model: str | None = None
    request_id: str | None = None
    routing: str | None = None
    relaxed: tuple[str, ...] = ()
    usage: Usage | None = None
    environment_impact: EnvironmentImpact | None = None
    billing_cost: BillingCost | None = None
    pages: int | None = None

    @field_validator("usage", "environment_impact", "billing_cost", mode="before")
    @classmethod
    def _object_or_none(cls, value: Any) -> Any:
        return value if isinstance(value, dict | BaseModel) and value else None

    @field_validator("model", mode="before")
    @classmethod
    def _name(cls, value: Any) -> Any:
        return value if isinstance(value, str) and value else None

    @classmethod
    def class_name(cls) -> str:
        """The event's name."""
        return "MeliousUsageEvent"


show_fields(MeliousUsageEvent)


def dispatch_usage(
    endpoint: str,
    answer: Result | Mapping[str, Any],
    *,
    origin: Meta | StreamBase,
    span_id: str | None = None,
    tags: dict[str, Any] | None = None,
) -> None:
    """Report to LlamaIndex's handlers what one request cost.

    `origin` is the answer's `meta`, or its stream. A stream outlives its span and its tags, and therefore
    gives `span_id` and `tags`.
    """
    if not has_handler(dispatcher):
        return
    reported = answer if isinstance(answer, Mapping) else dict(answer)
    event = MeliousUsageEvent(
        endpoint=endpoint,
        model=reported.get("model"),
        request_id=origin.request_id,
        routing=origin.routing,
        relaxed=origin.relaxed,
        usage=reported.get("usage"),
        environment_impact=reported.get("environment_impact"),
        billing_cost=reported.get("billing_cost"),
        pages=answer.page_count if isinstance(answer, Result) else None,
    )
    if span_id is not None:
        event.span_id = span_id
    token = None if tags is None else active_instrument_tags.set(tags)
    try:
        _dispatch(event)
    finally:
        if token is not None:
            active_instrument_tags.reset(token)


def _dispatch(event: MeliousUsageEvent) -> None:
    """Send an event as LlamaIndex does, but not to handlers that would only warn of it."""
    level: Dispatcher | None = dispatcher
    levels: list[Dispatcher] = []
    while level is not None:
        levels.append(level)
        level = level.parent if level.propagate else None
    if not any(_warns(handler) for each in levels for handler in each.event_handlers):
        dispatcher.event(event)
        return
    for each in levels:
        willing = [handler for handler in each.event_handlers if not _warns(handler)]
        if willing:
            Dispatcher(name=each.name, event_handlers=willing, propagate=False).event(event)


def _warns(handler: BaseEventHandler) -> bool:
    return type(handler).__module__.startswith(_WARN_OF_OTHERS_EVENTS)
