"""pydantic's validation errors, as errors of this library, in its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from melious.errors.tree import InvalidArgumentError

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_WANTED = {
    "bool_parsing": "True or False",
    "bool_type": "True or False",
    "callable_type": "callable",
    "dict_type": "a dict",
    "enum": "{expected}",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "greater than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "is_instance_of": "a {class}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "list_type": "a list",
    "literal_error": "{expected}",
    "model_type": "a {class_name} or a dict",
    "none_required": "None",
    "string_type": "text",
    "tuple_type": "a tuple",
}
"""What must be given, for each type of pydantic's errors."""


def invalid_arguments(
    where: str, error: ValidationError, aliases: Mapping[str, str] | None = None
) -> InvalidArgumentError:
    """The error for arguments that pydantic refused; `param` is the first of them.

    It does not show values, since one may be a key.

    Args:
        where: The class that the arguments were for.
        error: pydantic's error.
        aliases: Other names for fields, under which the class documents them.

    Examples:
        >>> from pydantic import BaseModel, ValidationError
        >>> class Model(BaseModel):
        ...     top_n: int | None
        ...     stop: str | list[str] = ""
        >>> try:
        ...     Model(top_n="many", stop=3)
        ... except ValidationError as error:
        ...     print(invalid_arguments("Model", error))
        Model: top_n: must be a whole number; stop: must be text or a list
    """
    names = {field: name for name, field in (aliases or {}).items()}
    fields: dict[str, list[ErrorDetails]] = {}
    for each in error.errors(include_url=False):
        fields.setdefault(str(each["loc"][0]) if each["loc"] else "", []).append(each)
    problems = [problem for field, each in fields.items() for problem in _problems(names, field, each)]
    first = next(iter(fields))
    return InvalidArgumentError(f"{where}: {'; '.join(problems)}", param=names.get(first, first))


def _problems(names: Mapping[str, str], field: str, errors: list[ErrorDetails]) -> list[str]:
    """What is wrong with a field. Of a union, each alternative has an error, for the same value."""
    shown = names.get(field, field)
    if len(errors) > 1 and all(len(each["loc"]) > 1 for each in errors):
        whole = [each for each in errors if len(each["loc"]) == 2]  # noqa: PLR2004 - the field and the alternative
        if len(whole) == len(errors) and len({id(each["input"]) for each in whole}) == 1:
            wanted = dict.fromkeys(_WANTED[each["type"]] for each in whole if each["type"] in _WANTED)
            if wanted:
                return [f"{shown}: must be {' or '.join(wanted)}"]
        if whole and len(whole) < len(errors):  # the parts of the alternative that fits best
            errors = [
                {**each, "loc": (each["loc"][0], *each["loc"][2:])} for each in errors if each not in whole
            ]
    return [_problem(shown, each) for each in errors]


def _problem(shown: str, error: ErrorDetails) -> str:
    place = shown + "".join(f"[{part!r}]" for part in error["loc"][1:])
    kind = error["type"]
    if kind == "missing":
        return f"{place}: is missing"
    if kind == "string_too_short" and error["ctx"]["min_length"] == 1:
        return f"{place}: must not be empty"
    if kind in _WANTED:
        return f"{place}: must be {_WANTED[kind].format_map(error.get('ctx', {}))}"
    text = error["msg"].removeprefix("Value error, ")
    return text if text.startswith(f"{place}: ") else f"{place}: {text}"
