"""Where a request may run: presets, flavors and provider filters, and how they enter a request.

A preset and filters are fields of the body. A flavor is a suffix of the model
(`glm-4.7:eco`), and only the five known words are one: any other colon belongs
to the model's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melious.errors import InvalidArgumentError

KnownPreset: TypeAlias = Literal[
    "balanced", "speed", "price", "quality", "environment", "reasoning", "non_reasoning"
]
Preset: TypeAlias = KnownPreset | str
"""What routing should favour. Any string is sent; the known ones are typed."""

Flavor: TypeAlias = Literal["balanced", "speed", "price", "eco", "batch"]
"""The suffixes that the service strips from a model's name."""

FLAVORS: frozenset[str] = frozenset(get_args(Flavor))


class ProviderFilters(BaseModel):
    """Which providers may serve a request.

    The older pages of the documentation describe filters, the newer ones do
    not list them yet: hold the answer's `environment_impact.location` against
    them where it matters. Keys not listed here are sent as they are.

    Attributes:
        countries: ISO 3166 alpha-2 codes of the countries allowed.
        max_carbon_intensity: Upper limit of the grid, in g CO2 per kWh.
        min_speed_tps: Lower limit of the speed, in tokens per second.
        max_input_cost: Upper limit in EUR per million input tokens.
        max_output_cost: Upper limit in EUR per million output tokens.

    Example:
        >>> ProviderFilters(countries=["DE", "FR"], max_carbon_intensity=200).to_wire()
        {'countries': ['DE', 'FR'], 'max_carbon_intensity': 200}
    """

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    countries: list[str] | None = Field(default=None)
    max_carbon_intensity: int | float | None = Field(default=None, ge=0)
    min_speed_tps: int | float | None = Field(default=None, ge=0)
    max_input_cost: int | float | None = Field(default=None, ge=0)
    max_output_cost: int | float | None = Field(default=None, ge=0)

    def to_wire(self) -> dict[str, Any]:
        """The filters as the body carries them: only what was set."""
        return self.model_dump(exclude_none=True)


FiltersArgument: TypeAlias = ProviderFilters | Mapping[str, Any]


def filters_to_wire(filters: FiltersArgument | None) -> dict[str, Any] | None:
    """Check filters and give them as the body carries them; None and empty filters give None.

    A key that is not known is sent as it is, with a warning where it looks like a known one.

    Raises:
        InvalidArgumentError: A known key has a value of the wrong kind.
    """
    if filters is None:
        return None
    if not isinstance(filters, ProviderFilters):
        if not isinstance(filters, Mapping):
            raise InvalidArgumentError(f"filters: {filters!r} is neither a mapping nor ProviderFilters")
        try:
            filters = ProviderFilters.model_validate(dict(filters))
        except ValidationError as error:
            raise InvalidArgumentError(f"filters: {_first_problem(error)}") from None
    if filters.model_extra:
        _warn_of_near_misses(filters.model_extra)
    return filters.to_wire() or None


def _warn_of_near_misses(unknown: Mapping[str, Any]) -> None:
    """Warn where a key looks misspelt: it is sent, but nobody may heed it."""
    import difflib  # noqa: PLC0415 - rarely needed
    import warnings  # noqa: PLC0415

    from melious.callers import callers_level  # noqa: PLC0415

    for name in unknown:
        near = difflib.get_close_matches(name, ProviderFilters.model_fields, n=1, cutoff=0.7)
        if near:
            warnings.warn(
                f"filters: {name!r} is not a known filter and is sent as it is; did you mean {near[0]!r}?",
                UserWarning,
                stacklevel=callers_level(),
            )


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']} (got {first['input']!r})"


def split_flavor(model: str) -> tuple[str, str | None]:
    """Split a model's name from its flavor.

    Example:
        >>> split_flavor("glm-4.7:eco"), split_flavor("vendor:model")
        (('glm-4.7', 'eco'), ('vendor:model', None))
    """
    name, colon, last = model.rpartition(":")
    return (name, last) if colon and last in FLAVORS else (model, None)


def flavored(model: str, flavor: str | None) -> str:
    """Put a flavor behind a model's name; a model that carries one keeps it.

    Args:
        model: The model, with or without a flavor of its own.
        flavor: One of `FLAVORS`, or None.

    Raises:
        InvalidArgumentError: The flavor is unknown, or the model carries another one.
    """
    if flavor is None:
        return model
    if flavor not in FLAVORS:
        raise InvalidArgumentError(f"flavor: {flavor!r} is none of {', '.join(sorted(FLAVORS))}")
    _, own = split_flavor(model)
    if own is None:
        return f"{model}:{flavor}"
    if own != flavor:
        raise InvalidArgumentError(
            f"flavor: {flavor!r} contradicts the model {model!r}; give only one of them"
        )
    return model
