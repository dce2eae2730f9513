"""JSON: pydantic's Rust codec, and the standard library where that refuses legal JSON.

Servers send lone surrogates (a token cut in the middle) and deep nesting;
callers send the same surrogates back in a history.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json


def loads(data: bytes | str) -> Any:
    """Parse JSON; NaN and infinities are accepted.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
    """
    try:
        return from_json(data, cache_strings="keys")
    except (ValueError, TypeError):  # the latter where text holds a lone surrogate
        try:
            return json.loads(data)
        except RecursionError:
            raise ValueError("JSON nested too deeply") from None


def loads_leniently(text: str) -> Any:
    """Parse JSON whose strings may hold line breaks, as some models write them.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
    """
    try:
        return loads(text)
    except ValueError:
        try:
            return json.loads(text, strict=False)
        except RecursionError:
            raise ValueError("JSON nested too deeply") from None


def loads_or_text(data: bytes | str) -> Any:
    """Parse JSON; anything else is returned as text."""
    try:
        return loads(data)
    except ValueError:
        return data.decode("utf-8", "replace") if isinstance(data, bytes) else data


def is_object(data: str) -> bool:
    """Whether a text is a whole JSON object."""
    return isinstance(loads_or_text(data), dict)


def dumps(value: Any, *, finite: bool = False) -> bytes:
    """Write compact UTF-8 JSON.

    Args:
        value: What to write.
        finite: Refuse NaN and infinities, which other parsers reject.

    Raises:
        TypeError: A value has no JSON form.
        ValueError: A number is not finite although it must be, or the nesting is too deep.
    """
    try:
        data = to_json(value)
        if finite and (b"NaN" in data or b"Infinity" in data):
            from_json(data, allow_inf_nan=False)
    except (PydanticSerializationError, ValueError):
        try:
            return json.dumps(value, separators=(",", ":"), allow_nan=not finite).encode("ascii")
        except RecursionError:
            raise ValueError("nested too deeply") from None
    return data
