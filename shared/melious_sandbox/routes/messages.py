"""POST /v1/messages and /v1/messages/count_tokens, in Anthropic's form."""

from typing import Any

from melious_sandbox.brain import tokens
from melious_sandbox.chat import anthropic
from melious_sandbox.chat.completion import complete, scripted
from melious_sandbox.chat.request import read
from melious_sandbox.server.context import RequestContext
from melious_sandbox.service.errors import SandboxError, missing
from melious_sandbox.service.responses import EventsResponse, Response, json_response

_VERSION = "anthropic-version"
_TOKENS_OF_AN_IMAGE = 1_000


async def create(context: RequestContext) -> Response | EventsResponse:
    """Answer a request, whole or as a stream.

    The documentation says that whole answers carry impact and bill; those of the live service do not.
    """
    _check_version(context)
    body = context.fields
    if body.get("max_tokens") is None:
        raise missing("max_tokens")
    context.body = anthropic.to_openai(body)
    request = read(context)
    context.route(request.card, context.fields)
    reply = context.scripted_reply(request.card.id)
    if reply is not None and reply.json is not None:
        return json_response(reply.json)
    profile = context.service.profile
    done = complete(request, profile, 0) if reply is None else scripted(request, reply, 0)
    extra = context.cost(done.work, sent=profile.name != "live" and not request.stream)
    head = anthropic.head_of(body.get("model"))
    usage = {"input_tokens": done.work.input_tokens, "output_tokens": done.work.output_tokens}
    if request.stream:
        return EventsResponse(anthropic.stream(head, done.choice, usage))
    return json_response(anthropic.whole(head, done.choice, usage) | extra)


async def count_tokens(context: RequestContext) -> Response:
    """Count the tokens of a request; the model is ignored, and an image counts a fixed amount."""
    _check_version(context)
    body = context.fields
    messages = anthropic.messages(body)
    tools = anthropic.to_openai(body).get("tools")
    images = sum(
        part.get("type") == "image_url"
        for message in messages
        if isinstance(message.get("content"), list)
        for part in message["content"]
    )
    count = tokens.count_messages([_texts(message) for message in messages], tools)
    return context.scripted_json() or json_response({"input_tokens": count + images * _TOKENS_OF_AN_IMAGE})


def _texts(message: dict[str, Any]) -> dict[str, Any]:
    """A message without its images."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return message | {"content": [part for part in content if part.get("type") == "text"]}


def _check_version(context: RequestContext) -> None:
    if not context.headers.get(_VERSION):
        raise SandboxError("missing_field", f"The header '{_VERSION}' is required.", param=_VERSION)
