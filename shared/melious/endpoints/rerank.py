"""POST /rerank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from melious.config import ClientConfig
from melious.endpoints.common import (
    RoutingOptions,
    body_of,
    check_known,
    is_list,
    json_of,
    read_as,
    request_of,
)
from melious.errors import InvalidArgumentError, ResponseDecodeError
from melious.impact import whole_count
from melious.results import RerankResult
from melious.transport.request import Call, Response

PATH = "rerank"


class RerankParams(RoutingOptions, total=False):
    """The optional parameters of a rerank request. None is not sent.

    Attributes:
        top_n: How many of the best to give; by default all.
        return_documents: Whether the answer repeats the documents.
        max_chunks_per_doc: Into how many pieces a long document may be cut.
        user: Who the request is for.
        mode: A routing word of the older pages; not together with `custom_weights`.
        custom_weights: Routing weights of the older pages.
    """

    top_n: int | None
    return_documents: bool | None
    max_chunks_per_doc: int | None
    user: str | None
    mode: str | None
    custom_weights: Mapping[str, float] | None


def create(
    config: ClientConfig,
    model: str,
    query: str,
    documents: Sequence[str | Mapping[str, Any]],
    params: RerankParams,
) -> Call[RerankResult]:
    """A call that puts documents in order of relevance."""
    check_known(params, RerankParams, "rerank")
    if not isinstance(query, str) or not query.strip():
        raise InvalidArgumentError(f"query: {query!r} is no question")
    texts = _checked(documents)
    top_n = params.get("top_n")
    if top_n is not None and (isinstance(top_n, bool) or not isinstance(top_n, int) or top_n < 1):
        raise InvalidArgumentError(f"top_n: {top_n!r} is not a whole number above zero")
    if params.get("mode") is not None and params.get("custom_weights") is not None:
        raise InvalidArgumentError("mode: cannot be combined with custom_weights; give one of them")
    body = body_of(config, model, {"query": query, "documents": texts}, params)
    request = request_of(config, "rerank", PATH, params, body, retry_timeouts=True)
    return Call(request, lambda response: _parse(response, len(texts)))


def _checked(documents: Sequence[str | Mapping[str, Any]]) -> list[str | Mapping[str, Any]]:
    if not is_list(documents):
        raise InvalidArgumentError("documents: needs a list of at least one document")
    texts = list(documents)
    for position, document in enumerate(texts):
        text = document.get("text") if isinstance(document, Mapping) else document
        if not isinstance(text, str) or not text:
            raise InvalidArgumentError(
                f"documents[{position}]: needs text, or a dict with text, not {document!r:.80}"
            )
    return texts


def _usage_in(meta: Any) -> dict[str, int] | None:
    """The tokens of an answer that tells them as Cohere does, in `meta`."""
    tokens = meta.get("tokens") if isinstance(meta, dict) else None
    if not isinstance(tokens, dict) or (read := whole_count(tokens.get("input_tokens"))) is None:
        return None
    return {"prompt_tokens": read, "total_tokens": read + (whole_count(tokens.get("output_tokens")) or 0)}


def _parse(response: Response, count: int) -> RerankResult:
    raw = json_of(response, "rerank")
    if not isinstance(raw.get("results"), list):
        raise ResponseDecodeError(
            "rerank: the answer holds no results", request_id=response.request_id, body=raw
        )
    fields = raw if raw.get("usage") else {**raw, "usage": _usage_in(raw.get("meta"))}
    result = read_as(RerankResult, raw, response, "rerank", fields)
    seen: set[int] = set()
    for item in result.results:
        if not 0 <= item.index < count or item.index in seen:
            raise ResponseDecodeError(
                f"rerank: the answer names document {item.index}, of {count} sent",
                request_id=response.request_id,
                body=raw,
            )
        seen.add(item.index)
    result.results.sort(key=lambda item: -item.relevance_score)
    return result
