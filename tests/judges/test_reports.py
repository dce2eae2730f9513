"""carbonboard reads what `to_codecarbon` writes, beside a machine's own rows; EcoLogits' types hold what it exports."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from melious import BillingCost, EnvironmentImpact, ImpactLedger, MeliousClient, track_impact
from melious.impact import Entry
from melious.sandbox import Sandbox

from .installed import require

ASK: dict[str, Any] = {"model": "glm-4.7", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def codecarbon() -> Any:
    require("codecarbon")
    return pytest.importorskip("codecarbon.viz.carbonboard", exc_type=ImportError)


@pytest.fixture
def ecologits() -> Any:
    require("ecologits")
    return pytest.importorskip("ecologits.tracers.utils", exc_type=ImportError)


def _ledger(*places: tuple[str | None, str | None]) -> ImpactLedger:
    ledger = ImpactLedger()
    for provider, country in places:
        impact = EnvironmentImpact(
            energy_kwh=0.5, carbon_g_co2=200.0, water_liters=0.25, provider_id=provider, location=country
        )
        ledger.record(Entry("chat", "glm-4.7", impact=impact, cost=BillingCost(credits="1")))
    ledger.record(Entry("chat", "glm-4.7"))
    return ledger


def _machine_row(codecarbon: Any, file: Path) -> None:
    """A row as CodeCarbon itself writes it."""
    from codecarbon.output_methods.emissions_data import EmissionsData
    from codecarbon.output_methods.file import FileOutput

    numbers = dict.fromkeys(
        ("duration", "emissions_rate", "cpu_power", "gpu_power", "ram_power", "cpu_energy", "gpu_energy",
         "ram_energy", "cpu_count", "gpu_count", "longitude", "latitude", "ram_total_size"), 1.0,
    )  # fmt: skip
    words = dict.fromkeys(
        ("experiment_id", "region", "cloud_provider", "cloud_region", "os", "python_version",
         "codecarbon_version", "cpu_model", "gpu_model", "tracking_mode"), "x",
    )  # fmt: skip
    row = EmissionsData(
        timestamp="2026-11-01T10:00:00", project_name="machine", run_id="own", emissions=2.0,
        energy_consumed=4.0, water_consumed=0.0, country_name="France", country_iso_code="FRA",
        **numbers, **words,
    )  # fmt: skip
    FileOutput(file.name, str(file.parent), on_csv_write="append").out(row, None)


def _asked(app: Any, outputs: str, **inputs: Any) -> dict[str, Any]:
    """What the dashboard answers to its own page: the callback with these outputs, over its HTTP interface."""
    (name,) = [each for each in app.callback_map if outputs in each]
    known = app.callback_map[name]["inputs"]
    wanted = [
        {"id": each.rpartition(".")[0], "property": each.rpartition(".")[2]}
        for each in name.strip(".").split("...")
    ]
    body = {
        "output": name,
        "outputs": wanted if name.startswith("..") else wanted[0],
        "inputs": [{**each, "value": inputs[each["id"]]} for each in known],
        "changedPropIds": [f"{each['id']}.{each['property']}" for each in known],
    }
    answer = app.server.test_client().post("/_dash-update-component", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json["response"]


@pytest.mark.filterwarnings(r"ignore:\s*The dash_table.DataTable will be removed:DeprecationWarning")
@pytest.mark.parametrize("country", ["DE", None])
def test_carbonboard_shows_every_panel_of_our_rows(
    codecarbon: Any, tmp_path: Path, country: str | None
) -> None:
    import pandas as pd

    file = tmp_path / "emissions.csv"
    _machine_row(codecarbon, file)
    ledger = _ledger(("ionos", "FI"), ("ionos", country))
    ledger.to_codecarbon(file, project_name="website")
    ledger.to_codecarbon(file, project_name="website")
    app = codecarbon.render_app(pd.read_csv(file))
    shown = _asked(app, "hidden_project_summary.data", project_name="website")
    assert shown["net_power_consumption"]["children"] == "5.0 kWh"
    assert shown["net_carbon_equivalent"]["children"] == "2.4 kg"
    assert shown["project_power_consumption"]["children"] == "1.0 kWh"
    assert shown["project_carbon_equivalent"]["children"] == "0.4 kg"
    data, summary = shown["hidden_project_data"]["children"], shown["hidden_project_summary"]["data"]
    assert len(data["props"]["data"]) == 2
    assert {row["country_iso_code"] for row in data["props"]["data"]} == {"FIN", "DEU" if country else "ZZZ"}
    for outputs in ("house_icon", "regional_emissions_comparison_component", "country_name",
                    "cloud_emissions_comparison_component", "cloud_provider_name"):  # fmt: skip
        _asked(app, outputs, hidden_project_summary=summary)
    _asked(app, "global_emissions_choropleth", hidden_project_summary=summary, energy_type="fossil")
    bars = _asked(app, "project_emissions_bar_chart", hidden_project_data=data)
    heights = _heights(bars["project_emissions_bar_chart"]["figure"])
    assert sum(heights) == pytest.approx(400), "grams: carbonboard chooses the unit"
    _asked(app, "project_time_series", hidden_project_data=data)


def _heights(figure: dict[str, Any]) -> list[float]:
    """The heights of the bars, which travel as the bytes of an array."""
    arrays = [trace["y"] for trace in figure["data"]]
    return [
        height
        for array in arrays
        for height in np.frombuffer(base64.b64decode(array["bdata"]), dtype=array["dtype"]).tolist()
    ]


def test_codecarbon_goes_on_with_our_file(codecarbon: Any, tmp_path: Path) -> None:
    import pandas as pd

    file = tmp_path / "emissions.csv"
    _ledger(("ionos", "FI")).to_codecarbon(file)
    _machine_row(codecarbon, file)
    frame = pd.read_csv(file)
    assert list(frame["project_name"]) == ["melious", "machine"]
    assert frame["energy_consumed"].sum() == 4.5
    assert [each.name for each in tmp_path.iterdir()] == ["emissions.csv"], "nothing was put aside"


def test_ecologits_types_hold_the_usage_phase_and_nothing_else(ecologits: Any) -> None:
    ledger = _ledger(("ionos", "FI"), ("ionos", "DE"))
    impacts = ledger.to_ecologits(typed=True)
    assert isinstance(impacts, ecologits.ImpactsOutput)
    assert (impacts.energy.value, impacts.gwp.value, impacts.wcf.value) == (1.0, 0.4, 0.5)
    assert (impacts.energy.unit, impacts.gwp.unit, impacts.wcf.unit) == ("kWh", "kgCO2eq", "L")
    assert (impacts.adpe, impacts.pe, impacts.embodied) == (None, None, None)
    assert impacts.usage.gwp == impacts.gwp
    assert not hasattr(impacts.usage, "adpe")
    assert {each.code for each in impacts.warnings} == {"melious-usage-only", "melious-not-reported"}
    plain = ledger.to_ecologits()
    assert ecologits.ImpactsOutput.model_validate(plain | {"usage": None}).gwp == impacts.gwp
    assert impacts.model_dump(exclude_none=True) == plain
    assert (impacts.energy + impacts.energy).value == 2.0


def test_what_the_service_does_not_report_is_no_zero_for_ecologits(ecologits: Any) -> None:
    ledger = ImpactLedger()
    ledger.record(Entry("chat", "glm-4.7"))
    impacts = ledger.to_ecologits(typed=True)
    assert (impacts.energy, impacts.gwp, impacts.wcf, impacts.usage) == (None, None, None, None)


def test_figures_of_the_sandbox_stay_simulated(ecologits: Any, codecarbon: Any, tmp_path: Path) -> None:
    import pandas as pd

    with (
        Sandbox() as sandbox,
        MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client,
        track_impact() as ledger,
    ):
        client.chat.create(**ASK)
    assert "melious-simulated" in {each.code for each in ledger.to_ecologits(typed=True).warnings}
    ledger.to_codecarbon(tmp_path / "emissions.csv")
    (mode,) = pd.read_csv(tmp_path / "emissions.csv")["tracking_mode"]
    assert mode == "simulated by the Melious sandbox: 1 of 1 request"
