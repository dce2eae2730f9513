"""Converts the schemas that users pass to forms that LangChain's converters accept. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, Required, TypedDict, get_args, get_origin, get_type_hints

from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from typing_extensions import is_typeddict

from langchain_melious.errors import InvalidArgumentError

_UNNAMED = "answer"
_NAMES = ("name", "title", "function")
_DESCRIBING = ("properties", "type", "$ref", "anyOf", "allOf")


def regular_schema(schema: Any) -> Any:
    """Convert a schema to a form that LangChain accepts.

    It is a class, a function, a JSON schema, or a `response_format` of type `json_schema`, whole or its
    inner part. Keys of a TypedDict that are not required stay optional.

    Example:
        >>> regular_schema({"type": "object", "properties": {}})["title"]
        'answer'
    """
    if isinstance(schema, Mapping):
        return _named(schema)
    return with_optional_keys(schema)


def tool_of_schema(schema: Any, *, strict: bool | None = None) -> dict[str, Any]:
    """Convert a regular schema to a function in OpenAI's form.

    Raises:
        InvalidArgumentError: It is not a schema.
    """
    try:
        return convert_to_openai_tool(schema, strict=strict)
    except (TypeError, ValueError, AttributeError) as error:
        raise _not_a_schema(schema, error) from error


def json_schema_of(schema: Any, *, strict: bool | None = None) -> dict[str, Any]:
    """Convert a regular schema to a JSON schema.

    Raises:
        InvalidArgumentError: It is not a schema.
    """
    try:
        return convert_to_json_schema(schema, strict=strict)
    except (TypeError, ValueError, AttributeError) as error:
        raise _not_a_schema(schema, error) from error


def _named(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = schema.get("json_schema")
    if schema.get("type") == "json_schema" and isinstance(inner, Mapping):
        schema = inner
    if isinstance(schema.get("schema"), Mapping):
        about = {"title": schema.get("name"), "description": schema.get("description")}
        return {**schema["schema"], **{name: value for name, value in about.items() if value}}
    if not any(name in schema for name in _NAMES) and any(name in schema for name in _DESCRIBING):
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
