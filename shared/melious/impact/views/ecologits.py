"""A ledger in the shape of EcoLogits' impacts: the usage phase, as far as the service reports it."""

from __future__ import annotations

from typing import Any

from melious._figures import counted
from melious.impact.totals import Totals

_NAMES = {
    "energy": ("energy", "Energy", "kWh"),
    "gwp": ("GWP", "Global Warming Potential", "kgCO2eq"),
    "wcf": ("WCF", "Water Consumption Footprint", "L"),
}
"""Type, name and unit of each criterion, as EcoLogits names them."""


def plain(total: Totals) -> dict[str, Any]:
    """The impacts as plain values. What is not reported is absent: `adpe`, `pe` and `embodied` always are."""
    criteria = _criteria(total)
    found: dict[str, Any] = dict(criteria)
    if criteria:
        found["usage"] = {"type": "usage", "name": "Usage", **criteria}
    return found | {"warnings": _warnings(total)}


def typed(total: Totals) -> Any:
    """The impacts as an `ImpactsOutput` of EcoLogits.

    Raises:
        ImportError: ecologits is not installed.
    """
    try:
        from ecologits.impacts.modeling import GWP, WCF, Energy, Usage  # noqa: PLC0415 - not needed otherwise
        from ecologits.status_messages import WarningMessage  # noqa: PLC0415 - not needed otherwise
        from ecologits.tracers.utils import ImpactsOutput  # noqa: PLC0415 - not needed otherwise
    except ImportError as error:
        raise ImportError("to_ecologits(typed=True) needs ecologits: pip install ecologits") from error
    kinds = {"energy": Energy, "gwp": GWP, "wcf": WCF}
    criteria = {name: kinds[name](value=shown["value"]) for name, shown in _criteria(total).items()}
    return ImpactsOutput(
        **criteria,
        # The class demands criteria that the service does not report, and a zero would be a claim.
        usage=Usage.model_construct(type="usage", name="Usage", **criteria) if criteria else None,
        warnings=[WarningMessage(**each) for each in _warnings(total)],
    )


def _criteria(total: Totals) -> dict[str, dict[str, Any]]:
    grams = total.carbon_g_co2
    values = {
        "energy": total.energy_kwh,
        "gwp": None if grams is None else grams / 1000,
        "wcf": total.water_liters,
    }
    return {
        name: dict(zip(("type", "name", "unit"), _NAMES[name], strict=True)) | {"value": value}
        for name, value in values.items()
        if value is not None
    }


def _warnings(total: Totals) -> list[dict[str, str]]:
    said = {
        "melious-usage-only": "Reported by Melious: CO2 of the usage phase, location-based. It reports no "
        "embodied impacts, adpe or pe."
    }
    left_out = total.requests - total.reported("carbon_g_co2")
    if left_out:
        said["melious-not-reported"] = (
            f"{counted(left_out, 'request')} of {total.requests:,} reported no CO2 and are left out."
        )
    if total.simulated:
        said["melious-simulated"] = (
            f"The figures of {counted(total.simulated, 'request')} were made up by the sandbox."
        )
    return [{"code": code, "message": message} for code, message in said.items()]
