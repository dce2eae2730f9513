"""Exports for other tools: CodeCarbon's rows, EcoLogits' shape. What their own readers say is in tests/judges."""

import csv
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from melious import EnvironmentImpact, ImpactLedger, InvalidArgumentError, track_impact
from melious.impact import Entry, Written
from melious.impact.rows import Row
from melious.scale.reports import ledger_of, report_of

from .clients import CHAT, QUESTION, Clients

OCTOBER, NOVEMBER = datetime(2026, 10, 7, 9, tzinfo=UTC), datetime(2026, 11, 5, 8, 30, tzinfo=UTC)
MACHINE = (
    "timestamp,project_name,run_id,emissions,energy_consumed,country_iso_code,tracking_mode,ours\n"
    '2026-11-01T10:00:00,machine,own,2.0,4.0,FRA,machine,"a, b"\n'
)


def _row(time: datetime, provider: str | None = "ionos", country: str | None = "FI", **figures: Any) -> Row:
    known = {"energy_kwh": 0.5, "carbon_g_co2": 200.0, "water_liters": 0.25} | figures
    impact = EnvironmentImpact(provider_id=provider, location=country, **known)
    return Row(time, Entry("chat", "glm-4.7", impact=impact))


def _read(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture
def ledger() -> ImpactLedger:
    silent = Row(NOVEMBER, Entry("chat", "glm-4.7"))
    return ImpactLedger.from_rows([_row(OCTOBER), _row(NOVEMBER), _row(NOVEMBER, country="DE"), silent])


def test_a_row_for_each_provider_country_and_month(ledger: ImpactLedger, tmp_path: Path) -> None:
    file = tmp_path / "emissions.csv"
    assert ledger.to_codecarbon(file, project_name="website") == Written(rows=3, requests=3, left_out=1)
    october, germany, finland = _read(file)
    assert [row["country_iso_code"] for row in (october, germany, finland)] == ["FIN", "DEU", "FIN"]
    assert (october["timestamp"], finland["timestamp"]) == ("2026-10-31T23:59:59", "2026-11-05T08:30:00")
    assert (finland["emissions"], finland["energy_consumed"], finland["water_consumed"]) == (
        "0.2",
        "0.5",
        "0.25",
    )
    assert (finland["country_name"], finland["cloud_provider"], finland["on_cloud"]) == (
        "Finland",
        "ionos",
        "N",
    )
    assert finland["tracking_mode"] == "reported by Melious: 1 of 1 request"
    assert finland["project_name"] == "website"
    measured = [name for name in finland if name.startswith(("cpu_", "gpu_", "ram_")) or name in
                ("duration", "emissions_rate", "os", "python_version", "pue", "wue", "longitude")]  # fmt: skip
    assert len(measured) == 22
    assert not any(finland[name] for name in measured), "nothing was measured on this machine"


def test_the_same_ledger_written_again_replaces_its_rows(ledger: ImpactLedger, tmp_path: Path) -> None:
    file = tmp_path / "emissions.csv"
    file.write_text(MACHINE, encoding="utf-8")
    for _ in range(2):
        ledger.to_codecarbon(file)
    ledger.record(_row(NOVEMBER).entry)
    ledger.to_codecarbon(file)
    rows = _read(file)
    assert sum(float(row["energy_consumed"]) for row in rows) == 4.0 + 4 * 0.5
    assert rows[0] == {"ours": "a, b"} | rows[0], "the rows of others stay as they are"
    assert len({row["run_id"] for row in rows}) == len(rows)
    other = ImpactLedger.from_rows([_row(OCTOBER.replace(minute=1))])
    other.to_codecarbon(file)
    assert len(_read(file)) == len(rows) + 1, "another ledger has rows of its own"
    assert [each.name for each in tmp_path.iterdir()] == ["emissions.csv"]


def test_a_ledger_read_from_its_rows_file_is_the_same_one(
    clients: Clients, client: Any, tmp_path: Path
) -> None:
    with track_impact(rows_file=tmp_path / "rows.jsonl") as ledger:
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
        ledger.to_codecarbon(tmp_path / "emissions.csv")
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    ImpactLedger.from_rows(tmp_path / "rows.jsonl").to_codecarbon(tmp_path / "emissions.csv")
    (row,) = _read(tmp_path / "emissions.csv")
    assert float(row["energy_consumed"]) == pytest.approx(ledger.total.energy_kwh)
    assert row["tracking_mode"] == "simulated by the Melious sandbox: 2 of 2 requests"


def test_a_file_whose_last_line_is_not_ended_is_continued_on_a_new_one(
    ledger: ImpactLedger, tmp_path: Path
) -> None:
    file = tmp_path / "emissions.csv"
    file.write_text(MACHINE.rstrip("\n"), encoding="utf-8")
    ledger.to_codecarbon(file)
    assert [row["project_name"] for row in _read(file)] == ["machine", "melious", "melious", "melious"]


def test_what_was_not_reported_has_no_row_and_is_counted(tmp_path: Path) -> None:
    ledger = ImpactLedger.from_rows(
        [_row(NOVEMBER, country="IT", energy_kwh=None), _row(NOVEMBER, country=None, water_liters=None)]
    )
    assert ledger.to_codecarbon(tmp_path / "emissions.csv") == Written(rows=1, requests=1, left_out=1)
    (row,) = _read(tmp_path / "emissions.csv")
    assert (row["country_iso_code"], row["country_name"], row["water_consumed"]) == (
        "ZZZ",
        "Unknown country",
        "",
    )
    assert ImpactLedger().to_codecarbon(tmp_path / "empty.csv") == Written(0, 0, 0)
    assert _read(tmp_path / "empty.csv") == []


def test_a_file_that_is_not_of_codecarbon_is_left_alone(ledger: ImpactLedger, tmp_path: Path) -> None:
    file = tmp_path / "addresses.csv"
    file.write_text("name,street\nA,B\n", encoding="utf-8")
    with pytest.raises(InvalidArgumentError, match="it has no column 'timestamp'"):
        ledger.to_codecarbon(file)
    assert file.read_text("utf-8") == "name,street\nA,B\n"
    file.write_text(MACHINE + "1,2,3,4,5,6,7,8,9\n", encoding="utf-8")
    with pytest.raises(InvalidArgumentError, match="row 2 has too many cells"):
        ledger.to_codecarbon(file)


def test_a_ledger_without_times_needs_a_run_id(ledger: ImpactLedger, tmp_path: Path) -> None:
    timeless = ledger_of([report_of(ledger)])
    with pytest.raises(InvalidArgumentError, match=re.escape("run_id: must be given, since this ledger")):
        timeless.to_codecarbon(tmp_path / "emissions.csv")
    for _ in range(2):
        timeless.to_codecarbon(tmp_path / "emissions.csv", run_id="nightly")
    assert [row["timestamp"] for row in _read(tmp_path / "emissions.csv")] == [
        "2026-10-31T23:59:59", "2026-11-30T23:59:59", "2026-11-30T23:59:59",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"path": ""}, "path: must be a path"),
        ({"project_name": " "}, "project_name: must be non-empty text"),
        ({"run_id": ""}, "run_id: must be non-empty text"),
    ],
)
def test_wrong_arguments_are_named(
    ledger: ImpactLedger, tmp_path: Path, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        ledger.to_codecarbon(**{"path": tmp_path / "emissions.csv", **arguments})


def test_ecologits_gets_the_usage_phase_and_nothing_that_was_not_reported(ledger: ImpactLedger) -> None:
    found = ledger.to_ecologits()
    assert found["energy"] == {"type": "energy", "name": "Energy", "unit": "kWh", "value": 1.5}
    assert (found["gwp"]["value"], found["gwp"]["unit"]) == (pytest.approx(0.6), "kgCO2eq")
    assert (found["wcf"]["value"], found["wcf"]["unit"]) == (0.75, "L")
    assert found["usage"] == {"type": "usage", "name": "Usage"} | {
        name: found[name] for name in ("energy", "gwp", "wcf")
    }
    assert found.keys() == {"energy", "gwp", "wcf", "usage", "warnings"}
    assert [each["code"] for each in found["warnings"]] == ["melious-usage-only", "melious-not-reported"]
    assert ImpactLedger().to_ecologits().keys() == {"warnings"}


def test_a_row_of_real_and_made_up_figures_says_how_many_are_made_up(tmp_path: Path) -> None:
    real = _row(OCTOBER)
    made_up = Row(OCTOBER, real.entry._replace(from_sandbox=True))
    ImpactLedger.from_rows([real, made_up]).to_codecarbon(tmp_path / "emissions.csv")
    (row,) = _read(tmp_path / "emissions.csv")
    assert row["tracking_mode"] == "reported by Melious: 2 of 2 requests; 1 simulated by the Melious sandbox"
