"""What requests cost: figures that may be missing or strange, sums that never invent a zero, who is told."""

import threading
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melious import (
    BillingCost,
    EnvironmentImpact,
    ImpactLedger,
)
from melious.impact import Entry, Totals, token_counts

FIGURES = ("energy_kwh", "carbon_g_co2", "water_liters", "renewable_percent", "pue")


# --- values --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", FIGURES)
@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (0.25, 0.25),
        (0, 0.0),
        (0.0, 0.0),
        ("0.25", 0.25),
        (100, 100.0),
        (9.000837001949548e-05, 9.000837001949548e-05),
    ]
    + [
        (strange, None)
        for strange in (
            None,
            -1,
            -0.5,
            True,
            False,
            "most",
            "",
            "nan",
            "inf",
            float("nan"),
            float("inf"),
            [],
            {},
            [1],
        )
    ],
)
def test_a_figure_is_a_number_from_zero_up_or_unknown(field: str, sent: Any, read: float | None) -> None:
    assert getattr(EnvironmentImpact.model_validate({field: sent}), field) == read


@pytest.mark.parametrize("field", ["provider_id", "location"])
@pytest.mark.parametrize(
    ("sent", "read"), [("IT", "IT"), ("", None), (None, None), (17, None), (["IT"], None)]
)
def test_a_name_is_text_or_unknown(field: str, sent: Any, read: str | None) -> None:
    assert getattr(EnvironmentImpact.model_validate({field: sent}), field) == read


def test_what_is_missing_is_none_and_what_is_new_is_kept() -> None:
    impact = EnvironmentImpact.model_validate({"carbon_g_co2": 0.5, "scope_3": {"g": 1}})
    assert [getattr(impact, field) for field in FIGURES] == [None, 0.5, None, None, None]
    assert impact.model_extra == {"scope_3": {"g": 1}}


@pytest.mark.parametrize("field", ["energy", "credits"])
@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("0.0000144", "0.0000144"),
        ("0.0000031", "0.0000031"),
        ("1E-7", "1E-7"),
        ("0", "0"),
        (0, "0"),
        (3, "3"),
        (0.1, "0.1"),
        ("123456789012345678901234567890.123456789", "123456789012345678901234567890.123456789"),
    ]
    + [
        (strange, None)
        for strange in (
            None,
            True,
            -1,
            "-0.1",
            "NaN",
            "1e400",
            "Infinity",
            float("nan"),
            "",
            "free",
            [],
            {},
            "1,5",
        )
    ],
)
def test_an_amount_is_exact_or_unknown(field: str, sent: Any, read: str | None) -> None:
    amount = getattr(BillingCost.model_validate({field: sent}), field)
    assert (amount if amount is None else str(amount)) == read


@pytest.mark.parametrize(
    ("cost", "charged", "eur"),
    [
        ({"credits": "0.0000144", "energy": "0.144", "paid_with": "credits"}, "0.0000144", "0.0000144"),
        ({"credits": "0.0000144", "energy": "0.144", "paid_with": "energy"}, "0.144", "0.0000144"),
        ({"credits": "0.0", "energy": "0.0008", "paid_with": "energy"}, "0.0008", None),
        ({"credits": "0", "energy": "0", "paid_with": "credits"}, "0", "0"),
        ({"credits": "0", "energy": "0", "paid_with": "energy"}, "0", "0"),
        ({"credits": "0.5"}, None, "0.5"),
        ({"energy": "0.5", "paid_with": "energy"}, "0.5", None),
        ({"credits": "0.5", "paid_with": "points"}, None, "0.5"),
        ({"paid_with": "credits"}, None, None),
        ({}, None, None),
    ],
)
def test_both_rules_of_the_bill(cost: dict[str, str], charged: str | None, eur: str | None) -> None:
    read = BillingCost.model_validate(cost)
    assert read.charged == (None if charged is None else Decimal(charged))
    assert read.eur == (None if eur is None else Decimal(eur))


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({}, (None, None, None, None)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, (0, 0, None, None)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            (9, 5, 4, 3),
        ),
        ({"prompt_tokens": 9, "cached_tokens": 4, "prompt_tokens_details": None}, (9, None, 4, None)),
        (
            {"prompt_tokens": 9, "cached_tokens": 4, "prompt_tokens_details": {"cached_tokens": 0}},
            (9, None, 0, None),
        ),
        ({"prompt_tokens": "9", "completion_tokens": 5.0}, (9, 5, None, None)),
        ({"prompt_tokens": "nine", "completion_tokens": 1.5, "cached_tokens": -1}, (None,) * 4),
        (
            {"prompt_tokens": True, "prompt_tokens_details": "x", "completion_tokens_details": [1]},
            (None,) * 4,
        ),
    ],
)
def test_token_counts_are_read_where_servers_put_them(usage: dict[str, Any], counts: tuple[Any, ...]) -> None:
    assert tuple(token_counts(usage).values()) == counts


# --- sums ----------------------------------------------------------------------------------------------


def test_an_empty_ledger_knows_nothing() -> None:
    total = ImpactLedger().total
    assert (total.requests, total.with_impact, total.with_cost) == (0, 0, 0)
    assert (total.carbon_g_co2, total.energy_kwh, total.water_liters, total.eur, total.input_tokens) == (
        None,
    ) * 5


def test_a_sum_is_unknown_until_one_request_reports_it() -> None:
    ledger = ImpactLedger()
    ledger.record(Entry("chat", "m"))
    ledger.record(Entry("chat", "m", impact=EnvironmentImpact(carbon_g_co2=0.0)))
    ledger.record(Entry("chat", "m", cost=BillingCost(credits=Decimal("0.1"), paid_with="credits")))
    total = ledger.total
    assert (total.requests, total.with_impact, total.with_cost) == (3, 1, 1)
    assert (total.without_impact, total.without_cost) == (2, 2)
    assert (total.carbon_g_co2, total.energy_kwh, total.eur) == (0.0, None, Decimal("0.1"))


def test_money_adds_up_exactly() -> None:
    ledger = ImpactLedger()
    for _ in range(1000):
        ledger.record(Entry("chat", "m", cost=BillingCost(credits=0.1, energy="0.7", paid_with="credits")))
    ledger.record(Entry("chat", "m", cost=BillingCost(energy="0.0008", credits="0.0", paid_with="energy")))
    assert ledger.total.eur == Decimal(100)
    assert ledger.total.charged == {"credits": Decimal(100), "energy": Decimal("0.0008")}


ENTRIES = st.builds(
    Entry,
    st.sampled_from(["chat", "rerank"]),
    st.sampled_from(["a", "b"]),
    st.sampled_from([None, "eco"]),
    st.none() | st.fixed_dictionaries({}, optional={"prompt_tokens": st.integers(0, 9)}),
    st.none()
    | st.builds(
        EnvironmentImpact,
        carbon_g_co2=st.none() | st.integers(0, 5),
        location=st.sampled_from([None, "DE", "FR"]),
        provider_id=st.sampled_from([None, "x"]),
    ),
    st.none()
    | st.builds(
        BillingCost, credits=st.none() | st.integers(0, 5), paid_with=st.sampled_from([None, "credits"])
    ),
    tags=st.sampled_from([(), (("project", "atlas"),)]),
)


@given(st.lists(ENTRIES, max_size=12))
def test_every_breakdown_adds_up_to_the_total(entries: list[Entry]) -> None:
    ledger = ImpactLedger()
    for entry in entries:
        ledger.record(entry)
    for dimension in ("endpoint", "model", "provider", "country", "routing"):
        again = Totals()
        for part in ledger.by(dimension).values():  # type: ignore[arg-type]
            again.merge(part)
        assert again.to_dict() == ledger.total.to_dict()
    assert ledger.to_dict()["total"] == ledger.total.to_dict()


def test_a_breakdown_names_what_was_not_reported() -> None:
    ledger = ImpactLedger()
    ledger.record(Entry("chat", "a", "eco", impact=EnvironmentImpact(location="DE", carbon_g_co2=1)))
    ledger.record(Entry("chat", "b"))
    assert {name: part.requests for name, part in ledger.by("country").items()} == {"DE": 1, None: 1}
    assert {name: part.carbon_g_co2 for name, part in ledger.by("routing").items()} == {
        "eco": 1.0,
        None: None,
    }
    assert "requests=2" in repr(ledger)


def test_a_ledger_counts_right_under_many_threads() -> None:
    ledger = ImpactLedger()
    entry = Entry("chat", "a", cost=BillingCost(credits="0.01", paid_with="credits"))
    barrier = threading.Barrier(16)

    def run() -> None:
        barrier.wait()
        for _ in range(200):
            ledger.record(entry)

    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (ledger.total.requests, ledger.total.eur) == (3200, Decimal(32))
