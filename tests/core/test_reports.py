"""Reports on a period: what is in it, what reported, how it is known, in every format; and the SCI."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from melious import BillingCost, EnvironmentImpact, ImpactLedger, InvalidArgumentError, track_impact
from melious.impact import Entry, report
from melious.impact.rows import Row

from .clients import CHAT, QUESTION, Clients

AUTUMN = [
    (datetime(2026, 9, 30, 23, 59, tzinfo=UTC), "FI", "website"),
    (datetime(2026, 10, 1, tzinfo=UTC), "FI", "website"),
    (datetime(2026, 11, 5, 8, tzinfo=UTC), "DE", "website"),
    (datetime(2026, 11, 29, 8, tzinfo=UTC), "FI", "search"),
]


def _row(time: datetime, country: str | None, project: str | None, **more: Any) -> Row:
    impact = EnvironmentImpact(
        energy_kwh=0.5, carbon_g_co2=200.0, water_liters=1.0, provider_id="ionos", location=country
    )
    entry = Entry(
        "chat",
        "glm-4.7",
        usage={"prompt_tokens": 100, "completion_tokens": 300},
        impact=impact,
        cost=BillingCost(credits="0.25", paid_with="credits"),
        tags=() if project is None else (("project", project),),
    )
    return Row(time, entry._replace(**more))


def _silent(time: datetime) -> Row:
    return _row(time, None, None, impact=None, cost=None)


@pytest.fixture
def ledger() -> ImpactLedger:
    rows = [_row(*each) for each in AUTUMN]
    return ImpactLedger.from_rows([*rows, _silent(datetime(2026, 11, 6, tzinfo=UTC))])


def _in_memory(rows: tuple[Row, ...]) -> ImpactLedger:
    """A ledger with the same sums, and no rows."""
    ledger = ImpactLedger()
    ledger.merge(ImpactLedger.from_rows(rows))
    assert ledger.rows == ()
    return ledger


@pytest.mark.parametrize(
    ("period", "requests"),
    [("2026-11", 3), ("2026-Q4", 4), ("2026-Q3", 1), ("2026", 5), (None, 5), ("2025", 0),
     (("2026-11-01", "2026-11-30"), 3)],
)  # fmt: skip
def test_months_quarters_and_years_need_no_rows(ledger: ImpactLedger, period: Any, requests: int) -> None:
    for source in (ledger, ledger.rows, _in_memory(ledger.rows)):
        assert report(source, period).total.requests == requests


def test_days_need_the_rows(ledger: ImpactLedger, tmp_path: Path) -> None:
    days = ("2026-11-05", "2026-11-06")
    assert ledger.report(days).total.requests == 2
    ledger.save(tmp_path / "rows.jsonl")
    assert report(tmp_path / "rows.jsonl", days).total.requests == 2
    said = "period: the ledger has sums by month, but not a row for every request of these days."
    with pytest.raises(InvalidArgumentError, match=re.escape(said)):
        _in_memory(ledger.rows).report(days)


def test_rows_that_were_dropped_are_missed_only_in_their_months(clients: Clients, client: Any) -> None:
    with track_impact(keep_rows=2) as ledger:
        for _ in range(3):
            clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    today = f"{ledger.rows[-1].time:%Y-%m-%d}"
    with pytest.raises(InvalidArgumentError, match="keep the rows"):
        ledger.report((today, today))
    assert ledger.report(("2020-01-02", "2020-01-03")).total.requests == 0


def test_the_tables_say_month_country_provider_model_and_project(ledger: ImpactLedger) -> None:
    tables = ledger.report("2026-11").tables()
    assert {table: {name: sums.requests for name, sums in of.items()} for table, of in tables.items()} == {
        "month": {"2026-11": 3},
        "country": {"DE": 1, "FI": 1, None: 1},
        "provider": {"ionos": 2, None: 1},
        "model": {"glm-4.7": 3},
        "project": {"search": 1, "website": 1, None: 1},
    }
    assert "team" not in ledger.report("2026-11", tag="team").tables()


def test_markdown_has_sums_shares_scope_and_method(ledger: ImpactLedger) -> None:
    text = ledger.report("2026-11", "markdown")
    for said in (
        "# Impact of AI requests: November 2026\n",
        "Period: November 2026 (2026-11-01 00:00 to before 2026-12-01 00:00, UTC)",
        "Scope 3, category 1 (purchased goods and services), location-based",
        "| energy | 1.00 kWh | 2 of 3 requests (66%) |",
        "| CO₂, location-based | 400 g CO₂ | 2 of 3 requests (66%) |",
        "| water | 2.00 l H₂O | 2 of 3 requests (66%) |",
        "| grid: CO₂ ÷ energy | 400 g CO₂/kWh |  |",
        "| cost | 500 m€ | 2 of 3 requests (66%) |",
        "| Germany (DE) | 1 | 1 of 1 | 0.500 | 200 | 400 | 1.00 | 250 |",
        "| not reported | 1 | 0 of 1 | — | — | — | — | — |",
        "| not tagged | 1 | 0 of 1 |",
        "1 of 3 requests reported no impact: missing from the sums, not zero.",
        "## SCI, M excluded",
        "The service calls its figures estimates.",
        "the national average of that hour by Electricity Maps",
    ):
        assert said in text
    assert "imulated" not in text
    assert text == str(ledger.report("2026-11"))


def test_every_table_of_the_csv_adds_up_to_the_total(ledger: ImpactLedger) -> None:
    rows = list(csv.DictReader(io.StringIO(ledger.report("2026-11", "csv"))))
    total, *others = rows
    assert (total["table"], total["requests"], total["reported_carbon_g_co2"]) == ("total", "3", "2")
    assert (total["period_begin"], total["period_end"]) == (
        "2026-11-01T00:00:00+00:00",
        "2026-12-01T00:00:00+00:00",
    )
    for table in ("month", "country", "provider", "model", "project"):
        of = [row for row in others if row["table"] == table]
        for figure in ("requests", "energy_kwh", "carbon_g_co2", "water_liters", "eur"):
            assert sum(Decimal(row[figure] or 0) for row in of) == Decimal(total[figure])
    (silent,) = [row for row in others if row["table"] == "country" and not row["name"]]
    assert (silent["energy_kwh"], silent["carbon_g_co2"], silent["eur"]) == ("", "", ""), "missing, not 0"
    assert (total["scope"], total["accounting"]) == (
        "Scope 3, category 1 (purchased goods and services)",
        "location-based",
    )


def test_json_has_the_same_and_names_no_zero_for_what_is_missing(ledger: ImpactLedger) -> None:
    found = json.loads(ledger.report("2026-11", "json"))
    assert found["period"] == {
        "name": "November 2026",
        "begin": "2026-11-01T00:00:00+00:00",
        "end": "2026-12-01T00:00:00+00:00",
        "time_zone": "UTC",
    }
    assert found["total"]["eur"] == "0.50"
    assert found["total"]["share_reported"] == pytest.approx(2 / 3)
    assert found["tables"]["country"][2] | {"name": None} == found["tables"]["country"][2]
    assert found["tables"]["country"][2]["carbon_g_co2"] is None
    assert (found["simulated"], found["sci"]["m"]) == (False, "excluded")
    assert len(found["method"]) > 3
    assert ledger.report("2026-11").to_dict()["total"]["eur"] == Decimal("0.50")


def test_the_page_needs_nothing_else_and_names_cannot_write_html(tmp_path: Path) -> None:
    evil = "<img src=x>|*x*"
    ledger = ImpactLedger.from_rows([_row(AUTUMN[0][0], "FI", evil)])
    page = ledger.report(None, "html")
    assert page.startswith("<!doctype html>")
    assert "<img" not in page
    assert "http" not in page
    assert "&lt;img" in page
    assert "| \\<img src=x\\>\\|\\*x\\* |" in ledger.report(None, "markdown")
    for suffix, format_ in ((".html", "html"), (".md", "markdown"), (".csv", "csv"), (".json", "json")):
        ledger.report().save(tmp_path / f"report{suffix}")
        assert (tmp_path / f"report{suffix}").read_text("utf-8") == ledger.report(None, format_)  # type: ignore[call-overload]
    assert "melious-ledger" in ledger.report()._repr_html_()


def test_a_formula_in_a_tag_is_quoted_in_the_csv() -> None:
    ledger = ImpactLedger.from_rows([_row(AUTUMN[0][0], "FI", "=1+1")])
    assert ",'=1+1," in ledger.report(None, "csv")


def test_figures_of_the_sandbox_are_labelled_in_every_format(clients: Clients, client: Any) -> None:
    with track_impact() as ledger:
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
        clients.stream(client, model=CHAT, messages=QUESTION)
    assert ledger.total.simulated == 2, "a stream of the sandbox too, though it reports no figures"
    assert "# Impact of AI requests: all time (simulated)" in ledger.report(None, "markdown")
    assert "(simulated)</h1>" in ledger.report(None, "html")
    assert json.loads(ledger.report(None, "json"))["simulated"] is True
    assert next(csv.DictReader(io.StringIO(ledger.report(None, "csv"))))["simulated"] == "2"
    assert "Simulated: the sandbox answered 2 requests." in str(ledger.sci())


def test_estimates_have_a_table_of_their_own() -> None:
    ledger = ImpactLedger(estimate=True)
    ledger.record(_row(*AUTUMN[0]).entry)
    ledger.record(_silent(AUTUMN[0][0]).entry)
    made = ledger.report()
    assert (made.total.carbon_g_co2, made.total.estimated_carbon_g_co2) == (200.0, 200.0)
    assert "## Estimated, by month" in made.to_markdown()
    assert "| CO₂, location-based | 200 g CO₂ | 1 of 2 requests (50%) |" in made.to_markdown()


def test_times_without_a_zone_are_in_utc_and_others_are_turned_into_it() -> None:
    east = timezone(timedelta(hours=9))
    rows = [
        _row(datetime(2026, 11, 1), "FI", None),  # noqa: DTZ001 - what is tested
        _row(datetime(2026, 11, 1, 8, tzinfo=east), "FI", None),
    ]
    for source in (rows, ImpactLedger.from_rows(rows[:1])):
        assert report(source, "2026-11").total.requests == 1
    assert report(rows, ("2026-10-31", "2026-10-31")).total.requests == 1


def test_an_empty_period_says_so(ledger: ImpactLedger) -> None:
    text = ledger.report("2020", "markdown")
    assert "No request in this period." in text
    assert "| energy | — | — |" in text
    assert "0 g" not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"period": "soon"}, "period: must be a month"),
        ({"format": "pdf"}, "format: must be one of markdown, html, csv, json, not 'pdf'"),
        ({"tag": ""}, "tag: must be non-empty text"),
        ({"source": 7}, "source: must be a ledger, rows, or the path of a file of rows, not 7"),
        ({"source": [7]}, "source: must be rows of a ledger, not 7"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=re.escape(said)):
        report(**{"source": ImpactLedger(), **arguments})


def test_a_suffix_that_is_no_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"path: the suffix must be one of \.md, \.html, \.csv, \.json"
    ):
        ImpactLedger().report().save(tmp_path / "report.pdf")


# --- the SCI -------------------------------------------------------------------------------------------


def test_the_sci_is_per_request_per_1000_tokens_and_per_run_without_m(ledger: ImpactLedger) -> None:
    sci = ledger.sci(runs=2)
    assert (sci.per_request, sci.per_1k_tokens, sci.per_run) == (200.0, 500.0, 400.0)
    assert (sci.requests, sci.left_out, sci.counted_requests, sci.counted_tokens) == (4, 1, 4, 1600)
    assert str(sci).splitlines()[0].startswith("SCI, M excluded")
    assert "per run           at least 400 g CO₂  2 runs" in str(sci)
    assert "Left out: 1 request that reported no CO₂." in str(sci)
    assert (
        "The service does not report M, the embodied emissions of the hardware, so M is excluded."
        in sci._repr_html_()
    )


def test_tokens_of_requests_that_reported_no_carbon_do_not_dilute_the_sci() -> None:
    time = AUTUMN[0][0]
    partial = EnvironmentImpact(energy_kwh=1.0, provider_id="other", location="FI")
    ledger = ImpactLedger.from_rows(
        [_row(*AUTUMN[0]), _silent(time), _row(time, None, None, impact=partial),
         _row(time, "IT", None, usage=None)]
    )  # fmt: skip
    sci = ledger.sci()
    assert (sci.per_request, sci.requests, sci.left_out) == (200.0, 2, 2)
    assert (sci.per_1k_tokens, sci.counted_requests, sci.counted_tokens) == (500.0, 1, 400)


def test_without_reports_there_is_no_sci() -> None:
    sci = ImpactLedger.from_rows([_silent(AUTUMN[0][0])]).sci()
    assert (sci.per_request, sci.per_1k_tokens, sci.per_run) == (None, None, None)
    assert "—" in str(sci)
    with pytest.raises(InvalidArgumentError, match="runs: must be a whole number of at least 1, not 0"):
        ImpactLedger().sci(runs=0)


# --- the grid ------------------------------------------------------------------------------------------


def test_the_grid_is_carbon_divided_by_energy_and_unknown_where_one_is_missing(ledger: ImpactLedger) -> None:
    rows = list(csv.DictReader(io.StringIO(ledger.to_csv(rows=True))))
    assert [row["grid_g_per_kwh"] for row in rows] == ["400.0", "400.0", "400.0", "", "400.0"]
    assert ledger.total.grid_g_per_kwh == 400.0
    ledger.record(Entry("chat", "glm-4.7", impact=EnvironmentImpact(carbon_g_co2=1.0)))
    assert ledger.total.grid_g_per_kwh is None, "the sums are not of the same requests"
    assert EnvironmentImpact(carbon_g_co2=1.0, energy_kwh=0).grid_g_per_kwh is None


class Busy(ImpactLedger):
    """A ledger to which another request is added whenever somebody has read its rows."""

    def __init__(self) -> None:
        super().__init__(keep_rows=100)
        self.original = [self]

    @property
    def rows(self) -> tuple[Row, ...]:
        found = super().rows
        self.original[0].add(*reversed(_row(*AUTUMN[2])))
        return found


def test_days_are_reported_while_requests_end() -> None:
    ledger = Busy()
    ledger.add(*reversed(_row(*AUTUMN[2])))
    assert ledger.report(("2026-11-05", "2026-11-05")).total.requests == 1
    assert ledger.total.requests > 1


@pytest.mark.parametrize("name", ["country", "month", "model", "total"])
def test_a_tag_with_the_name_of_another_table_has_its_own(name: str) -> None:
    row = _row(*AUTUMN[0], tags=((name, "ours"),))
    found = report([row], tag=name)
    assert list(found.tables()["country"]) == ["FI"]
    assert list(found.tables()[f"tag {name}"]) == ["ours"]
    tables = [each["table"] for each in csv.DictReader(io.StringIO(found.to_csv()))]
    assert tables == ["total", "month", "country", "provider", "model", f"tag {name}"]
    assert f"tag {name}" in found.to_markdown()


@pytest.mark.parametrize("suffix", [".md", ".html", ".csv", ".json"])
def test_a_name_with_half_a_sign_is_saved_as_its_escape(tmp_path: Path, suffix: str) -> None:
    ledger = ImpactLedger.from_rows([_row(*AUTUMN[0], model="cut \ud83d")])
    ledger.save(tmp_path / f"ledger{suffix}")
    ledger.report().save(tmp_path / f"report{suffix}")
    assert "cut \\ud83d" in (tmp_path / f"report{suffix}").read_text(encoding="utf-8")
