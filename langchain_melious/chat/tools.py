"""Converts tools and tool choices to the wire. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_core.utils.function_calling import convert_to_openai_tool

from langchain_melious.chat.schemas import with_optional_keys
from langchain_melious.errors import InvalidArgumentError
from melious.wire.schemas import is_wire_name

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    ToolArgument: TypeAlias = Mapping[str, Any] | type | Callable[..., Any] | BaseTool
else:
    ToolArgument = (
        Any  # LangChain evaluates annotations at run time, and langchain_core.tools is slow to import
    )
ToolChoice: TypeAlias = str | bool | Mapping[str, Any] | None


def tools_to_wire(tools: Sequence[ToolArgument], *, strict: bool | None = None) -> list[dict[str, Any]]:
    """Convert the tools of `bind_tools` to the `tools` of a request.

    Raises:
        InvalidArgumentError: A tool is not a function, or its name cannot be sent.
    """
    wire = []
    for place, tool in enumerate(tools):
        made = _converted(place, tool, strict=strict)
        if made.get("type") != "function" or not isinstance(made.get("function"), dict):
            raise InvalidArgumentError(f"tools: must be functions, not {made.get('type')!r}")
        name = str(made["function"].get("name") or "")
        if not is_wire_name(name):
            raise InvalidArgumentError(
                f"tools[{place}]: {name!r} is not a valid name for a tool: "
                "use 1 to 64 letters, digits, '_' and '-'"
            )
        wire.append(made)
    return wire


def _converted(place: int, tool: ToolArgument, *, strict: bool | None) -> dict[str, Any]:
    try:
        return convert_to_openai_tool(with_optional_keys(tool), strict=strict)
    except InvalidArgumentError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        message = f"tools[{place}]: is not a tool that LangChain can read: {error}"
        raise InvalidArgumentError(message) from error


def choice_to_wire(choice: ToolChoice, tools: Sequence[Mapping[str, Any]]) -> str | dict[str, Any] | None:
    """Convert the `tool_choice` of `bind_tools`, or Anthropic's form of it, for a request with these tools.

    Raises:
        InvalidArgumentError: The choice is not one of `tools`.

    Examples:
        >>> choice_to_wire("any", [{"type": "function", "function": {"name": "search"}}])
        'required'
    """
    if choice is None:
        return None
    if isinstance(choice, bool):
        return "required" if choice else "none"
    names = [str(tool["function"]["name"]) for tool in tools]
    if isinstance(choice, str):
        if choice in names:
            return _named(choice)
        if choice in ("auto", "none", "required"):
            return choice
        if choice == "any":
            return "required"
        raise _unknown(choice, names)
    kind = choice.get("type")
    function = choice.get("function")
    name = function.get("name") if isinstance(function, Mapping) else choice.get("name")
    if name is None and kind in ("auto", "any", "none", "required"):
        return "required" if kind == "any" else str(kind)
    if name not in names:
        raise _unknown(str(name), names)
    return _named(str(name))


def _named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def _unknown(name: str, names: list[str]) -> InvalidArgumentError:
    near = get_close_matches(name, [*names, "auto", "none", "any", "required"], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return InvalidArgumentError(
        f"tool_choice: must be 'auto', 'none', 'any' or a tool ({', '.join(names)}), not {name!r}{hint}"
    )
