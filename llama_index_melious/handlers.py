"""`MeliousImpactEventHandler` adds up the usage events."""

from __future__ import annotations

from typing import Any, ClassVar

from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.event_handlers.base import BaseEventHandler
from pydantic import ConfigDict, Field, PrivateAttr

from llama_index_melious.events import MeliousUsageEvent
from llama_index_melious.tags import FRAMEWORK_TAGS, named_tags
from melious import forks
from melious.impact import Entry, ImpactLedger, Totals

MAX_TAGS = 256
OTHER = "other"


class MeliousImpactEventHandler(BaseEventHandler):
    """Adds up what all requests cost.

    On the root dispatcher it counts the requests of every thread and task. For a
    block of code, use `track_impact()`.

    Attributes:
        ledger: The sums, also by endpoint, model (as the service names it), provider, country and routing.

    Examples:
        >>> from llama_index.core.instrumentation import get_dispatcher
        >>> from llama_index_melious import Melious, MeliousImpactEventHandler
        >>> from melious.sandbox import Sandbox
        >>> handler = MeliousImpactEventHandler()
        >>> get_dispatcher().add_event_handler(handler)
        >>> with Sandbox() as sandbox:
        ...     llm = Melious(model="glm-4.7", api_key=sandbox.api_key, base_url=sandbox.base_url)
        ...     _ = llm.complete("Hello")
        >>> handler.total.requests, handler.total.carbon_g_co2 > 0
        (1, True)
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    ledger: ImpactLedger = Field(default_factory=ImpactLedger, exclude=True)

    _lock: Any = PrivateAttr(default_factory=forks.new_lock)
    _tags: dict[tuple[str, str], Totals] = PrivateAttr(default_factory=dict)

    @classmethod
    def class_name(cls) -> str:
        """The handler's name."""
        return "MeliousImpactEventHandler"

    @property
    def total(self) -> Totals:
        """The sums of all requests so far."""
        return self.ledger.total

    def by_tag(self) -> dict[tuple[str, str], Totals]:
        """The sums by tag (`instrument_tags`), a pair of name and value. A request counts for each.

        LlamaIndex's own tags, which name runs and repeat prompts, are left out. The first 256 tags have their
        own sums; all others are under `("other", "other")`.
        """
        with self._lock:
            return {tag: totals.copy() for tag, totals in self._tags.items()}

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:  # noqa: ARG002 - the interface
        """Count a request; other events are ignored."""
        if not isinstance(event, MeliousUsageEvent):
            return
        entry = Entry(
            event.endpoint,
            event.model or "",
            event.routing,
            usage=None if event.usage is None else event.usage.model_dump(exclude_none=True),
            impact=event.environment_impact,
            cost=event.billing_cost,
            relaxed=event.relaxed,
            tags=named_tags(event.tags),
        )
        self.ledger.record(entry)
        with self._lock:
            for name, value in event.tags.items():
                if str(name).startswith(FRAMEWORK_TAGS):
                    continue
                tag = (str(name), str(value))
                known = tag if tag in self._tags or len(self._tags) < MAX_TAGS else (OTHER, OTHER)
                self._tags.setdefault(known, Totals()).add(entry)
