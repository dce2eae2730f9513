"""Shared checks of arguments; their errors name the argument."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from melious.errors.tree import InvalidArgumentError


def check_whole(name: str, value: object, *, least: int = 0, most: int | None = None) -> None:
    """Refuse anything but a whole number of at least `least` and, if given, at most `most`."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):  # type: ignore[operator]  # an int
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InvalidArgumentError(f"{name}: must be a whole number {bounds}, not {value!r:.80}", param=name)


def check_number(name: str, value: object) -> None:
    """Refuse anything but a finite number of at least zero."""
    if not 0 <= _number(value) < math.inf:
        raise InvalidArgumentError(f"{name}: must be a number of at least 0, not {value!r:.80}", param=name)


def check_seconds(name: str, value: object, *, zero: bool = False) -> None:
    """Refuse anything but a positive number of seconds, or zero if allowed."""
    if zero and _number(value) == 0:
        return
    if not 0 < _number(value) < math.inf:
        wanted = "zero or a positive number of seconds" if zero else "a positive number of seconds"
        raise InvalidArgumentError(f"{name}: must be {wanted}, not {value!r:.80}", param=name)


def check_real(name: str, value: object) -> None:
    """Refuse anything but a number; NaN is not one."""
    if math.isnan(_number(value)):
        raise InvalidArgumentError(f"{name}: must be a number, not {value!r:.80}", param=name)


def check_share(name: str, value: object) -> None:
    """Refuse anything but a number from 0 to 1."""
    if not 0 <= _number(value) <= 1:
        raise InvalidArgumentError(f"{name}: must be a number from 0 to 1, not {value!r:.80}", param=name)


def check_bool(name: str, value: object) -> None:
    """Refuse anything but True and False."""
    if not isinstance(value, bool):
        raise InvalidArgumentError(f"{name}: must be True or False, not {value!r:.80}", param=name)


def check_optional_bool(name: str, value: object) -> None:
    """Refuse anything but True, False and None."""
    if value is not None and not isinstance(value, bool):
        raise InvalidArgumentError(f"{name}: must be True, False or None, not {value!r:.80}", param=name)


def check_one_of(name: str, value: object, known: Iterable[str]) -> None:
    """Refuse anything but one of the known words."""
    words = tuple(known)
    if value not in words:
        raise InvalidArgumentError(
            f"{name}: must be one of {', '.join(words)}, not {value!r:.80}", param=name
        )


def check_text(name: str, value: object) -> None:
    """Refuse anything but text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgumentError(f"{name}: must be non-empty text, not {value!r:.80}", param=name)


def check_callable(name: str, value: object) -> None:
    """Refuse anything but a callable or None."""
    if value is not None and not callable(value):
        raise InvalidArgumentError(f"{name}: must be callable, not {value!r:.80}", param=name)


def check_mapping(name: str, value: object) -> None:
    """Refuse anything but a mapping or None."""
    if value is not None and not isinstance(value, Mapping):
        raise InvalidArgumentError(f"{name}: must be a mapping, not {value!r:.80}", param=name)


def _number(value: object) -> float:
    """A number as it is; NaN for anything else, and for True and False."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
