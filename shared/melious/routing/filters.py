"""Presets, flavors and provider filters: where a request may run.

A preset and filters are fields of the body. A flavor is one of five known suffixes
of the model (`glm-4.7:eco`); any other suffix belongs to the model's name. A flavor
takes precedence over a preset.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, get_args

from pydantic import BaseModel, ConfigDict, Field

from melious._figures import known_figure
from melious._signatures import written_out
from melious._stacklevel import warn_once
from melious.errors import InvalidArgumentError

KnownPreset: TypeAlias = Literal[
    "balanced", "speed", "price", "quality", "environment", "reasoning", "non_reasoning"
]
Preset: TypeAlias = KnownPreset | str
"""What routing should favour; any string is sent."""

Flavor: TypeAlias = Literal["balanced", "speed", "price", "eco", "batch"]
"""The suffixes that the service strips from a model's name."""

FilterName: TypeAlias = Literal[
    "countries", "max_carbon_intensity", "min_speed_tps", "max_input_cost", "max_output_cost"
]

PRESETS: frozenset[str] = frozenset(get_args(KnownPreset))
FLAVORS: frozenset[str] = frozenset(get_args(Flavor))

_FILTERS: tuple[str, ...] = get_args(FilterName)
_OTHER_FILTERS = {
    "carbon": ("max_carbon_intensity",),
    "carbon_intensity": ("max_carbon_intensity",),
    "cost": ("max_input_cost",),
    "country_codes": ("countries",),
    "data_residency": ("countries",),
    "geo": ("countries",),
    "location": ("countries",),
    "locations": ("countries",),
    "max_carbon": ("max_carbon_intensity",),
    "max_cost": ("max_input_cost",),
    "max_price": ("max_input_cost",),
    "min_speed": ("min_speed_tps",),
    "price": ("max_input_cost",),
    "region": ("countries",),
    "regions": ("countries",),
    "residency": ("countries",),
    "speed": ("min_speed_tps",),
    "tps": ("min_speed_tps",),
    "zone": ("countries",),
    "zones": ("countries",),
}
"""Other packages' names for filters."""
_OTHER_WORDS = {
    "best": ("quality",),
    "carbon": ("environment", "eco"),
    "cheap": ("price",),
    "cheapest": ("price",),
    "cost": ("price",),
    "ecological": ("environment", "eco"),
    "environment": ("eco",),
    "fast": ("speed",),
    "fastest": ("speed",),
    "green": ("environment", "eco"),
    "greenest": ("environment", "eco"),
    "latency": ("speed",),
    "quick": ("speed",),
    "sustainable": ("environment", "eco"),
    "throughput": ("speed",),
}
"""Other words for presets and flavors."""
_CODES = "an ISO 3166 alpha-2 country code"
_NEAR = 0.75
"""Similarity, from 0 to 1, from which a word is taken for a typo of another."""


class Filters(TypedDict, total=False):
    """`ProviderFilters` as a typed dict.

    Examples:
        >>> filters: Filters = {"countries": ["DE", "FR"], "max_carbon_intensity": 200}
    """

    countries: list[str] | tuple[str, ...] | set[str] | frozenset[str] | None
    max_carbon_intensity: float | None
    min_speed_tps: float | None
    max_input_cost: float | None
    max_output_cost: float | None


class ProviderFilters(BaseModel):
    """Which providers may serve a request, as an object.

    The service's newer documentation does not list filters yet: use `verify_location` where
    they matter. Unknown filters are an error; one that is newer than this package can be
    passed as `extra_body={"filters": {...}}`, which is sent unchanged.

    Attributes:
        countries: ISO 3166 alpha-2 codes of the countries allowed, in any case.
        max_carbon_intensity: Upper limit for the grid, in g CO2 per kWh.
        min_speed_tps: Lower limit for the speed, in tokens per second.
        max_input_cost: Upper limit in EUR per million input tokens.
        max_output_cost: Upper limit in EUR per million output tokens.

    Raises:
        InvalidArgumentError: A filter is unknown, a limit is not a number of at least 0, or a
            country is not an ISO 3166 alpha-2 code.

    Examples:
        >>> ProviderFilters(countries=["de", "FR"], max_carbon_intensity=200).to_wire()
        {'countries': ['DE', 'FR'], 'max_carbon_intensity': 200}
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    countries: list[str] | None = Field(default=None)
    max_carbon_intensity: int | float | None = Field(default=None, ge=0)
    min_speed_tps: int | float | None = Field(default=None, ge=0)
    max_input_cost: int | float | None = Field(default=None, ge=0)
    max_output_cost: int | float | None = Field(default=None, ge=0)

    if not TYPE_CHECKING:  # type checkers read the signature from the fields

        @written_out(Filters)
        def __init__(self, **filters: Any) -> None:
            super().__init__(**_checked(filters))

    def to_wire(self) -> dict[str, Any]:
        """The filters that were set, as the body carries them."""
        return self.model_dump(exclude_none=True)


FiltersArgument: TypeAlias = ProviderFilters | Filters


def filters_to_wire(filters: object) -> dict[str, Any] | None:
    """Check filters and return them as the body carries them; None if there are none.

    Raises:
        InvalidArgumentError: A filter is unknown, a limit is not a number of at least 0, or a
            country is not an ISO 3166 alpha-2 code.

    Examples:
        >>> filters_to_wire({"countries": {"fr"}, "min_speed_tps": None})
        {'countries': ['FR']}
    """
    if filters is None:
        return None
    if isinstance(filters, ProviderFilters):
        filters = vars(filters)  # `model_copy` sets fields unchecked
    if not isinstance(filters, Mapping):
        raise InvalidArgumentError(
            f"filters: must be ProviderFilters or a dict such as {{'countries': ['DE']}}, not {filters!r:.80}"
        )
    return _checked(filters) or None


def filters_in(fields: Mapping[str, Any]) -> Any:
    """The filters of a body or a form, where they are JSON text."""
    filters = fields.get("filters")
    if not isinstance(filters, str):
        return filters
    try:
        return json.loads(filters)
    except (ValueError, RecursionError):  # text from `extra_body`, which is sent unchanged
        return filters


def check_filter_name(name: object) -> None:
    """Check the name of a filter.

    Raises:
        InvalidArgumentError: It is unknown; the message suggests the nearest one.
    """
    if name in _FILTERS:
        return
    from melious.errors.suggestions import nearest  # noqa: PLC0415 - needed after a mistake only

    meant = nearest(str(name).strip().lower(), _FILTERS, _OTHER_FILTERS)
    hint = f"did you mean {meant!r}? " if meant else f"the filters are {', '.join(_FILTERS)} "
    raise InvalidArgumentError(
        f"filters: unknown filter {name!r:.80}; {hint}"
        "(a filter that this package does not know goes into extra_body={'filters': {...}})"
    )


def _checked(filters: Mapping[Any, Any]) -> dict[str, Any]:
    """The filters that were set, as the wire has them."""
    found: dict[str, Any] = {}
    for name, value in filters.items():
        check_filter_name(name)
        if value is not None:
            found[name] = _countries(value) if name == "countries" else _limit(name, value)
    return found


def _limit(name: str, value: Any) -> int | float:
    # Also a Decimal, a number of numpy, or text from the environment; `bool_` is numpy's True or False.
    number = None if type(value).__name__ in ("bool", "bool_") else known_figure(value)
    if number is None:
        raise InvalidArgumentError(f"filters: {name}: must be a number of at least 0, not {value!r:.80}")
    if isinstance(value, int | float):
        return value
    return int(number) if number.is_integer() else number


def _countries(value: Any) -> list[str]:
    """Codes in capitals without duplicates, in the order given; sets are sorted."""
    from melious.routing.countries import code_of  # noqa: PLC0415 - loaded for filters only

    # Filters are read for every call, and an iterator can be read only once.
    if isinstance(value, str | bytes | Mapping | Iterator) or not _is_iterable(value):
        codes = [code_of(part) for part in value.replace(",", " ").split()] if isinstance(value, str) else []
        shown = codes if codes and all(codes) else ["DE", "FR"]
        hint = "write" if shown is codes else "such as"
        raise InvalidArgumentError(
            f"filters: countries: must be a list of ISO 3166 alpha-2 country codes, {hint} {shown}, "
            f"not {value!r:.80}"
        )
    found: dict[str, None] = {}
    for place, text in enumerate(value):
        if not isinstance(text, str):
            raise InvalidArgumentError(f"filters: countries[{place}]: {text!r:.80} is not {_CODES}")
        code = code_of(text)
        if code is None:
            from melious.routing.country_hints import hint_for  # noqa: PLC0415 - loaded after a mistake only

            hint = hint_for(text) or ", such as 'DE' or 'FR'"
            raise InvalidArgumentError(f"filters: countries[{place}]: {text!r:.80} is not {_CODES}{hint}")
        found[code] = None
    if not found:
        raise InvalidArgumentError(
            "filters: countries: must not be empty; name a country, or leave it out to allow all"
        )
    return sorted(found) if isinstance(value, set | frozenset) else list(found)


def _is_iterable(value: object) -> bool:
    try:
        iter(value)  # type: ignore[call-overload]  # the question: numpy's arrays without axes are not
    except TypeError:
        return False
    return True


# --- presets and flavors -----------------------------------------------------------------------------------


def check_preset(preset: object) -> None:
    """Check a preset, and warn once about a likely typo.

    Raises:
        InvalidArgumentError: It is not a string, or is empty.
    """
    if preset is None:
        return
    if not isinstance(preset, str) or not preset.strip():
        raise InvalidArgumentError(f"preset: must be a word such as 'environment', not {preset!r:.80}")
    if preset not in PRESETS:
        meant = _meant_by_preset(preset)
        if meant:
            warn_once(
                f"preset: {preset!r} is not a known preset and is sent unchanged; did you mean {meant}?"
            )


@lru_cache(maxsize=256)
def _meant_by_preset(preset: str) -> str | None:
    folded = _folded(preset)
    if folded in FLAVORS - PRESETS:
        return f"flavor={folded!r}"
    near = _near(folded, PRESETS)
    return None if near is None else repr(near)


def split_flavor(model: str) -> tuple[str, str | None]:
    """Split a model into its name and its flavor.

    Examples:
        >>> split_flavor("glm-4.7:eco"), split_flavor("vendor:model")
        (('glm-4.7', 'eco'), ('vendor:model', None))
    """
    name, colon, last = model.rpartition(":")
    return (name, last) if colon and last in FLAVORS else (model, None)


def flavored(model: str, flavor: str | None) -> str:
    """Append a flavor to a model.

    Args:
        model: The model, with or without a flavor.
        flavor: One of `FLAVORS`, or None.

    Raises:
        InvalidArgumentError: The flavor is unknown, or the model already has another one.
    """
    if flavor is None:
        return model
    if not isinstance(flavor, str) or flavor not in FLAVORS:
        near = _meant_by_flavor(flavor) if isinstance(flavor, str) else None
        hint = f"; did you mean {near!r}?" if near else ""
        raise InvalidArgumentError(
            f"flavor: must be one of {', '.join(sorted(FLAVORS))}, not {flavor!r:.80}{hint}"
        )
    _, own = split_flavor(model)
    if own is None:
        return f"{model}:{flavor}"
    if own != flavor:
        raise InvalidArgumentError(
            f"flavor: {flavor!r} contradicts the model {model!r}; give only one of them"
        )
    return model


def check_suffix(model: str) -> None:
    """Warn once about a suffix that looks like a misspelt flavor; it stays part of the name."""
    name, colon, last = model.rpartition(":")
    if colon and last not in FLAVORS:
        meant = _meant_by_flavor(last)
        if meant:
            warn_once(
                f"model: {last!r} in {model!r} is not a flavor and stays part of the name; "
                f"did you mean '{name}:{meant}'?"
            )


@lru_cache(maxsize=256)
def _meant_by_flavor(flavor: str) -> str | None:
    return _near(_folded(flavor), FLAVORS)


def routing_preference(body: Mapping[str, Any]) -> str | None:
    """The flavor of a request, or else its preset.

    Examples:
        >>> routing_preference({"model": "glm-4.7:eco", "preset": "speed"})
        'eco'
    """
    flavor = split_flavor(str(body.get("model", "")))[1]
    preset = body.get("preset")
    return flavor or (preset if isinstance(preset, str) and preset else None)


def routing_summary(body: Mapping[str, Any]) -> dict[str, Any]:
    """A request's flavor or preset, and its filters, for traces and metadata.

    Examples:
        >>> routing_summary({"model": "glm-4.7:eco", "preset": "speed", "filters": {"countries": ["DE"]}})
        {'flavor': 'eco', 'filters': {'countries': ['DE']}}
    """
    summary: dict[str, Any] = {}
    preference = routing_preference(body)
    if preference:
        summary["flavor" if split_flavor(str(body.get("model", "")))[1] else "preset"] = preference
    if body.get("filters"):
        summary["filters"] = filters_in(body)
    return summary


def warn_about_unused_preset(body: Mapping[str, Any]) -> None:
    """Warn, once for each pair, about a preset that a flavor overrides."""
    preset, preference = body.get("preset"), routing_preference(body)
    if isinstance(preset, str) and preset and preset != preference:
        warn_once(
            f"preset: {preset!r} has no effect with the flavor {preference!r} of the model, "
            "which takes precedence"
        )


def _folded(word: str) -> str:
    return word.strip().lower().replace("-", "_").replace(" ", "_")


def _near(folded: str, known: frozenset[str]) -> str | None:
    from melious.errors.suggestions import nearest  # noqa: PLC0415 - needed after a mistake only

    return folded if folded in known else nearest(folded, known, _OTHER_WORDS, cutoff=_NEAR)
