"""`MeliousImpactHandler`: a callback that adds up what calls cost, in carbon, water, energy and money."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tracers.context import register_configure_hook
from typing_extensions import override

from langchain_melious._messages import PROVIDER
from langchain_melious._reports import USAGE_EVENT
from melious.impact import BillingCost, Entry, EnvironmentImpact, ImpactLedger, Totals
from melious.routing import split_flavor


class MeliousImpactHandler(BaseCallbackHandler):
    """A callback handler that adds up what the calls of Melious under it cost.

    It hears of chat models, streamed or not, of embeddings and of rerankers, and
    leaves models of other providers and answers from a cache out. One handler can
    be used by any number of runs, threads and tasks.

    Attributes:
        ledger: The sums, with breakdowns by model, provider, country, endpoint and routing.

    Example:
        >>> from langchain_melious import ChatMelious, MeliousImpactHandler
        >>> from melious.sandbox import Sandbox
        >>> handler = MeliousImpactHandler()
        >>> with Sandbox() as sandbox:
        ...     llm = ChatMelious(model="glm-4.7", api_key=sandbox.api_key, base_url=sandbox.base_url)
        ...     _ = llm.invoke("Hello", {"callbacks": [handler]})
        >>> handler.total.requests, handler.total.carbon_g_co2 > 0
        (1, True)
    """

    def __init__(self, ledger: ImpactLedger | None = None) -> None:
        """Begin.

        Args:
            ledger: Where to add up; by default a new one.
        """
        super().__init__()
        self.ledger: ImpactLedger = ImpactLedger() if ledger is None else ledger
        self._around: MeliousImpactHandler | None = None

    @property
    def total(self) -> Totals:
        """The sums over all calls so far."""
        return self.ledger.total

    @override
    def on_llm_end(
        self, response: LLMResult, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Count the answer of a chat model."""
        for generations in response.generations:
            first = generations[0] if generations else None
            message = first.message if isinstance(first, ChatGeneration) else None
            if not isinstance(message, AIMessage) or _is_from_cache(message):
                continue
            told = message.response_metadata
            if told.get("model_provider") == PROVIDER:
                model = split_flavor(str(told.get("model_name") or ""))[0]
                self._count(_entry("chat", model, told, told.get("token_usage")))

    @override
    def on_custom_event(
        self,
        name: str,
        data: Any,
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Count a request of an embedding model or a reranker."""
        if name == USAGE_EVENT:
            self._count(_entry(data["endpoint"], data["model"], data, data.get("usage")))

    def _count(self, entry: Entry) -> None:
        self.ledger.record(entry)
        if self._around is not None:
            self._around._count(entry)  # noqa: SLF001 - its own class


_active: ContextVar[MeliousImpactHandler | None] = ContextVar("melious_impact_handler", default=None)
register_configure_hook(_active, inheritable=True)


@contextmanager
def get_melious_callback() -> Iterator[MeliousImpactHandler]:
    """Add up what everything inside the block costs: chat, embeddings, rerank, chains and agents.

    Yields:
        The handler, whose `total` and `ledger` grow as the calls end. A block inside
        another counts for both.

    Example:
        >>> from langchain_melious import MeliousEmbeddings, get_melious_callback
        >>> from melious.sandbox import Sandbox
        >>> with Sandbox() as sandbox, get_melious_callback() as callback:
        ...     model = MeliousEmbeddings(
        ...         model="bge-m3", api_key=sandbox.api_key, base_url=sandbox.base_url
        ...     )
        ...     _ = model.embed_query("a heat pump")
        >>> callback.total.requests, callback.total.eur is not None
        (1, True)
    """
    handler = MeliousImpactHandler()
    handler._around = _active.get()  # noqa: SLF001 - its own module
    token = _active.set(handler)
    try:
        yield handler
    finally:
        _active.reset(token)


def _is_from_cache(message: AIMessage) -> bool:
    """LangChain marks an answer out of its cache with a cost of exactly the whole number 0."""
    usage: Mapping[str, Any] = message.usage_metadata or {}
    cost = usage.get("total_cost")
    return type(cost) is int and cost == 0


def _entry(endpoint: str, model: str, told: Mapping[str, Any], usage: Any) -> Entry:
    routing = told.get("routing") or {}
    impact, cost = told.get("environment_impact"), told.get("billing_cost")
    return Entry(
        endpoint,
        model,
        routing.get("preset") or routing.get("flavor"),
        usage,
        EnvironmentImpact.model_validate(impact) if impact else None,
        BillingCost.model_validate(cost) if cost else None,
    )
