"""`MeliousImpactHandler`: a callback that adds up what calls cost, in carbon, water, energy and money."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tracers.context import register_configure_hook
from typing_extensions import override

from langchain_melious.callbacks.reports import USAGE_EVENT
from langchain_melious.callbacks.run_totals import Asked, RunBook, RunTotals
from langchain_melious.provider import PROVIDER
from melious.errors import MeliousError
from melious.impact import BillingCost, Entry, EnvironmentImpact, ImpactLedger, Totals
from melious.routing.filters import routing_of, split_flavor


class MeliousImpactHandler(BaseCallbackHandler):
    """A callback handler that adds up what the calls of Melious under it cost.

    It hears of chat models, streamed or not, of embeddings and of rerankers, and
    leaves models of other providers and answers from a cache out. One handler can
    be used by any number of runs, threads and tasks.

    Attributes:
        ledger: The sums, with breakdowns by model, provider, country, endpoint and routing.
            Calls of chat models that failed are counted in `failed`.

    Example:
        >>> from langchain_melious import ChatMelious, MeliousImpactHandler
        >>> from melious.sandbox import Sandbox
        >>> handler = MeliousImpactHandler()
        >>> with Sandbox() as sandbox:
        ...     llm = ChatMelious(model="glm-4.7", api_key=sandbox.api_key, base_url=sandbox.base_url)
        ...     _ = llm.invoke("Hello", {"callbacks": [handler]})
        >>> handler.total.requests, handler.total.carbon_g_co2 > 0
        (1, True)
        >>> [(run.name, run.totals.requests) for run in handler.by_run().values()]
        [('ChatMelious', 1)]
    """

    run_inline = True  # it never waits, so async runs need no thread for it

    def __init__(self, ledger: ImpactLedger | None = None) -> None:
        """Begin.

        Args:
            ledger: Where to add up; by default a new one.
        """
        super().__init__()
        self.ledger: ImpactLedger = ImpactLedger() if ledger is None else ledger
        self._book = RunBook()
        self._around: MeliousImpactHandler | None = None

    @property
    def total(self) -> Totals:
        """The sums over all calls so far."""
        return self.ledger.total

    def by_run(self) -> dict[UUID, RunTotals]:
        """The sums by outermost run: a call of a chain, an agent or a model, with all that it called.

        Returns:
            Name, tags and sums by run id, oldest first; of the latest 1000 runs that cost something.
        """
        return self._book.by_run()

    def by_tag(self) -> dict[str, Totals]:
        """The sums by tag; a call with several tags counts for each, so they add up to more than the total.

        Returns:
            The sums of the first 256 tags, and of the rest as `other`.
        """
        return self._book.by_tag()

    @override
    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: dict[str, Any],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note to whom a run belongs."""
        self._begin(serialized, run_id, parent_run_id, tags, kwargs)

    @override
    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note to whom a run belongs."""
        self._begin(serialized, run_id, parent_run_id, tags, kwargs)

    @override
    def on_retriever_start(
        self,
        serialized: dict[str, Any],
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note to whom a run belongs."""
        self._begin(serialized, run_id, parent_run_id, tags, kwargs)

    @override
    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note to whom a run belongs, and which model it asks."""
        told = metadata or {}
        is_ours = told.get("ls_provider") == PROVIDER
        asked = _asked(told, kwargs.get("invocation_params") or {}) if is_ours else None
        self._begin(serialized, run_id, parent_run_id, tags, kwargs, asked)

    def _begin(
        self,
        serialized: dict[str, Any] | None,
        run_id: UUID,
        parent_run_id: UUID | None,
        tags: list[str] | None,
        told: Mapping[str, Any],
        asked: Asked | None = None,
    ) -> None:
        name = told.get("name") or (serialized or {}).get("name") or "run"
        self._book.begin(run_id, parent_run_id, str(name), tags, asked)

    @override
    def on_llm_end(
        self,
        response: LLMResult,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
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
                self._count(run_id, tags, _entry("chat", model, told, told.get("token_usage")))

    @override
    def on_llm_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Count a call of a chat model that was sent and failed, in a column of its own."""
        if isinstance(error, MeliousError) and error.attempts:
            model, routing = self._book.asked_of(run_id) or Asked()
            begun = error.partial is not None
            self._count(run_id, tags, Entry("chat", model, routing, answered=begun, failed=True))

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
            self._count(run_id, tags, _entry(data["endpoint"], data["model"], data, data.get("usage")))

    def _count(self, run_id: UUID, tags: list[str] | None, entry: Entry) -> None:
        self.ledger.record(entry)
        self._book.count(run_id, tags, entry)
        # A run that began before this block has told the block around it already.
        if self._around is not None and not self._around._book.knows(run_id):  # noqa: SLF001 - its own class
            self._around._count(run_id, tags, entry)  # noqa: SLF001 - its own class


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


def _asked(told: Mapping[str, Any], parameters: Mapping[str, Any]) -> Asked:
    """What a run asks for, by what callbacks are told at its start."""
    body = {"model": told.get("ls_model_name"), "preset": parameters.get("preset")}
    extra = parameters.get("extra_body")
    if isinstance(extra, Mapping):
        body |= extra
    model, flavor = split_flavor(str(body["model"] or ""))
    return Asked(model, flavor or parameters.get("flavor") or routing_of(body))


def _entry(endpoint: str, model: str, told: Mapping[str, Any], usage: Any) -> Entry:
    routing = told.get("routing") or {}
    impact, cost = told.get("environment_impact"), told.get("billing_cost")
    return Entry(
        endpoint,
        model,
        routing.get("flavor") or routing.get("preset"),
        usage,
        EnvironmentImpact.model_validate(impact) if impact else None,
        BillingCost.model_validate(cost) if cost else None,
        relaxed=tuple(routing.get("relaxed") or ()),
    )
