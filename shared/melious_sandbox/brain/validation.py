"""A small JSON Schema validator: the keywords that tools and structured answers use in practice."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["Schema", "branches", "has_type", "kind_of", "merged", "resolve", "validate"]

Schema = Mapping[str, Any]

_DEEPEST = 64


def validate(instance: Any, schema: Schema, root: Schema | None = None) -> list[str]:
    """List what is wrong with ``instance``; empty when it is valid.

    Known keywords: type, enum, const, properties, required, additionalProperties, items, prefixItems, the
    bounds of numbers, strings, arrays and objects, pattern, uniqueItems, anyOf, oneOf, allOf, not, and
    ``$ref`` within the schema. Formats are not checked.

    Args:
        instance: Any JSON value.
        schema: What it has to be.
        root: What references point into; the schema itself by default.

    >>> validate({"age": "31"}, {"type": "object", "properties": {"age": {"type": "integer"}}})
    ['$.age: "31" is not of type integer']
    """
    return list(_problems(instance, schema, schema if root is None else root, "$", 0))


def resolve(schema: Schema, root: Schema) -> Schema:
    """Follow ``$ref`` from ``schema`` within ``root``; keywords beside the reference are kept.

    Raises:
        ValueError: The reference points nowhere, outside, or at itself.
    """
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
    for step in reference[1:].strip("/").split("/"):
        if not step:
            continue
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, Mapping) and name in found:
            found = found[name]
        else:
            raise ValueError(f"the schema reference {reference!r} points at nothing")
    return found if isinstance(found, Mapping) else {}


def merged(schema: Schema, root: Schema) -> Schema:
    """``schema`` with its references followed and its ``allOf`` folded in."""
    schema = resolve(schema, root)
    parts = schema.get("allOf")
    if not isinstance(parts, list):
        return schema
    whole: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in parts:
        if not isinstance(part, Mapping):
            continue
        for key, value in merged(part, root).items():
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


def has_type(instance: Any, kind: str) -> bool:
    """Whether ``instance`` is of the JSON type ``kind``; true is no number, 2.0 is an integer."""
    match kind:
        case "integer":
            return not isinstance(instance, bool) and (
                isinstance(instance, int) or (isinstance(instance, float) and instance.is_integer())
            )
        case "number":
            return isinstance(instance, int | float) and not isinstance(instance, bool)
        case "null":
            return instance is None
        case _:
            known = {"string": str, "boolean": bool, "array": list, "object": dict}
            return isinstance(instance, known[kind]) if kind in known else True


def _problems(instance: Any, schema: Any, root: Schema, path: str, depth: int) -> Iterator[str]:
    if schema is False:
        yield f"{path}: nothing is allowed here"
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return
    schema = resolve(schema, root)
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(has_type(instance, kind) for kind in kinds):
        yield f"{path}: {_shown(instance)} is not of type {' or '.join(kinds)}"
        return
    if "enum" in schema and not any(_same(instance, value) for value in schema["enum"]):
        yield f"{path}: {_shown(instance)} is not one of {schema['enum']}"
    if "const" in schema and not _same(instance, schema["const"]):
        yield f"{path}: {_shown(instance)} is not {_shown(schema['const'])}"
    yield from _combined(instance, schema, root, path, depth + 1)
    if isinstance(instance, str):
        yield from _of_string(instance, schema, path)
    elif isinstance(instance, list):
        yield from _of_array(instance, schema, root, path, depth + 1)
    elif isinstance(instance, dict):
        yield from _of_object(instance, schema, root, path, depth + 1)
    elif isinstance(instance, int | float) and not isinstance(instance, bool):
        yield from _of_number(instance, schema, path)


def _combined(instance: Any, schema: Schema, root: Schema, path: str, depth: int) -> Iterator[str]:
    def fits(part: Any) -> bool:
        return next(_problems(instance, part, root, path, depth), None) is None

    for part in schema.get("allOf") or ():
        yield from _problems(instance, part, root, path, depth)
    if (choices := schema.get("anyOf")) and not any(fits(part) for part in choices):
        yield f"{path}: {_shown(instance)} fits none of the {len(choices)} choices"
    if (choices := schema.get("oneOf")) and (count := sum(fits(part) for part in choices)) != 1:
        yield f"{path}: {_shown(instance)} fits {count} of the {len(choices)} choices, not one"
    if "not" in schema and fits(schema["not"]):
        yield f"{path}: {_shown(instance)} is what it must not be"


def _of_string(text: str, schema: Schema, path: str) -> Iterator[str]:
    yield from _sized(len(text), schema, ("minLength", "maxLength"), f"{path}: {_shown(text)}", "characters")
    if (pattern := schema.get("pattern")) and not re.search(pattern, text):
        yield f"{path}: {_shown(text)} does not match {pattern}"


_BOUNDS: tuple[tuple[str, Callable[[float, float], bool], str], ...] = (
    ("minimum", lambda value, bound: value >= bound, "less than"),
    ("maximum", lambda value, bound: value <= bound, "more than"),
    ("exclusiveMinimum", lambda value, bound: value > bound, "not above"),
    ("exclusiveMaximum", lambda value, bound: value < bound, "not below"),
)


def _of_number(value: float, schema: Schema, path: str) -> Iterator[str]:
    for keyword, holds, words in _BOUNDS:
        bound = schema.get(keyword)
        if isinstance(bound, int | float) and not holds(value, bound):
            yield f"{path}: {value} is {words} {bound}"
    step = schema.get("multipleOf")
    if step and abs(value / step - round(value / step)) > 1e-9:  # noqa: PLR2004 - rounding of binary floats
        yield f"{path}: {value} is not a multiple of {step}"


def _of_array(items: list[Any], schema: Schema, root: Schema, path: str, depth: int) -> Iterator[str]:
    yield from _sized(len(items), schema, ("minItems", "maxItems"), f"{path}: the array", "items")
    leading = schema.get("prefixItems") or []
    for position, item in enumerate(items):
        part = leading[position] if position < len(leading) else schema.get("items", True)
        yield from _problems(item, part, root, f"{path}[{position}]", depth)
    if schema.get("uniqueItems"):
        twice = next((i for i, item in enumerate(items) if any(_same(item, old) for old in items[:i])), None)
        if twice is not None:
            yield f"{path}[{twice}]: {_shown(items[twice])} is there twice"


def _of_object(fields: dict[str, Any], schema: Schema, root: Schema, path: str, depth: int) -> Iterator[str]:
    known = schema.get("properties") or {}
    for name in schema.get("required") or ():
        if name not in fields:
            yield f"{path}: {name} is missing"
    yield from _sized(len(fields), schema, ("minProperties", "maxProperties"), f"{path}: it", "properties")
    others = schema.get("additionalProperties", True)
    for name, value in fields.items():
        if name in known:
            yield from _problems(value, known[name], root, f"{path}.{name}", depth)
        elif others is False:
            yield f"{path}: {name} is not a known property"
        else:
            yield from _problems(value, others, root, f"{path}.{name}", depth)


def _sized(size: int, schema: Schema, keywords: tuple[str, str], what: str, unit: str) -> Iterator[str]:
    least, most = (schema.get(keyword) for keyword in keywords)
    if least is not None and size < least:
        yield f"{what} has {size} {unit}, fewer than {least}"
    if most is not None and size > most:
        yield f"{what} has {size} {unit}, more than {most}"


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
