"""POST /v1/chat/completions."""

import time
import uuid
from typing import Any

from melious_sandbox.chat import chunks, logprobs
from melious_sandbox.chat.completion import Choice, complete
from melious_sandbox.chat.forwarding import forward
from melious_sandbox.chat.request import ChatRequest, read
from melious_sandbox.chat.scripted import scripted
from melious_sandbox.server.call import Call
from melious_sandbox.service.responses import EventsResponse, Response, json_response

_FINGERPRINT = "vllm-0.22.0-sandbox"


async def create(call: Call) -> Response | EventsResponse:
    """Answer a chat request, whole or as a stream."""
    request = read(call)
    service = call.service
    call.route(request.card, call.fields)
    reply = call.scripted(request.card.id)
    if reply is not None and reply.json is not None:
        return json_response(reply.json)
    if reply is None and service.upstream is not None:
        return await forward(call, service.upstream, request)
    cached = service.prefixes.cached_tokens(request.card.id, request.messages, request.prompt_tokens)
    if reply is None:
        completion = complete(request, service.profile, cached)
    else:
        completion = scripted(request, reply, cached)
    usage = completion.usage
    extra = call.cost(completion.work, told=service.stream_impact or not request.stream)
    head: dict[str, Any] = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion.chunk" if request.stream else "chat.completion",
        "created": int(time.time()),
        "model": (reply.model if reply is not None else None) or request.card.id,
        "system_fingerprint": _FINGERPRINT,
    }
    if request.stream:
        return EventsResponse(chunks.stream(head, request, completion.choice, usage, extra, call.fault))
    body = head | {"choices": [_choice(request, completion.choice, index) for index in range(request.n)]}
    if call.fault.usage is None:
        body["usage"] = usage
    return json_response(body | extra)


def _choice(request: ChatRequest, choice: Choice, index: int) -> dict[str, Any]:
    content = "".join(choice.content)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if choice.tool_calls and not content else content,
    }
    if choice.reasoning:
        message["reasoning_content"] = "".join(choice.reasoning)
    if choice.tool_calls:
        message["tool_calls"] = choice.tool_calls
    found: dict[str, Any] = {"index": index, "message": message, "finish_reason": choice.finish_reason}
    if request.logprobs:
        found["logprobs"] = logprobs.of_tokens(choice.content, request.top_logprobs)
    return found
