"""POST /rerank: one call, as many requests as it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from melious._figures import whole_count
from melious.answers.reading import json_of, read_as, set_source, wrong_answer, wrong_index
from melious.answers.vectors import RerankItem, RerankResult
from melious.endpoints.common import body_of, check_known, encoded, is_list
from melious.endpoints.splitting import (
    Batch,
    BatchLimits,
    BatchPlan,
    OnAnswer,
    Progress,
    in_batches,
    utf8_length,
    whole_number,
)
from melious.endpoints.sums import combined
from melious.errors import InvalidArgumentError, ResponseDecodeError
from melious.errors.checks import check_text, check_whole
from melious.exchange.request import Request, Response, Stop, parsed
from melious.settings.config import ClientConfig
from melious.settings.options import RoutingOptions

PATH = "rerank"
BATCH_ITEMS = 256
MAX_ITEMS = 10_000
MAX_BATCH_BYTES = 2_000_000


class RerankParams(RoutingOptions, total=False):
    """The optional parameters of a rerank request. None is not sent.

    Attributes:
        top_n: How many of the best to return; by default all.
        return_documents: Whether the answer repeats the documents.
        max_chunks_per_doc: Into how many pieces a long document may be cut.
        user: Who the request is for.
        mode: A routing word of the older documentation; not together with `custom_weights`.
        custom_weights: Routing weights of the older documentation.
        batch_size: The most documents in one request, up to 10,000; 256 by default, and fewer if
            they exceed 2 MB together.
        max_concurrency: The most concurrent requests; 4 by default.
        on_progress: Called after each request with the number of documents done and of all
            documents, in the caller's thread or event loop. The asyncio client awaits an awaitable
            result. An exception ends the call.
        on_answer: Called in the same way with each answer as soon as it arrives, even if another
            request of the call fails. After a final failure nothing further is sent; requests under
            way end, and their answers are reported too.
    """

    top_n: int | None
    return_documents: bool | None
    max_chunks_per_doc: int | None
    user: str | None
    mode: str | None
    custom_weights: Mapping[str, float] | None
    batch_size: int | None
    max_concurrency: int | None
    on_progress: Progress | None
    on_answer: OnAnswer | None


_OWN = frozenset({"batch_size", "max_concurrency", "on_progress", "on_answer", "top_n"})


class RerankPlan(BatchPlan[RerankResult]):
    """One rerank call: its batches and their answers."""

    name = PATH
    field = "documents"

    def __init__(
        self,
        config: ClientConfig,
        model: str,
        query: str,
        documents: Sequence[str | Mapping[str, Any]],
        params: RerankParams,
    ) -> None:
        """Check the arguments."""
        check_known(params, RerankParams, "rerank")
        super().__init__(config, params)
        check_text("query", query)
        self._documents = _checked(documents)
        top_n = params.get("top_n")
        if top_n is not None:
            check_whole("top_n", top_n, least=1)
        self._top_n = top_n
        self._query = query
        self._limits = BatchLimits(
            whole_number(params, "batch_size", BATCH_ITEMS, MAX_ITEMS), MAX_BATCH_BYTES, MAX_BATCH_BYTES
        )
        sent = {name: value for name, value in params.items() if name not in _OWN}
        self._batch_body = body_of(config, "rerank", model, {}, sent)
        self._answers: list[tuple[Batch, RerankResult]] = []
        self._done = 0

    def batches(self) -> list[Batch]:
        """The batches to send first: by count and by size."""
        if self._surely_fit():
            return [tuple(range(len(self._documents)))]
        return in_batches(self._measured(), self._limits)

    def _surely_fit(self) -> bool:
        """Whether the documents are texts that fit into one request, even if each character has 4 bytes."""
        documents, limits = self._documents, self._limits
        if len(documents) > limits.items or set(map(type, documents)) != {str}:
            return False
        return 4 * sum(map(len, documents)) <= limits.bytes

    def _measured(self) -> Iterator[tuple[int, int, int]]:
        for place, document in enumerate(self._documents):
            if isinstance(document, str):
                yield place, utf8_length(document), 0
            else:
                yield place, len(encoded({f"documents[{place}]": document})), 0

    def request(self, batch: Batch, stop: Stop | None = None) -> Request:
        """The request for a batch."""
        body: dict[str, Any] = {"model": "", "query": self._query}
        body["documents"] = [self._documents[place] for place in batch]
        if self._top_n is not None:
            # The best of all are among the best of each batch.
            whole = len(batch) == len(self._documents)
            body["top_n"] = self._top_n if whole else min(self._top_n, len(batch))
        return self._request_of(body | self._batch_body, stop)

    def accept(self, batch: Batch, response: Response) -> RerankResult:
        """Take the answer to a batch, which must rank the documents that were sent."""
        answer = parsed(response, lambda response: _parse(response, len(batch)))
        if len(batch) < len(self._documents):
            answer.results = [_placed(item, batch[item.index]) for item in answer.results]
        self._answers.append((batch, answer))
        self._done += len(batch)
        return answer

    def _count(self) -> tuple[int, int]:
        return self._done, len(self._documents)

    def result(self) -> RerankResult:
        """The result of the whole call, best first; ties in the order of the documents."""
        answers = [answer for _, answer in sorted(self._answers, key=lambda done: done[0])]
        if len(answers) == 1:
            best = answers[0].results[: self._top_n]
            whole = answers[0].model_copy(update={"results": best, "batches": answers})
            return self._verified(whole, answers)
        ranked = [item for answer in answers for item in answer.results]
        _sort(ranked)
        result = RerankResult(**combined(answers), results=ranked[: self._top_n])
        set_source(result, *self._origin(answers))
        return self._verified(result, answers)


def _sort(items: list[RerankItem]) -> None:
    """Put items in order, best first; ties by index."""
    items.sort(key=attrgetter("index"))
    items.sort(key=attrgetter("relevance_score"), reverse=True)


def _placed(item: RerankItem, index: int) -> RerankItem:
    """An item of a batch with its index among all documents."""
    return item if item.index == index else item.model_copy(update={"index": index})


def _checked(documents: Sequence[str | Mapping[str, Any]]) -> list[str | Mapping[str, Any]]:
    if not is_list(documents):
        raise InvalidArgumentError("documents: must be a list of at least one document")
    texts = list(documents)
    for position, document in enumerate(texts):
        text: Any = document
        if not isinstance(document, str) and isinstance(document, Mapping):
            text = document.get("text")
        if not isinstance(text, str) or not text:
            raise InvalidArgumentError(
                f"documents[{position}]: must be non-empty text or a dict with it, not {document!r:.80}"
            )
    return texts


def _usage_in(meta: Any) -> dict[str, int] | None:
    """The tokens of an answer that reports them in `meta`, as Cohere does."""
    tokens = meta.get("tokens") if isinstance(meta, dict) else None
    if not isinstance(tokens, dict) or (read := whole_count(tokens.get("input_tokens"))) is None:
        return None
    return {"prompt_tokens": read, "total_tokens": read + (whole_count(tokens.get("output_tokens")) or 0)}


def _parse(response: Response, count: int) -> RerankResult:
    raw = json_of(response, "rerank")
    if not isinstance(raw.get("results"), list):
        raise ResponseDecodeError(
            "rerank: the answer has no results", request_id=response.request_id, body=raw
        )
    fields = raw if raw.get("usage") else {**raw, "usage": _usage_in(raw.get("meta"))}
    result = read_as(RerankResult, raw, response, "rerank", fields)
    indices = [item.index for item in result.results]
    if len(set(indices).intersection(range(count))) < len(indices):
        message = _wrong_index(indices, count)
        raise wrong_answer(message, request_id=response.request_id, body=raw)
    _sort(result.results)
    return result


def _wrong_index(indices: list[int], count: int) -> str:
    """Say which index is the first that does not exist or came twice; there is one."""
    place = next(
        place for place, index in enumerate(indices) if not 0 <= index < count or index in indices[:place]
    )
    repeated = indices[place] in indices[:place]
    return wrong_index("rerank", indices[place], "documents", count, repeated=repeated)
