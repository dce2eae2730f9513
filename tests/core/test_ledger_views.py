"""A ledger for people and other programs: the table, the HTML, the plot, CSV and pandas."""

import csv
import io
import re
import subprocess
import sys
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

from melious import BillingCost, EnvironmentImpact, ImpactLedger
from melious._figures import figure, tokens
from melious.impact import Entry

EVIL = "<img src=x onerror=alert(1)>&'\""


def _entry(model: str = "glm-4.7", country: str = "FI", grams: float = 0.5, **more: Any) -> Entry:
    return Entry(
        more.pop("endpoint", "chat"),
        model,
        more.pop("routing", None),
        usage={
            "prompt_tokens": 1000,
            "completion_tokens": 200,
            "prompt_tokens_details": {"cached_tokens": 400},
            "completion_tokens_details": {"reasoning_tokens": 50},
        },
        impact=EnvironmentImpact(
            energy_kwh=grams / 200,
            carbon_g_co2=grams,
            water_liters=grams / 100,
            provider_id=f"{country.lower()}-cloud",
            location=country,
        ),
        cost=BillingCost(credits="0.0123", energy="12.3", paid_with=more.pop("paid_with", "credits")),
    )


@pytest.fixture
def ledger() -> ImpactLedger:
    """Two models in two countries, one unreported stream, one failed call."""
    ledger = ImpactLedger()
    ledger.record(_entry())
    ledger.record(_entry("mistral-small-3.2-24b-instruct", "DE", 2.0, routing="eco", paid_with="energy"))
    ledger.record(Entry("chat", "glm-4.7", usage={"prompt_tokens": 10, "completion_tokens": 5}))
    ledger.record(Entry("chat", "glm-4.7", answered=False, failed=True))
    return ledger


def _guessing() -> ImpactLedger:
    ledger = ImpactLedger(estimate=True)
    ledger.record(_entry())
    ledger.record(Entry("chat", "glm-4.7", usage={"prompt_tokens": 500, "completion_tokens": 100}))
    return ledger


# --- text ----------------------------------------------------------------------------------------------


def test_the_summary_as_a_whole(ledger: ImpactLedger) -> None:
    assert ledger.summary() == SUMMARY


SUMMARY = """\
3 requests
  tokens     2,010 in (800 cached), 405 out (100 reasoning)
  energy     12.5 Wh
  carbon     2.50 g CO₂
  water      25.0 ml H₂O
  cost       24.6 m€
  paid with  12.3 m€ in credits, 12.3 energy

1 of 3 requests reported no impact: missing from the sums, not zero.
1 of 3 requests reported no cost: missing from the sums, not zero.
1 failed, but may have been billed.

by model, routing   requests  failed  tok in  tok out    Wh  g CO₂  ml H₂O    m€  no impact  no cost
────────────────────────────────────────────────────────────────────────────────────────────────────
glm-4.7 · default          2       1   1,010      205  2.50  0.500    5.00  12.3          1        1
mistral-small-3.2-24b-instruct · eco
                           1       0   1,000      200  10.0   2.00    20.0  12.3

by provider, country     requests  tok in  tok out    Wh  g CO₂  ml H₂O    m€  no impact  no cost
─────────────────────────────────────────────────────────────────────────────────────────────────
de-cloud · Germany (DE)         1   1,000      200  10.0   2.00    20.0  12.3
fi-cloud · Finland (FI)         1   1,000      200  2.50  0.500    5.00  12.3
not reported                    1      10        5     —      —       —     —          1        1"""


def test_nothing_reported_is_never_a_zero() -> None:
    ledger = ImpactLedger()
    ledger.record(Entry("chat", "a"))
    ledger.record(Entry("chat", "b"))
    summary = ledger.summary()
    assert re.findall(r"\b0\b|0\.0", summary.replace("0 in", "")) == []
    assert summary.count("not reported") >= 5
    assert "All 2 requests reported no impact" in summary
    assert "—" in summary


def test_a_zero_that_was_reported_is_one() -> None:
    ledger = ImpactLedger()
    ledger.record(Entry("chat", "a", impact=EnvironmentImpact(carbon_g_co2=0.0)))
    assert "carbon     0 g CO₂" in ledger.summary()


def test_an_empty_ledger_says_so() -> None:
    assert ImpactLedger().summary() == "0 requests"
    assert "<b>0</b><span>requests</span>" in ImpactLedger()._repr_html_()


def test_a_row_alone_needs_no_breakdown() -> None:
    ledger = ImpactLedger()
    ledger.record(_entry())
    assert "by " not in ledger.summary()


@pytest.mark.parametrize("models", [1, 3, 14, 200])
@pytest.mark.parametrize("grams", [1e-7, 0.5, 1e9])
def test_no_line_is_wider_than_a_hundred_columns(models: int, grams: float) -> None:
    ledger = ImpactLedger(estimate=True)
    for number in range(models):
        for name in (
            f"m{number}",
            f"organisation/a-model-with-a-long-name-{number}",
            f"模型{number}",
            "x" * 300,
        ):
            ledger.record(_entry(name, grams=grams))
            ledger.record(Entry("chat", name, answered=False, failed=True))
            ledger.record(Entry("chat", name, "eco"))
    (key, totals), *_ = ledger._cells.items()
    totals.requests += 123_456_789
    totals.input_tokens = 10**13
    lines = ledger.summary().splitlines()
    wide = [line for line in lines if len(line) + sum(char in "模型" for char in line) > 100]
    assert not wide
    assert all(sum(line.startswith(f"by {name}") for line in lines) <= 1 for name in ("model", "routing"))
    assert key.cell[1]


def test_many_rows_are_folded_and_none_is_lost() -> None:
    ledger = ImpactLedger()
    for number in range(40):
        for _ in range(40 - number):
            ledger.record(Entry("chat", f"m{number:02}"))
    section = ledger.summary().split("by model")[1].splitlines()[2:]
    names = [line.split("  ")[0] for line in section]
    assert names[:2] == ["m00", "m01"]
    assert names[-1] == "26 more"
    assert sum(int(line[16:].split()[0]) for line in section) == ledger.total.requests


def test_names_cannot_paint_the_terminal() -> None:
    ledger = ImpactLedger()
    ledger.record(Entry("chat", "red\x1b[31m\n\r\t"))
    ledger.record(Entry("chat", "b"))
    assert "\x1b" not in ledger.summary()
    assert any(line.startswith("red�[31m") for line in ledger.summary().splitlines())


def test_estimates_are_labelled_and_apart() -> None:
    summary = _guessing().summary()
    assert "carbon     500 mg CO₂" in summary
    assert "Figures for 1 of the requests were estimated" in summary
    table = summary[summary.index("estimated, by model") :].splitlines()
    assert table[0].split() == [
        "estimated,",
        "by",
        "model",
        "requests",
        "~Wh",
        "~mg",
        "CO₂",
        "~ml",
        "H₂O",
        "~m€",
    ]
    assert table[2].split() == ["glm-4.7", "1", "1.25", "250", "2.50", "6.15"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "—"), (0, "0"), (0.0001, "<0.001"), (0.01234, "0.012"), (0.9996, "1.00"), (9.996, "10.0"),
     (99.96, "100"), (1.5, "1.50"), (12.34, "12.3"), (123.4, "123"), (12345.6, "12,346")],
)  # fmt: skip
def test_figures_have_three_digits(value: float | None, shown: str) -> None:
    assert figure(value) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(None, "—"), (0, "0"), (99_999, "99,999"), (123_456, "123k"), (45_600_000, "46M")]
)
def test_tokens_are_short(count: int | None, shown: str) -> None:
    assert tokens(count) == shown


# --- HTML ----------------------------------------------------------------------------------------------


class Outline(HTMLParser):
    """What a browser makes of a fragment."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(fragment)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th", "b", "span"):
            self.cells.append(data)


def test_notebooks_show_what_the_summary_says(ledger: ImpactLedger) -> None:
    outline = Outline(ledger._repr_html_())
    shown = set(outline.cells)
    assert {
        "3",
        "2.50 g CO₂",
        "12.5 Wh",
        "25.0 ml H₂O",
        "24.6 m€",
        "de-cloud · Germany (DE)",
        "fi-cloud · Finland (FI)",
        "not reported",
        "—",
    } <= shown
    assert outline.tags.count("table") == 2
    assert "1 of 3 requests reported no impact" in ledger._repr_html_()
    assert ("style", "--share:100.0%") in outline.attributes
    assert ("style", "--share:25.0%") in outline.attributes


def test_names_cannot_write_html() -> None:
    ledger = ImpactLedger(estimate=True)
    ledger.record(_entry(EVIL, EVIL, routing=EVIL))
    ledger.record(_entry())
    ledger.record(Entry("chat", EVIL))
    outline = Outline(ledger._repr_html_())
    assert "img" not in outline.tags
    assert outline.cells.count(EVIL) == 3


def test_the_html_needs_nothing_else_and_knows_light_and_dark(ledger: ImpactLedger) -> None:
    page = ledger._repr_html_()
    assert not re.search(r"https?://|<script|<link|url\(|@import", page)
    assert "prefers-color-scheme:dark" in page
    assert 'data-jp-theme-light="false"' in page


def test_estimates_are_labelled_in_html() -> None:
    outline = Outline(_guessing()._repr_html_())
    assert ("class", "estimated") in outline.attributes
    assert {"estimated, by model", "~mg CO₂", "250"} <= set(outline.cells)


# --- rows ----------------------------------------------------------------------------------------------


def test_csv_holds_every_combination_and_no_zero_for_the_unreported(
    ledger: ImpactLedger, tmp_path: Path
) -> None:
    text = ledger.to_csv()
    assert text is not None
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["model"], row["country"], row["requests"], row["failed"]) for row in rows] == [
        ("glm-4.7", "FI", "1", "0"),
        ("mistral-small-3.2-24b-instruct", "DE", "1", "0"),
        ("glm-4.7", "", "1", "1"),
    ]
    assert [row["carbon_g_co2"] for row in rows] == ["0.5", "2.0", ""]
    assert [row["eur"] for row in rows] == ["0.0123", "0.0123", ""]
    assert [(row["charged_credits"], row["charged_energy"]) for row in rows] == [
        ("0.0123", ""),
        ("", "12.3"),
        ("", ""),
    ]
    assert ledger.to_csv(tmp_path / "a.csv") is None
    assert ledger.to_csv(str(tmp_path / "b.csv")) is None
    out = io.StringIO()
    assert ledger.to_csv(out) is None
    assert (
        (tmp_path / "a.csv").read_text("utf-8") == (tmp_path / "b.csv").read_text("utf-8") == out.getvalue()
    )
    assert out.getvalue() == text


@pytest.mark.parametrize("start", "=+-@\t\r")
def test_names_are_no_formulas_in_spreadsheets(start: str) -> None:
    ledger = ImpactLedger()
    ledger.record(Entry("chat", f'{start}HYPERLINK("x")'))
    rows = list(csv.reader(io.StringIO(ledger.to_csv() or "", newline="")))
    assert rows[1][1] == f'\'{start}HYPERLINK("x")'


def test_a_frame_adds_up_to_the_total(ledger: ImpactLedger) -> None:
    frame = ledger.to_pandas()
    assert len(frame) == 3
    assert frame["requests"].sum() == 3
    assert frame.groupby("country", dropna=False)["carbon_g_co2"].sum(min_count=1).to_dict()["DE"] == 2.0
    assert frame["carbon_g_co2"].isna().tolist() == [False, False, True]
    assert frame["input_tokens"].sum() == ledger.total.input_tokens
    assert frame["cached_tokens"].isna().sum() == 1
    assert str(frame["eur"].dtype) == "float64"
    exact = ledger.to_pandas(exact=True)
    assert sum(exact["eur"].dropna()) == Decimal("0.0246")
    assert ImpactLedger().to_pandas().empty


def test_a_frame_labels_estimates() -> None:
    frame = _guessing().to_pandas()
    assert frame["carbon_g_co2"].sum() == 0.5
    assert frame["estimated_carbon_g_co2"].sum() == 0.25
    assert frame["estimated"].sum() == 1


# --- plot ----------------------------------------------------------------------------------------------


def test_the_plot_draws_carbon_and_cost_by_model_and_country(ledger: ImpactLedger, tmp_path: Path) -> None:
    drawn = ledger.plot()
    assert plt.get_fignums() == [], "no window of pyplot is left open"
    titles = [ax.get_title(loc="left") for ax in drawn.axes]
    assert titles == [
        "Carbon, g CO₂ by model",
        "Cost, m€ by model",
        "Carbon, g CO₂ by country",
        "Cost, m€ by country",
    ]
    by_country = drawn.axes[2]
    assert [label.get_text() for label in by_country.get_yticklabels()] == [
        "Germany (DE)",
        "Finland (FI)",
        "not reported",
    ]
    assert [bar.get_width() for bar in by_country.patches[:3]] == [2.0, 0.5, 0.0]
    assert [text.get_text() for text in by_country.texts] == ["2.00", "0.500", "1 unreported"]
    drawn.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert drawn._repr_png_().startswith(b"\x89PNG")


def test_estimates_are_hatched_and_said_to_be_so() -> None:
    drawn = _guessing().plot()
    bars = drawn.axes[0].patches
    assert [(bar.get_width(), bar.get_hatch()) for bar in bars] == [(500.0, None), (250.0, "////")]
    assert drawn.axes[0].texts[0].get_text() == "500  +  ~250 est."
    assert "estimates for 1 request without" in drawn.get_supxlabel()


@pytest.mark.parametrize("models", [0, 1, 30])
def test_any_ledger_can_be_drawn(models: int) -> None:
    ledger = ImpactLedger()
    for number in range(models):
        ledger.record(Entry("chat", f"$m_{number}^{'x' * number}"))
    drawn = ledger.plot()
    assert drawn._repr_png_().startswith(b"\x89PNG")
    assert len(drawn.axes[0].get_yticklabels()) == min(models, 8)


@pytest.mark.parametrize(("package", "call"), [("pandas", "to_pandas"), ("matplotlib", "plot")])
def test_without_an_extra_the_error_names_it(package: str, call: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None\nfrom melious import ImpactLedger\nImpactLedger().{call}()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"pip install 'melious[{'pandas' if package == 'pandas' else 'plot'}]'" in done.stderr
