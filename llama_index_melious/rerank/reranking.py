"""The logic of one rerank call, without I/O: the texts to rank, the nodes to return, the events."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle
from llama_index_instrumentation import get_dispatcher

from melious.answers.vectors import RerankItem
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
"""Failures of the service, which `on_error` may let pass. Wrong arguments always raise."""

_RETRIEVAL_SCORE = "retrieval_score"

_dispatcher = get_dispatcher(__name__)
_logger = logging.getLogger(__name__)


class RerankSettings(Protocol):
    """The settings that a rerank call needs; `MeliousRerank` describes them."""

    model: str
    top_n: int | None
    score_threshold: float | None
    metadata_mode: MetadataMode
    max_document_chars: int | None
    keep_retrieval_score: bool
    on_error: Literal["raise", "passthrough"]
    callback_manager: CallbackManager


class Reranking:
    """One rerank call.

    Attributes:
        query: The query.
        texts: The texts to rank, by the position of their nodes. Nodes without text are not sent.
        result: The nodes to return.
    """

    def __init__(
        self, settings: RerankSettings, nodes: list[NodeWithScore], query: QueryBundle | None
    ) -> None:
        """Check the query and collect the texts of the nodes.

        Raises:
            InvalidArgumentError: There is no query, or a node has no place for a score.
        """
        for position, node in enumerate(nodes):
            if not isinstance(node, NodeWithScore):
                hint = "; wrap it: NodeWithScore(node=...)" if isinstance(node, BaseNode) else ""
                raise InvalidArgumentError(
                    f"nodes[{position}]: must be a NodeWithScore, not {type(node).__name__}{hint}",
                    param="nodes",
                )
        if query is None or not query.query_str.strip():
            raise InvalidArgumentError(
                f"{type(settings).__name__}: needs a query_str or a query_bundle", param="query_str"
            )
        self.query = query
        self._settings = settings
        self._nodes = nodes
        self.texts: dict[int, str] = {}
        if settings.top_n != 0:
            contents = (item.node.get_content(settings.metadata_mode) for item in nodes)
            limit = settings.max_document_chars
            self.texts = {position: text[:limit] for position, text in enumerate(contents) if text.strip()}
        self.result: list[NodeWithScore] = []

    @contextmanager
    def observed(self) -> Iterator[Self]:
        """Send the events for the start and the end of the call, also when it fails."""
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
        """Return the nodes in their order and with their scores as retrieved."""
        self.result = self._nodes[: self._settings.top_n]

    def take(self, results: list[RerankItem]) -> None:
        """Put the nodes in the order of an answer.

        Nodes missing from the answer come last, without a score, unless there is a threshold.
        """
        threshold = self._settings.score_threshold
        positions = [*self.texts]
        order = {positions[item.index]: item.relevance_score for item in results}
        ranked = [
            self._scored(self._nodes[position], score)
            for position, score in order.items()
            if threshold is None or score >= threshold
        ]
        wanted = len(self._nodes[: self._settings.top_n])
        if len(order) < min(wanted, len(positions)):
            _logger.warning("the service ranked only %d of %d nodes", len(order), len(positions))
        if threshold is None and len(ranked) < wanted:
            rest = [item for position, item in enumerate(self._nodes) if position not in order]
            ranked += [self._scored(item, None) for item in rest[: wanted - len(ranked)]]
        self.result = ranked[:wanted]

    def fail(self, error: MeliousError) -> None:
        """Keep the nodes as retrieved if `on_error` is `passthrough`.

        Raises:
            MeliousError: The error, if it is `raise`.
        """
        if self._settings.on_error == "raise":
            raise error
        _logger.warning("reranking failed; the nodes stay as retrieved: %s", error)
        self.skip()

    def _scored(self, item: NodeWithScore, score: float | None) -> NodeWithScore:
        node = item.node
        if self._settings.keep_retrieval_score:
            node = node.model_copy(
                update={
                    "metadata": {**node.metadata, _RETRIEVAL_SCORE: item.score},
                    # For programs, not for models.
                    "excluded_llm_metadata_keys": [*node.excluded_llm_metadata_keys, _RETRIEVAL_SCORE],
                    "excluded_embed_metadata_keys": [*node.excluded_embed_metadata_keys, _RETRIEVAL_SCORE],
                }
            )
        return NodeWithScore(node=node, score=score)
