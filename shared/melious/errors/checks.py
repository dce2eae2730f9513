"""Checks of arguments that many places share; their errors name the argument."""

from __future__ import annotations

import math
from collections.abc import Mapping

from melious.errors.tree import InvalidArgumentError


def check_whole(name: str, value: object, *, least: int = 0) -> None:
    """Refuse what is not a whole number of at least so much."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidArgumentError(f"{name}: {value!r} is not a whole number from {least} up", param=name)


def check_seconds(name: str, value: object) -> None:
    """Refuse what is not a number of seconds above zero."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < math.inf:  # type: ignore[operator]  # it is a number by now
        raise InvalidArgumentError(f"{name}: {value!r} is not a number of seconds above zero", param=name)


def check_number(name: str, value: object) -> None:
    """Refuse what is not a number; NaN is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise InvalidArgumentError(f"{name}: must be a number, not {value!r}", param=name)


def check_flag(name: str, value: object) -> None:
    """Refuse what is not True or False."""
    if not isinstance(value, bool):
        raise InvalidArgumentError(f"{name}: must be True or False, not {value!r}", param=name)


def check_choice(name: str, value: object) -> None:
    """Refuse what is not True, False or None."""
    if value is not None and not isinstance(value, bool):
        raise InvalidArgumentError(f"{name}: must be True, False or None, not {value!r}", param=name)


def check_mapping(name: str, value: object) -> None:
    """Refuse what is neither a mapping nor None."""
    if value is not None and not isinstance(value, Mapping):
        raise InvalidArgumentError(f"{name}: must be a mapping, not {value!r}", param=name)
