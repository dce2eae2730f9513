"""`MeliousImpactHandler`: a callback handler that adds up carbon, water, energy and money."""

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
from langchain_melious.callbacks.run_totals import RequestedModel, RunTotals, RunTracker
from langchain_melious.callbacks.tags import tags_of_run
from langchain_melious.provider import FROM_CACHE, PROVIDER
from melious.errors import MeliousError
from melious.impact import BillingCost, Entry, EnvironmentImpact, ImpactLedger, Totals
from melious.impact.totals import Tags
from melious.routing.filters import routing_preference, split_flavor


class MeliousImpactHandler(BaseCallbackHandler):
    """A callback handler that adds up the costs of all Melious calls under it.

    It counts chat models, streamed or not, embeddings and rerankers, but not other
    providers' models or cached answers. Runs, threads and tasks can share a handler.

    Attributes:
        ledger: The sums, by model, provider, country, endpoint and routing. Failed
            calls of chat models are counted in `failed`.

    Examples:
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

    run_inline = True  # it never blocks, so async runs need no thread for it

    def __init__(self, ledger: ImpactLedger | None = None) -> None:
        """Start counting, into `ledger`, or by default into a new one."""
        super().__init__()
        self.ledger: ImpactLedger = ImpactLedger() if ledger is None else ledger
        self._runs = RunTracker()
        self._around: MeliousImpactHandler | None = None

    @property
    def total(self) -> Totals:
        """The sums over all calls so far."""
        return self.ledger.total

    def by_run(self) -> dict[UUID, RunTotals]:
        """The sums by outermost run: a call of a chain, an agent or a model, with everything it called.

        Name, tags and sums by run id, oldest first, for the latest 1000 runs with costs.
        """
        return self._runs.by_run()

    def by_tag(self) -> dict[str, Totals]:
        """The sums by tag, after 256 tags as `other`. A call with several tags counts for each."""
        return self._runs.by_tag()

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
        """Record the parent of a run."""
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
        """Record the parent of a run."""
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
        """Record the parent of a run."""
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
        """Record the parent of a run and the model that it requests."""
        about = metadata or {}
        is_ours = about.get("ls_provider") == PROVIDER
        requested = _requested(about, kwargs.get("invocation_params") or {}) if is_ours else None
        named = tags_of_run(tags, metadata) if is_ours else ()
        self._begin(serialized, run_id, parent_run_id, tags, kwargs, requested, named)

    def _begin(
        self,
        serialized: dict[str, Any] | None,
        run_id: UUID,
        parent_run_id: UUID | None,
        tags: list[str] | None,
        details: Mapping[str, Any],
        requested: RequestedModel | None = None,
        named: Tags = (),
    ) -> None:
        name = details.get("name") or (serialized or {}).get("name") or "run"
        self._runs.begin(run_id, parent_run_id, str(name), tags, requested, named)

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
            if not isinstance(message, AIMessage):
                continue
            metadata = message.response_metadata
            if metadata.get("model_provider") == PROVIDER and not metadata.get(FROM_CACHE):
                model = split_flavor(str(metadata.get("model_name") or ""))[0]
                entry = _entry("chat", model, metadata, metadata.get("token_usage"))
                self._count(run_id, tags, entry._replace(tags=self._runs.named_tags_of(run_id)))

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
        """Count a call of a chat model that failed after it was sent."""
        if isinstance(error, MeliousError) and error.attempts:
            model, routing = self._runs.requested_by(run_id) or RequestedModel()
            begun = error.partial is not None
            named = self._runs.named_tags_of(run_id)
            self._count(run_id, tags, Entry("chat", model, routing, answered=begun, failed=True, tags=named))

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
            entry = _entry(data["endpoint"], data["model"], data, data.get("usage"))
            self._count(run_id, tags, entry._replace(tags=tags_of_run(tags, metadata)))

    def _count(self, run_id: UUID, tags: list[str] | None, entry: Entry) -> None:
        self.ledger.record(entry)
        self._runs.count(run_id, tags, entry)
        # A run that began before this block already reports to the block around it.
        if self._around is not None and not self._around._runs.knows(run_id):  # noqa: SLF001 - its own class
            self._around._count(run_id, tags, entry)  # noqa: SLF001 - its own class


_active: ContextVar[MeliousImpactHandler | None] = ContextVar("melious_impact_handler", default=None)
register_configure_hook(_active, inheritable=True)


@contextmanager
def get_melious_callback() -> Iterator[MeliousImpactHandler]:
    """Add up the costs of everything inside the block: chat, embeddings, rerank, chains and agents.

    Yields:
        The handler; its `total` and `ledger` grow as calls end. Nested blocks count for
        the outer ones too.

    Examples:
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


def _requested(metadata: Mapping[str, Any], parameters: Mapping[str, Any]) -> RequestedModel:
    """The model and routing that a run requests, from the arguments of its start callback."""
    body = {"model": metadata.get("ls_model_name"), "preset": parameters.get("preset")}
    extra = parameters.get("extra_body")
    if isinstance(extra, Mapping):
        body |= extra
    model, flavor = split_flavor(str(body["model"] or ""))
    return RequestedModel(model, flavor or parameters.get("flavor") or routing_preference(body))


def _entry(endpoint: str, model: str, report: Mapping[str, Any], usage: Any) -> Entry:
    routing = report.get("routing") or {}
    impact, cost = report.get("environment_impact"), report.get("billing_cost")
    return Entry(
        endpoint,
        model,
        routing.get("flavor") or routing.get("preset"),
        usage,
        EnvironmentImpact.model_validate(impact) if impact else None,
        BillingCost.model_validate(cost) if cost else None,
        relaxed=tuple(routing.get("relaxed") or ()),
    )
