"""Chat requests that another server answers: its text, with the fields of Melious around it."""

from typing import TYPE_CHECKING, Any

from melious_sandbox.chat.counts import work_of
from melious_sandbox.chat.request import ChatRequest
from melious_sandbox.server.call import Call
from melious_sandbox.service.responses import EventsResponse, Response, json_response

if TYPE_CHECKING:
    from melious_sandbox.service.upstream import Upstream

_PATH = "/chat/completions"


async def forward(call: Call, upstream: "Upstream", request: ChatRequest) -> Response | EventsResponse:
    """Let the server behind answer a chat request."""
    service, model = call.service, request.card.id

    def extra(usage: Any, written: list[str]) -> dict[str, Any]:
        told = service.stream_impact or not request.stream
        return call.cost(work_of(usage, request.prompt_tokens, written), told=told)

    if not request.stream:
        answer = await upstream.answer(_PATH, call.fields, model, call.gone)
        more = extra(answer.get("usage"), _texts(answer, "message"))
        if call.fault.usage is not None:
            answer.pop("usage", None)
        return json_response(answer | more)

    def last(chunks: list[dict[str, Any]]) -> dict[str, Any]:
        usages = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
        written = [text for chunk in chunks for text in _texts(chunk, "delta")]
        return extra(usages[-1] if usages else None, written)

    asked = call.fields
    if call.fault.usage is not None:
        asked = {name: value for name, value in asked.items() if name != "stream_options"}
    return await upstream.stream(_PATH, asked, model, service.settings.keepalive, last, call.gone)


def _texts(answer: dict[str, Any], key: str) -> list[str]:
    choices = answer.get("choices")
    each = choices if isinstance(choices, list) else ()
    parts = [choice.get(key) for choice in each if isinstance(choice, dict)]
    said = [part for part in parts if isinstance(part, dict)]
    texts = [part.get(name) for part in said for name in ("reasoning_content", "content")]
    return [text for text in texts if isinstance(text, str)]
