"""A ledger of many requests: bounded memory whatever the names, whole totals, estimates in columns of their own."""

import sys
import tracemalloc
from contextlib import suppress
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melious import (
    BadRequestError,
    BillingCost,
    DeadlineExceededError,
    EnvironmentImpact,
    ImpactLedger,
    InvalidArgumentError,
    track_impact,
)
from melious.impact import Entry, Estimate, Totals
from melious.impact.estimates import MAX_KEYS, Estimator
from melious.impact.sums import MAX_CELLS, MAX_LABELS
from melious.impact.totals import MAX_BALANCES
from melious.sandbox import Fault, Sandbox

from .clients import CHAT, QUESTION, RERANK, Clients

MANY = 100_000


def _impact(carbon: float = 1.0, **more: Any) -> EnvironmentImpact:
    return EnvironmentImpact(carbon_g_co2=carbon, **more)


def _cost(amount: str = "0.1") -> BillingCost:
    return BillingCost(credits=amount, paid_with="credits")


# --- bounds --------------------------------------------------------------------------------------------


def test_requests_with_names_without_end_fit_in_a_few_megabytes() -> None:
    cost = _cost("0.000001")
    entries = [
        Entry(
            "chat", f"model-{n}", f"preset-{n % 999}", {"prompt_tokens": 2}, _impact(1.0, location="FI"), cost
        )
        for n in range(5_000)
    ]
    ledger = ImpactLedger()
    for entry in entries:
        ledger.record(entry)
    tracemalloc.start()
    try:
        for entry in entries:
            ledger.record(entry)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 2_000_000
    for _ in range(MANY // len(entries) - 2):
        for entry in entries:
            ledger.record(entry)
    total = ledger.total
    assert (total.requests, total.with_impact, total.with_cost) == (MANY,) * 3
    assert (total.input_tokens, total.carbon_g_co2, total.eur) == (2 * MANY, float(MANY), Decimal("0.1"))
    assert len(ledger.by("model")) == MAX_LABELS + 1
    assert sum(part.requests for part in ledger.by("model").values()) == MANY
    assert ledger.by("model")["other"].requests > MANY / 2
    assert ledger.by("country").keys() == {"FI"}
    assert len(list(ledger.cells())) <= MAX_CELLS + MAX_LABELS


def test_combinations_are_bounded_and_countries_stay_known() -> None:
    ledger = ImpactLedger()
    for number in range(20_000):
        impact = _impact(1.0, provider_id=f"p{number % 97}", location=("DE", "FR")[number % 2])
        ledger.record(Entry("chat", f"m{number % 89}", f"r{number % 83}", impact=impact))
    assert len(list(ledger.cells())) <= MAX_CELLS + 2
    assert {name: part.requests for name, part in ledger.by("country").items()} == {
        "DE": 10_000,
        "FR": 10_000,
    }
    assert sum(part.requests for part in ledger.by("model").values()) == 20_000
    assert ledger.total.carbon_g_co2 == 20_000


def test_a_merged_ledger_keeps_the_bounds() -> None:
    whole = ImpactLedger()
    for start in range(0, 1000, 200):
        part = ImpactLedger()
        for number in range(start, start + 200):
            part.record(Entry("chat", f"m{number}"))
        whole.merge(part)
    assert whole.total.requests == 1000
    assert len(whole.by("model")) == MAX_LABELS + 1
    assert whole.by("model")["other"].requests == 1000 - MAX_LABELS


def test_a_name_without_end_is_cut() -> None:
    ledger = ImpactLedger()
    ledger.record(Entry("chat", "x" * 1_000_000))
    ledger.record(Entry("chat", "x" * 1_000_001))
    ((name, totals),) = ledger.by("model").items()
    assert name is not None
    assert (len(name), name[-1], totals.requests) == (200, "…", 2)


def test_balances_are_bounded_and_exact() -> None:
    totals = Totals()
    with localcontext(prec=3):
        for number in range(100):
            cost = BillingCost(credits="0.123456789", paid_with="credits")
            totals.add(Entry("chat", "m", cost=cost))
            totals._add_charged(f"points-{number}", Decimal("0.1"))
    assert totals.eur == Decimal("12.3456789"), "not rounded by a caller's own precision"
    assert len(totals.charged) == MAX_BALANCES + 1
    assert sum(totals.charged.values()) == Decimal("22.3456789")


# --- failed calls --------------------------------------------------------------------------------------


def test_failed_calls_have_a_column_of_their_own(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    with track_impact() as ledger:
        sandbox.faults.add(Fault(status=400))
        for _ in range(2):
            with suppress(BadRequestError):
                clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    total = ledger.total
    assert (total.requests, total.failed, total.without_impact) == (1, 1, 0)
    assert ledger.by("model")[CHAT].failed == 1


def test_a_stream_that_breaks_was_answered_and_failed(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault(error_after_events=3))
    with track_impact() as ledger:
        clients.stream(client, model=CHAT, messages=QUESTION)
    assert (ledger.total.requests, ledger.total.failed) == (1, 1)


def test_what_was_never_sent_did_not_fail(clients: Clients, client: Any) -> None:
    with track_impact() as ledger:
        with pytest.raises(InvalidArgumentError):
            clients.call(client, "rerank.create", model=RERANK, query="", documents=["a"])
        with pytest.raises(DeadlineExceededError):
            clients.call(client, "chat.create", model=CHAT, messages=QUESTION, deadline=1e-9)
    assert (ledger.total.requests, ledger.total.failed) == (0, 0)


def test_batches_that_were_paid_for_in_vain_are_counted(
    clients: Clients, sandbox: Sandbox, start_sandbox: Any
) -> None:
    there = start_sandbox(latency=0.05)
    there.faults.add(Fault(status=400))
    with track_impact() as ledger, pytest.raises(BadRequestError):
        clients.call(
            clients.client(there),
            "embeddings.create",
            model="bge-m3",
            input=[f"text {n}" for n in range(4)],
            batch_size=1,
            max_concurrency=4,
        )
    total = ledger.total
    assert total.failed >= 1
    assert total.requests + total.failed == len(there.requests) == 4


# --- estimates -----------------------------------------------------------------------------------------


def test_what_is_unreported_is_estimated_by_the_token_in_columns_of_its_own() -> None:
    ledger = ImpactLedger(estimate=True)
    usage = {"prompt_tokens": 80, "completion_tokens": 20}
    ledger.record(Entry("chat", "m", usage=usage, impact=_impact(2.0, provider_id="x"), cost=_cost()))
    ledger.record(Entry("chat", "m", usage={"prompt_tokens": 30, "completion_tokens": 20}))
    total = ledger.total
    assert (total.carbon_g_co2, total.eur, total.with_impact) == (2.0, Decimal("0.1"), 1)
    assert (total.estimated, total.estimated_carbon_g_co2, total.estimated_eur) == (1, 1.0, Decimal("0.05"))
    assert total.estimated_energy_kwh is None, "nobody reported energy"
    assert ledger.by("provider")[None].estimated == 1


def test_nothing_is_estimated_unasked() -> None:
    ledger = ImpactLedger()
    ledger.record(Entry("chat", "m", impact=_impact()))
    ledger.record(Entry("chat", "m"))
    assert (ledger.total.estimated, ledger.total.estimated_carbon_g_co2) == (0, None)


REPORTED = Entry("chat", "m", usage={"prompt_tokens": 100}, impact=_impact(10.0, provider_id="x"))


@pytest.mark.parametrize(
    ("asked", "carbon"),
    [
        (Entry("chat", "m", usage={"prompt_tokens": 10}), 2.0),
        (Entry("chat", "m"), 20.0),
        (Entry("chat", "m", impact=EnvironmentImpact(provider_id="x", energy_kwh=1)), 10.0),
        (Entry("chat", "m", usage={"prompt_tokens": 10}, impact=EnvironmentImpact(provider_id="x")), 1.0),
        (Entry("chat", "m", usage={"prompt_tokens": 10}, impact=EnvironmentImpact(provider_id="new")), 2.0),
        (Entry("chat", "other", usage={"prompt_tokens": 10}), None),
        (Entry("rerank", "m", usage={"prompt_tokens": 10}), None),
        (Entry("chat", "m", impact=_impact(0.0)), None),
        (Entry("chat", "m", answered=False, failed=True), None),
    ],
)
def test_an_estimate_goes_by_the_most_alike(asked: Entry, carbon: float | None) -> None:
    estimator = Estimator()
    estimator.learn(REPORTED)
    estimator.learn(Entry("chat", "m", usage={"prompt_tokens": 100}, impact=_impact(30.0, provider_id="y")))
    estimate = estimator.estimate(asked)
    assert (estimate.carbon_g_co2 if estimate else None) == carbon


def test_a_bill_in_energy_has_no_unreported_euro() -> None:
    estimator = Estimator()
    estimator.learn(Entry("chat", "m", cost=_cost()))
    paid = BillingCost(energy="0.8", credits="0", paid_with="energy")
    assert estimator.estimate(Entry("chat", "m", cost=paid)) is None
    assert estimator.estimate(Entry("chat", "m")) == Estimate(eur=Decimal("0.1"))


def test_what_an_estimator_knows_is_bounded() -> None:
    estimator = Estimator()
    for number in range(2 * MAX_KEYS):
        estimator.learn(Entry("chat", f"m{number}", impact=_impact()))
    assert len(estimator._rates) == MAX_KEYS
    assert estimator.estimate(Entry("chat", "m0")) == Estimate(carbon_g_co2=1.0)
    assert estimator.estimate(Entry("chat", f"m{2 * MAX_KEYS - 1}")) is None


@given(
    st.lists(
        st.builds(
            Entry,
            st.just("chat"),
            st.sampled_from(["a", "b"]),
            usage=st.none() | st.fixed_dictionaries({"prompt_tokens": st.integers(0, 9)}),
            impact=st.none() | st.builds(_impact, st.integers(0, 5)),
            answered=st.just(True),
        ),
        max_size=15,
    )
)
def test_estimates_never_touch_what_was_reported(entries: list[Entry]) -> None:
    plain, guessing = ImpactLedger(), ImpactLedger(estimate=True)
    for entry in entries:
        plain.record(entry)
        guessing.record(entry)
    told, guessed = plain.total.to_dict(), guessing.total.to_dict()
    assert {name: value for name, value in told.items() if "estimated" not in name} == {
        name: value for name, value in guessed.items() if "estimated" not in name
    }
    assert guessed["estimated"] <= guessing.total.requests


def test_a_block_estimates_streams_from_whole_answers(clients: Clients, client: Any) -> None:
    with track_impact(estimate=True) as ledger:
        clients.stream(client, model=CHAT, messages=QUESTION)
        whole = clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
        clients.stream(client, model=CHAT, messages=QUESTION)
    total = ledger.total
    assert (total.requests, total.with_impact, total.estimated) == (3, 1, 1), "the first had nothing to go by"
    assert total.carbon_g_co2 == whole.environment_impact.carbon_g_co2
    assert total.estimated_carbon_g_co2 is not None
    assert 0.3 < total.estimated_carbon_g_co2 / total.carbon_g_co2 < 3


def test_a_ledger_is_small_while_it_is_empty() -> None:
    assert sum(map(sys.getsizeof, vars(ImpactLedger()).values())) < 3_000
