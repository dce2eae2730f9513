"""Advice for a chat request that the gateway called malformed, which it does for many causes.

Its text is the same for a missing `reasoning_effort`, a prompt over the model's real window, an image that
the model does not take, an assistant message without `content`, a model that no provider serves, and for
nothing but many concurrent requests (wire reference, section 19).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from melious.catalogue import known
from melious.catalogue.quirks import Quirks, quirks_of
from melious.wire import codec

_NEAR = 0.7
"""From this share of a window on, a rough count of tokens is near it."""
_BYTES_PER_TOKEN = 4

_ELSEWHERE = (
    "many concurrent requests",
    "a prompt over the model's real window",
    "an image for a model that takes none",
    "a missing `reasoning_effort`",
    "a model that is listed and not served",
)


def advice_for(body: Mapping[str, Any], base_url: str) -> str:
    """The advice for a request that was called malformed; causes that it shows come first."""
    model = str(body.get("model", ""))
    found = list(_causes(body, model, quirks_of(model), base_url))
    elsewhere = f"The service also says this of {', '.join(_ELSEWHERE[:-1])} and {_ELSEWHERE[-1]}"
    if not found:
        return f"{elsewhere}. This request shows none of them: retry with fewer concurrent requests"
    return f"First check what this request has: {'; '.join(found)}. {elsewhere}"


def _causes(body: Mapping[str, Any], model: str, quirks: Quirks, base_url: str) -> Iterator[str]:
    card = known(model, base_url)
    effort = body.get("reasoning_effort")
    if quirks.wants_effort and effort is None:
        yield f"no `reasoning_effort`, which {model} was seen to need ('low' or 'medium')"
    if isinstance(effort, str) and effort in quirks.refused_efforts | quirks.disputed_efforts:
        yield f"reasoning_effort={effort!r}, which {model} was seen to refuse"
    messages = [message for message in body.get("messages", ()) if isinstance(message, Mapping)]
    parts = [part for message in messages for part in _parts(message)]
    tokens = _tokens(messages, parts, body.get("tools"))
    window = quirks.window or (card.context_length if card else None)
    if window is not None and tokens >= _NEAR * window:
        yield f"roughly {tokens:,} tokens of input; {model} takes about {window:,}"
    if any(part.get("type") == "image_url" for part in parts):
        if quirks.refuses_images or (card is not None and not card.takes("image")):
            yield f"an image, which {model} does not take or was seen to refuse"
        else:
            yield "an image, which the service sometimes refuses"
    for position, message in enumerate(messages):
        if "content" not in message:
            yield f"messages[{position}] without `content`: add content=''"
            break
    if quirks.seen_failing or (card is not None and not card.served):
        yield f"{model}, which was seen to fail on every request: use another model"
    if isinstance(body.get("response_format"), Mapping):
        yield "a `response_format`, which some models do not take"


def _parts(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    content = message.get("content")
    if isinstance(content, list | tuple):
        yield from (part for part in content if isinstance(part, Mapping))


def _tokens(messages: list[Mapping[str, Any]], parts: list[Mapping[str, Any]], tools: Any) -> int:
    """A rough count of the tokens of texts, tool calls and tools, without images and audio."""
    size = sum(len(str(part.get("text", ""))) for part in parts)
    for message in messages:
        content = message.get("content")
        size += len(content) if isinstance(content, str) else 0
        size += len(codec.dumps(message["tool_calls"])) if message.get("tool_calls") else 0
    size += len(codec.dumps(tools)) if tools else 0
    return size // _BYTES_PER_TOKEN
