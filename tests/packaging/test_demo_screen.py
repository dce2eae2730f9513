"""What the demo writes to terminals and to files."""

from __future__ import annotations

import io
import re
import sys
from decimal import Decimal

import pytest

from melious.demo.screen import Screen
from melious.impact import BillingCost, EnvironmentImpact, ImpactLedger
from melious.impact.totals import Entry


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_a_terminal_has_the_bar_of_tqdm():
    out = Terminal()
    assert [*Screen(out).progress("indexing", range(5), 2)] == [range(2), range(2, 4), range(4, 5)]
    assert re.search(r"indexing: 100%\|.*5/5 .*passage", out.getvalue())


def test_without_tqdm_there_is_a_bar_too(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    out = Terminal()
    assert len([*Screen(out).progress("indexing", range(5), 2)]) == 3
    assert out.getvalue().endswith(f"\r  indexing [{'█' * 30}] 5/5\n")


def test_a_file_has_one_line_of_progress():
    out = io.StringIO()
    assert len([*Screen(out).progress("indexing", range(5), 2)]) == 3
    assert out.getvalue() == "  indexing 5 passages\n"


def bill(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    ledger = ImpactLedger()
    cost = BillingCost(credits=Decimal("0.0123"), paid_with="credits", simulated=True)
    impact = EnvironmentImpact(carbon_g_co2=0.5, water_liters=0.25, provider_id="p", location="FI")
    ledger.record(
        Entry("chat", "m", usage={"prompt_tokens": 9, "completion_tokens": 4}, impact=impact, cost=cost)
    )
    streamed = ImpactLedger()
    streamed.record(Entry("chat", "m", usage={"prompt_tokens": 9}))
    out = io.StringIO()
    Screen(out).bill([("whole", ledger), ("streamed", streamed)])
    return out.getvalue()


def test_sums_that_lack_something_are_at_least_so_much(monkeypatch):
    lines = bill(88, monkeypatch).splitlines()
    assert re.split(r"  +", lines[0].strip()) == [
        *("step", "requests", "tokens in", "tokens out", "m€", "mg CO₂", "ml H₂O")
    ]
    assert re.split(r"  +", lines[2].strip()) == ["whole", "1", "9", "4", "12.3", "500", "250"]
    assert re.split(r"  +", lines[3].strip()) == ["streamed", "1", "9", "—", "—", "—", "—"]
    assert re.split(r"  +", lines[4].strip()) == ["total", "2", "18", "4", "≥ 12.3", "≥ 500", "≥ 250"]
    said = " ".join(" ".join(lines).split())
    assert "Simulated: the figures of 1 request were made up by the sandbox." in said
    assert "1 of 2 requests reported no impact: missing from the sums, not zero." in said


@pytest.mark.parametrize("columns", [40, 50, 60])
def test_a_narrow_bill_keeps_money_and_carbon(columns, monkeypatch):
    lines = bill(columns, monkeypatch).splitlines()
    assert max(map(len, lines)) <= columns
    assert "m€" in lines[0]
    assert "mg CO₂" in lines[0]
