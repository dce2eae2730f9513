"""JSON schemas in the forms that servers take. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]+")
_MAX_NAME = 64
_WRAPPER = "value"
_BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords that hold schemas by names, which may be those of keywords."""
_VALUES = frozenset({"enum", "const", "default", "examples"})
_SAYING = frozenset({"type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"})


def wire_name(name: str) -> str:
    """A name in the characters that servers take: letters, digits, `_` and `-`, at most 64.

    Examples:
        >>> wire_name("Box[int]")
        'Box_int_'
    """
    return _NOT_IN_NAMES.sub("_", name)[:_MAX_NAME] or "answer"


def is_wire_name(name: str) -> bool:
    """Whether servers take a name as it is."""
    return 0 < len(name) <= _MAX_NAME and _NOT_IN_NAMES.search(name) is None


def object_schema(schema: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """A schema of an object, as the wire wants it at the root, and whether the value is wrapped in it.

    A reference at the root is followed. Lists, unions and plain values become the property `value`.

    Examples:
        >>> object_schema({"type": "array", "items": {"type": "integer"}})[0]["properties"]
        {'value': {'type': 'array', 'items': {'type': 'integer'}}}
    """
    found = dict(schema)
    reference = found.pop("$ref", None)
    if isinstance(reference, str):
        target: Any = schema
        for part in reference.removeprefix("#").split("/")[1:]:
            target = target.get(part) if isinstance(target, Mapping) else None
        if isinstance(target, Mapping) and "$ref" not in target:
            found = {**target, **found}
        else:
            found["$ref"] = reference
    if found.get("type") == "object" or ("properties" in found and "type" not in found):
        return {"type": "object", **found}, False
    shared: dict[str, Any] = {name: found.pop(name) for name in ("$defs", "definitions") if name in found}
    wrapped: dict[str, Any] = {
        "type": "object",
        "properties": {_WRAPPER: found},
        "required": [_WRAPPER],
        "additionalProperties": False,
        **shared,
    }
    for name in ("title", "description"):
        if isinstance(found.get(name), str):
            wrapped[name] = found[name]
    return wrapped, True


def unwrapped(value: Any) -> Any:
    """The value that `object_schema` wrapped, also where a model left the wrapper out."""
    return value[_WRAPPER] if isinstance(value, dict) and set(value) == {_WRAPPER} else value


def allows_strict(schema: Any) -> bool:
    """Whether every object in a schema requires all its properties, says what they are and forbids others."""
    if isinstance(schema, list):
        return all(allows_strict(item) for item in schema)
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties") or {}
        if schema.get("additionalProperties") is not False:
            return False
        if set(schema.get("required") or ()) != set(properties) or not all(
            map(_says_what, properties.values())
        ):
            return False
    if schema.get("type") == "array" and not (_says_what(schema.get("items")) or "prefixItems" in schema):
        return False
    return all(allows_strict(value) for value in schema.values())


def _says_what(schema: Any) -> bool:
    """Whether a schema allows some values only."""
    return isinstance(schema, Mapping) and not _SAYING.isdisjoint(schema)


def children(name: str, value: Any, convert: Callable[[Any], Any]) -> Any:
    """The value of a keyword with its schemas converted; a property may be named like a keyword."""
    if name in _BY_NAME and isinstance(value, Mapping):
        return {each: convert(schema) for each, schema in value.items()}
    return value if name in _VALUES else convert(value)


def closed(schema: Any) -> Any:
    """A schema whose objects forbid properties that they do not name, unless they say otherwise."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    found = {name: children(name, value, closed) for name, value in schema.items()}
    if isinstance(found.get("properties"), dict) and "additionalProperties" not in found:
        found["additionalProperties"] = False
    return found
