"""Chat requests that another server answers: its text, with the fields of Melious around it."""

from typing import TYPE_CHECKING, Any

from melious.sandbox.brain import tokens
from melious.sandbox.call import Call
from melious.sandbox.chat.request import ChatRequest
from melious.sandbox.impact import Work
from melious.sandbox.replies import EventsReply, Reply, json_reply

if TYPE_CHECKING:
    from melious.sandbox.upstream import Upstream

_PATH = "/chat/completions"


async def forward(call: Call, upstream: "Upstream", request: ChatRequest) -> Reply | EventsReply:
    """Let the server behind answer a chat request."""
    service, model = call.service, request.card.id

    def extra(usage: Any, written: list[str]) -> dict[str, Any]:
        told = service.stream_impact or not request.stream
        return call.cost(_work(usage, request, written), told=told)

    if not request.stream:
        answer = await upstream.answer(_PATH, call.fields, model, call.gone)
        more = extra(answer.get("usage"), _texts(answer, "message"))
        if call.fault.usage is not None:
            answer.pop("usage", None)
        return json_reply(answer | more)

    def last(chunks: list[dict[str, Any]]) -> dict[str, Any]:
        usages = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
        written = [text for chunk in chunks for text in _texts(chunk, "delta")]
        return extra(usages[-1] if usages else None, written)

    asked = call.fields
    if call.fault.usage is not None:
        asked = {name: value for name, value in asked.items() if name != "stream_options"}
    return await upstream.stream(_PATH, asked, model, service.settings.keepalive, last, call.gone)


def _texts(answer: dict[str, Any], key: str) -> list[str]:
    found = [choice.get(key) or {} for choice in answer.get("choices") or [] if isinstance(choice, dict)]
    return [text for part in found for text in (part.get("reasoning_content"), part.get("content")) if text]


def _work(usage: Any, request: ChatRequest, written: list[str]) -> Work:
    """Take the server's counts, or count where it gives none."""
    if isinstance(usage, dict) and isinstance(usage.get("prompt_tokens"), int):
        details = usage.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else 0
        return Work(usage["prompt_tokens"], usage.get("completion_tokens") or 0, cached or 0)
    return Work(request.prompt_tokens, tokens.count("".join(written)))
