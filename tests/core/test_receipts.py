"""A receipt: rows with their time, files, Markdown, plots over time, and two ledgers side by side."""

import json
import logging
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from melious import (
    BillingCost,
    EnvironmentImpact,
    ImpactLedger,
    InvalidArgumentError,
    MeliousClient,
    track_impact,
)
from melious.impact import Entry, compare
from melious.impact.rows import Row
from melious.impact.units import euro
from melious.sandbox import Fault, Sandbox

ASK: dict[str, Any] = {"model": "glm-4.7", "messages": [{"role": "user", "content": "Hello"}]}
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def entry(model: str = "glm-4.7", grams: float | None = 0.5, routing: str | None = None) -> Entry:
    if grams is None:
        return Entry("chat", model, routing)
    impact = EnvironmentImpact(carbon_g_co2=grams, provider_id="north", location="FI")
    return Entry(
        "chat",
        model,
        routing,
        {"prompt_tokens": 10, "completion_tokens": 5, "service_tier": "x" * 1000},
        impact,
        BillingCost(credits="0.00000012", paid_with="credits"),
    )


def hourly(*entries: Entry) -> ImpactLedger:
    return ImpactLedger.from_rows(
        Row(NOON + timedelta(hours=number), each) for number, each in enumerate(entries)
    )


@pytest.fixture
def client(sandbox: Sandbox):
    with MeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key, max_retries=0) as client:
        yield client


# --- rows ----------------------------------------------------------------------------------------------


def test_the_last_rows_are_kept_with_their_times(client: MeliousClient) -> None:
    before = datetime.now(UTC)
    with track_impact(keep_rows=2) as ledger:
        for _ in range(3):
            client.chat.create(**ASK)
    assert ledger.total.requests == 3
    first, second = ledger.rows
    assert before <= first.time <= second.time <= datetime.now(UTC)
    assert first.entry.impact is not None
    assert ImpactLedger().rows == ()


def test_a_file_has_a_line_for_every_request_and_gives_the_same_ledger_back(
    client: MeliousClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "rows.jsonl"
    with track_impact(rows_file=file) as ledger:
        client.chat.create(**ASK, flavor="eco")
        client.embeddings.create(model="bge-m3", input=["one"])
        sandbox.faults.add(Fault(status=400))
        with pytest.raises(Exception, match="400"):
            client.chat.create(**ASK)
        for _ in client.chat.stream(**ASK):
            pass
    assert len(file.read_text("utf-8").splitlines()) == 4
    again = ImpactLedger.from_rows(file)
    assert again.to_dict()["by_model"] == ledger.to_dict()["by_model"]
    assert (again.total.failed, again.total.without_impact) == (1, 1)
    assert len(again.rows) == 4
    assert not re.search(r"Hello|sk-mel", file.read_text("utf-8"))


def test_two_ledgers_may_add_to_one_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    for _ in range(2):
        ImpactLedger(rows_file=file).record(entry())
    assert ImpactLedger.from_rows(str(file)).total.requests == 2


def test_a_row_holds_counts_and_not_all_that_a_server_says() -> None:
    ledger = ImpactLedger(keep_rows=1)
    ledger.record(entry())
    assert ledger.rows[0].entry.usage == {"prompt_tokens": 10, "completion_tokens": 5}


def test_a_file_that_cannot_be_written_is_an_error_before_anything_is_sent(
    client: MeliousClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="nowhere"), track_impact(rows_file=tmp_path / "nowhere" / "rows.jsonl"):
        client.chat.create(**ASK)
    assert not sandbox.requests


def test_a_disk_that_fails_later_loses_rows_and_no_answer(
    client: MeliousClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "rows.jsonl"
    with track_impact(rows_file=file) as ledger, caplog.at_level(logging.ERROR, "melious"):
        file.unlink()
        file.mkdir()
        assert client.chat.create(**ASK).text
    assert "1 row could not be written" in caplog.text
    assert ledger.total.requests == 1


@pytest.mark.parametrize("keep", [-1, 1.5, "all", True])
def test_keep_rows_is_a_whole_number(keep: Any) -> None:
    with (
        pytest.raises(InvalidArgumentError, match="keep_rows: must be a whole number"),
        track_impact(keep_rows=keep),
    ):
        pass


@pytest.mark.parametrize("line", ["no json", "[]", "{}", '{"time": "x", "endpoint": "chat", "model": "m"}'])
def test_a_file_that_is_not_of_a_ledger_names_the_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "rows.jsonl"
    ImpactLedger(rows_file=file).record(entry())
    file.write_text(file.read_text("utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2 is not a row of a ledger"):
        ImpactLedger.from_rows(file)


def test_rows_go_to_pandas_and_csv() -> None:
    ledger = hourly(entry(), entry(grams=None))
    frame = ledger.to_pandas(rows=True)
    assert list(frame["time"]) == [NOON, NOON + timedelta(hours=1)]
    assert frame["carbon_g_co2"].isna().tolist() == [False, True]
    header, first, _ = (ledger.to_csv(rows=True) or "").splitlines()
    assert header.startswith("time,endpoint,model")
    assert "0.00000012" in first, "money has no exponent"


def test_a_merged_ledger_keeps_the_rows_of_both() -> None:
    both = ImpactLedger(keep_rows=10)
    both.merge(hourly(entry(), entry()))
    both.merge(hourly(entry()))
    assert len(both.rows) == 3


# --- files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "begins"),
    [
        ("html", b"<!doctype html>"),
        ("md", b"**2 requests**"),
        ("txt", b"2 requests"),
        ("json", b'{\n  "total"'),
        ("csv", b"endpoint,model"),
        ("jsonl", b'{"time": "2026-11-01T12:00:00+00:00"'),
        ("png", b"\x89PNG"),
        ("svg", b"<?xml"),
        ("PDF", b"%PDF"),
    ],
)
def test_the_suffix_says_what_is_saved(tmp_path: Path, suffix: str, begins: bytes) -> None:
    file = tmp_path / f"receipt.{suffix}"
    hourly(entry(), entry("bge-m3")).save(file)
    assert file.read_bytes().startswith(begins)


def test_another_suffix_is_an_error_that_lists_them(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"must be one of \.html, \.md, .*, not '\.docx'"):
        ImpactLedger().save(tmp_path / "receipt.docx")


def test_the_page_stands_alone_and_has_the_title_that_is_given(tmp_path: Path) -> None:
    hourly(entry()).to_html(tmp_path / "receipt.html", title="Week <44>")
    page = (tmp_path / "receipt.html").read_text("utf-8")
    assert "<h1>Week &lt;44&gt;</h1>" in page
    assert not re.search(r"https?://|<script|<link|url\(|@import", page)
    assert hourly(entry()).to_html() is not None


def test_json_takes_the_dict() -> None:
    values = hourly(entry(), entry(grams=None)).to_dict(json=True)
    assert json.loads(json.dumps(values))["total"]["eur"] == "0.00000012"
    assert values["total"]["charged"] == {"credits": "0.00000012"}
    assert [row["time"] for row in values["rows"]] == [
        "2026-11-01T12:00:00+00:00",
        "2026-11-01T13:00:00+00:00",
    ]
    assert hourly(entry()).to_dict()["total"]["eur"] == Decimal("0.00000012")


def test_names_cannot_write_markdown() -> None:
    ledger = hourly(entry("a|b\n# <img> [x](y)"), entry("plain"))
    text = ledger.to_markdown() or ""
    assert "| a\\|b # \\<img\\> \\[x\\](y) |" in text
    assert len({line.count("|") - line.count("\\|") for line in text.splitlines() if "|" in line}) == 1


def test_the_summary_fits_a_narrow_terminal() -> None:
    ledger = hourly(entry(), entry("mistral-small-3.2-24b-instruct"), entry(grams=None))
    for width in (50, 60, 80):
        assert max(map(len, ledger.summary(width=width).splitlines())) <= width
    assert "g CO₂" in ledger.summary(width=50).split("by model")[1]


# --- simulated figures ---------------------------------------------------------------------------------


def test_what_the_sandbox_made_up_is_said_to_be_simulated_wherever_it_is_shown(client: MeliousClient) -> None:
    with track_impact() as ledger:
        client.chat.create(**ASK)
    said = "Simulated: the figures of 1 request were made up by the sandbox."
    assert ledger.total.simulated == 1
    assert said in ledger.summary()
    assert said in ledger._repr_html_()
    assert said in (ledger.to_markdown() or "")
    assert said in ledger.plot().get_supxlabel()
    assert "simulated by the sandbox" in str(compare(ledger, ledger))


def test_what_the_service_reports_is_not_simulated() -> None:
    assert "imulated" not in hourly(entry()).summary() + (hourly(entry()).to_html() or "")


def test_several_requests_for_one_answer_stay_simulated(client: MeliousClient) -> None:
    answer = client.embeddings.create(model="bge-m3", input=["one", "two"], batch_size=1)
    assert answer.environment_impact is not None
    assert answer.environment_impact.simulated


# --- plots ---------------------------------------------------------------------------------------------


def test_a_plot_draws_what_it_is_asked_for() -> None:
    ledger = hourly(entry(), entry("bge-m3", 0.1))
    titles = [ax.get_title(loc="left") for ax in ledger.plot(by="routing", kind=("cost", "tokens")).axes]
    assert titles == ["Cost, µ€ by routing", "Tokens, in and out by routing"]
    for kind in ("carbon", "cost", "energy", "water", "tokens", "requests"):
        assert len(ledger.plot(by="provider", kind=kind).axes) == 1


def test_over_time_the_sums_grow() -> None:
    ledger = hourly(entry(), entry("bge-m3", 0.1), entry(grams=None), entry())
    (ax,) = ledger.plot(by="model", kind="carbon", over="time").axes
    lines = {line.get_label(): list(line.get_ydata()) for line in ax.get_lines()}
    assert lines == {
        "glm-4.7 (1 unreported)": [0, 0.5, 0.5, 1, 1],
        "bge-m3": [0, 0.1, 0.1],
    }


def test_the_legend_covers_no_line_where_there_is_room() -> None:
    (ax,) = (
        hourly(entry(grams=5), *(entry("bge-m3", 0.1) for _ in range(9)))
        .plot(kind="carbon", by="model", over="time")
        .axes
    )
    ax.figure.draw_without_rendering()
    legend = ax.get_legend().get_window_extent()
    for line in ax.get_lines():
        assert not line.get_path().transformed(line.get_transform()).intersects_bbox(legend, filled=False)


def test_over_time_needs_rows() -> None:
    ledger = ImpactLedger()
    ledger.record(entry())
    with pytest.raises(InvalidArgumentError, match=r"over: no rows are kept; use track_impact\(keep_rows="):
        ledger.plot(over="time")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"by": "models"}, "by: must be one of endpoint, model, provider, country, routing, not 'models'"),
        ({"kind": "co2"}, "kind: must be one of carbon, cost, energy, water, tokens, requests, not 'co2'"),
        ({"over": "model"}, "over: must be one of time, not 'model'"),
        ({"by": []}, "by: must not be empty"),
    ],
)
def test_a_wrong_word_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=re.escape(said)):
        ImpactLedger().plot(**wrong)


def test_sums_by_an_unknown_dimension_list_the_known_ones() -> None:
    with pytest.raises(InvalidArgumentError, match=r"dimension: must be one of endpoint, model, .*'models'"):
        ImpactLedger().by("models")  # type: ignore[arg-type]


# --- side by side --------------------------------------------------------------------------------------


def test_two_ledgers_are_compared_by_request() -> None:
    eco = hourly(*(entry(grams=0.2, routing="eco") for _ in range(3)), entry(grams=None, routing="eco"))
    speed = hourly(entry(grams=0.5, routing="speed"))
    compared = compare(eco, speed, ("eco", "speed"))
    assert compared.means("carbon_g_co2") == (pytest.approx(0.2), 0.5)
    assert compared.change("carbon_g_co2") == pytest.approx(1.5)
    assert compared.change("energy_kwh") is None
    assert str(compared) == COMPARED
    assert repr(compared) == "Comparison(names=('eco', 'speed'), requests=(4, 1))"
    assert "<td>2.5 times</td>" in compared._repr_html_()
    assert "| carbon, mg CO₂ | 200 | 500 | 2.5 times |" in compared.to_markdown()
    assert json.dumps(compare(eco, eco).to_dict()["carbon_g_co2"]["change"]) == "0.0"


COMPARED = """\
per request       eco  speed     change
───────────────────────────────────────
requests            4      1
energy, kWh         —      —          —
carbon, mg CO₂    200    500  2.5 times
water, l H₂O        —      —          —
cost, µ€        0.120  0.120        +0%

eco: left out 1 request that reported no impact.
eco: left out 1 request that reported no cost."""


def test_names_cannot_write_html_in_a_comparison() -> None:
    assert "<img" not in compare(hourly(entry()), hourly(entry()), ("<img src=x>", "b"))._repr_html_()


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "0 €"), ("0.000000012", "0.012 µ€"), ("0.0000123", "12.3 µ€"), ("0.0123", "12.3 m€"),
     ("1.5", "1.50 €"), ("12345.678", "12,345.68 €"), (None, "—")],
)  # fmt: skip
def test_money_has_units_that_people_read(amount: str | None, shown: str) -> None:
    assert euro(None if amount is None else Decimal(amount)) == shown
