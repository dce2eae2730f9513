"""A completion as the wire has it: whole, or cut into the events of a stream."""

from collections.abc import Iterator
from typing import Any
from zlib import crc32

from melious_sandbox.brain import tokens
from melious_sandbox.chat.completion import Choice
from melious_sandbox.chat.request import ChatRequest
from melious_sandbox.service.faults import Fault
from melious_sandbox.service.responses import DONE, event

_ARGUMENT_TOKENS = 3
_LOGPROB_STEPS = 1000


def stream(
    head: dict[str, Any],
    request: ChatRequest,
    choice: Choice,
    usage: dict[str, Any],
    extensions: dict[str, Any],
    fault: Fault,
) -> Iterator[bytes]:
    """Give the events of a streamed answer."""
    usage_asked = request.include_usage and fault.usage is None
    for index in range(request.n):
        yield _chunk(head, index, {"role": "assistant", "content": ""})
        for piece in choice.reasoning:
            yield _chunk(head, index, {"reasoning_content": piece})
        for piece in choice.content:
            yield _chunk(head, index, {"content": piece}, request=request)
        for number, call in enumerate(choice.tool_calls):
            for fragment in _fragments(number, call):
                yield _chunk(head, index, {"tool_calls": [fragment]})
        last = index == request.n - 1 and not usage_asked
        yield _chunk(head, index, {}, choice.finish_reason, extensions if last else None)
        if fault.two_terminals:
            yield _chunk(head, index, {}, choice.finish_reason, {"usage": usage})
    if usage_asked:
        yield event(head | {"choices": [], "usage": usage} | extensions)
    yield DONE


def whole(request: ChatRequest, choice: Choice, index: int) -> dict[str, Any]:
    """Give one of the choices of an answer that is not streamed."""
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
        found["logprobs"] = _logprobs(choice.content, request.top_logprobs)
    return found


def _chunk(
    head: dict[str, Any],
    index: int,
    delta: dict[str, Any],
    finish_reason: str | None = None,
    more: dict[str, Any] | None = None,
    *,
    request: ChatRequest | None = None,
) -> bytes:
    choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": finish_reason}
    if request is not None and request.logprobs:
        choice["logprobs"] = _logprobs([delta["content"]], request.top_logprobs)
    return event({**head, "choices": [choice], **(more or {})})


def _fragments(number: int, call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Cut a tool call as vLLM does: the name first, then arguments beside an id and a name that are null."""
    function = call["function"]
    yield {
        "index": number,
        "id": call["id"],
        "type": "function",
        "function": {"name": function["name"], "arguments": ""},
    }
    pieces = tokens.pieces(function["arguments"])
    for start in range(0, len(pieces), _ARGUMENT_TOKENS):
        yield {
            "index": number,
            "id": None,
            "function": {"name": None, "arguments": "".join(pieces[start : start + _ARGUMENT_TOKENS])},
        }


def _logprobs(pieces: list[str], top: int) -> dict[str, Any]:
    """Make up log probabilities: the same for the same token, and always below zero."""
    return {
        "content": [
            _logprob(piece, 0) | {"top_logprobs": [_logprob(piece, rank) for rank in range(top)]}
            for piece in pieces
        ]
    }


def _logprob(piece: str, rank: int) -> dict[str, Any]:
    text = piece if rank == 0 else f"{piece[:1]}{rank}"
    raw = text.encode("utf-8", "surrogatepass")
    logprob = -(crc32(raw) % _LOGPROB_STEPS + 1) / _LOGPROB_STEPS - 2.0 * rank
    return {"token": text, "logprob": logprob, "bytes": list(raw)}
