"""`MeliousRerank`: the rerank models of Melious as a LlamaIndex node postprocessor."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from llama_index.core.bridge.pydantic import ConfigDict, Field
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index_instrumentation import get_dispatcher

from llama_index_melious._component import MeliousComponent
from melious.endpoints.rerank import RerankParams
from melious.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    InvalidArgumentError,
    MeliousError,
    ResponseDecodeError,
)
from melious.results import RerankResult

_PARAMETERS = frozenset(RerankParams.__annotations__)

_RETRIEVAL_SCORE = "retrieval_score"
_FAILURES = (APIConnectionError, APIStatusError, APITimeoutError, ResponseDecodeError)
"""What can be the service's doing; mistakes in arguments are never passed over."""

dispatcher = get_dispatcher(__name__)
_logger = logging.getLogger(__name__)


class MeliousRerank(MeliousComponent, BaseNodePostprocessor):
    """Puts retrieved nodes in order of relevance to the query.

    The nodes that come in are never changed. Async calls wait without a thread.
    A call that fails raises a `melious.MeliousError`; its subclass says how.

    Args:
        model: The model, with or without a flavor: `bge-reranker-v2-m3`, `bge-reranker-v2-m3:eco`.
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: Where the service is; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        api_base: Another word for `base_url`.
        preset: What routing should favour, such as `environment` or `speed`; not sent by default.
        flavor: The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`; none by default.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any.
        top_n: How many of the best to keep; None, the default, keeps all.
        score_threshold: The least score that a node must have to be kept; None, the default, keeps all.
        metadata_mode: Which of a node's metadata the model gets to read with its text; `EMBED` by default.
        keep_retrieval_score: Note the retriever's score as `retrieval_score` in the metadata; not by default.
        on_error: What to do when the service fails: `raise`, the default, or `passthrough` to go on with the
            nodes as they were retrieved, with a warning in the log.
        mode, custom_weights: Routing words of the older pages, one of the two; not sent by default.
        timeout: Seconds for each wait of an attempt, or a `melious.Timeout`; 60 s for an answer by default.
        deadline: Seconds for a whole call, waits and retries included; 600 by default, None for no limit.
        max_retries: Further attempts after the first, for passing troubles; 2 by default, 0 for none.
        default_headers: Headers of every request; none by default.
        extra_body: Fields of every body, sent as they are; none by default.
        additional_kwargs: Further parameters of every request; those of a call replace them.
        http_client: A client with httpx's interface for blocking calls, never closed; none by default.
        async_http_client: The same for async calls.
        async_transport: `httpx`, the default, or `aiohttp` for async calls (extra `aiohttp`).
        auth, allow_insecure_http: As in `melious.client_base.ClientOptions`.
        **arguments: See LlamaIndex's `BaseNodePostprocessor` for `callback_manager`.

    Raises:
        ConfigurationError: There is no key, or the base URL cannot be used.
        InvalidArgumentError: Another argument is wrong or unknown.

    Example:
        >>> from llama_index_melious import MeliousRerank
        >>> rerank = MeliousRerank(model="bge-reranker-v2-m3", api_key="sk-mel-...", top_n=4)
        >>> rerank.top_n, rerank.on_error
        (4, 'raise')
        >>> best = rerank.postprocess_nodes(nodes, query_str="What is a lighthouse?")  # doctest: +SKIP
        >>> engine = index.as_query_engine(  # doctest: +SKIP
        ...     similarity_top_k=20, node_postprocessors=[rerank]
        ... )
    """

    model_config = ConfigDict(validate_assignment=True)

    model: str = Field(description="The model, with or without a flavor.")
    top_n: int | None = Field(default=None, ge=0, description="How many of the best to keep; None keeps all.")
    score_threshold: float | None = Field(default=None, description="The least score that is kept.")
    metadata_mode: MetadataMode = Field(
        default=MetadataMode.EMBED, description="Which metadata the model reads with the text."
    )
    keep_retrieval_score: bool = Field(
        default=False, description="Note the retriever's score in the metadata, as `retrieval_score`."
    )
    on_error: Literal["raise", "passthrough"] = Field(
        default="raise", description="What to do when the service fails."
    )
    mode: str | None = Field(default=None, description="A routing word of the service's older pages.")
    custom_weights: dict[str, float] | None = Field(
        default=None, description="Routing weights of the service's older pages; not together with `mode`."
    )

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex serialises the class."""
        return "MeliousRerank"

    def _check(self) -> None:
        super()._check()
        if self.mode is not None and self.custom_weights is not None:
            raise InvalidArgumentError("mode: cannot be combined with custom_weights; give one of them")

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        texts = self._texts(nodes)
        with self._observed(nodes, query_bundle) as done:
            if not texts:
                return done(self._cut(nodes))
            try:
                answer = self._client().rerank.create(**self._request(texts, query_bundle))
            except _FAILURES as error:
                return done(self._passed_through(nodes, error))
            return done(self._ranked(nodes, [*texts], answer))

    @dispatcher.span
    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        texts = self._texts(nodes)
        with self._observed(nodes, query_bundle) as done:
            if not texts:
                return done(self._cut(nodes))
            try:
                answer = await self._aclient().rerank.create(**self._request(texts, query_bundle))
            except _FAILURES as error:
                return done(self._passed_through(nodes, error))
            return done(self._ranked(nodes, [*texts], answer))

    def _texts(self, nodes: list[NodeWithScore]) -> dict[int, str]:
        """What the model is to read, by the place of its node; nodes without text are not asked about."""
        if self.top_n == 0:
            return {}
        texts = {place: item.node.get_content(self.metadata_mode) for place, item in enumerate(nodes)}
        return {place: text for place, text in texts.items() if text}

    def _request(self, texts: dict[int, str], query_bundle: QueryBundle | None) -> dict[str, Any]:
        if query_bundle is None:
            raise InvalidArgumentError("MeliousRerank: needs query_str or query_bundle")
        own = {
            "top_n": None if self.top_n is None else min(self.top_n, len(texts)),
            "mode": self.mode,
            "custom_weights": self.custom_weights,
        }
        return {
            "model": self.model,
            "query": query_bundle.query_str,
            "documents": [*texts.values()],
            **self._parameters(_PARAMETERS, own, {}),
        }

    def _ranked(
        self, nodes: list[NodeWithScore], places: list[int], answer: RerankResult
    ) -> list[NodeWithScore]:
        """The nodes in the order of the answer; those that were not asked about come last."""
        ranked = [
            self._scored(nodes[places[item.index]], item.relevance_score)
            for item in answer.results
            if self.score_threshold is None or item.relevance_score >= self.score_threshold
        ]
        if self.score_threshold is None:
            asked = set(places)
            ranked += [
                NodeWithScore(node=item.node) for place, item in enumerate(nodes) if place not in asked
            ]
        return self._cut(ranked)

    def _scored(self, item: NodeWithScore, score: float) -> NodeWithScore:
        node = item.node
        if self.keep_retrieval_score:
            node = node.model_copy(
                update={
                    "metadata": {**node.metadata, _RETRIEVAL_SCORE: item.score},
                    # For programs to read, not for models.
                    "excluded_llm_metadata_keys": [*node.excluded_llm_metadata_keys, _RETRIEVAL_SCORE],
                    "excluded_embed_metadata_keys": [*node.excluded_embed_metadata_keys, _RETRIEVAL_SCORE],
                }
            )
        return NodeWithScore(node=node, score=score)

    def _cut(self, nodes: list[NodeWithScore]) -> list[NodeWithScore]:
        return nodes[: self.top_n]

    def _passed_through(self, nodes: list[NodeWithScore], error: MeliousError) -> list[NodeWithScore]:
        """The nodes as they were retrieved, where failures are to pass.

        Raises:
            MeliousError: The error, where they are not.
        """
        if self.on_error == "raise":
            raise error
        _logger.warning("reranking failed, going on with the nodes as they were retrieved: %s", error)
        return self._cut(nodes)

    @contextmanager
    def _observed(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None
    ) -> Iterator[Callable[[list[NodeWithScore]], list[NodeWithScore]]]:
        """Tell observers of the beginning, and of the end however it comes.

        Yields:
            What takes the result and gives it back.
        """
        result: list[NodeWithScore] = []

        def done(found: list[NodeWithScore]) -> list[NodeWithScore]:
            result.extend(found)
            return [*found]

        top_n = len(nodes) if self.top_n is None else self.top_n
        query = query_bundle.query_str if query_bundle else None
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: self.model,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: top_n,
        }
        dispatcher.event(
            ReRankStartEvent(query=query_bundle, nodes=nodes, top_n=top_n, model_name=self.model)
        )
        try:
            with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
                yield done
                event.on_end(payload={EventPayload.NODES: result})
        finally:
            dispatcher.event(ReRankEndEvent(nodes=result))
