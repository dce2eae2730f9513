"""Budgets: what they let through, what they count, and that nobody races past them."""

import asyncio
import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from melious import (
    AsyncMeliousClient,
    BillingCost,
    BudgetExceededError,
    EnvironmentImpact,
    ImpactBudget,
    InvalidArgumentError,
    MeliousClient,
    MeliousError,
    track_impact,
)
from melious.impact import Entry
from melious.sandbox import Fault, Sandbox

from .clients import AUDIO, CHAT, EMBEDDINGS, IMAGES, QUESTION, RERANK, Clients

ASK: dict[str, Any] = {"model": CHAT, "messages": QUESTION}


def _entry(carbon: float | None = 1.0, eur: str | None = "0.01", **changes: Any) -> Entry:
    settings: dict[str, Any] = {
        "endpoint": "chat",
        "model": "m",
        "usage": {"prompt_tokens": 10, "completion_tokens": 10},
        "impact": None if carbon is None else EnvironmentImpact(carbon_g_co2=carbon, provider_id="nebius"),
        "cost": None if eur is None else BillingCost(credits=eur, paid_with="credits"),
    }
    return Entry(**(settings | changes))


# --- values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["max_cost_eur", "max_carbon_g", "max_energy_kwh", "max_water_l", "max_requests"]
)
@pytest.mark.parametrize("value", [-1, float("nan"), True, "much", []])
def test_what_is_no_limit_is_refused_by_name_and_value(name: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        ImpactBudget(**{name: value})
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)


def test_a_budget_needs_a_limit_and_a_known_word() -> None:
    with pytest.raises(InvalidArgumentError, match="max_requests"):
        ImpactBudget()
    with pytest.raises(InvalidArgumentError, match="must be one of ignore, estimate, refuse, not 'guess'"):
        ImpactBudget(max_requests=1, on_unreported="guess")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match=r"budget: 5 is not an ImpactBudget"):
        MeliousClient(api_key="k", budget=5)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match=r"budget: 5 is not an ImpactBudget"), track_impact(5):  # type: ignore[arg-type]
        pass


def test_a_budget_shows_what_is_spent_of_what() -> None:
    budget = ImpactBudget(max_cost_eur="0.05", max_carbon_g=3, max_requests=10)
    budget.record(_entry())
    assert repr(budget) == "ImpactBudget(max_cost_eur=0.01/0.05, max_carbon_g=1/3, max_requests=0/10)"
    assert (budget.spent.eur, budget.spent.carbon_g_co2) == (Decimal("0.01"), 1.0)


def test_reaching_a_limit_is_enough_and_an_unreported_figure_is_nothing() -> None:
    budget = ImpactBudget(max_carbon_g=2.0)
    budget.record(_entry())
    budget.record(_entry(None))
    budget.check()
    budget.record(_entry())
    with pytest.raises(BudgetExceededError) as caught:
        budget.check()
    error = caught.value
    assert (error.budget, error.limit, error.spent.carbon_g_co2, error.is_retryable) == (
        budget,
        "max_carbon_g",
        2.0,
        False,
    )
    assert "2 of 2 g CO2" in str(error)


def test_estimates_go_by_the_tokens_of_the_same_model() -> None:
    budget = ImpactBudget(max_carbon_g=4.0, max_cost_eur=1, on_unreported="estimate")
    budget.record(_entry(None))
    assert budget.estimated == {}, "nothing is known yet"
    budget.record(_entry())
    budget.record(_entry(None, None, usage={"prompt_tokens": 40}))
    budget.record(_entry(None, None, usage=None))
    budget.record(_entry(None, None, model="other"))
    assert budget.estimated == {"carbon_g_co2": 3.0, "eur": Decimal("0.03")}
    assert budget.spent.carbon_g_co2 == 1.0, "what was reported stays by itself"
    with pytest.raises(BudgetExceededError, match=r"4 of 4 g CO2, 3 of it estimated"):
        budget.check()


def test_refuse_ends_it_after_an_answer_without_a_limited_figure() -> None:
    budget = ImpactBudget(max_carbon_g=100, on_unreported="refuse")
    budget.record(_entry(eur=None))
    budget.check()
    budget.record(_entry(carbon=None, answered=False, failed=True))
    budget.check()
    budget.record(_entry(carbon=None))
    with pytest.raises(BudgetExceededError, match="did not report its g CO2") as caught:
        budget.check()
    assert "stream_impact" in str(caught.value)
    assert caught.value.limit == "max_carbon_g"


def test_copies_start_from_what_was_spent_and_deep_copies_share() -> None:
    budget = ImpactBudget(max_carbon_g=2.0, max_requests=7, on_unreported="estimate")
    budget.record(_entry())
    for other in (copy.copy(budget), pickle.loads(pickle.dumps(budget))):
        assert repr(other) == repr(budget) == "ImpactBudget(max_carbon_g=1/2, max_requests=0/7)"
        other.record(_entry(None))
        assert (other.estimated, budget.estimated) == ({"carbon_g_co2": 1.0}, {})
        with pytest.raises(BudgetExceededError) as caught:
            other.check()
        again = pickle.loads(pickle.dumps(caught.value))
        assert (str(again), again.limit) == (str(caught.value), "max_carbon_g")
    assert copy.deepcopy([budget])[0] is budget
    client = MeliousClient(api_key="k", budget=budget)
    assert copy.deepcopy(client).config.budget is client.with_options(preset="x").config.budget is budget
    assert repr(pickle.loads(pickle.dumps(client)).config.budget) == repr(budget)


# --- over the wire -----------------------------------------------------------------------------------------

EVERY = [
    ("chat.create", ASK),
    ("embeddings.create", {"model": EMBEDDINGS, "input": "a"}),
    ("rerank.create", {"model": RERANK, "query": "q", "documents": ["a"]}),
    ("images.generate", {"model": IMAGES, "prompt": "p", "size": "64x64"}),
]


@pytest.mark.parametrize(("name", "params"), EVERY)
@pytest.mark.parametrize("limit", ["max_cost_eur", "max_carbon_g", "max_energy_kwh", "max_water_l"])
def test_the_request_after_the_limit_is_not_sent(
    clients: Clients, sandbox: Sandbox, name: str, params: dict[str, Any], limit: str
) -> None:
    budget = ImpactBudget(**{limit: 1e-12})
    client = clients.client(sandbox, budget=budget, max_retries=5, filters={"countries": ["FR"]})
    answer = clients.call(client, name, **params)
    with pytest.raises(BudgetExceededError) as caught:
        clients.call(client, name, **params)
    assert len(sandbox.requests) == 1
    error = caught.value
    assert (error.limit, error.attempts, error.budget) == (limit, 0, budget)
    assert error.spent.carbon_g_co2 == answer.environment_impact.carbon_g_co2
    assert budget.requests == 1


def test_transcriptions_and_streams_count(clients: Clients, sandbox: Sandbox, wav: bytes) -> None:
    budget = ImpactBudget(max_requests=2)
    client = clients.client(sandbox, budget=budget)
    clients.call(client, "audio.transcribe", model=AUDIO, file=("a.wav", wav))
    assert clients.stream(client, **ASK).error is None
    with pytest.raises(BudgetExceededError, match=r"2 of 2 requests"):
        clients.stream(client, **ASK)
    clients.call(client, "models.list")
    assert budget.requests == 2


def test_retries_are_one_request_and_what_fails_has_started(clients: Clients, sandbox: Sandbox) -> None:
    budget = ImpactBudget(max_requests=2)
    client = clients.client(sandbox, budget=budget)
    sandbox.faults.add(Fault(status=503, headers={"retry-after": "0"}, times=2))
    assert clients.call(client, "chat.create", **ASK).attempts == 3
    assert budget.requests == 1
    sandbox.faults.add(Fault(status=400))
    with pytest.raises(MeliousError):
        clients.call(client, "chat.create", **ASK)
    assert (budget.requests, budget.spent.requests) == (2, 1)


def test_batches_are_requests_and_the_cache_is_free(clients: Clients, sandbox: Sandbox) -> None:
    budget = ImpactBudget(max_requests=3)
    client = clients.client(sandbox, budget=budget, embedding_cache_size=16)
    texts: dict[str, Any] = {"model": EMBEDDINGS, "input": list("abcdef"), "batch_size": 2}
    for _ in range(3):
        clients.call(client, "embeddings.create", **texts)
    assert budget.requests == 3
    with pytest.raises(BudgetExceededError):
        clients.call(client, "embeddings.create", **(texts | {"input": list("abcxyz")}))
    documents = [f"text {place}" for place in range(9)]
    client = clients.client(sandbox, budget=ImpactBudget(max_requests=4))
    with pytest.raises(BudgetExceededError):
        clients.call(client, "rerank.create", model=RERANK, query="q", documents=documents, batch_size=2)
    assert client.config.budget.spent.requests <= 4 == client.config.budget.requests


def test_a_block_has_its_own_budget_beside_that_of_the_client(clients: Clients, sandbox: Sandbox) -> None:
    everything, part = ImpactBudget(max_requests=3), ImpactBudget(max_requests=1)
    client = clients.client(sandbox, budget=everything)
    with track_impact(budget=part) as ledger:
        clients.call(client, "chat.create", **ASK)
        with track_impact(budget=part), pytest.raises(BudgetExceededError) as caught:
            clients.call(client, "chat.create", **ASK)
    assert caught.value.budget is part
    assert (ledger.total.requests, ledger.total.failed) == (1, 0), "what was not sent did not fail"
    assert (everything.requests, part.requests) == (1, 1), "refused by one is counted by none"
    clients.call(client, "chat.create", **ASK)
    assert everything.requests == 2
    assert everything.spent.carbon_g_co2 == pytest.approx(2 * (ledger.total.carbon_g_co2 or 0))


def test_a_budget_on_client_and_block_counts_once(clients: Clients, sandbox: Sandbox) -> None:
    budget = ImpactBudget(max_requests=5)
    client = clients.client(sandbox, budget=budget)
    with track_impact(budget=budget), track_impact(budget=budget):
        clients.call(client, "chat.create", **ASK)
    assert (budget.requests, budget.spent.requests) == (1, 1)


def test_refuse_over_the_wire(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, budget=ImpactBudget(max_carbon_g=100, on_unreported="refuse"))
    clients.call(client, "chat.create", **ASK)
    sandbox.faults.add(Fault(impact="missing"))
    clients.call(client, "chat.create", **ASK)
    with pytest.raises(BudgetExceededError, match="did not report"):
        clients.call(client, "chat.create", **ASK)


def test_a_stream_without_figures_is_estimated(clients: Clients, sandbox: Sandbox) -> None:
    budget = ImpactBudget(max_carbon_g=100, on_unreported="estimate")
    client = clients.client(sandbox, budget=budget)
    whole = clients.call(client, "chat.create", **ASK)
    clients.stream(client, **ASK)
    assert budget.estimated["carbon_g_co2"] == pytest.approx(whole.environment_impact.carbon_g_co2)


@pytest.mark.parametrize("limit", [1, 20])
def test_sixty_four_at_once_cannot_race_past_a_count(
    clients: Clients, start_sandbox: Any, limit: int
) -> None:
    sandbox = start_sandbox(latency=0.05)
    budget = ImpactBudget(max_requests=limit)
    client = clients.client(sandbox, budget=budget)
    results = clients.together(client, "chat.create", [ASK] * 64)
    refused = [result for result in results if isinstance(result, BudgetExceededError)]
    assert (len(refused), len(sandbox.requests), budget.requests) == (64 - limit, limit, limit)


def test_figures_are_passed_by_no_more_than_what_is_under_way(start_sandbox: Any) -> None:
    """64 threads in eights: once an answer has passed the limit, at most the other seven still arrive."""
    sandbox = start_sandbox()
    with MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as probe:
        one = probe.chat.create(**ASK).environment_impact
    assert one is not None
    assert one.carbon_g_co2 is not None
    budget = ImpactBudget(max_carbon_g=one.carbon_g_co2 * 10.5)
    allowed = threading.Semaphore(8)
    with MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url, budget=budget) as client:

        def ask(_: int) -> bool:
            with allowed:
                try:
                    client.chat.create(**ASK)
                except BudgetExceededError:
                    return False
            return True

        with ThreadPoolExecutor(64) as pool:
            answered = sum(pool.map(ask, range(64)))
    assert 11 <= answered <= 11 + 7
    assert budget.requests == answered


def test_threads_and_tasks_share_one(start_sandbox: Any) -> None:
    sandbox = start_sandbox(latency=0.02)
    budget = ImpactBudget(max_requests=30)
    options: dict[str, Any] = {"api_key": sandbox.api_key, "base_url": sandbox.base_url, "budget": budget}

    async def tasks() -> int:
        async with AsyncMeliousClient(**options) as client:
            done = await asyncio.gather(
                *(client.chat.create(**ASK) for _ in range(32)), return_exceptions=True
            )
        return sum(not isinstance(one, BaseException) for one in done)

    def blocking(client: MeliousClient) -> bool:
        try:
            client.chat.create(**ASK)
        except BudgetExceededError:
            return False
        return True

    with MeliousClient(**options) as client, ThreadPoolExecutor(33) as pool:
        loop = pool.submit(asyncio.run, tasks())
        threads = sum(pool.map(blocking, [client] * 32))
        assert threads + loop.result() == 30
    assert len(sandbox.requests) == 30


def test_batches_under_way_end_and_are_counted(clients: Clients, start_sandbox: Any) -> None:
    sandbox = start_sandbox(latency=0.1)
    budget = ImpactBudget(max_requests=3)
    client = clients.client(sandbox, budget=budget)
    with track_impact() as ledger, pytest.raises(BudgetExceededError):
        clients.call(
            client,
            "embeddings.create",
            model=EMBEDDINGS,
            input=list("abcdefgh"),
            batch_size=1,
            max_concurrency=4,
        )
    assert (ledger.total.requests, ledger.total.failed) == (3, 0)
    assert budget.spent.with_impact == 3


def test_what_is_billed_in_energy_has_no_price_in_euro(clients: Clients, start_sandbox: Any) -> None:
    client = clients.client(start_sandbox("g2"), budget=ImpactBudget(max_cost_eur=1, on_unreported="refuse"))
    assert clients.call(client, "chat.create", **ASK).billing_cost.paid_with == "energy"
    with pytest.raises(BudgetExceededError, match="did not report its EUR"):
        clients.call(client, "chat.create", **ASK)
