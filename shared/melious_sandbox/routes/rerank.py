"""POST /v1/rerank."""

import uuid
from typing import Any

from melious_sandbox.brain import relevance, tokens
from melious_sandbox.server import fields
from melious_sandbox.server.call import Call
from melious_sandbox.service.errors import SandboxError
from melious_sandbox.service.impact import Work
from melious_sandbox.service.responses import Response, json_response
from melious_sandbox.service.turns import in_turns


async def create(call: Call) -> Response:
    """Order documents by their relevance to a query."""
    body = call.fields
    card = fields.model_card(call, body.get("model"), "rerank")
    query = fields.text(body, "query", required=True) or ""
    documents = _documents(body.get("documents"))
    texts = [_text(document, position) for position, document in enumerate(documents)]
    top_n = fields.integer(body, "top_n", 1) or len(documents)
    fields.integer(body, "max_chunks_per_doc", 1)
    return_documents = fields.flag(body, "return_documents", default=True)
    call.route(card, body)
    reply = call.scripted(card.id)
    if reply is not None:
        return json_response(reply.json)
    scores = relevance.weigh(query, await in_turns(relevance.Reading, texts))
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
        "results": call.fault.disordered(results),
    }
    if call.fault.usage is None:
        answer["usage"] = {"prompt_tokens": read, "total_tokens": read}
    return json_response(answer | call.cost(Work(read)))


def _documents(value: Any) -> list[Any]:
    if value is None:
        raise fields.missing("documents")
    if not isinstance(value, list):
        raise SandboxError("invalid_value", "'documents' must be an array.", param="documents")
    if not value:
        raise SandboxError("empty_input", "'documents' must not be empty.", param="documents")
    return value


def _text(document: Any, position: int) -> str:
    text = document.get("text") if isinstance(document, dict) else document
    if not isinstance(text, str):
        raise SandboxError(
            "invalid_value",
            f"'documents[{position}]' must be a string or an object with 'text'.",
            param=f"documents[{position}]",
        )
    return text


def _shown(document: Any) -> dict[str, Any]:
    return document if isinstance(document, dict) else {"text": document}
