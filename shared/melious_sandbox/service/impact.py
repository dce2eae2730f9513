"""What a request cost: environment_impact and billing_cost from the work, the model and the route."""

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from melious.catalogue import ModelCard
from melious_sandbox.service.faults import Fault
from melious_sandbox.service.profiles import Profile
from melious_sandbox.service.routing import Route

_MILLION = Decimal(1_000_000)
_ENERGY_PER_EURO = 10_000
# Where the catalogue knows no price (EUR per million tokens, images, seconds).
_ASSUMED_INPUT_PRICE = Decimal("0.30")
_ASSUMED_OUTPUT_PRICE = Decimal("1.20")
_IMAGE_PRICE = Decimal("0.004")
_AUDIO_SECOND_PRICE = Decimal("0.000012")
_IMAGE_KWH = 0.0006
_AUDIO_SECOND_KWH = 2.2e-06
_KWH_PER_TOKEN = 2.1e-07
_ASSUMED_BILLIONS = 30.0


@dataclass(frozen=True, slots=True)
class Work:
    """What a request made the provider do; the tokens of the input include the cached ones."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    megapixels: float = 0.0
    images: int = 0
    audio_seconds: float = 0.0


def extensions(
    profile: Profile, card: ModelCard, route: Route, work: Work, fault: Fault
) -> dict[str, dict[str, Any]]:
    """Give the two top-level objects that an answer carries, damaged where the fault asks for it.

    Both say that they are simulated, which the service does not do.
    """
    found = {
        "environment_impact": _damaged_impact(environment_impact(card, route, work), fault),
        "billing_cost": _damaged_cost(billing_cost(profile, card, route, work), fault),
    }
    return {name: value | {"simulated": True} for name, value in found.items() if value is not None}


def environment_impact(card: ModelCard, route: Route, work: Work) -> dict[str, Any]:
    """Give energy, carbon and water of a request, and who served it where."""
    provider = route.provider
    energy = _kwh(card, work) * provider.pue
    return {
        "energy_kwh": energy,
        "carbon_g_co2": energy * provider.carbon_intensity,
        "water_liters": energy * provider.water,
        "renewable_percent": provider.renewable_percent,
        "pue": provider.pue,
        "provider_id": provider.id,
        "location": provider.country,
    }


def billing_cost(profile: Profile, card: ModelCard, route: Route, work: Work) -> dict[str, Any] | None:
    """Give the bill of a request in decimal strings, or None in a profile that knows no bill."""
    euros = _euros(card, work) * route.price_factor
    return profile.bill(_plain(euros), _plain(euros * _ENERGY_PER_EURO))


def _kwh(card: ModelCard, work: Work) -> float:
    per_token = _KWH_PER_TOKEN * math.sqrt(_billions(card.id))
    fresh = work.input_tokens - work.cached_tokens
    tokens = work.output_tokens + fresh * 0.1 + work.cached_tokens * 0.01
    return tokens * per_token + work.megapixels * _IMAGE_KWH + work.audio_seconds * _AUDIO_SECOND_KWH


@cache
def _billions(model: str) -> float:
    """Parameters at work in billions, read off the name: ``-a22b`` before ``-235b``."""
    active = re.search(r"-a(\d+(?:\.\d+)?)b\b", model) or re.search(r"(?<![a-z\d.])(\d+(?:\.\d+)?)b\b", model)
    return float(active[1]) if active else _ASSUMED_BILLIONS


def _euros(card: ModelCard, work: Work) -> Decimal:
    price_in, price_out, price_cached = card.pricing
    price_in = _ASSUMED_INPUT_PRICE if price_in is None else price_in
    price_out = _ASSUMED_OUTPUT_PRICE if price_out is None else price_out
    price_cached = price_in if price_cached is None else price_cached
    tokens = (
        (work.input_tokens - work.cached_tokens) * price_in
        + work.cached_tokens * price_cached
        + work.output_tokens * price_out
    ) / _MILLION
    return tokens + work.images * _IMAGE_PRICE + Decimal(str(work.audio_seconds)) * _AUDIO_SECOND_PRICE


def _plain(amount: Decimal) -> str:
    text = f"{amount.quantize(Decimal('1e-12')).normalize():f}"
    return text if text.strip("0.") else "0"


def _damaged_impact(impact: dict[str, Any], fault: Fault) -> dict[str, Any] | None:
    if fault.impact == "missing":
        return None
    if fault.impact == "partial":
        return {name: impact[name] for name in ("energy_kwh", "provider_id")}
    if fault.impact == "strange":
        return {
            "energy_kwh": str(impact["energy_kwh"]),
            "carbon_g_co2": None,
            "water_liters": -1,
            "renewable_percent": "most of it",
            "pue": True,
            "provider_id": 17,
            "location": [impact["location"]],
            "note": "fields of a later version",
        }
    return impact


def _damaged_cost(bill: dict[str, Any] | None, fault: Fault) -> dict[str, Any] | None:
    if bill is None or fault.cost is None or fault.cost == "string":
        return bill
    damaged: dict[str, dict[str, Any] | None] = {
        "missing": None,
        "partial": {"credits": bill["credits"]},
        "strange": {"credits": "NaN", "energy": None, "paid_with": 3},
        "number": bill | {"credits": float(bill["credits"]), "energy": float(bill["energy"])},
        "zero": bill | {"credits": "0", "energy": "0"},
    }
    return damaged[fault.cost]
