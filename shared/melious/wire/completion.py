"""A streamed chat answer, merged as far as it has arrived."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from melious.wire import codec
from melious.wire.calls import new_call_id
from melious.wire.json_object import ObjectScanner
from melious.wire.normalized import object_or_empty

_MOST_DIGITS = 20


class TextBuffer(list[str]):
    r"""Text that arrives in pieces; characters cut between tokens are joined again.

    Examples:
        >>> pieces = TextBuffer()
        >>> pieces.add("a\ud83d"), pieces.add("\ude00b"), pieces.text
        ('a', '😀b', 'a😀b')
    """

    _half = ""

    def add(self, text: str) -> str:
        """Add a piece; returns the part of it that is complete."""
        if self._half or not text.isascii():
            text = self._joined(text)
        self.append(text)
        return text

    def _joined(self, text: str) -> str:
        text = self._half + text
        cut = len(text) - ("\ud800" <= text[-1:] <= "\udbff")
        self._half = text[cut:]
        return text[:cut].encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")

    def flush(self) -> str:
        """Add and return half a character whose other half never arrived."""
        rest, self._half = self._half, ""
        if rest:
            self.append(rest)
        return rest

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self) + self._half


@dataclass(slots=True)
class ToolCall:
    """One tool call while its pieces come in.

    Attributes:
        index: Its place among the calls of the answer.
        id: Its id, unique in the answer.
        given_id: The id that the server sent, which another call may have too; None if it sent none.
        given_index: The index that the server sent; None if it sent none.
        name: The function to call, as far as known.
        arguments: The text of its arguments so far.
        head: The id and name of a piece without arguments that came after a whole object: the head of
            another call, if arguments follow, or else only the same head again.
    """

    index: int
    id: str | None = None
    given_id: str | None = None
    given_index: int | None = None
    name: str | None = None
    arguments: TextBuffer = field(default_factory=TextBuffer)
    head: tuple[str | None, str] | None = None
    _end: ObjectScanner = field(default_factory=ObjectScanner)

    def is_complete(self) -> bool:
        """Whether its arguments are a complete object."""
        return self._end.is_complete(self.arguments)

    def to_wire(self) -> dict[str, Any]:
        """The call as in a message."""
        return {
            "index": self.index,
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments.text},
        }


class PartialChoice:
    """One choice of the answer while it arrives."""

    __slots__ = (
        "_by_id",
        "_by_wire_index",
        "_last",
        "_next_index",
        "_taken",
        "calls",
        "content",
        "finish_reason",
        "index",
        "reasoning",
        "role",
    )

    def __init__(self, index: int) -> None:
        self.index = index
        self.role = "assistant"
        self.content = TextBuffer()
        self.reasoning = TextBuffer()
        self.calls: list[ToolCall] = []
        self.finish_reason: str | None = None
        self._by_id: dict[str, ToolCall] = {}
        self._by_wire_index: dict[int, ToolCall] = {}
        self._taken: set[int] = set()
        self._next_index = 0
        self._last: ToolCall | None = None

    def flush_into(self, delta: dict[str, Any]) -> None:
        """Add what was held back to the last delta."""
        for name, pieces in (("content", self.content), ("reasoning_content", self.reasoning)):
            rest = pieces.flush()
            if rest:
                delta[name] = (delta.get(name) or "") + rest

    def merge_calls(self, pieces: list[Any]) -> list[dict[str, Any]]:
        """Take the pieces of one delta and return them in one regular form.

        Servers leave the index out, send it as null or text, use one index for
        two calls, send no id or one id for two calls, repeat ids and names on
        every piece, and send arguments as an object. What comes out has a whole
        number as index, an id unique in the answer and a name, each exactly
        once, and arguments as text.
        """
        return [self._merge(piece) for piece in pieces if isinstance(piece, dict)]

    def _merge(self, piece: dict[str, Any]) -> dict[str, Any]:
        function = object_or_empty(piece.get("function"), "the function of a tool call")
        index, call_id, name = piece.get("index"), piece.get("id"), function.get("name")
        arguments = function.get("arguments")
        if arguments is None:
            arguments = ""
        elif not isinstance(arguments, str):
            arguments = codec.dumps(arguments).decode()
        known = self._by_wire_index.get(index) if not call_id and not name and type(index) is int else None
        if known is not None and known.head is None:
            call = self._last = known  # nearly all pieces
        else:
            call_id, name, wire_index = _text_or_none(call_id), _text_or_none(name), index_on_wire(index)
            known = self._known(wire_index, call_id, name)
            if known is not None and known.head is not None and name is None and arguments.strip():
                (call_id, name), known.head = known.head, None
            call = self._call_of(known, wire_index, call_id, name, arguments)
            if name and arguments and arguments == call.arguments.text and call.is_complete():
                arguments = ""  # the whole call again, as some servers send it at the end
        out_function: dict[str, Any] = {"arguments": arguments}
        out: dict[str, Any] = {"index": call.index, "function": out_function}
        if call_id and call.given_id is None:
            call.given_id = call_id
            self._by_id.setdefault(call_id, call)
        if call.id is None:
            is_taken = call_id is None or self._by_id[call_id] is not call
            call.id = out["id"] = new_call_id() if is_taken else call_id
        if name and call.name is None:
            call.name = out_function["name"] = name
            out["type"] = "function"
        if arguments:
            out_function["arguments"] = call.arguments.add(arguments)
        return out

    def _known(self, wire_index: int | None, call_id: str | None, name: str | None) -> ToolCall | None:
        """The call that the index or id of a piece names, if it has begun."""
        known = self._last if wire_index is None else self._by_wire_index.get(wire_index)
        if call_id is not None and (known is None or known.given_id != call_id):
            other = self._by_id.get(call_id)
            if other is not None and (
                name is None or wire_index is None or other.given_index in (None, wire_index)
            ):
                return other
        return known

    def _call_of(
        self,
        known: ToolCall | None,
        wire_index: int | None,
        call_id: str | None,
        name: str | None,
        arguments: str,
    ) -> ToolCall:
        """The call that a piece belongs to: the known one, or another that it begins."""
        if known is not None and not _is_another(known, wire_index, call_id, name, arguments):
            if name is not None and not arguments.strip() and known.is_complete():
                known.head = call_id, name
            self._last = known
            return known
        index = self._next_index if wire_index is None or wire_index in self._taken else wire_index
        self._taken.add(index)
        self._next_index = max(self._next_index, index + 1)
        call = ToolCall(index, given_index=wire_index)
        self.calls.append(call)
        self._by_wire_index[index if wire_index is None else wire_index] = call
        self._last = call
        return call

    def calls_on_wire(self) -> list[dict[str, Any]]:
        """The calls so far, ordered by index."""
        return [call.to_wire() for call in sorted(self.calls, key=lambda call: call.index)]

    def to_wire(self) -> dict[str, Any]:
        """The choice as in a whole answer."""
        message: dict[str, Any] = {"role": self.role, "content": self.content.text}
        if self.reasoning.text:
            message["reasoning_content"] = self.reasoning.text
        if self.calls:
            message["tool_calls"] = self.calls_on_wire()
        return {"index": self.index, "message": message, "finish_reason": self.finish_reason}


class PartialCompletion:
    """A chat answer as far as it has arrived.

    Attributes:
        top_level: The top-level fields: id, model, created and others.
        usage: The last usage seen (it is cumulative); None if there was none.
        environment_impact: The impact, if a chunk carried it.
        billing_cost: The cost, if a chunk carried it.
    """

    __slots__ = ("billing_cost", "choices", "environment_impact", "top_level", "usage")

    def __init__(self) -> None:
        self.top_level: dict[str, Any] = {}
        self.choices: dict[int, PartialChoice] = {}
        self.usage: dict[str, Any] | None = None
        self.environment_impact: dict[str, Any] | None = None
        self.billing_cost: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"PartialCompletion(text={self.text!r}, finish_reason={self.finish_reason!r})"

    def choice(self, index: int) -> PartialChoice:
        """The choice with an index, created when first seen."""
        found = self.choices.get(index)
        if found is None:
            found = self.choices[index] = PartialChoice(index)
        return found

    @property
    def text(self) -> str:
        """The text of choice 0."""
        first = self.choices.get(0)
        return first.content.text if first else ""

    @property
    def reasoning(self) -> str:
        """The reasoning of choice 0."""
        first = self.choices.get(0)
        return first.reasoning.text if first else ""

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The tool calls of choice 0, with the arguments so far."""
        first = self.choices.get(0)
        return first.calls_on_wire() if first else []

    @property
    def finish_reason(self) -> str | None:
        """The finish reason of choice 0, if it has ended."""
        first = self.choices.get(0)
        return first.finish_reason if first else None

    def to_wire(self) -> dict[str, Any]:
        """The answer as if not streamed, without what is missing."""
        whole: dict[str, Any] = {**self.top_level, "object": "chat.completion"}
        whole["choices"] = [self.choices[index].to_wire() for index in sorted(self.choices)]
        for name in ("usage", "environment_impact", "billing_cost"):
            value = getattr(self, name)
            if value is not None:
                whole[name] = value
        return whole


def _is_another(
    known: ToolCall, wire_index: int | None, call_id: str | None, name: str | None, arguments: str
) -> bool:
    """Whether a piece begins another call than the one that its index or id names."""
    if name is None or known.name is None:
        return False
    if call_id is not None and known.given_id is not None:
        if call_id != known.given_id:
            return True
    elif wire_index is None and call_id is None:
        return True
    elif name != known.name and call_id is None:
        return known.is_complete()
    is_repeated = wire_index is not None or call_id is not None
    return (
        bool(arguments.strip())
        and known.is_complete()
        and not (is_repeated and name == known.name and arguments == known.arguments.text)
    )


def index_on_wire(index: Any) -> int | None:
    """An index, sent as a whole number or text; None for anything else."""
    if isinstance(index, int) and not isinstance(index, bool):
        return index
    if isinstance(index, float) and index.is_integer():
        return int(index)
    return int(index) if isinstance(index, str) and index.isdecimal() and len(index) < _MOST_DIGITS else None


def _text_or_none(name: Any) -> str | None:
    """An id or a name as text; None if there is nothing in it."""
    if name is None or isinstance(name, bool | dict | list):
        return None
    return str(name) if str(name).strip() else None


def flatten_content(message: dict[str, Any]) -> None:
    """Replace content that is a list of parts by its text, and its reasoning."""
    content = message.get("content")
    if isinstance(content, list) and not message.get("reasoning_content"):
        parts = [part for part in content if isinstance(part, dict) and part.get("type") == "thinking"]
        thought = "".join(_text_of(part.get("thinking") or "") for part in parts)
        if thought:
            message["reasoning_content"] = thought
    message["content"] = _text_of(content)


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        return "".join(
            part if isinstance(part, str) else str(part.get("text") or "")
            for part in content
            if isinstance(part, str | dict)
        )
    return str(content)
