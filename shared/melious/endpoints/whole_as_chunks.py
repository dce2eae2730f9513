"""Cuts a whole chat answer into the chunks that a stream would have had."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_PIECE = re.compile(r"\s*\S{1,24}|\s+")
"""A word with the space before it, as in tokens; longer words are cut."""

_HEAD = ("id", "created", "model", "system_fingerprint", "service_tier")
_HANDLED = frozenset({"role", "content", "reasoning_content", "reasoning", "refusal", "tool_calls"})


def chunks_of(whole: dict[str, Any], *, usage: bool) -> Iterator[dict[str, Any]]:
    """Cut an answer into chunks: role, reasoning, words, tool calls and finish reason.

    Args:
        whole: A whole answer in OpenAI's shape, content and arguments as text.
        usage: Whether to give the token counts, in a chunk of their own. Impact, cost and other
            fields beside the choices are in the last chunk in any case.

    Examples:
        >>> choice = {"message": {"role": "assistant", "content": "See it."}, "finish_reason": "stop"}
        >>> [chunk["choices"][0]["delta"] for chunk in chunks_of({"choices": [choice]}, usage=False)]
        [{'role': 'assistant', 'content': ''}, {'content': 'See'}, {'content': ' it.'}, {}]
    """
    head = {name: whole[name] for name in _HEAD if name in whole} | {"object": "chat.completion.chunk"}
    rest = {name: value for name, value in whole.items() if name not in {*head, "choices", "usage"}}
    usage = usage and bool(whole.get("usage"))
    choices = whole["choices"]
    for place, choice in enumerate(choices):
        index = choice.get("index", place)
        for part in _parts(choice):
            yield {**head, "choices": [{"index": index, "finish_reason": None, **part}]}
        others = {name: value for name, value in choice.items() if name not in ("message", "logprobs")}
        end = {**head, "choices": [{**others, "index": index, "delta": {}}]}
        last = place == len(choices) - 1 and not usage
        yield {**end, **rest} if last else end
    if usage:
        yield {**head, "choices": [], "usage": whole["usage"], **rest}


def _parts(choice: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A choice as fields of chunks: a delta each, and what belongs to it."""
    message = choice["message"]
    more = {name: value for name, value in message.items() if name not in _HANDLED and value is not None}
    yield {"delta": {"role": message.get("role") or "assistant", "content": "", **more}}
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    for piece in _pieces(reasoning):
        yield {"delta": {"reasoning_content": piece}}
    for piece in _pieces(message.get("refusal")):
        yield {"delta": {"refusal": piece}}
    yield from _content(message.get("content"), choice.get("logprobs"))
    for place, call in enumerate(message.get("tool_calls") or ()):
        yield from _call(place, call)


def _content(content: Any, logprobs: Any) -> Iterator[dict[str, Any]]:
    """The content; cut into its tokens if their log probabilities are known."""
    tokens = _tokens_of(logprobs)
    if tokens and "".join(token["token"] for token in tokens) == content:
        for token in tokens:
            yield {"delta": {"content": token["token"]}, "logprobs": {**logprobs, "content": [token]}}
        return
    pieces = [*_pieces(content)]
    for place, piece in enumerate(pieces):
        with_first = {"logprobs": logprobs} if logprobs and place == 0 else {}
        yield {"delta": {"content": piece}, **with_first}
    if logprobs and not pieces:
        yield {"delta": {}, "logprobs": logprobs}


def _tokens_of(logprobs: Any) -> list[dict[str, Any]]:
    """The tokens with their log probabilities; none if any has no text."""
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(tokens, list):
        return []
    whole = [token for token in tokens if isinstance(token, dict) and isinstance(token.get("token"), str)]
    return whole if len(whole) == len(tokens) else []


def _call(place: int, call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    function = call.get("function") or {}
    start = {"index": place, "id": call.get("id"), "type": call.get("type") or "function"}
    yield {"delta": {"tool_calls": [start | {"function": {"name": function.get("name"), "arguments": ""}}]}}
    for piece in _pieces(function.get("arguments")):
        yield {"delta": {"tool_calls": [{"index": place, "function": {"arguments": piece}}]}}


def _pieces(text: Any) -> Iterator[str]:
    return iter(_PIECE.findall(text) if isinstance(text, str) else ())
