"""The plainest valid instance of a schema, for what the text says nothing about."""

import math
from collections.abc import Mapping
from typing import Any

from melious_sandbox.brain.patterns import matching
from melious_sandbox.brain.validation import Schema, branches, kind_of, merged

__all__ = ["plain"]

_DEEPEST = 24
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com",
    "url": "https://example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "duration": "PT1H",
}


def plain(schema: Schema, root: Schema, depth: int = 0) -> Any:
    """Make the plainest instance: the default, the constant, the first of a choice, null where it may be.

    Args:
        schema: What to make an instance of.
        root: The schema that references of ``schema`` point into.
        depth: How deep the instance stands; far down, nothing that is left out is added.

    >>> plain({"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 3}}, {})
    [3]
    """
    schema = merged(schema, root)
    if (fixed := next((key for key in ("default", "const") if key in schema), None)) is not None:
        return schema[fixed]
    if "enum" in schema:
        return schema["enum"][0]
    if options := branches(schema):
        if any(kind_of(merged(option, root)) == "null" for option in options):
            return None
        return plain({**schema, "anyOf": None, "oneOf": None, **merged(options[0], root)}, root, depth + 1)
    kinds = schema.get("type")
    kind = "null" if isinstance(kinds, list) and "null" in kinds else kind_of(schema)
    if kind == "object":
        return _object(schema, root, depth)
    return _array(schema, root, depth) if kind == "array" else _scalar(kind, schema)


def _object(schema: Schema, root: Schema, depth: int) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    required = (schema.get("required") or ()) if depth < _DEEPEST else ()
    made = {name: plain(properties.get(name) or {}, root, depth + 1) for name in required}
    others = schema.get("additionalProperties")
    for position in range(schema.get("minProperties", 0) - len(made)):
        name = f"key{position + 1}"
        made[name] = plain(others if isinstance(others, Mapping) else {}, root, depth + 1)
    return made


def _array(schema: Schema, root: Schema, depth: int) -> list[Any]:
    leading = list(schema.get("prefixItems") or ())
    items = merged(schema.get("items") or {}, root)
    more = [items] * max(0, schema.get("minItems", 0) - len(leading))
    made = [plain(part, root, depth + 1) for part in (*leading, *more)]
    if schema.get("uniqueItems") and len(more) > 1:
        made[len(leading) :] = _distinct(made[len(leading)], len(more), items)
    return made


def _distinct(first: Any, count: int, items: Schema) -> list[Any]:
    """``count`` different items: the options of an enum, numbers in steps, texts with a number behind."""
    if "enum" in items:
        return list(items["enum"][:count])
    if isinstance(first, str):
        return [f"{first}{position or ''}" for position in range(count)]
    if isinstance(first, int | float) and not isinstance(first, bool):
        return [first + position * (items.get("multipleOf") or 1) for position in range(count)]
    return [first]


def _scalar(kind: str, schema: Schema) -> Any:
    match kind:
        case "null":
            return None
        case "boolean":
            return False
        case "integer":
            return int(_number(schema, whole=True))
        case "number":
            return _number(schema, whole=False)
        case _:
            return _string(schema)


def _number(schema: Schema, *, whole: bool) -> float:
    """The number nearest to zero within the bounds."""
    step = schema.get("multipleOf") or (1 if whole else 0)
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if above is not None and above >= low:
        low = (math.floor(above / step) + 1) * step if step else _between(above, min(high, below or math.inf))
    if below is not None and below <= high:
        high = (math.ceil(below / step) - 1) * step if step else -_between(-below, -low)
    nearest: float = min(max(0, low), high)
    if step:
        nearest = (math.ceil if nearest == low else math.floor)(nearest / step) * step
    return nearest


def _between(bound: float, other: float) -> float:
    """A number above ``bound``, by one where there is room, else halfway to ``other``."""
    return bound + min(1.0, (other - bound) / 2)


def _string(schema: Schema) -> str:
    if (known := _FORMATS.get(schema.get("format", ""))) is not None:
        return known
    if isinstance(pattern := schema.get("pattern"), str):
        return matching(pattern)
    return "unknown".ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]
