"""A chat request, checked as the service checks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from melious.catalogue import ModelCard
from melious_sandbox import fields
from melious_sandbox.brain import tokens
from melious_sandbox.call import Call
from melious_sandbox.chat.messages import check_messages
from melious_sandbox.chat.quirks import check_quirks
from melious_sandbox.chat.schemas import check_schema
from melious_sandbox.errors import SandboxError

_MOST_STOPS = 4
_MOST_CHOICES = 16


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked for, with defaults filled in."""

    card: ModelCard
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    tool_choice: str | dict[str, Any]
    parallel_tool_calls: bool
    response_format: Mapping[str, Any]
    n: int
    stop: list[str]
    max_tokens: int | None
    logprobs: bool
    top_logprobs: int
    effort: str | None
    stream: bool
    include_usage: bool
    prompt_tokens: int


def read(call: Call) -> ChatRequest:
    """Check a body and read it.

    Raises:
        SandboxError: Something in it is not as the service wants it.
    """
    body = call.fields
    card = fields.model_card(call, body.get("model"), "chat")
    messages = check_messages(body.get("messages"), card)
    tools = _tools(body.get("tools"))
    for name, low, high in (
        ("temperature", 0, 2),
        ("top_p", 0, 1),
        ("min_p", 0, 1),
        ("frequency_penalty", -2, 2),
        ("presence_penalty", -2, 2),
    ):
        fields.number(body, name, low, high)
    fields.integer(body, "seed", -(2**63))
    effort = fields.text(body, "reasoning_effort")
    response_format = _response_format(body.get("response_format"))
    check_quirks(
        call.service.profile,
        body["model"],
        effort=effort,
        messages=messages,
        response_format=response_format,
    )
    call.service.crowd.check()
    logprobs = fields.flag(body, "logprobs")
    top_logprobs = fields.integer(body, "top_logprobs", 0, 20, default=0) or 0
    if top_logprobs and not logprobs:
        raise SandboxError("invalid_value", "'top_logprobs' needs 'logprobs'.", param="top_logprobs")
    prompt_tokens = tokens.count_messages(messages, tools or None)
    _check_length(card, prompt_tokens)
    return ChatRequest(
        card=card,
        messages=messages,
        tools=tools,
        tool_choice=_tool_choice(body.get("tool_choice"), tools),
        parallel_tool_calls=fields.flag(body, "parallel_tool_calls", default=True),
        response_format=response_format,
        n=fields.integer(body, "n", 1, _MOST_CHOICES, default=1) or 1,
        stop=_stop(body.get("stop")),
        max_tokens=fields.integer(body, "max_tokens", 1) or fields.integer(body, "max_completion_tokens", 1),
        logprobs=logprobs,
        top_logprobs=top_logprobs,
        effort=effort,
        stream=fields.flag(body, "stream"),
        include_usage=_include_usage(body.get("stream_options"), refuse=call.fault.refuse_stream_options),
        prompt_tokens=prompt_tokens,
    )


def _check_length(card: ModelCard, prompt_tokens: int) -> None:
    if card.context_length is not None and prompt_tokens > card.context_length:
        raise SandboxError(
            "context_length",
            f"This model's maximum context length is {card.context_length} tokens, but the messages came to "
            f"{prompt_tokens} tokens.",
            param="messages",
            details={"context_length": card.context_length, "input_tokens": prompt_tokens},
        )


def _tools(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise SandboxError("invalid_value", "'tools' must be an array.", param="tools")
    for position, tool in enumerate(value):
        function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
        if (
            not isinstance(function, dict)
            or not isinstance(function.get("name"), str)
            or not function["name"]
        ):
            raise SandboxError(
                "invalid_value",
                f"'tools[{position}]' must be a function with a name.",
                param=f"tools[{position}]",
            )
        if not isinstance(function.get("description") or "", str):
            raise SandboxError("malformed", param=f"tools[{position}].function.description")
        parameters = f"tools[{position}].function.parameters"
        if not isinstance(function.get("parameters") or {}, dict):
            raise SandboxError("invalid_value", f"'{parameters}' must be a JSON schema.", param=parameters)
        check_schema(function.get("parameters") or {}, parameters)
    return value


def _tool_choice(value: Any, tools: list[dict[str, Any]]) -> str | dict[str, Any]:
    if value is None:
        return "auto" if tools else "none"
    if isinstance(value, str) and value in {"none", "auto", "required"}:
        if value == "required" and not tools:
            raise SandboxError("invalid_value", "'tool_choice' needs 'tools'.", param="tool_choice")
        return value
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        name = value["function"].get("name")
        if any(tool["function"]["name"] == name for tool in tools):
            return value
        raise SandboxError(
            "invalid_value",
            f"'tool_choice' names '{name}', which is not among the tools.",
            param="tool_choice",
        )
    raise SandboxError(
        "invalid_value",
        "'tool_choice' must be 'none', 'auto', 'required' or a named function.",
        param="tool_choice",
    )


def _response_format(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {"type": "text"}
    kind = value.get("type") if isinstance(value, dict) else None
    if kind in ("text", "json_object"):
        return {"type": kind}
    inner = value.get("json_schema") if kind == "json_schema" else None
    if (
        isinstance(inner, dict)
        and isinstance(inner.get("name"), str)
        and isinstance(inner.get("schema"), dict)
    ):
        check_schema(inner["schema"], "response_format.json_schema.schema")
        return {"type": kind, "schema": inner["schema"]}
    raise SandboxError(
        "invalid_value",
        "'response_format' must be of type 'text', 'json_object', or 'json_schema' with a name and a schema.",
        param="response_format",
    )


def _stop(value: Any) -> list[str]:
    stops = [value] if isinstance(value, str) else value if value is not None else []
    if not isinstance(stops, list) or len(stops) > _MOST_STOPS or not all(isinstance(s, str) for s in stops):
        raise SandboxError(
            "invalid_value", f"'stop' must be a string or up to {_MOST_STOPS} strings.", param="stop"
        )
    return [stop for stop in stops if stop]


def _include_usage(value: Any, *, refuse: bool) -> bool:
    if value is None:
        return False
    if refuse:
        raise SandboxError("invalid_value", "'stream_options' is not a known field.", param="stream_options")
    if not isinstance(value, dict):
        raise SandboxError("invalid_value", "'stream_options' must be an object.", param="stream_options")
    return fields.flag(value, "include_usage")
