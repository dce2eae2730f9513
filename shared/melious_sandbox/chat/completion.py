"""The answer to a chat request: thinking, text or tool calls, cut to the asked length, and counted."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, TypeGuard

from melious_sandbox.brain import answers, tokens, tools
from melious_sandbox.chat import structured
from melious_sandbox.chat.quirks import always_thinks, hides_thinking, written_call
from melious_sandbox.chat.request import ChatRequest
from melious_sandbox.service.impact import Work
from melious_sandbox.service.profiles import Profile
from melious_sandbox.service.reply import Reply

_HIDDEN_LEAD = "\n\n"
_MOST_TOKENS = 1_000_000_000


@dataclass(slots=True)
class Choice:
    """One answer: its text and its thinking in tokens, its tool calls as the wire has them."""

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
    """What a request gets: the choice, which each of ``n`` repeats, and its counts."""

    choice: Choice
    usage: dict[str, Any]
    work: Work


def complete(request: ChatRequest, profile: Profile, cached_tokens: int) -> Completion:
    """Answer a request from what it holds."""
    choice = _choice(request, profile)
    reasoning_tokens = len(choice.reasoning)
    written = reasoning_tokens + len(choice.content) + sum(map(_call_tokens, choice.tool_calls))
    if choice.reasoning and hides_thinking(profile, request.card.id):
        reasoning_tokens = 0
        choice.reasoning = []
        choice.content = [_HIDDEN_LEAD, *choice.content]
    return _counted(request, choice, written, reasoning_tokens, cached_tokens)


def scripted(request: ChatRequest, reply: Reply, cached_tokens: int) -> Completion:
    """Answer a request with a reply as it stands."""
    calls = [
        _tool_call(f"{request.prompt_tokens}:{number}", call.name, call.arguments_text(), call.id)
        for number, call in enumerate(reply.calls())
    ]
    choice = Choice(
        content=tokens.pieces(reply.text or "") if reply.chunks is None else list(reply.chunks),
        reasoning=tokens.pieces(reply.reasoning or ""),
        tool_calls=calls,
        finish_reason=reply.finish_reason or ("tool_calls" if calls else "stop"),
    )
    if reply.usage is not None:
        usage = dict(reply.usage)
        return Completion(choice, usage, work_of(usage, request.prompt_tokens, choice.texts()))
    reasoning_tokens = len(choice.reasoning)
    written = reasoning_tokens + tokens.count("".join(choice.content)) + sum(map(_call_tokens, calls))
    return _counted(request, choice, written, reasoning_tokens, cached_tokens)


def work_of(usage: Any, prompt_tokens: int, written: Iterable[str]) -> Work:
    """Take the counts of a ``usage``, whatever it holds, or count where it has none that can be used."""
    if not isinstance(usage, dict) or not _is_count(usage.get("prompt_tokens")):
        return Work(prompt_tokens, tokens.count("".join(written)))
    read, wrote = usage["prompt_tokens"], usage.get("completion_tokens")
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Work(
        read,
        wrote if _is_count(wrote) else tokens.count("".join(written)),
        min(cached, read) if _is_count(cached) else 0,
    )


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS


def _counted(
    request: ChatRequest, choice: Choice, written: int, reasoning_tokens: int, cached_tokens: int
) -> Completion:
    """Count the tokens of one choice for each of ``n``."""
    completion_tokens = written * request.n
    usage = {
        "prompt_tokens": request.prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": request.prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": reasoning_tokens * request.n},
    }
    return Completion(choice, usage, Work(request.prompt_tokens, completion_tokens, cached_tokens))


def _choice(request: ChatRequest, profile: Profile) -> Choice:
    calls = _tool_calls(request)
    choice = Choice(reasoning=tokens.pieces(_reasoning(request, profile)))
    as_text = written_call(profile, request.card.id, calls) if request.tool_choice != "auto" else None
    if as_text is not None:
        choice.content = tokens.pieces(as_text)
    elif calls:
        choice.tool_calls, choice.finish_reason = calls, "tool_calls"
    else:
        choice.content = tokens.pieces(_text(request))
    if request.max_tokens is not None:
        _shorten(choice, request.max_tokens)
    return choice


def _reasoning(request: ChatRequest, profile: Profile) -> str:
    card, effort = request.card, request.effort or "medium"
    if not card.reasons:
        return ""
    if effort == "none" and (card.reasoning_type == "reasoning" or always_thinks(profile, card.id)):
        effort = "low"
    return answers.reasoning(request.messages, effort)


def _text(request: ChatRequest) -> str:
    if request.response_format["type"] == "text":
        text = answers.answer(request.messages)
    else:
        text = structured.instance(request.messages, request.response_format.get("schema"))
    ends = [position for stop in request.stop if (position := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


def _tool_calls(request: ChatRequest) -> list[dict[str, Any]]:
    chosen = tools.choose(request.messages, request.tools, request.tool_choice) if request.tools else None
    if chosen is None:
        return []
    name, arguments = chosen
    seed = f"{len(request.messages)}:{request.prompt_tokens}"
    return [_tool_call(seed, name, json.dumps(arguments, ensure_ascii=False))]


def _tool_call(seed: str, name: str, arguments: str, call_id: str | None = None) -> dict[str, Any]:
    """Give a tool call as the wire has it; without an id it gets one that depends on seed and content."""
    key = f"{seed}:{name}:{arguments}".encode("utf-8", "surrogatepass")
    return {
        "id": call_id or f"call_{blake2b(key, digest_size=12).hexdigest()}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _call_tokens(call: dict[str, Any]) -> int:
    return tokens.count(call["function"]["name"]) + tokens.count(call["function"]["arguments"])


def _shorten(choice: Choice, limit: int) -> None:
    """Cut an answer to ``limit`` tokens; its thinking comes first."""
    left = limit - len(choice.reasoning)
    wanted = len(choice.content) + sum(map(_call_tokens, choice.tool_calls))
    if wanted <= left:
        return
    choice.finish_reason = "length"
    choice.reasoning = choice.reasoning[:limit]
    choice.content = choice.content[: max(0, left)]
    if left <= 0:
        choice.tool_calls = []
    for call in choice.tool_calls:
        function = call["function"]
        room = max(0, left - tokens.count(function["name"]))
        function["arguments"] = "".join(tokens.pieces(function["arguments"])[:room])
