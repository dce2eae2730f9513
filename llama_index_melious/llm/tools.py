"""Converts tools to the wire format, and tool calls to LlamaIndex's `ToolSelection`. Pure."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from pydantic_core import from_json

from llama_index_melious.errors import ToolArgumentsError
from llama_index_melious.llm.messages import function_of, plain_call
from melious.errors import InvalidArgumentError
from melious.wire import codec
from melious.wire.history import INVALID_ARGUMENTS
from melious.wire.schemas import allows_strict, is_wire_name

if TYPE_CHECKING:
    from llama_index.core.tools.types import BaseTool

_SHOWN = 200
_CONTAINERS = (dict, list)
_CACHE_SIZE = 32
_parsed_lately: dict[int, tuple[str, dict[str, Any]]] = {}
logger: logging.Logger = logging.getLogger("melious")


def tool_parameters(
    tools: Sequence[BaseTool],
    tool_choice: str | Mapping[str, Any] | None,
    *,
    required: bool,
    parallel: bool,
    strict: bool,
) -> dict[str, Any]:
    """The parameters of a request with tools; empty if there are none.

    `tool_choice` is `none`, `auto`, `required`, the name of a tool, or the wire's own form; if it is None,
    `required` asks for a call. `strict` is for tools whose schema allows it.
    """
    if not tools:
        return {}
    check_tools(tools)
    return {
        "tools": [_specification(tool, strict=strict) for tool in tools],
        "tool_choice": _choice(tool_choice, required=required),
        "parallel_tool_calls": parallel,
    }


def check_tools(tools: object) -> None:
    """Refuse what is not a list of LlamaIndex's tools.

    Raises:
        InvalidArgumentError: It is not one; a wrong tool's place is named.
    """
    if isinstance(tools, str | bytes | Mapping) or not isinstance(tools, Sequence):
        raise InvalidArgumentError(
            f"tools: must be a list of tools, not {type(tools).__name__}", param="tools"
        )
    for place, tool in enumerate(tools):
        if not hasattr(tool, "metadata"):
            advice = "FunctionTool.from_defaults(function) makes a tool" if callable(tool) else None
            raise InvalidArgumentError(
                f"tools[{place}]: must be a tool of LlamaIndex, not {type(tool).__name__}",
                param="tools",
                advice=advice,
            )


def _specification(tool: BaseTool, *, strict: bool) -> dict[str, Any]:
    specification = tool.metadata.to_openai_tool(skip_length_check=True)
    # LlamaIndex replaces characters of a name, and then does not find the tool by what comes back.
    name = tool.metadata.get_name()
    if not is_wire_name(name):
        raise InvalidArgumentError(
            f"tools: {name!r} is not a valid name for a tool: use 1 to 64 letters, digits, '_' and '-'",
            param="tools",
        )
    if strict:
        function = specification["function"]
        # LlamaIndex drops `additionalProperties` from schemas; a tool takes none.
        closed = {"additionalProperties": False, **(function.get("parameters") or {})}
        if allows_strict(closed):
            specification["function"] = {**function, "parameters": closed, "strict": True}
    return specification


def _choice(tool_choice: str | Mapping[str, Any] | None, *, required: bool) -> str | Mapping[str, Any]:
    if tool_choice is None:
        return "required" if required else "auto"
    if isinstance(tool_choice, str) and tool_choice not in ("none", "auto", "required"):
        return {"type": "function", "function": {"name": tool_choice}}
    return tool_choice


def selections(response: ChatResponse, *, error_on_none: bool) -> list[ToolSelection]:
    """The tool calls of a response, whole or partial.

    Invalid arguments of a whole answer are an error if `error_on_none` is set. Otherwise, as in an agent's
    loop, they are passed as one argument that no tool has, so that nothing runs and the tool's error goes
    back to the model. If the answer was cut off at its token limit they are always an error, since another
    try would end the same way.

    Raises:
        ToolArgumentsError: Arguments of a whole answer are not a JSON object.
        ValueError: There is no call, and `error_on_none` is set.
    """
    blocks = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
    calls = (
        [(block.tool_call_id, block.tool_name, block.tool_kwargs) for block in blocks]
        if blocks
        else _kept_calls(response.message)
    )
    if not calls:
        if error_on_none:
            raise ValueError(f"the model called no tool; it answered {response.message.content!r}")
        return []
    if not _is_whole(response):
        return [_selection(call_id, name, _arguments(given)) for call_id, name, given in calls]
    _check_begun(calls[-1][1], calls[-1][2], response)
    return [
        _selection(call_id, name, _valid_or_marked(name or "", given, response, raises=error_on_none))
        for call_id, name, given in calls
    ]


def _selection(call_id: str | None, name: str | None, arguments: dict[str, Any]) -> ToolSelection:
    return ToolSelection(tool_id=call_id or "", tool_name=name or "", tool_kwargs=arguments)


def _check_begun(name: str | None, given: Any, response: ChatResponse) -> None:
    """Refuse a last call whose arguments had not begun when the answer was cut off."""
    cut_off = response.additional_kwargs.get("finish_reason") in ("length", "content_filter")
    if cut_off and (given is None or (isinstance(given, str) and not given.strip())):
        raise _unreadable(name or "", "", response, "the answer was cut off before them")


def _is_whole(response: ChatResponse) -> bool:
    """Whether the answer has ended; before that, its arguments may still grow."""
    if response.additional_kwargs.get("finish_reason"):
        return True
    choices = response.raw.get("choices") if isinstance(response.raw, dict) else None
    return bool(choices and "message" in choices[0] and "delta" not in choices[0])


def _valid_or_marked(name: str, given: Any, response: ChatResponse, *, raises: bool) -> dict[str, Any]:
    try:
        return whole_arguments(name, given, response)
    except ToolArgumentsError as error:
        if raises or error.finish_reason == "length":
            raise
        logger.warning("not running a tool: %s", error.message)
        return {INVALID_ARGUMENTS: error.text}


def _kept_calls(message: ChatMessage) -> list[tuple[str | None, str | None, Any]]:
    kept = [plain_call(call) for call in message.additional_kwargs.get("tool_calls") or ()]
    return [(call.get("id"), *function_of(call)) for call in kept]


def whole_arguments(name: str, given: Any, response: ChatResponse) -> dict[str, Any]:
    """The arguments of a call in a whole answer; empty text and null are no arguments.

    Raises:
        ToolArgumentsError: They are not a JSON object.
    """
    value = given
    if isinstance(given, str):
        try:
            value = codec.loads(given) if given.strip() else {}
        except ValueError as error:
            raise _unreadable(name, given, response, str(error)) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _unreadable(name, str(given), response, f"a {type(value).__name__}")
    return value


def _unreadable(name: str, text: str, response: ChatResponse, why: str) -> ToolArgumentsError:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return ToolArgumentsError(
        f"the arguments for the tool {name!r} are not a JSON object ({why}): {shown!r}",
        tool_name=name,
        text=text,
        finish_reason=response.additional_kwargs.get("finish_reason"),
        request_id=response.additional_kwargs.get("request_id"),
        body=response.raw,
    )


def _arguments(given: Any) -> dict[str, Any]:
    if isinstance(given, dict):
        return given
    if not isinstance(given, str) or not given:
        return {}
    return {
        name: _copy(value) if isinstance(value, _CONTAINERS) else value
        for name, value in _parsed(given).items()
    }


def _parsed(text: str) -> dict[str, Any]:
    """Arguments received so far, cached: agents parse the same text again with every chunk."""
    known = _parsed_lately.get(id(text))
    if known is not None and known[0] is text:
        return known[1]
    value = partial_json(text)
    if not isinstance(value, dict):
        value = {}
    if len(_parsed_lately) >= _CACHE_SIZE:
        _parsed_lately.clear()
    _parsed_lately[id(text)] = text, value  # holding the text keeps its id unique
    return value


def partial_json(text: str) -> Any:
    """Incomplete JSON; None if it is invalid."""
    try:
        return from_json(text, allow_partial="trailing-strings")
    except TypeError:  # there is half a character
        return partial_json(text.encode("utf-8", "replace").decode())
    except ValueError:
        return None


def _copy(value: Any) -> Any:
    """A copy, so that a tool cannot change the cache."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value
