"""A chat request, checked as the service checks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from melious.catalogue import ModelCard
from melious_sandbox.brain import tokens
from melious_sandbox.brain.schemas import is_usable
from melious_sandbox.chat.messages import check_messages
from melious_sandbox.chat.quirks import check_quirks
from melious_sandbox.server import fields
from melious_sandbox.server.context import RequestContext
from melious_sandbox.service.errors import SandboxError, invalid

_MOST_STOPS = 4
_MOST_CHOICES = 16
_NUMBERS = (
    ("temperature", 0, 2),
    ("top_p", 0, 1),
    ("min_p", 0, 1),
    ("frequency_penalty", -2, 2),
    ("presence_penalty", -2, 2),
)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """The fields of a request, with defaults filled in."""

    card: ModelCard
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    tool_choice: str | dict[str, Any]
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


def read(context: RequestContext) -> ChatRequest:
    """Check a body and read it."""
    body = context.fields
    card = fields.model_card(context, body.get("model"), "chat")
    messages = check_messages(fields.required_list(body, "messages"), card)
    tools = _tools(body.get("tools"))
    for name, low, high in _NUMBERS:
        fields.check_number(body, name, low, high)
    fields.integer(body, "seed", -(2**63))
    fields.flag(body, "parallel_tool_calls")
    effort = fields.text(body, "reasoning_effort")
    response_format = _response_format(body.get("response_format"))
    profile = context.service.profile
    check_quirks(profile, body["model"], effort=effort, messages=messages, response_format=response_format)
    context.service.overlap.check()
    logprobs = fields.flag(body, "logprobs")
    top_logprobs = fields.integer(body, "top_logprobs", 0, 20) or 0
    if top_logprobs and not logprobs:
        raise invalid("top_logprobs", "needs 'logprobs'.")
    prompt_tokens = tokens.count_messages(messages, tools or None)
    message = (
        f"This model's maximum context length is {card.context_length} tokens, but the messages came to "
        f"{prompt_tokens} tokens."
    )
    fields.check_length(card, prompt_tokens, "messages", message)
    return ChatRequest(
        card=card,
        messages=messages,
        tools=tools,
        tool_choice=_tool_choice(body.get("tool_choice"), tools),
        response_format=response_format,
        n=fields.integer(body, "n", 1, _MOST_CHOICES) or 1,
        stop=_stop(body.get("stop")),
        max_tokens=fields.integer(body, "max_tokens", 1) or fields.integer(body, "max_completion_tokens", 1),
        logprobs=logprobs,
        top_logprobs=top_logprobs,
        effort=effort,
        stream=fields.flag(body, "stream"),
        include_usage=_include_usage(body.get("stream_options"), refuse=context.fault.refuse_stream_options),
        prompt_tokens=prompt_tokens,
    )


def _tools(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid("tools", "must be an array.")
    for position, tool in enumerate(value):
        where = f"tools[{position}]"
        function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(name, str) or not name or not isinstance(function, dict):
            raise invalid(where, "must be a function with a name.")
        if not isinstance(function.get("description") or "", str):
            raise SandboxError("malformed", param=f"{where}.function.description")
        parameters = function.get("parameters") or {}
        if not isinstance(parameters, dict):
            raise invalid(f"{where}.function.parameters", "must be a JSON schema.")
        _check_schema(parameters, f"{where}.function.parameters")
    return value


def _tool_choice(value: Any, tools: list[dict[str, Any]]) -> str | dict[str, Any]:
    if value is None:
        return "auto" if tools else "none"
    if isinstance(value, str) and value in {"none", "auto", "required"}:
        if value == "required" and not tools:
            raise invalid("tool_choice", "needs 'tools'.")
        return value
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        name = value["function"].get("name")
        if any(tool["function"]["name"] == name for tool in tools):
            return value
        raise invalid("tool_choice", f"names '{name}', which is not among the tools.")
    raise invalid("tool_choice", "must be 'none', 'auto', 'required' or a named function.")


def _response_format(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {"type": "text"}
    kind = value.get("type") if isinstance(value, dict) else None
    if kind in ("text", "json_object"):
        return {"type": kind}
    inner = value.get("json_schema") if kind == "json_schema" else None
    schema = inner.get("schema") if isinstance(inner, dict) and isinstance(inner.get("name"), str) else None
    if isinstance(schema, dict):
        _check_schema(schema, "response_format.json_schema.schema")
        return {"type": kind, "schema": schema}
    wanted = "'text', 'json_object', or 'json_schema' with a name and a schema"
    raise invalid("response_format", f"must be of type {wanted}.")


def _check_schema(schema: Mapping[str, Any], param: str) -> None:
    if not is_usable(schema, schema):
        raise SandboxError("malformed", param=param)


def _stop(value: Any) -> list[str]:
    stops = [value] if isinstance(value, str) else value if value is not None else []
    if not isinstance(stops, list) or len(stops) > _MOST_STOPS or not all(isinstance(s, str) for s in stops):
        raise invalid("stop", f"must be a string or up to {_MOST_STOPS} strings.")
    return [stop for stop in stops if stop]


def _include_usage(value: Any, *, refuse: bool) -> bool:
    if value is None:
        return False
    if refuse:
        raise invalid("stream_options", "is not a known field.")
    if not isinstance(value, dict):
        raise invalid("stream_options", "must be an object.")
    return fields.flag(value, "include_usage")
