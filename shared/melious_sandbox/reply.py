"""A scripted reply: what the sandbox answers instead of making something up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple, get_args

from melious_sandbox.checks import check_unicode, check_word, refuse
from melious_sandbox.headers import header_object
from melious_sandbox.responses import json_bytes

REPLY_HEADER = "x-sandbox-reply"

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]

_CHAT_ONLY = ("tool_calls", "reasoning", "usage", "chunks", "model", "finish_reason")


class ToolCall(NamedTuple):
    """A tool call of a reply; a plain tuple does as well.

    Attributes:
        name: The name of the tool.
        arguments: The arguments: a mapping, or text that is sent as it is, valid JSON or not.
        id: The id of the call; None makes one up.
    """

    name: str
    arguments: Mapping[str, Any] | str
    id: str | None = None

    def arguments_text(self) -> str:
        """Give the arguments as the wire carries them."""
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(dict(self.arguments), ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer to give to a request: text, tool calls and thinking, or a whole JSON body.

    The request is checked and billed as usual; only what a model would have written comes from the reply.
    It is sent as it stands: ``max_tokens``, ``stop``, ``tool_choice`` and ``response_format`` do not change
    it.

    Attributes:
        text: The text of a chat answer, or of a transcription.
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
        InvalidArgumentError: A value cannot be sent, or the reply is empty; a ``ValueError`` too.

    Example:
        >>> from melious_sandbox import Reply
        >>> Reply(tool_calls=[("get_weather", {"city": "Oslo"})]).to_header()
        '{"tool_calls":[["get_weather",{"city":"Oslo"}]]}'
    """

    text: str | None = None
    tool_calls: Sequence[tuple[str, Mapping[str, Any] | str] | tuple[str, Mapping[str, Any] | str, str]] = ()
    reasoning: str | None = None
    usage: Mapping[str, Any] | None = None
    chunks: Sequence[str] | None = None
    model: str | None = None
    finish_reason: FinishReason | None = None
    json: Mapping[str, Any] | Sequence[Any] | None = None

    def __post_init__(self) -> None:
        for name in ("text", "reasoning", "model"):
            if getattr(self, name) is not None:
                check_unicode(name, getattr(self, name))
        if self.model == "":
            refuse("model", "the name of a model, or None", self.model)
        if self.finish_reason is not None:
            check_word("finish_reason", self.finish_reason, get_args(FinishReason))
        self._check_calls()
        self._check_chunks()
        if self.usage is not None:
            _check_object("usage", self.usage)
        if self.json is not None:
            self._check_json()
        elif not self.tool_calls and self.text is self.chunks is self.reasoning is None:
            refuse("text", "given, or chunks, tool_calls, reasoning or json: the reply is empty")

    def _check_calls(self) -> None:
        if isinstance(self.tool_calls, str) or not isinstance(self.tool_calls, Sequence):
            refuse("tool_calls", "a list of (name, arguments) or (name, arguments, id)", self.tool_calls)
        for position, call in enumerate(self.tool_calls):
            where = f"tool_calls[{position}]"
            if not isinstance(call, tuple | list) or len(call) not in (2, 3):
                refuse(where, "(name, arguments) or (name, arguments, id)", call)
            name, arguments, call_id = ToolCall(*call)
            if not isinstance(name, str) or not name:
                refuse(where, "the call of a tool with a name", call)
            if isinstance(arguments, str):
                check_unicode(f"{where}, the arguments,", arguments)
            else:
                _check_object(f"{where}, the arguments,", arguments)
            if call_id is not None and not (isinstance(call_id, str) and call_id):
                refuse(f"{where}, the id,", "a non-empty string", call_id)

    def _check_chunks(self) -> None:
        if self.chunks is None:
            return
        if self.text is not None:
            refuse("chunks", "given without text: the chunks are the text, in pieces")
        if isinstance(self.chunks, str) or not isinstance(self.chunks, Sequence):
            refuse("chunks", "a list of strings", self.chunks)
        for position, chunk in enumerate(self.chunks):
            check_unicode(f"chunks[{position}]", chunk)

    def _check_json(self) -> None:
        others = [name for name in ("text", *_CHAT_ONLY) if getattr(self, name) not in (None, ())]
        if others:
            refuse("json", f"given alone: it is the whole body, so {others[0]} has no place")
        if isinstance(self.json, str | bytes) or not isinstance(self.json, Mapping | Sequence):
            refuse("json", "a mapping or a list of JSON values", self.json)
        _check_sendable("json", self.json)

    def fits(self, endpoint: str) -> bool:
        """Say whether an endpoint can give this reply."""
        if endpoint == "chat" or self.json is not None:
            return True
        return endpoint == "audio" and all(getattr(self, name) in (None, ()) for name in _CHAT_ONLY)

    def pieces(self) -> list[str] | None:
        """Give the text in its pieces; None where the sandbox may cut it."""
        return None if self.chunks is None else list(self.chunks)

    def calls(self) -> list[ToolCall]:
        """Give the tool calls."""
        return [ToolCall(*call) for call in self.tool_calls]

    def to_header(self) -> str:
        """Write the reply as the value of the ``x-sandbox-reply`` header: compact JSON, defaults left out."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return json.dumps(
            {name: _plain(value) for name, value in values.items() if value not in (None, ())},
            separators=(",", ":"),
        )

    @classmethod
    def from_header(cls, value: str) -> "Reply":
        """Read what ``to_header`` wrote.

        Raises:
            ValueError: The text is not a JSON object of this class's fields.
        """
        return cls(**header_object(value, [item.name for item in fields(cls)]))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _check_object(name: str, value: Any) -> None:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        refuse(name, "a mapping of strings to JSON values", value)
    _check_sendable(name, value)


def _check_sendable(name: str, value: Any) -> None:
    try:
        json_bytes(_plain(value)).decode()
        json.dumps(_plain(value))
    except (TypeError, ValueError, RecursionError):
        refuse(name, "serializable as JSON")
