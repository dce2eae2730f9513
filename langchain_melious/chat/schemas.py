"""Converts the schemas that users pass to forms that LangChain's converters accept. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    TypeAlias,
    TypedDict,
    get_args,
    get_origin,
    get_type_hints,
)

from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from pydantic import BaseModel
from pydantic.errors import PydanticUserError
from typing_extensions import is_typeddict

from langchain_melious.errors import InvalidArgumentError
from melious.wire.schemas import children, object_schema, wire_name

if TYPE_CHECKING:
    from melious.endpoints.structured import StructuredOutput

Schema: TypeAlias = type | Mapping[str, Any] | None
Method: TypeAlias = Literal["json_schema", "function_calling", "json_mode"]

_UNNAMED = "answer"
_NAMES = ("name", "title", "function")
_COMPOSING = frozenset({"$ref", "anyOf", "allOf", "oneOf"})
_DESCRIBING = ("properties", "type", "$ref", "anyOf", "allOf", "oneOf", "enum", "const")


def regular_schema(schema: Any) -> Any:
    """Convert a schema to a form that LangChain accepts.

    It is a class, a function, a JSON schema, or a `response_format` of type `json_schema`, whole or its
    inner part. Keys of a TypedDict that are not required stay optional.

    Examples:
        >>> regular_schema({"type": "object", "properties": {}})["title"]
        'answer'
    """
    if isinstance(schema, Mapping):
        return _named(schema)
    return with_optional_keys(schema)


def target_of(schema: Any, *, strict: bool | None = None) -> tuple[StructuredOutput, bool]:
    """Convert a schema to what the core asks for, and say whether its value is wrapped in an object.

    Lists, unions and plain values are wrapped, since the wire wants an object. Recursive classes keep
    their references, which LangChain's converters would drop.

    Args:
        schema: As for `regular_schema`.
        strict: Make the service enforce the schema exactly.

    Raises:
        InvalidArgumentError: It is not a schema.

    Examples:
        >>> target, wrapped = target_of({"title": "Numbers", "type": "array", "items": {"type": "integer"}})
        >>> target["name"], list(target["schema"]["properties"]), wrapped
        ('Numbers', ['value'], True)
    """
    wanted = regular_schema(schema)
    whole = _whole_schema(wanted)
    if whole is None:
        function = tool_of_schema(wanted, strict=strict)["function"]
        target: StructuredOutput = {
            "name": wire_name(function["name"]),
            "schema": json_schema_of(wanted, strict=strict),
        }
        if not _describes(target["schema"]):
            raise _not_a_schema(schema, ValueError("it says nothing of the answer"))
        if function.get("description"):
            target["description"] = function["description"]
        wrapped = False
    else:
        root, wrapped = object_schema(whole)
        target = {
            "name": wire_name(root.get("title") or _UNNAMED),
            "schema": _strict(root) if strict else root,
        }
        if isinstance(root.get("description"), str):
            target["description"] = root["description"]
    if strict is not None:
        target["strict"] = strict
    return target, wrapped


def _whole_schema(wanted: Any) -> dict[str, Any] | None:
    """The JSON schema of a list, a union, a plain value or a recursive class; None for other schemas."""
    if isinstance(wanted, type) and issubclass(wanted, BaseModel):
        try:
            found = wanted.model_json_schema()
        except PydanticUserError as error:
            raise _not_a_schema(wanted, error) from error
        found = {"title": wanted.__name__, **found}
    elif isinstance(wanted, type) and (issubclass(wanted, Enum) or wanted.__module__ == "builtins"):
        raise _not_a_schema(wanted, TypeError("it has no fields"))
    elif isinstance(wanted, Mapping) and "function" not in wanted and _describes(wanted):
        found = dict(wanted)
    else:
        return None
    is_plain = (
        found.get("type", "object") == "object" and _COMPOSING.isdisjoint(found) and "properties" in found
    )
    return None if is_plain and not _refers_to_itself(found) else found


def _describes(schema: Mapping[str, Any]) -> bool:
    """Whether a JSON schema says anything of a value."""
    return any(name in schema for name in _DESCRIBING)


def _refers_to_itself(schema: Mapping[str, Any]) -> bool:
    """Whether any definition of a schema is part of itself."""
    references: dict[str, set[str]] = {}
    for name in ("$defs", "definitions"):
        for key, value in (schema.get(name) or {}).items():
            references[f"#/{name}/{key}"] = set(_references(value))
    for start, direct in references.items():
        reached, waiting = set(direct), list(direct)
        while waiting:
            for further in references.get(waiting.pop(), set()) - reached:
                reached.add(further)
                waiting.append(further)
        if start in reached:
            return True
    return "#" in _references(schema)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)


def _strict(schema: Any) -> Any:
    """A schema whose objects require all their properties and forbid others."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    found = {name: children(name, value, _strict) for name, value in schema.items()}
    if isinstance(found.get("properties"), dict):
        found["required"] = list(found["properties"])
        found["additionalProperties"] = False
    return found


def tool_of_schema(schema: Any, *, strict: bool | None = None) -> dict[str, Any]:
    """Convert a regular schema to a function in OpenAI's form.

    Raises:
        InvalidArgumentError: It is not a schema.
    """
    try:
        return convert_to_openai_tool(schema, strict=strict)
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise _not_a_schema(schema, error) from error


def json_schema_of(schema: Any, *, strict: bool | None = None) -> dict[str, Any]:
    """Convert a regular schema to a JSON schema.

    Raises:
        InvalidArgumentError: It is not a schema.
    """
    try:
        return convert_to_json_schema(schema, strict=strict)
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise _not_a_schema(schema, error) from error


def _named(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = schema.get("json_schema")
    if schema.get("type") == "json_schema" and isinstance(inner, Mapping):
        schema = inner
    if isinstance(schema.get("schema"), Mapping):
        about = {"title": schema.get("name"), "description": schema.get("description")}
        return {**schema["schema"], **{name: value for name, value in about.items() if value}}
    if not any(name in schema for name in _NAMES) and _describes(schema):
        return {"title": _UNNAMED, **schema}
    return schema


def with_optional_keys(schema: Any) -> Any:
    """Give the `NotRequired` keys of a TypedDict a default, as LangChain expects; return others unchanged."""
    if not is_typeddict(schema):
        return schema
    try:
        hints = get_type_hints(schema, include_extras=True)
    except NameError:
        return schema
    if not any(get_origin(hint) in (NotRequired, Required) for hint in hints.values()):
        return schema
    make: Any = TypedDict
    made = make(schema.__name__, {name: _key(hint) for name, hint in hints.items()})
    made.__doc__ = schema.__doc__
    return made


def _key(hint: Any) -> Any:
    marked = get_origin(hint)
    if marked not in (NotRequired, Required):
        return hint
    (kind,) = get_args(hint)
    if marked is Required:
        return kind
    if get_origin(kind) is Annotated:
        kind, _default, *described = get_args(kind)
        return Annotated[(kind, None, *described)]
    return Annotated[kind, None]


def _not_a_schema(schema: Any, error: Exception) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"schema: must be a pydantic class, a TypedDict or a JSON schema (for a list, a class with a list "
        f"field), not {schema!r:.100}: {error}"
    )
