"""pydantic's validation errors, as errors of this library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from melious.errors.tree import InvalidArgumentError

if TYPE_CHECKING:
    from pydantic import ValidationError


def invalid_arguments(where: str, error: ValidationError) -> InvalidArgumentError:
    """The error for arguments that pydantic refused; `param` is the first of them.

    It does not show values, since one may be a key.

    Args:
        where: The class that the arguments were for.
        error: pydantic's error.

    Examples:
        >>> from pydantic import BaseModel, ValidationError
        >>> class Model(BaseModel):
        ...     top_n: int
        >>> try:
        ...     Model(top_n="many")
        ... except ValidationError as error:
        ...     print(invalid_arguments("Model", error))
        Model: top_n: Input should be a valid integer, unable to parse string as an integer
    """
    problems = []
    params = []
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        param, text = ".".join(map(str, each["loc"])), each["msg"].removeprefix("Value error, ")
        params.append(param)
        problems.append(text if text.startswith(f"{param}: ") else f"{param}: {text}")
    return InvalidArgumentError(f"{where}: {'; '.join(problems)}", param=params[0])
