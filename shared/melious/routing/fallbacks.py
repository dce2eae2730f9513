"""Relaxing filters step by step when no provider matches them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from melious.errors import InvalidArgumentError
from melious.routing.filters import FilterName, Filters, ProviderFilters, check_filter_name, filters_to_wire

FallbackStep: TypeAlias = FilterName | Filters | ProviderFilters | None
"""A filter to drop, filters to replace (None drops one), or None, which drops them all."""
_Step: TypeAlias = str | Mapping[str, Any] | None


class Relaxation(NamedTuple):
    """A step that changes the filters.

    Attributes:
        name: What it changes: `countries` is dropped, `max_carbon_intensity=400` replaced.
        filters: The filters after it.
    """

    name: str
    filters: Mapping[str, Any]


def checked_steps(steps: object) -> tuple[_Step, ...]:
    """Check a caller's steps.

    Raises:
        InvalidArgumentError: They are not a list, or a filter or its new value is not valid.
    """
    if not isinstance(steps, Sequence) or isinstance(steps, str | bytes):
        raise InvalidArgumentError(f"routing_fallbacks: must be a list of steps, not {steps!r}")
    return tuple(_checked_step(place, step) for place, step in enumerate(steps))


def _checked_step(place: int, step: Any) -> _Step:
    if isinstance(step, ProviderFilters):
        step = step.to_wire()
    if step is None:
        return None
    try:
        if isinstance(step, str) and step:
            check_filter_name(step)
            return step
        if isinstance(step, Mapping) and step:
            return dict(step) | (filters_to_wire(step) or {})
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"routing_fallbacks[{place}]: {error.message}") from None
    raise InvalidArgumentError(
        f"routing_fallbacks[{place}]: must be the name of a filter, a dict of filters, or None, "
        f"not {step!r:.80}"
    )


def relaxations(filters: object, steps: Sequence[_Step]) -> tuple[Relaxation, ...]:
    """What the steps change in these filters; steps without effect are left out.

    Examples:
        >>> filters = {"countries": ["SE"], "max_carbon_intensity": 10}
        >>> steps = ({"max_carbon_intensity": 50}, "min_speed_tps", "countries")
        >>> softer, bare = relaxations(filters, steps)
        >>> softer.name, softer.filters
        ('max_carbon_intensity=50', {'countries': ['SE'], 'max_carbon_intensity': 50})
        >>> bare.name, bare.filters
        ('countries', {'max_carbon_intensity': 50})
    """
    found: list[Relaxation] = []
    left: Mapping[str, Any] = filters if isinstance(filters, Mapping) else {}
    for step in steps:
        changed = _changes(step, left)
        if changed:
            left = {name: value for name, value in {**left, **changed}.items() if value is not None}
            found.append(Relaxation(", ".join(_named(name, value) for name, value in changed.items()), left))
    return tuple(found)


def check_steps_verifiable(verify_location: str, steps: Sequence[Relaxation]) -> None:
    """Refuse steps that give up the countries which answers must come from.

    Raises:
        InvalidArgumentError: One drops `countries`, and `verify_location` is `raise`.
    """
    if verify_location == "raise" and any(not step.filters.get("countries") for step in steps):
        raise InvalidArgumentError(
            "routing_fallbacks: must not drop 'countries' with verify_location='raise'; name more countries, "
            "as {'countries': [...]}, or use verify_location='warn'",
            param="routing_fallbacks",
        )


def _changes(step: _Step, filters: Mapping[str, Any]) -> dict[str, Any]:
    if step is None or isinstance(step, str):
        step = dict.fromkeys(filters if step is None else [step])
    return {
        name: value
        for name, value in step.items()
        if filters.get(name) is not None and value != filters[name]
    }


def _named(name: str, value: Any) -> str:
    if value is None:
        return name
    return f"{name}={','.join(map(str, value)) if isinstance(value, list | tuple) else value}"
