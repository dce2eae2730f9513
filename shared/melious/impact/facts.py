"""What a request cost in energy, carbon, water and money, as the service reports it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from melious._figures import known_amount, known_figure


def _is_sound(text: str) -> bool:
    """Whether a text has no lone surrogates, which pydantic refuses."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _known_text(value: Any) -> str | None:
    return value if isinstance(value, str) and value and _is_sound(value) else None


def _is_true(value: Any) -> bool:
    return value is True


_Figure: TypeAlias = Annotated[float | None, BeforeValidator(known_figure)]
_Amount: TypeAlias = Annotated[Decimal | None, BeforeValidator(known_amount)]
_Text: TypeAlias = Annotated[str | None, BeforeValidator(_known_text)]
_Flag: TypeAlias = Annotated[bool, BeforeValidator(_is_true)]


def intensity(grams: float | None, kwh: float | None) -> float | None:
    """Grams per kWh; None if one of the two is unknown or there was no energy."""
    return None if grams is None or not kwh else grams / kwh


class Reported(BaseModel):
    """Reported figures, without fields whose names pydantic refuses."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _with_sound_names(cls, value: Any) -> Any:
        if isinstance(value, dict) and not _is_sound("".join(value)):
            return {name: value[name] for name in value if _is_sound(name)}
        return value


class EnvironmentImpact(Reported):
    """The environmental impact of one request, as reported. What is missing is None.

    Attributes:
        energy_kwh: Energy in kWh, including the overhead of the data centre (PUE).
        carbon_g_co2: Grams of CO2: energy times the carbon intensity of the grid.
        water_liters: Litres of cooling water.
        renewable_percent: Renewable share of the grid, 0 to 100.
        pue: Power usage effectiveness of the data centre, 1 or more.
        provider_id: The provider that served the request.
        location: Its country, as an ISO 3166 alpha-2 code.
        simulated: Whether the sandbox made the figures up; the service does not send it.

    Examples:
        >>> EnvironmentImpact(carbon_g_co2=0.06, location="NL").water_liters is None
        True
    """

    energy_kwh: _Figure = None
    carbon_g_co2: _Figure = None
    water_liters: _Figure = None
    renewable_percent: _Figure = None
    pue: _Figure = None
    provider_id: _Text = None
    location: _Text = None
    simulated: _Flag = False

    @property
    def grid_g_per_kwh(self) -> float | None:
        """The carbon intensity of the grid in grams per kWh: carbon divided by energy; None if unknown.

        Examples:
            >>> EnvironmentImpact(energy_kwh=0.001, carbon_g_co2=0.4).grid_g_per_kwh
            400.0
        """
        return intensity(self.carbon_g_co2, self.energy_kwh)


class BillingCost(Reported):
    """What one request was billed, in exact decimals. Do not add `energy` and `credits`.

    The service fills both amounts, and `paid_with` names the balance debited;
    older documentation fills only the amount that was charged.

    Attributes:
        energy: The amount in energy units.
        credits: The amount in credits, which are euro.
        paid_with: The balance debited, `energy` or `credits`.
        simulated: Whether the sandbox made the amounts up; the service does not send it.

    Examples:
        >>> cost = BillingCost(credits="0.0000144", energy="0.144", paid_with="credits")
        >>> cost.eur
        Decimal('0.0000144')
    """

    energy: _Amount = None
    credits: _Amount = None
    paid_with: _Text = None
    simulated: _Flag = False

    @property
    def charged(self) -> Decimal | None:
        """The amount debited from `paid_with`; None if unknown."""
        if self.paid_with == "energy":
            return self.energy
        return self.credits if self.paid_with == "credits" else None

    @property
    def eur(self) -> Decimal | None:
        """The cost in euro, if reported; zero credits beside a charge in energy do not count."""
        if self.paid_with == "energy" and not self.credits and self.energy:
            return None
        return self.credits
