"""Whether a JSON schema that came with a request can be worked with at all."""

from collections.abc import Iterator, Mapping
from typing import Any

from melious_sandbox.brain.schemas import resolve
from melious_sandbox.service.errors import SandboxError

_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLES = ("additionalProperties", "not", "contains")


def check_schema(schema: Mapping[str, Any], param: str) -> None:
    """Refuse a schema whose parts are not schemas or whose references point at nothing."""
    try:
        valid = _is_valid(schema, schema)
    except (RecursionError, ValueError):
        valid = False
    if not valid:
        raise SandboxError("malformed", param=param)


def _is_valid(schema: Any, root: Mapping[str, Any]) -> bool:
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, dict) or not isinstance(schema.get("$ref", ""), str):
        return False
    resolve(schema, root)
    return all(_is_valid(part, root) for part in _parts(schema))


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
