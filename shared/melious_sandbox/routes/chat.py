"""POST /v1/chat/completions."""

import time
import uuid
from typing import Any

from melious_sandbox.chat import chunks
from melious_sandbox.chat.completion import complete, scripted
from melious_sandbox.chat.forwarding import forward
from melious_sandbox.chat.request import read
from melious_sandbox.server.context import RequestContext
from melious_sandbox.service.responses import EventsResponse, Response, json_response

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
        return await forward(context, service.upstream, request)
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
