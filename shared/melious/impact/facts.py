"""What a request cost, in energy, carbon, water and money, as the service reports it.

Missing is not zero: a figure that was not reported, or cannot be one, stays None.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from melious._figures import known_amount, known_figure


def _is_sound(text: str) -> bool:
    """Whether a text has no half of a character in it, which pydantic refuses."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value and _is_sound(value) else None


class Reported(BaseModel):
    """What the service reports beside an answer: without fields whose very names are broken."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _with_sound_names(cls, value: Any) -> Any:
        if isinstance(value, dict) and not all(map(_is_sound, value)):
            return {name: value[name] for name in value if _is_sound(name)}
        return value


class EnvironmentImpact(Reported):
    """The environmental cost of one request, as the service reports it. Any figure may be missing.

    Attributes:
        energy_kwh: Energy in kWh, the overhead of the data centre (PUE) included.
        carbon_g_co2: Grams of CO2: the energy times the grid's intensity at that time.
        water_liters: Litres of cooling water.
        renewable_percent: Renewable share of the grid's mix, 0 to 100.
        pue: Power usage effectiveness of the data centre, 1 or more.
        provider_id: Who served the request.
        location: Where, as an ISO 3166 alpha-2 country code.

    Example:
        >>> EnvironmentImpact(carbon_g_co2=0.06, location="NL").water_liters is None
        True
    """

    energy_kwh: float | None = None
    carbon_g_co2: float | None = None
    water_liters: float | None = None
    renewable_percent: float | None = None
    pue: float | None = None
    provider_id: str | None = None
    location: str | None = None

    @field_validator("energy_kwh", "carbon_g_co2", "water_liters", "renewable_percent", "pue", mode="before")
    @classmethod
    def _figure(cls, value: Any) -> Any:
        return known_figure(value)

    @field_validator("provider_id", "location", mode="before")
    @classmethod
    def _name(cls, value: Any) -> Any:
        return _word(value)


class BillingCost(Reported):
    """What one request was billed. Amounts are exact decimals; do not add `energy` and `credits`.

    Two rules are in use: older documentation fills only the amount that was
    charged, the service fills both and `paid_with` names the balance debited.

    Attributes:
        energy: The amount in energy units.
        credits: The amount in credits, which are euro.
        paid_with: `energy` or `credits`: which of the two was taken.

    Example:
        >>> cost = BillingCost(credits="0.0000144", energy="0.144", paid_with="credits")
        >>> cost.eur
        Decimal('0.0000144')
    """

    energy: Decimal | None = None
    credits: Decimal | None = None
    paid_with: str | None = None

    @field_validator("energy", "credits", mode="before")
    @classmethod
    def _amount(cls, value: Any) -> Any:
        return known_amount(value)

    @field_validator("paid_with", mode="before")
    @classmethod
    def _balance(cls, value: Any) -> Any:
        return _word(value)

    @property
    def charged(self) -> Decimal | None:
        """The amount taken from the balance that `paid_with` names; None if that is not known."""
        if self.paid_with == "energy":
            return self.energy
        return self.credits if self.paid_with == "credits" else None

    @property
    def eur(self) -> Decimal | None:
        """The cost in euro, where reported; a zero beside a charge in energy only says "not charged here"."""
        if self.paid_with == "energy" and not self.credits and self.energy:
            return None
        return self.credits
