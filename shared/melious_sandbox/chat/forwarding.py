"""Chat requests that another server answers: its text, with the fields of Melious around it."""

from typing import TYPE_CHECKING, Any

from melious_sandbox.chat.completion import work_of
from melious_sandbox.chat.request import ChatRequest
from melious_sandbox.server.context import RequestContext
from melious_sandbox.service.responses import EventsResponse, Response, json_response

if TYPE_CHECKING:
    from melious_sandbox.service.upstream import Upstream

_PATH = "/chat/completions"


async def forward(
    context: RequestContext, upstream: "Upstream", request: ChatRequest
) -> Response | EventsResponse:
    """Let the server behind answer a chat request."""
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
