"""POST /v1/rerank."""

import uuid
from typing import Any

from melious_sandbox.brain import relevance, tokens
from melious_sandbox.server import fields
from melious_sandbox.server.context import RequestContext
from melious_sandbox.service.errors import invalid
from melious_sandbox.service.impact import Work
from melious_sandbox.service.responses import Response, in_turns, json_response


async def create(context: RequestContext) -> Response:
    """Order documents by their relevance to a query."""
    body = context.fields
    card = fields.model_card(context, body.get("model"), "rerank")
    query = fields.required_text(body, "query")
    documents = fields.required_list(body, "documents")
    texts = [_text(document, position) for position, document in enumerate(documents)]
    top_n = fields.integer(body, "top_n", 1) or len(documents)
    fields.integer(body, "max_chunks_per_doc", 1)
    return_documents = fields.flag(body, "return_documents", default=True)
    context.route(card, body)
    if (reply := context.scripted_json(card.id)) is not None:
        return reply
    scores = relevance.scores_of(query, await in_turns(relevance.Document, texts))
    order = sorted(range(len(texts)), key=lambda index: (-scores[index], index))[:top_n]
    results: list[dict[str, Any]] = [
        {"index": index, "relevance_score": scores[index]}
        | ({"document": _shown(documents[index])} if return_documents else {})
        for index in order
    ]
    read = tokens.count(query) * len(texts) + sum(await in_turns(tokens.count, texts))
    answer: dict[str, Any] = {
        "id": f"rerank-{uuid.uuid4().hex}",
        "model": card.id,
        "results": context.fault.disordered(results),
    }
    if context.fault.usage is None:
        answer["usage"] = {"prompt_tokens": read, "total_tokens": read}
    return json_response(answer | context.cost(Work(read)))


def _text(document: Any, position: int) -> str:
    text = document.get("text") if isinstance(document, dict) else document
    if not isinstance(text, str):
        raise invalid(f"documents[{position}]", "must be a string or an object with 'text'.")
    return text


def _shown(document: Any) -> dict[str, Any]:
    return document if isinstance(document, dict) else {"text": document}
