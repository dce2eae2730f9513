"""Faults and replies that a request brings in a header: a JSON object of known fields."""

import json
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


def header_object(value: str, known: Iterable[str]) -> dict[str, Any]:
    """Read a header that holds a JSON object.

    Args:
        value: The value of the header.
        known: The fields that it may have.

    Raises:
        ValueError: It is not a JSON object, or has other fields.
    """
    try:
        given = json.loads(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"it is not valid JSON: {error}") from None
    if not isinstance(given, dict):
        raise ValueError("it must be a JSON object")  # noqa: TRY004 - one error for every bad header
    names = list(known)
    unknown = sorted(given.keys() - set(names))
    if unknown:
        near = get_close_matches(unknown[0], names, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"it has unknown fields: {', '.join(unknown)}{hint}")
    return given
