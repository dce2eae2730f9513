"""JSON schemas: which are usable, references followed, alternatives listed, the type of an instance."""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_DEEPEST = 64
_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLES = ("additionalProperties", "not", "contains")


def is_usable(schema: Any, root: Schema) -> bool:
    """Whether every part of a schema is a schema, and every reference points at something."""
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, dict) or not isinstance(schema.get("$ref", ""), str):
        return False
    try:
        resolve(schema, root)
        return all(is_usable(part, root) for part in _parts(schema))
    except (RecursionError, ValueError):
        return False


def _parts(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Give every part that has to be a schema itself; None for a part of the wrong shape."""
    for name in _MAPS:
        found = schema.get(name, {})
        yield from found.values() if isinstance(found, dict) else (None,)
    for name in _LISTS:
        found = schema.get(name, [])
        yield from found if isinstance(found, list) else (None,)
    for name in _SINGLES:
        if name in schema:
            yield schema[name]
    items = schema.get("items", True)
    yield from items if isinstance(items, list) else (items,)


def resolve(schema: Schema, root: Schema) -> Schema:
    """Follow ``$ref`` from ``schema`` within ``root``; keywords beside the reference are kept."""
    beside: dict[str, Any] = {}
    for _ in range(_DEEPEST):
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return {**schema, **beside} if beside else schema
        beside = {**{key: value for key, value in schema.items() if key != "$ref"}, **beside}
        schema = _pointed(reference, root)
    raise ValueError(f"the schema reference {reference!r} goes in a circle")


def _pointed(reference: str, root: Schema) -> Schema:
    if not reference.startswith("#"):
        raise ValueError(f"the schema reference {reference!r} leaves the schema")
    found: Any = root
    for step in filter(None, reference[1:].split("/")):
        name = step.replace("~1", "/").replace("~0", "~")
        try:
            found = found[int(name)] if isinstance(found, list) else found[name]
        except (ValueError, LookupError, TypeError):
            raise ValueError(f"the schema reference {reference!r} points at nothing") from None
    return found if isinstance(found, Mapping) else {}


def merged(schema: Schema, root: Schema) -> Schema:
    """``schema`` with its references followed and its ``allOf`` folded in."""
    schema = resolve(schema, root)
    parts = schema.get("allOf")
    if not isinstance(parts, list):
        return schema
    whole: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in parts:
        for key, value in merged(part, root).items() if isinstance(part, Mapping) else ():
            if key == "properties" and isinstance(whole.get(key), Mapping):
                whole[key] = {**value, **whole[key]}
            elif key == "required" and isinstance(whole.get(key), list):
                whole[key] = list(dict.fromkeys([*whole[key], *value]))
            else:
                whole.setdefault(key, value)
    return whole


def branches(schema: Schema) -> list[Schema]:
    """The alternatives of a schema, from ``anyOf`` and ``oneOf``."""
    return [part for key in ("anyOf", "oneOf") for part in schema.get(key) or () if isinstance(part, Mapping)]


def kind_of(schema: Schema) -> str:
    """The JSON type to make: the declared one, null only if alone, else what the keywords suggest."""
    kinds = schema.get("type")
    if isinstance(kinds, str):
        return kinds
    if isinstance(kinds, list):
        return next((kind for kind in kinds if kind != "null"), "null")
    if "properties" in schema or "additionalProperties" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def nullable(schema: Schema, root: Schema) -> bool:
    """Whether null is an instance."""
    kinds = schema.get("type")
    if kinds == "null" or (isinstance(kinds, list) and "null" in kinds):
        return True
    return any(merged(branch, root).get("type") == "null" for branch in branches(schema))
