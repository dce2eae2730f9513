"""`MeliousUsageEvent`: what each request cost, told to LlamaIndex's event handlers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.dispatcher import Dispatcher
from pydantic import BaseModel, ConfigDict, field_validator

from melious.answers.meta import Meta
from melious.answers.results import Result, Usage
from melious.impact import BillingCost, EnvironmentImpact

if TYPE_CHECKING:
    from melious.clients.streams import StreamBase

dispatcher: Dispatcher = get_dispatcher(__name__)


class MeliousUsageEvent(BaseEvent):
    """What one request to the service used and cost. What the service did not report is None, never zero.

    One event for each request that was answered: several for texts that went in several batches, one for a
    stream, after its last chunk.

    Attributes:
        endpoint: `chat`, `embeddings`, `rerank`, `images` or `audio`.
        model: The model that answered, as the service names it.
        request_id: The service's id of the request.
        routing: The flavor, or else the preset, that the request asked for; a flavor wins over a preset.
        relaxed: The filters that `routing_fallbacks` gave up to find a provider, in order.
        usage: Token counts.
        environment_impact: Energy in kWh, carbon in grams of CO2, water in litres, and where it ran.
        billing_cost: The money, as exact decimals.
        span_id: The span in which the request was made.
        timestamp: When the answer was there.
        id_: The event's own id.
        tags: The tags that were active, see `llama_index.core.instrumentation`.

    Example:
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

    @field_validator("usage", "environment_impact", "billing_cost", mode="before")
    @classmethod
    def _object_or_nothing(cls, value: Any) -> Any:
        return value if isinstance(value, dict | BaseModel) and value else None

    @field_validator("model", mode="before")
    @classmethod
    def _name(cls, value: Any) -> Any:
        return value if isinstance(value, str) and value else None

    @classmethod
    def class_name(cls) -> str:
        """The event's name."""
        return "MeliousUsageEvent"


def dispatch_usage(
    endpoint: str,
    answer: Result | Mapping[str, Any],
    *,
    origin: Meta | StreamBase,
    span_id: str | None = None,
) -> None:
    """Tell LlamaIndex's handlers what one request cost.

    Args:
        endpoint: `chat`, `embeddings`, `rerank`, `images` or `audio`.
        answer: The answer, or its JSON as the service sent it.
        origin: How the answer was requested: its `meta`, or the stream that it came as.
        span_id: The span in which the request was made; by default the active one. For streams, whose end
            comes when that span is over.
    """
    told = answer if isinstance(answer, Mapping) else dict(answer)
    event = MeliousUsageEvent(
        endpoint=endpoint,
        model=told.get("model"),
        request_id=origin.request_id,
        routing=origin.routing,
        relaxed=origin.relaxed,
        usage=told.get("usage"),
        environment_impact=told.get("environment_impact"),
        billing_cost=told.get("billing_cost"),
    )
    if span_id is not None:
        event.span_id = span_id
    dispatcher.event(event)
