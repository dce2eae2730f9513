"""Arguments of tool calls that models wrote as JSON inside strings, opened where the schema says so. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from melious.wire import codec

Tools: TypeAlias = Sequence[Mapping[str, Any]]
"""The `tools` of a request."""

_STRUCTURE = re.compile(r'["{}\[\],:]')
_IN_STRING = re.compile(r'["\\]')
_MAX_REFERENCES = 32
_MAX_DEPTH = 8
_ANY_OBJECT: Mapping[str, Any] = {"type": "object"}
_KINDS: Mapping[type, tuple[str, ...]] = {
    dict: ("object",),
    list: ("array",),
    str: ("string",),
    bool: ("boolean",),
    int: ("integer", "number"),
    float: ("number",),
    type(None): ("null",),
}


def parameters_of(tools: Tools, name: str | None) -> Mapping[str, Any]:
    """The schema of a tool's arguments; that of any object if the tool is not among these.

    Args:
        tools: The `tools` of a request.
        name: The name of the function.
    """
    for tool in tools:
        function = tool.get("function")
        if isinstance(function, Mapping) and function.get("name") == name:
            parameters = function.get("parameters")
            return parameters if isinstance(parameters, Mapping) and parameters else _ANY_OBJECT
    return _ANY_OBJECT


def opened(value: Any, schema: Mapping[str, Any]) -> Any:
    """Replace strings that hold JSON by what they hold, wherever the schema allows that but no string.

    Args:
        value: Parsed arguments, or any part of a parsed answer.
        schema: The JSON schema of the value. References into its own `$defs` are followed.

    Examples:
        >>> wanted = {"properties": {"ids": {"type": "array"}, "note": {"type": "string"}}}
        >>> opened({"ids": "[1, 2]", "note": "[1, 2]"}, wanted)
        {'ids': [1, 2], 'note': '[1, 2]'}
    """
    return _opened(value, schema, schema)


def _opened(value: Any, schema: Any, root: Any) -> Any:
    if isinstance(value, str):
        return _found_in(value, schema, root)
    if isinstance(value, dict):
        return {
            name: _opened(item, _property(schema, name, root, value), root) for name, item in value.items()
        }
    if isinstance(value, list):
        return [_opened(item, _item(schema, place, root), root) for place, item in enumerate(value)]
    return value


def _found_in(text: str, schema: Any, root: Any) -> Any:
    """What a string holds, if the schema allows that but no string; else the string."""
    wanted = _kinds(schema, root)
    if not wanted or "string" in wanted:
        return text
    try:
        found = codec.loads_leniently(text)
    except ValueError:
        return text
    if isinstance(found, str):  # encoded once more
        inner = _found_in(found, schema, root)
        return text if isinstance(inner, str) else inner
    return text if wanted.isdisjoint(_KINDS[type(found)]) else _opened(found, schema, root)


def _kinds(schema: Any, root: Any, depth: int = 0) -> set[str]:
    """The JSON types that a schema allows; none if it does not say."""
    schema = _resolved(schema, root)
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return set()
    named = schema.get("type")
    if isinstance(named, str):
        return {named}
    if isinstance(named, list):
        return {name for name in named if isinstance(name, str)}
    for name, kind in (("properties", "object"), ("items", "array"), ("prefixItems", "array")):
        if name in schema:
            return {kind}
    if "const" in schema or isinstance(schema.get("enum"), list):
        choices = schema.get("enum") or [schema.get("const")]
        return {kind for choice in choices for kind in _KINDS.get(type(choice), ())}
    for name in ("anyOf", "oneOf"):
        if isinstance(schema.get(name), list):
            found = [_kinds(part, root, depth + 1) for part in schema[name]]
            return set().union(*found) if all(found) else set()
    parts = schema.get("allOf")
    said = (
        [kinds for part in parts if (kinds := _kinds(part, root, depth + 1))]
        if isinstance(parts, list)
        else []
    )
    return set.intersection(*said) if said else set()


def _parts(schema: Any, root: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """A schema and those that it is composed of."""
    schema = _resolved(schema, root)
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return
    yield schema
    for name in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(name), list):
            for part in schema[name]:
                yield from _parts(part, root, depth + 1)


def _resolved(schema: Any, root: Any) -> Any:
    """A schema, or the one that it refers to."""
    for _ in range(_MAX_REFERENCES):
        reference = schema.get("$ref") if isinstance(schema, Mapping) else None
        if not isinstance(reference, str):
            break
        schema = _referenced(reference, root)
    return schema


def _referenced(reference: str, root: Any) -> Any:
    found = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _property(schema: Any, name: str, root: Any, known: Mapping[str, Any]) -> Any:
    """The schema of a property, of an object of which some properties are known."""
    others = {key: value for key, value in known.items() if key != name and isinstance(value, str)}
    return _any_of(_own_property(part, name) for part in _parts(schema, root) if _allows(part, others))


def _own_property(part: Mapping[str, Any], name: str) -> Any:
    properties = part.get("properties")
    if isinstance(properties, Mapping) and name in properties:
        return properties[name]
    return part.get("additionalProperties")


def _allows(part: Mapping[str, Any], texts: Mapping[str, str]) -> bool:
    """Whether an object may have these texts, by the constants that tell members of a union apart."""
    properties = part.get("properties")
    if not isinstance(properties, Mapping):
        return True
    for name, text in texts.items():
        wanted = properties.get(name)
        if isinstance(wanted, Mapping):
            choices = [wanted["const"]] if "const" in wanted else wanted.get("enum")
            if isinstance(choices, list) and text not in choices:
                return False
    return True


def _item(schema: Any, place: int, root: Any) -> Any:
    return _any_of(_own_item(part, place) for part in _parts(schema, root))


def _own_item(part: Mapping[str, Any], place: int) -> Any:
    first = part.get("prefixItems")
    if isinstance(first, list) and place < len(first):
        return first[place]
    return part.get("items")


def _any_of(schemas: Iterable[Any]) -> Any:
    """A schema for values that fit one of several; None if no schema is among these."""
    found = [schema for schema in schemas if isinstance(schema, Mapping) or schema is True]
    return {"anyOf": found} if len(found) > 1 else found[0] if found else None


@dataclass(slots=True)
class _Container:
    """An object or array that the text is in.

    Attributes:
        schema: Its schema.
        is_object: Whether it is an object.
        is_union: Whether its schema has several parts, which texts in it may tell apart.
        place: The place of the next item of an array.
        key: The last key of an object.
        before_key: Whether the next string of an object is a key.
        known: The texts in an object so far, by key, if its schema has several parts.
    """

    schema: Any
    is_object: bool
    is_union: bool
    place: int = 0
    key: str = ""
    before_key: bool = True
    known: dict[str, str] = field(default_factory=dict)


class ArgumentStream:
    r"""Opens the arguments of a streamed call as `opened` does; only strings that may hold JSON wait.

    Examples:
        >>> stream = ArgumentStream({"properties": {"ids": {"type": "array"}}})
        >>> [stream.feed(piece) for piece in ('{"ids', '": "[1,', ' 2]", "n', 'ote": "a"}')]
        ['{"ids', '": ', '[1,2], "n', 'ote": "a"}']
    """

    __slots__ = ("_containers", "_escaped", "_held", "_in_string", "_is_kept", "_is_key", "_root", "_string")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Start before the first piece.

        Args:
            schema: The JSON schema of the arguments.
        """
        self._root = schema
        self._containers: list[_Container] = []
        self._string: list[str] = []
        self._in_string = False
        self._is_key = False
        self._is_kept = False
        self._held = False
        self._escaped = False

    def feed(self, text: str) -> str:
        """Take a piece, and give what can be passed on."""
        out: list[str] = []
        at = 0
        while at < len(text):
            at = self._read_string(text, at, out) if self._in_string else self._read_structure(text, at, out)
        return "".join(out)

    def rest(self) -> str:
        """What is still held back when the answer ends inside a string."""
        held = "".join(self._string) if self._held and self._in_string else ""
        self._held = False
        return held

    def _read_string(self, text: str, at: int, out: list[str]) -> int:
        start = at
        closed = False
        if self._escaped:
            self._escaped = False
            at += 1
        while mark := _IN_STRING.search(text, at):
            at = mark.end()
            if mark[0] == '"':
                closed = True
                break
            self._escaped = at == len(text)
            at += 1
        end = at if closed else len(text)
        if self._is_kept or self._held:
            self._string.append(text[start:end])
        if not self._held:
            out.append(text[start:end])
        if closed:
            self._end_string(out)
        return end

    def _end_string(self, out: list[str]) -> None:
        self._in_string = False
        text = "".join(self._string)
        if self._is_key:
            self._containers[-1].key = _text_of(text)
        elif self._held:
            self._held = False
            string = _text_of(text)
            value = _opened(string, self._schema(), self._root)
            out.append(text if value is string else codec.dumps(value).decode())
        elif self._is_kept:
            inner = self._containers[-1]
            inner.known[inner.key] = _text_of(text)

    def _read_structure(self, text: str, at: int, out: list[str]) -> int:
        mark = _STRUCTURE.search(text, at)
        if mark is None:
            out.append(text[at:])
            return len(text)
        sign = mark[0]
        if sign == '"':
            self._begin_string()
            if self._held:
                out.append(text[at : mark.start()])
                return mark.end()
        elif sign in "{[":
            self._containers.append(self._container(is_object=sign == "{"))
        elif self._containers:
            self._step(sign)
        out.append(text[at : mark.end()])
        return mark.end()

    def _begin_string(self) -> None:
        inner = self._containers[-1] if self._containers else None
        self._in_string = True
        self._string = ['"']
        self._is_key = inner is not None and inner.is_object and inner.before_key
        kinds = set() if self._is_key else _kinds(self._schema(), self._root)
        self._held = bool(kinds) and "string" not in kinds
        self._is_kept = self._is_key or (inner is not None and inner.is_object and inner.is_union)

    def _container(self, *, is_object: bool) -> _Container:
        schema = self._schema()
        return _Container(schema, is_object, is_union=len(list(_parts(schema, self._root))) > 1)

    def _step(self, sign: str) -> None:
        inner = self._containers[-1]
        if sign == ":":
            inner.before_key = False
        elif sign == ",":
            inner.before_key = True
            inner.place += 1
        else:
            self._containers.pop()

    def _schema(self) -> Any:
        """The schema of the value that begins here."""
        if not self._containers:
            return self._root
        inner = self._containers[-1]
        if inner.is_object:
            return _property(inner.schema, inner.key, self._root, inner.known)
        return _item(inner.schema, inner.place, self._root)


def _text_of(literal: str) -> str:
    try:
        text = codec.loads(literal)
    except ValueError:
        return literal
    return text if isinstance(text, str) else literal
