"""A completion cut into the events of a stream."""

from collections.abc import Iterator
from typing import Any

from melious_sandbox.brain import tokens
from melious_sandbox.chat import logprobs
from melious_sandbox.chat.completion import Choice
from melious_sandbox.chat.request import ChatRequest
from melious_sandbox.service.faults import Fault
from melious_sandbox.service.responses import DONE, event

_ARGUMENT_TOKENS = 3


def stream(
    head: dict[str, Any],
    request: ChatRequest,
    choice: Choice,
    usage: dict[str, Any],
    extensions: dict[str, Any],
    fault: Fault,
) -> Iterator[bytes]:
    """Give the events of a streamed answer.

    Args:
        head: ``id``, ``object``, ``created``, ``model`` and what else each chunk starts with.
        request: The request.
        choice: The answer, which each of ``n`` choices repeats.
        usage: The counts; sent only when asked for, or with a second terminal chunk.
        extensions: What the last chunk carries besides.
        fault: What goes wrong.
    """
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
        choice["logprobs"] = logprobs.of_tokens([delta["content"]], request.top_logprobs)
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
