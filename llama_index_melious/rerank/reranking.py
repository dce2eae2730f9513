"""One reranking: what to ask, what the answer makes of the nodes, and what observers are told. No I/O."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index_instrumentation import get_dispatcher

from melious.answers.results import RerankItem
from melious.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    InvalidArgumentError,
    MeliousError,
    ResponseDecodeError,
)

if TYPE_CHECKING:
    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.schema import MetadataMode

FAILURES = (APIConnectionError, APIStatusError, APITimeoutError, ResponseDecodeError)
"""What can be the service's doing; mistakes in arguments are never passed over."""

_RETRIEVAL_SCORE = "retrieval_score"

_dispatcher = get_dispatcher(__name__)
_logger = logging.getLogger(__name__)


class RerankSettings(Protocol):
    """The settings of a reranker that decide what becomes of the nodes; see `MeliousRerank` for each."""

    model: str
    top_n: int | None
    score_threshold: float | None
    metadata_mode: MetadataMode
    max_document_chars: int | None
    keep_retrieval_score: bool
    on_error: Literal["raise", "passthrough"]
    callback_manager: CallbackManager


class Reranking:
    """One call of a reranker. It begins with the arguments checked and nothing told to anyone.

    Attributes:
        query: What is looked for.
        texts: What the model is to read, by the place of its node; nodes without text are not asked about.
        result: The nodes to give back.
    """

    def __init__(
        self, settings: RerankSettings, nodes: list[NodeWithScore], query: QueryBundle | None
    ) -> None:
        """Check the query and take the texts of the nodes.

        Raises:
            InvalidArgumentError: There is no query.
        """
        if query is None or not query.query_str.strip():
            raise InvalidArgumentError(f"{type(settings).__name__}: needs a query_str or a query_bundle")
        self.query = query
        self._settings = settings
        self._nodes = nodes
        self.texts: dict[int, str] = {}
        if settings.top_n != 0:
            whole = (item.node.get_content(settings.metadata_mode) for item in nodes)
            most = settings.max_document_chars
            self.texts = {place: text[:most] for place, text in enumerate(whole) if text}
        self.result: list[NodeWithScore] = []

    @contextmanager
    def observed(self) -> Iterator[Self]:
        """Tell observers of the beginning, and of the end however it comes."""
        settings = self._settings
        top_n = len(self._nodes) if settings.top_n is None else settings.top_n
        payload: dict[str, Any] = {
            EventPayload.NODES: self._nodes,
            EventPayload.MODEL_NAME: settings.model,
            EventPayload.QUERY_STR: self.query.query_str,
            EventPayload.TOP_K: top_n,
        }
        _dispatcher.event(
            ReRankStartEvent(query=self.query, nodes=self._nodes, top_n=top_n, model_name=settings.model)
        )
        try:
            with settings.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
                yield self
                event.on_end(payload={EventPayload.NODES: self.result})
        finally:
            _dispatcher.event(ReRankEndEvent(nodes=self.result))

    def skip(self) -> None:
        """The nodes stay in their order, with the scores that they came with."""
        self.result = self._nodes[: self._settings.top_n]

    def take(self, results: list[RerankItem]) -> None:
        """Put the nodes in the order of an answer.

        Those of which it does not speak come last, without a score, unless there is a score to reach.
        """
        threshold = self._settings.score_threshold
        places = [*self.texts]
        order = {places[item.index]: item.relevance_score for item in results}
        ranked = [
            self._scored(self._nodes[place], score)
            for place, score in order.items()
            if threshold is None or score >= threshold
        ]
        wanted = len(self._nodes[: self._settings.top_n])
        if len(order) < min(wanted, len(places)):
            _logger.warning("the service ranked %d nodes of %d", len(order), len(places))
        if threshold is None and len(ranked) < wanted:
            rest = [item for place, item in enumerate(self._nodes) if place not in order]
            ranked += [self._scored(item, None) for item in rest[: wanted - len(ranked)]]
        self.result = ranked[:wanted]

    def fail(self, error: MeliousError) -> None:
        """Go on with the nodes as they were retrieved, where failures are to pass.

        Raises:
            MeliousError: The error, where they are not.
        """
        if self._settings.on_error == "raise":
            raise error
        _logger.warning("reranking failed, going on with the nodes as they were retrieved: %s", error)
        self.skip()

    def _scored(self, item: NodeWithScore, score: float | None) -> NodeWithScore:
        node = item.node
        if self._settings.keep_retrieval_score:
            node = node.model_copy(
                update={
                    "metadata": {**node.metadata, _RETRIEVAL_SCORE: item.score},
                    # For programs to read, not for models.
                    "excluded_llm_metadata_keys": [*node.excluded_llm_metadata_keys, _RETRIEVAL_SCORE],
                    "excluded_embed_metadata_keys": [*node.excluded_embed_metadata_keys, _RETRIEVAL_SCORE],
                }
            )
        return NodeWithScore(node=node, score=score)
