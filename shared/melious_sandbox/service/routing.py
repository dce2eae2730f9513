"""Which provider serves a request: a table, weights, filters. A pure function of the request's fields.

Every provider serves every model. Price factors multiply the list price of a model; the provider that the
endpoint's default weights choose is the one whose bill is the list price.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from melious.catalogue import ModelCard
from melious.routing.filters import split_flavor
from melious_sandbox.service.errors import SandboxError, invalid


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider of compute."""

    id: str
    country: str
    carbon_intensity: float  # g CO2 per kWh of the grid
    pue: float  # power usage effectiveness of the data centre, at least 1
    renewable_percent: float
    speed: int  # tokens per second
    price: Decimal  # factor on a model's list price
    water: float  # litres per kWh
    quality: float  # 0 to 1; full precision and long contexts rank higher


PROVIDERS: tuple[Provider, ...] = (
    Provider("melious", "FI", 132.0, 1.12, 96.5, 340, Decimal("1.00"), 0.1, 0.85),
    Provider("nebius", "FI", 132.0, 1.18, 85.0, 420, Decimal("1.10"), 1.2, 0.90),
    Provider("ovhcloud", "FR", 56.0, 1.26, 93.4, 260, Decimal("1.05"), 0.3, 0.80),
    Provider("scaleway", "FR", 56.0, 1.15, 93.4, 540, Decimal("1.40"), 0.2, 0.95),
    Provider("ionos", "DE", 363.0, 1.15, 92.0, 180, Decimal("0.85"), 1.9, 0.75),
    Provider("infercom", "DE", 363.0, 1.22, 60.3, 820, Decimal("1.60"), 1.6, 0.70),
    Provider("regolo", "IT", 416.0, 1.2, 100, 120, Decimal("0.70"), 0.0, 0.65),
    Provider("berget", "SE", 20.0, 1.08, 99.1, 220, Decimal("1.08"), 0.0, 0.72),
    Provider("tensorix", "IE", 290.0, 1.24, 42.0, 200, Decimal("1.15"), 0.4, 0.68),
    Provider("tensorix", "FI", 132.0, 1.20, 90.0, 200, Decimal("1.20"), 0.3, 0.68),
    Provider("verda", "FI", 132.0, 1.14, 95.0, 240, Decimal("1.12"), 0.1, 0.74),
)

_Weights = Mapping[str, float]
_BALANCED: _Weights = {"price": 40, "speed": 40, "environment": 20}
_SPEED: _Weights = {"price": 20, "speed": 70, "environment": 10}
_PRICE: _Weights = {"price": 70, "speed": 20, "environment": 10}
_ECO: _Weights = {"price": 20, "speed": 20, "environment": 60}
_BATCH: _Weights = {"price": 80, "speed": 5, "environment": 15}
_QUALITY: _Weights = {"quality": 70, "price": 10, "speed": 10, "environment": 10}

WEIGHTS: Mapping[str, _Weights] = {
    "balanced": _BALANCED,
    "speed": _SPEED,
    "price": _PRICE,
    "eco": _ECO,
    "batch": _BATCH,
    "environment": _ECO,
    "quality": _QUALITY,
    "reasoning": _QUALITY,
    "non_reasoning": _SPEED,
}
_DEFAULTS = {"embeddings": _PRICE}
_AXES = ("price", "speed", "environment", "quality")


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes: the provider, and the factor of its price on the model's list price."""

    provider: Provider
    price_factor: Decimal


def choose(card: ModelCard, endpoint: str, request: Mapping[str, Any]) -> Route:
    """Choose the provider for a request to an endpoint.

    A flavor in the model's name wins over ``custom_weights``, those and ``mode`` win over ``preset``, and an
    unknown preset leaves the endpoint's default.
    """
    usual = _DEFAULTS.get(endpoint, _BALANCED)
    default = _best(PROVIDERS, usual)
    weights = _weights(request)
    filters = request.get("filters") or {}
    if weights is None and not filters:
        return Route(default, Decimal(1))
    left = _filtered(card, default, filters)
    if not left:
        raise SandboxError("no_providers", details={"filters": filters})
    provider = _best(left, weights or usual)
    return Route(provider, provider.price / default.price)


def _weights(request: Mapping[str, Any]) -> _Weights | None:
    for name in ("preset", "mode"):
        if not isinstance(request.get(name), str | None):
            raise invalid(name, "must be a string.")
    mode, custom, model = (request.get(name) for name in ("mode", "custom_weights", "model"))
    if custom is not None:
        if mode is not None:
            message = "'mode' and 'custom_weights' exclude each other."
            raise SandboxError("invalid_value", message, param="custom_weights")
        _check_custom(custom)
    flavor = split_flavor(model)[1] if isinstance(model, str) else None
    if flavor is not None:
        return WEIGHTS[flavor]
    if custom:
        return {axis: float(custom.get(axis, 0)) for axis in _AXES}
    return WEIGHTS.get(mode or request.get("preset") or "")


def _check_custom(custom: Any) -> None:
    if (
        not isinstance(custom, Mapping)
        or not all(_is_number(weight) and weight >= 0 for weight in custom.values())
        or not any(custom.values())
        or custom.keys() - set(_AXES)
    ):
        raise invalid("custom_weights", f"must give numbers of 0 or more for some of {', '.join(_AXES)}.")


def _best(candidates: Iterable[Provider], weights: _Weights) -> Provider:
    def score(provider: Provider) -> float:
        return sum(weight * _MERITS[provider.id][axis] for axis, weight in weights.items())

    return max(candidates, key=lambda provider: (score(provider), provider.id))


def _filtered(card: ModelCard, default: Provider, filters: Any) -> list[Provider]:
    if not isinstance(filters, Mapping):
        raise invalid("filters", "must be an object.")
    countries = filters.get("countries")
    if countries is not None and not (
        isinstance(countries, list) and all(isinstance(country, str) for country in countries)
    ):
        raise invalid("filters.countries", "must be an array of country codes.")
    for name in ("max_carbon_intensity", "min_speed_tps", "max_input_cost", "max_output_cost"):
        if filters.get(name) is not None and not _is_number(filters[name]):
            raise invalid(f"filters.{name}", "must be a number.")
    allowed = {country.upper() for country in countries or ()}
    price_in, price_out, *_ = card.pricing

    def fits(provider: Provider) -> bool:
        return (
            (not allowed or provider.country in allowed)
            and _at_most(provider.carbon_intensity, filters.get("max_carbon_intensity"))
            and _at_most(filters.get("min_speed_tps"), provider.speed)
            and _at_most(_cost(price_in, provider, default), filters.get("max_input_cost"))
            and _at_most(_cost(price_out, provider, default), filters.get("max_output_cost"))
        )

    return list(filter(fits, PROVIDERS))


def _cost(price: Decimal | None, provider: Provider, default: Provider) -> float | None:
    return None if price is None else float(price * provider.price / default.price)


def _at_most(value: float | None, limit: float | None) -> bool:
    return value is None or limit is None or value <= limit


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _shares(values: list[float]) -> list[float]:
    """Give where each value stands between the least, 0, and the largest, 1."""
    low, high = min(values), max(values)
    return [(value - low) / (high - low) for value in values]


def _merits() -> dict[str, dict[str, float]]:
    prices = _shares([float(provider.price) for provider in PROVIDERS])
    speeds = _shares([float(provider.speed) for provider in PROVIDERS])
    carbon = _shares([provider.carbon_intensity * provider.pue for provider in PROVIDERS])
    return {
        each.id: {"price": 1 - price, "speed": speed, "environment": 1 - grams, "quality": each.quality}
        for each, price, speed, grams in zip(PROVIDERS, prices, speeds, carbon, strict=True)
    }


_MERITS = _merits()
