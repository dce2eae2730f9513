"""POST /v1/chat/completions."""

import time
import uuid
from typing import TYPE_CHECKING, Any

from melious_sandbox.chat import chunks
from melious_sandbox.chat.completion import complete, scripted, work_of
from melious_sandbox.chat.request import ChatRequest, read
from melious_sandbox.server.context import RequestContext
from melious_sandbox.service.responses import EventsResponse, Response, json_response

if TYPE_CHECKING:
    from melious_sandbox.service.upstream import Upstream

_PATH = "/chat/completions"
_FINGERPRINT = "vllm-0.22.0-sandbox"


async def create(context: RequestContext) -> Response | EventsResponse:
    """Answer a chat request, whole or as a stream."""
    request = read(context)
    service = context.service
    context.route(request.card, context.fields)
    reply = context.scripted_reply(request.card.id)
    if reply is not None and reply.json is not None:
        return json_response(reply.json)
    if reply is None and service.upstream is not None:
        return await _forward(context, service.upstream, request)
    cached = service.prefix_cache.cached_tokens(request.card.id, request.messages, request.prompt_tokens)
    if reply is None:
        completion = complete(request, service.profile, cached)
    else:
        completion = scripted(request, reply, cached)
    usage = completion.usage
    extra = context.cost(completion.work, sent=service.stream_impact or not request.stream)
    head: dict[str, Any] = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion.chunk" if request.stream else "chat.completion",
        "created": int(time.time()),
        "model": (reply.model if reply is not None else None) or request.card.id,
        "system_fingerprint": _FINGERPRINT,
    }
    if request.stream:
        return EventsResponse(chunks.stream(head, request, completion.choice, usage, extra, context.fault))
    body = head | {"choices": [chunks.whole(request, completion.choice, i) for i in range(request.n)]}
    if context.fault.usage is None:
        body["usage"] = usage
    return json_response(body | extra)


async def _forward(
    context: RequestContext, upstream: "Upstream", request: ChatRequest
) -> Response | EventsResponse:
    """Let the server behind answer: its text, with the fields of Melious around it."""
    service, model, gone = context.service, request.card.id, context.connection.gone

    def extra(usage: Any, written: list[str]) -> dict[str, Any]:
        sent = service.stream_impact or not request.stream
        return context.cost(work_of(usage, request.prompt_tokens, written), sent=sent)

    if not request.stream:
        answer = await upstream.answer(_PATH, context.fields, model, gone)
        more = extra(answer.get("usage"), _texts(answer, "message"))
        if context.fault.usage is not None:
            answer.pop("usage", None)
        return json_response(answer | more)

    def last(chunks: list[dict[str, Any]]) -> dict[str, Any]:
        usages = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
        written = [text for chunk in chunks for text in _texts(chunk, "delta")]
        return extra(usages[-1] if usages else None, written)

    asked = dict(context.fields)
    if context.fault.usage is not None:
        asked.pop("stream_options", None)
    return await upstream.stream(_PATH, asked, model, service.settings.keepalive, last, gone)


def _texts(answer: dict[str, Any], key: str) -> list[str]:
    choices = answer.get("choices")
    each = choices if isinstance(choices, list) else ()
    parts = [choice.get(key) for choice in each if isinstance(choice, dict)]
    texts = [
        part.get(name)
        for part in parts
        if isinstance(part, dict)
        for name in ("reasoning_content", "content")
    ]
    return [text for text in texts if isinstance(text, str)]
