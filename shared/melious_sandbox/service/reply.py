"""A scripted reply: what the sandbox answers instead of making something up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, NamedTuple

from melious_sandbox.service import checks
from melious_sandbox.service.checks import known_arguments, refuse
from melious_sandbox.service.responses import json_bytes

REPLY_HEADER = "x-sandbox-reply"

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]

_CHAT_ONLY = ("tool_calls", "reasoning", "usage", "chunks", "model", "finish_reason")


class ToolCall(NamedTuple):
    """A tool call of a reply; a plain tuple does as well."""

    name: str
    arguments: Mapping[str, Any] | str
    id: str | None = None

    def arguments_text(self) -> str:
        """Give the arguments as the wire carries them."""
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(dict(self.arguments), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _json(name: str, value: Any) -> None:
    if isinstance(value, str | bytes) or not isinstance(value, Mapping | Sequence):
        refuse(name, "a mapping or a list of JSON values", value)
    try:
        json_bytes(_plain(value)).decode()
        json.dumps(_plain(value))
    except (TypeError, ValueError, RecursionError):
        refuse(name, "serializable as JSON")


def _object(name: str, value: Any) -> None:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        refuse(name, "a mapping of strings to JSON values", value)
    _json(name, value)


def _tool_calls(name: str, value: Any) -> None:
    wanted = "(name, arguments) or (name, arguments, id)"
    if isinstance(value, str) or not isinstance(value, Sequence):
        refuse(name, f"a list of {wanted}", value)
    for position, given in enumerate(value):
        where = f"{name}[{position}]"
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            refuse(where, wanted, given)
        call = ToolCall(*given)
        if not isinstance(call.name, str) or not call.name:
            refuse(where, "the call of a tool with a name", given)
        check = checks.text if isinstance(call.arguments, str) else _object
        check(f"{where}, the arguments,", call.arguments)
        if call.id is not None and not (isinstance(call.id, str) and call.id):
            refuse(f"{where}, the id,", "a string that is not empty", call.id)


Text = Annotated[str | None, checks.text]
Call = tuple[str, Mapping[str, Any] | str] | tuple[str, Mapping[str, Any] | str, str]


@known_arguments
@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer to give to a request: text, tool calls and thinking, or a whole JSON body.

    The request is checked and billed as usual; only what a model would have written comes from the reply.
    It is sent as it stands: ``max_tokens``, ``stop``, ``tool_choice`` and ``response_format`` do not change
    it.

    Attributes:
        text: The text of a chat answer, of a transcription, or of each document.
        tool_calls: The tool calls, each ``(name, arguments)`` or ``(name, arguments, id)``. The arguments are
            a mapping, or text that is sent as it is, valid JSON or not.
        reasoning: The thinking.
        usage: The ``usage`` of the answer; None lets the sandbox count.
        chunks: The text in the pieces in which a stream sends it, instead of ``text``.
        model: The ``model`` that the answer names; None gives the model of the request.
        finish_reason: Why the answer ends; None means ``tool_calls`` with tool calls, and otherwise ``stop``.
        json: The whole body, for any endpoint. It excludes the other fields, and is sent whole even where a
            stream is asked for.

    Raises:
        InvalidArgumentError: An argument is unknown, a value cannot be sent, or the reply is empty; a
            ``ValueError`` too.

    Examples:
        >>> from melious_sandbox import Reply
        >>> Reply(tool_calls=[("get_weather", {"city": "Oslo"})]).to_header()
        '{"tool_calls":[["get_weather",{"city":"Oslo"}]]}'
    """

    text: Text = None
    tool_calls: Annotated[Sequence[Call], _tool_calls] = ()
    reasoning: Text = None
    usage: Annotated[Mapping[str, Any] | None, _object] = None
    chunks: Annotated[Sequence[str] | None, checks.list_of(checks.text)] = None
    model: Annotated[str | None, checks.name_of_model] = None
    finish_reason: FinishReason | None = None
    json: Annotated[Mapping[str, Any] | Sequence[Any] | None, _json] = None

    def __post_init__(self) -> None:
        checks.check_fields(self)
        others = self._given("text", *_CHAT_ONLY)
        if self.json is not None and others:
            refuse("json", f"the only argument: it is the whole body, so {others[0]} has no place")
        if self.text is not None and self.chunks is not None:
            refuse("chunks", "given without text: the chunks are the text, in pieces")
        if self.json is None and not self._given("text", "chunks", "tool_calls", "reasoning"):
            refuse("text", "given, or chunks, tool_calls, reasoning or json: the reply is empty")

    def fits(self, endpoint: str) -> bool:
        """Whether an endpoint can give this reply."""
        return (
            endpoint in ("chat", "messages")
            or self.json is not None
            or (endpoint in ("audio", "documents") and not self._given(*_CHAT_ONLY))
        )

    def calls(self) -> list[ToolCall]:
        """Give the tool calls."""
        return [ToolCall(*call) for call in self.tool_calls]

    def to_header(self) -> str:
        """Write the reply as the value of the ``x-sandbox-reply`` header: compact JSON, defaults left out."""
        given = self._given(*(item.name for item in fields(self)))
        return json.dumps({name: _plain(getattr(self, name)) for name in given}, separators=(",", ":"))

    @classmethod
    def from_header(cls, value: str) -> "Reply":
        """Read what ``to_header`` wrote.

        Raises:
            ValueError: The text is not a JSON object of this class's fields.
        """
        return cls(**checks.header_object(value, list(cls.__dataclass_fields__)))

    def _given(self, *names: str) -> list[str]:
        """Of some fields those that were given."""
        return [
            name
            for name in names
            if getattr(self, name) is not None and (name != "tool_calls" or self.tool_calls)
        ]
