"""`MeliousRerank`, a node postprocessor with the rerank models of Melious."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from llama_index.core.bridge.pydantic import ConfigDict, Field
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.dispatcher import Dispatcher

from llama_index_melious.component import MeliousComponent
from llama_index_melious.events import dispatch_usage
from llama_index_melious.rerank.reranking import FAILURES, Reranking
from melious.answers.results import Result
from melious.endpoints.rerank import MAX_ITEMS, RerankParams
from melious.errors import InvalidArgumentError
from melious.settings.checks import check_weights

_PARAMETERS = frozenset(RerankParams.__annotations__)

_SETTINGS = frozenset(
    {
        "model",
        "top_n",
        "score_threshold",
        "metadata_mode",
        "max_document_chars",
        "keep_retrieval_score",
        "on_error",
        "max_batch_size",
        "num_workers",
    }
)
"""The settings that a call may replace, beside the parameters of the request."""

dispatcher: Dispatcher = get_dispatcher(__name__)


class MeliousRerank(MeliousComponent, BaseNodePostprocessor, defer_build=False):
    """Sorts retrieved nodes by relevance to the query.

    The given nodes are never changed. Nodes that do not fit into one request are
    sent in several and returned as one list. Nodes without text, and those that
    the service leaves out, come last, without a score. A failed call raises a
    `melious.MeliousError`. A `MeliousUsageEvent` reports what each request cost.

    Args:
        model: The model, with or without a flavor: `bge-reranker-v2-m3`, `bge-reranker-v2-m3:eco`.
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        api_base: LlamaIndex's name for `base_url`.
        preset: What routing favours, such as `environment` or `speed`; not sent by default.
        flavor: The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`; none by default.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
        top_n: How many of the best nodes to keep, 0 for none; None, the default, keeps all.
        score_threshold: The lowest score to keep, 0 to 1; None, the default, keeps all.
        metadata_mode: Which metadata of a node the model reads with its text; `EMBED` by default.
        max_document_chars: Cut the text of a node after so many characters; None, the default, for never.
        keep_retrieval_score: Store the retriever's score as `retrieval_score` in the metadata; no by default.
        on_error: When the service fails: `raise`, the default, or `passthrough` to log a warning and return
            the nodes as retrieved.
        max_batch_size: Maximum nodes in one request, up to 10,000; 256 by default.
        num_workers: Maximum concurrent requests of one call, blocking or async; 4 by default.
        mode, custom_weights: Routing parameters of the older API, one of the two; not sent by default.
        timeout: Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`. Default: 60 s.
        deadline: Seconds for a whole call, with waits and retries; 600 by default, None for no limit.
        max_retries: Further attempts after transient errors; 2 by default, 0 for none.
        routing_fallbacks, budget, verify, ...: The rest of `melious.ClientOptions`.
        additional_kwargs: Further parameters of every request; those of a call replace them.
        http_client, async_http_client: Your own httpx clients, never closed; none by default.
        **arguments: See LlamaIndex's `BaseNodePostprocessor` for `callback_manager`.

    Raises:
        ConfigurationError: There is no key, or the base URL cannot be used.
        InvalidArgumentError: Another argument is wrong or unknown.

    Examples:
        Instantiate; the key comes from `MELIOUS_API_KEY`:

        >>> from llama_index_melious import MeliousRerank
        >>> rerank = MeliousRerank("bge-reranker-v2-m3", top_n=1, filters={"countries": ["DE", "FR"]})

        Sort nodes:

        >>> from llama_index.core.schema import NodeWithScore, TextNode
        >>> texts = ["Tea is green.", "Lighthouses guide ships."]
        >>> nodes = [NodeWithScore(node=TextNode(text=text)) for text in texts]
        >>> best = rerank.postprocess_nodes(nodes, query_str="What guides ships?")
        >>> best[0].text, best[0].score > 0.5
        ('Lighthouses guide ships.', True)

        Async, with other settings for one call:

        >>> import asyncio
        >>> len(asyncio.run(rerank.apostprocess_nodes(nodes, query_str="ships", top_n=2)))
        2

        In a query engine:

        >>> engine = index.as_query_engine(  # doctest: +SKIP
        ...     similarity_top_k=20, node_postprocessors=[rerank]
        ... )

        Usage and impact:

        >>> from melious import track_impact
        >>> with track_impact() as ledger:
        ...     best = rerank.postprocess_nodes(nodes, query_str="What guides ships?")
        >>> ledger.total.requests, ledger.total.carbon_g_co2 > 0
        (1, True)
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(validate_assignment=True)

    operational_fields: ClassVar[frozenset[str]] = frozenset({"max_batch_size", "num_workers"})

    model: str
    top_n: int | None = Field(default=None, ge=0)
    score_threshold: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    metadata_mode: MetadataMode = MetadataMode.EMBED
    max_document_chars: int | None = Field(default=None, gt=0)
    keep_retrieval_score: bool = False
    on_error: Literal["raise", "passthrough"] = "raise"
    max_batch_size: int | None = Field(default=None, gt=0, le=MAX_ITEMS)
    num_workers: int | None = Field(default=None, gt=0)
    mode: str | None = None
    custom_weights: dict[str, float] | None = None

    @classmethod
    def class_name(cls) -> str:
        """The name for LlamaIndex's serialisation."""
        return "MeliousRerank"

    def _check(self) -> None:
        super()._check()
        check_weights(self.mode, self.custom_weights)

    def postprocess_nodes(
        self,
        nodes: list[NodeWithScore],
        query_bundle: QueryBundle | None = None,
        query_str: str | None = None,
        **options: Any,
    ) -> list[NodeWithScore]:
        """Sort nodes by relevance, best first.

        Args:
            nodes: The retrieved nodes; they are not changed.
            query_bundle: The query.
            query_str: The query as text; give one of the two.
            **options: For this call only: `model`, `top_n`, `score_threshold`, `metadata_mode`,
                `max_document_chars`, `keep_retrieval_score`, `on_error`, `max_batch_size`, `num_workers`,
                and the parameters of `melious.RerankParams`, such as `preset`, `filters`
                and `timeout`.

        Raises:
            InvalidArgumentError: There is no query, or an option is wrong; nothing was sent.
            MeliousError: The service failed, and `on_error` is `raise`.
        """
        return self._postprocess_nodes(nodes, _query(query_bundle, query_str), **options)

    async def apostprocess_nodes(
        self,
        nodes: list[NodeWithScore],
        query_bundle: QueryBundle | None = None,
        query_str: str | None = None,
        **options: Any,
    ) -> list[NodeWithScore]:
        """Like `postprocess_nodes`, for asyncio."""
        return await self._apostprocess_nodes(nodes, _query(query_bundle, query_str), **options)

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None, **options: Any
    ) -> list[NodeWithScore]:
        job, request = self._prepare(nodes, query_bundle, options)
        with job.observed():
            if not job.texts:
                job.take([])
            else:
                try:
                    job.take(self._client().rerank.create(**request).results)
                except FAILURES as error:
                    job.fail(error)
        return job.result

    @dispatcher.span
    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None, **options: Any
    ) -> list[NodeWithScore]:
        job, request = self._prepare(nodes, query_bundle, options)
        with job.observed():
            if not job.texts:
                job.take([])
            else:
                try:
                    job.take((await self._aclient().rerank.create(**request)).results)
                except FAILURES as error:
                    job.fail(error)
        return job.result

    def _prepare(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None, options: Mapping[str, Any]
    ) -> tuple[Reranking, dict[str, Any]]:
        """The rerank call, and the arguments of its request."""
        settings = {name: value for name, value in options.items() if name in _SETTINGS}
        call = {name: value for name, value in options.items() if name not in _SETTINGS}
        chosen = self.with_options(**settings) if settings else self
        job = Reranking(chosen, nodes, query_bundle)
        own = {
            "top_n": None if chosen.top_n is None else min(chosen.top_n, len(job.texts)),
            "return_documents": False,
            "mode": self.mode,
            "custom_weights": self.custom_weights,
            "batch_size": chosen.max_batch_size,
            "max_concurrency": chosen.num_workers,
            "on_answer": _report_usage,
        }
        return job, {
            "model": chosen.model,
            "query": job.query.query_str,
            "documents": [*job.texts.values()],
            **self._parameters(_PARAMETERS, own, call),
        }


def _report_usage(answer: Result) -> None:
    dispatch_usage("rerank", answer, origin=answer.meta)


def _query(query_bundle: QueryBundle | None, query_str: str | None) -> QueryBundle | None:
    if query_bundle is not None and not isinstance(query_bundle, QueryBundle):
        kind = type(query_bundle).__name__
        raise InvalidArgumentError(
            f"query_bundle: must be a QueryBundle, not {kind}; pass text as query_str", param="query_bundle"
        )
    if query_bundle is not None and query_str is not None:
        raise InvalidArgumentError(
            "MeliousRerank: give query_str or query_bundle, not both", param="query_str"
        )
    return query_bundle if query_str is None else QueryBundle(query_str)
