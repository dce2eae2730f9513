"""Makes the answer to a chat request: thinking, text or tool calls, cut to the asked length, and counted."""

import json
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from melious_sandbox.brain import answers, tokens, tools
from melious_sandbox.chat import structured
from melious_sandbox.chat.quirks import always_thinks, hides_thinking, written_call
from melious_sandbox.chat.request import ChatRequest
from melious_sandbox.impact import Work
from melious_sandbox.profiles import Profile

_HIDDEN_LEAD = "\n\n"


@dataclass(slots=True)
class Choice:
    """One answer.

    Attributes:
        content: The text in tokens.
        reasoning: The thinking in tokens; empty where none is shown.
        tool_calls: The calls as the wire has them.
        finish_reason: ``stop``, ``length`` or ``tool_calls``.
    """

    content: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str = "stop"

    def texts(self) -> list[str]:
        """Give everything that was written."""
        functions = [call["function"] for call in self.tool_calls]
        called = [part for function in functions for part in (function["name"], function["arguments"])]
        return [*self.reasoning, *self.content, *called]


@dataclass(frozen=True, slots=True)
class Completion:
    """All that one request gets: the choice, which is the same for each of ``n``, and its counts."""

    choice: Choice
    usage: dict[str, Any]
    work: Work


def complete(request: ChatRequest, profile: Profile, cached_tokens: int) -> Completion:
    """Answer a request."""
    choice = _choice(request, profile)
    reasoning_tokens = len(choice.reasoning)
    hidden = bool(choice.reasoning) and hides_thinking(profile, request.card.id)
    written = reasoning_tokens + len(choice.content) + sum(map(call_tokens, choice.tool_calls))
    if hidden:
        choice.reasoning = []
        choice.content = [_HIDDEN_LEAD, *choice.content]
    usage = usage_of(request, written, 0 if hidden else reasoning_tokens, cached_tokens)
    return Completion(choice, usage, Work(request.prompt_tokens, usage["completion_tokens"], cached_tokens))


def usage_of(request: ChatRequest, written: int, reasoning_tokens: int, cached_tokens: int) -> dict[str, Any]:
    """Give ``usage`` from the tokens of one choice; each of ``n`` choices counts."""
    completion_tokens = written * request.n
    return {
        "prompt_tokens": request.prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": request.prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": reasoning_tokens * request.n},
    }


def _choice(request: ChatRequest, profile: Profile) -> Choice:
    calls = _tool_calls(request)
    choice = Choice(reasoning=tokens.pieces(_reasoning(request, profile)), tool_calls=calls)
    written = _written(request, profile, calls)
    if written is not None:
        choice.tool_calls, choice.content = [], tokens.pieces(written)
    elif calls:
        choice.finish_reason = "tool_calls"
    else:
        choice.content = tokens.pieces(_stopped(_text(request), request.stop))
    if request.max_tokens is not None:
        _shorten(choice, request.max_tokens)
    return choice


def _written(request: ChatRequest, profile: Profile, calls: list[dict[str, Any]]) -> str | None:
    if not calls or request.tool_choice == "auto":
        return None
    return written_call(profile, request.card.id, calls[0]["function"]["name"])


def _reasoning(request: ChatRequest, profile: Profile) -> str:
    if not request.card.reasons:
        return ""
    effort = request.effort or "medium"
    if effort == "none" and (
        request.card.reasoning_type == "reasoning" or always_thinks(profile, request.card.id)
    ):
        effort = "low"
    return answers.reasoning(request.messages, effort)


def _text(request: ChatRequest) -> str:
    if request.response_format["type"] == "text":
        return answers.answer(request.messages)
    return structured.instance(request.messages, request.response_format.get("schema"))


def _stopped(text: str, stops: list[str]) -> str:
    ends = [position for stop in stops if (position := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


def _tool_calls(request: ChatRequest) -> list[dict[str, Any]]:
    if not request.tools or request.tool_choice == "none":
        return []
    chosen = tools.choose(request.messages, request.tools, request.tool_choice)
    if chosen is None:
        return []
    name, arguments = chosen
    seed = f"{len(request.messages)}:{request.prompt_tokens}"
    return [tool_call(seed, name, json.dumps(arguments, ensure_ascii=False))]


def tool_call(seed: str, name: str, arguments: str, call_id: str | None = None) -> dict[str, Any]:
    """Give a tool call as the wire has it; without an id it gets one that depends on seed and content."""
    key = f"{seed}:{name}:{arguments}".encode("utf-8", "surrogatepass")
    return {
        "id": call_id or f"call_{blake2b(key, digest_size=12).hexdigest()}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def call_tokens(call: dict[str, Any]) -> int:
    """Count the tokens of a tool call."""
    return tokens.count(call["function"]["name"]) + tokens.count(call["function"]["arguments"])


def _shorten(choice: Choice, limit: int) -> None:
    """Cut an answer to ``limit`` tokens, of which the thinking takes its part first."""
    left = limit - len(choice.reasoning)
    if left < 0 or (left == 0 and (choice.content or choice.tool_calls)):
        choice.reasoning, choice.content, choice.tool_calls = choice.reasoning[:limit], [], []
        choice.finish_reason = "length"
        return
    if len(choice.content) > left:
        choice.content, choice.finish_reason = choice.content[:left], "length"
    kept: list[dict[str, Any]] = []
    for call in choice.tool_calls:
        size = call_tokens(call)
        if size > left:
            choice.finish_reason = "length"
            _cut_arguments(call, left)
            kept.append(call)
            break
        left -= size
        kept.append(call)
    choice.tool_calls = kept


def _cut_arguments(call: dict[str, Any], left: int) -> None:
    function = call["function"]
    room = max(0, left - tokens.count(function["name"]))
    function["arguments"] = "".join(tokens.pieces(function["arguments"])[:room])
