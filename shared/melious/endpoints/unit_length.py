"""Vectors scaled to unit length, by numpy where it is installed."""

from __future__ import annotations

import math
from functools import cache
from importlib.util import find_spec
from typing import Any


@cache
def has_numpy() -> bool:
    """Whether numpy is installed."""
    return find_spec("numpy") is not None


def unit_vectors(vectors: Any) -> list[list[float]]:
    """Vectors scaled to unit length, as lists; a zero vector stays as it is.

    Args:
        vectors: Lists, or one numpy array, n x dim.

    Examples:
        >>> unit_vectors([[3.0, 4.0], [0.0, 0.0]])
        [[0.6, 0.8], [0.0, 0.0]]
    """
    return [unit_vector(vector) if isinstance(vector, list) else _unit_row(vector) for vector in vectors]


def unit_vector(vector: list[float]) -> list[float]:
    """A vector scaled to unit length; a zero vector stays as it is."""
    length = math.hypot(*vector)
    return [value / length for value in vector] if length else vector


def _unit_row(row: Any) -> list[float]:
    exact = row.astype("float64")
    exact /= math.sqrt(exact.dot(exact)) or 1.0
    scaled: list[float] = exact.tolist()
    return scaled
