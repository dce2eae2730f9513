"""Whether a JSON schema that came with a request can be worked with at all."""

from collections.abc import Iterator, Mapping
from typing import Any

from melious_sandbox.brain.schemas import resolve
from melious_sandbox.errors import SandboxError

_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLES = ("additionalProperties", "not", "contains")


def check_schema(schema: Mapping[str, Any], param: str) -> None:
    """Refuse a schema whose parts are no schemas or whose references point at nothing.

    Raises:
        SandboxError: With the service's text for everything that it calls malformed.
    """
    try:
        sound = _sound(schema, schema)
    except RecursionError:
        sound = False
    if not sound:
        raise SandboxError("malformed", param=param)


def _sound(schema: Any, root: Mapping[str, Any]) -> bool:
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, dict) or not _resolves(schema, root):
        return False
    return all(_sound(part, root) for part in _parts(schema))


def _resolves(schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    if "$ref" not in schema:
        return True
    if not isinstance(schema["$ref"], str):
        return False
    try:
        resolve(schema, root)
    except ValueError:
        return False
    return True


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
    if "items" in schema:
        items = schema["items"]
        yield from items if isinstance(items, list) else (items,)
