"""Blank texts among those to embed, which the service refuses. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from melious.errors import InvalidArgumentError


def is_blank(text: str) -> bool:
    r"""Whether a text is empty or only white space.

    Examples:
        >>> is_blank(" \n"), is_blank("a")
        (True, False)
    """
    return not text or text.isspace()


def width_of(vectors: Iterable[Any], dimensions: Any, model: str, base_url: str | None) -> int:
    """The length of a vector of zeros among the vectors of a call.

    Args:
        vectors: The vectors that came back, with None for those that did not.
        dimensions: The length that the call asks for, or None.
        model: The model, with or without a flavor.
        base_url: Where the model is served.

    Raises:
        InvalidArgumentError: No vector came back, and neither the call nor the catalogue says the length.

    Examples:
        >>> width_of([None, [0.6, 0.8]], None, "bge-m3", None), width_of([], None, "bge-m3", None)
        (2, 1024)
    """
    from melious.catalogue import known  # noqa: PLC0415 - only for those who skip texts

    for vector in vectors:
        if vector is not None:
            return len(vector)
    card = known(model, base_url)
    width = dimensions if isinstance(dimensions, int) else card and card.dimensions
    if not width:
        raise InvalidArgumentError(
            f"input: every text is blank, and the length of {model!r}'s vectors is unknown; pass dimensions",
            param="input",
        )
    return width
