"""What an option is, and the checks that options need beside those of `melious.errors.checks`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

from melious.errors import InvalidArgumentError

Check: TypeAlias = Callable[[str, Any], object]
"""Raises for a wrong value of the option with this name."""

BlankTexts: TypeAlias = Literal["refuse", "skip"]
"""What becomes of blank texts that are to be embedded."""


class Option(NamedTuple):
    """One option.

    Attributes:
        name: The argument's name.
        scope: Who takes it: the client, a call, or both.
        sentence: What it does, with its unit and default.
        check: Raises for a wrong value.
        default: The client's default.
    """

    name: str
    scope: Literal["client", "call", "both"]
    sentence: str
    check: Check
    default: Any = None


def either(first: str, second: str) -> Check:
    """A check that a value is one of two."""

    def check(name: str, value: object) -> None:
        if value not in (first, second):
            raise InvalidArgumentError(f"{name}: must be {first!r} or {second!r}, not {value!r}")

    return check


def unless_none(check: Check) -> Check:
    """A check that allows None too."""
    return lambda name, value: value is None or check(name, value)


def by_value(check: Callable[[Any], object]) -> Check:
    """A check that knows the argument's name itself."""
    return lambda _, value: check(value)


def check_verify(name: str, value: object) -> None:
    """Refuse what does not say which certificates to trust."""
    if isinstance(value, str):
        if not os.path.exists(value):  # noqa: PTH110 - pathlib costs more than making a client
            raise InvalidArgumentError(f"{name}: there is no file or directory {value!r}")
    elif not isinstance(value, bool) and all(cls.__name__ != "SSLContext" for cls in type(value).__mro__):
        raise InvalidArgumentError(f"{name}: must be True or False, a path or an SSLContext, not {value!r}")


def check_weights(mode: object, custom_weights: object) -> None:
    """Refuse the two routing parameters of the older API together.

    Raises:
        InvalidArgumentError: Both are given.
    """
    if mode is not None and custom_weights is not None:
        raise InvalidArgumentError(
            "mode: cannot be combined with custom_weights; give one of them", param="mode"
        )


def checked_http_client(
    http_client: Any, kind: Literal["blocking", "asyncio"], name: str = "http_client"
) -> Any:
    """Check an injected HTTP client; None for none.

    Raises:
        InvalidArgumentError: It does not have httpx's interface, or is of the other kind.
    """
    if http_client is None:
        return None
    close = "close" if kind == "blocking" else "aclose"
    if not all(callable(getattr(http_client, method, None)) for method in ("build_request", "send", close)):
        raise InvalidArgumentError(
            f"{name}: must be a {kind} client like httpx's, not {type(http_client).__name__}"
        )
    return http_client


def check_budget(value: object) -> None:
    """Refuse what is not an `ImpactBudget`."""
    from melious.impact import budget  # noqa: PLC0415 - only for those who have one

    budget.check_budget(value)


def check_steps(value: object) -> None:
    """Refuse what is not a list of steps that relax filters."""
    from melious.routing.fallbacks import checked_steps  # noqa: PLC0415 - only for those who ask for it

    checked_steps(value)
