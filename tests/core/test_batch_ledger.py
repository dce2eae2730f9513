"""The lines of batches in ledgers, budgets and checks of the location."""

from __future__ import annotations

import pytest

from melious import (
    BudgetExceededError,
    ImpactBudget,
    InvalidArgumentError,
    ResidencyError,
    ResidencyWarning,
    track_impact,
)
from melious.sandbox import Fault

from .clients import CHAT, EMBEDDINGS
from .held_server import until

POLL = 0.002


def question(text="What is a lighthouse?", **params):
    return {"model": CHAT, "messages": [{"role": "user", "content": text}], **params}


def finished(clients, client, requests, **params):
    job = clients.call(client, "batches.submit", requests, **params)
    return clients.call(job, "wait", poll=POLL)


class TestLedger:
    def test_each_line_is_an_entry_and_nothing_else_is(self, clients, client):
        with track_impact() as ledger:
            job = finished(clients, client, [question(name, flavor="eco") for name in "abc"])
            assert ledger.total.requests == 0, "nothing is known until the results are read"
            results = clients.items(job)
        total = ledger.total
        assert (total.requests, total.failed, total.with_impact, total.with_cost) == (3, 0, 3, 3)
        assert total.eur == sum(result.answer.billing_cost.eur for result in results)
        assert total.input_tokens == sum(result.answer.usage.prompt_tokens for result in results)
        assert list(ledger.by("endpoint")) == ["chat"]
        assert list(ledger.by("model")) == [CHAT]
        assert list(ledger.by("routing")) == ["eco"]

    def test_reading_again_counts_nothing(self, clients, client):
        with track_impact() as ledger:
            job = finished(clients, client, [question("a"), question("b")])
            clients.items(job)
            clients.call(job, "results")
            clients.items(clients.call(client, "batches.resume", job.id))
        assert ledger.total.requests == 2
        with track_impact() as other:
            clients.items(job)
        assert other.total.requests == 2, "another ledger has not seen them"

    def test_reading_half_and_then_all_counts_each_once(self, clients, client, sandbox):
        with track_impact() as ledger:
            job = finished(clients, client, [question(str(number)) for number in range(40)])
            sandbox.faults.add(Fault(endpoint="files", cut_after_bytes=20_000))
            with pytest.raises(Exception, match=r"broke|closed|truncated|complete"):
                clients.items(job)
            assert 0 < ledger.total.requests < 40
            clients.items(job)
        assert ledger.total.requests == 40

    def test_what_is_not_reported_stays_unreported(self, clients, client, sandbox):
        sandbox.faults.add(
            Fault(impact="missing", cost="missing", usage="missing"),
            when=lambda request: request.custom_id == "request-0",
        )
        with track_impact() as ledger:
            clients.items(finished(clients, client, [question("a"), question("b")]))
        total = ledger.total
        assert (total.requests, total.with_impact, total.with_cost, total.with_usage) == (2, 1, 1, 1)

    def test_failed_and_missing_lines_are_failures(self, clients, client, sandbox):
        sandbox.faults.add(
            Fault(code="provider_error"), when=lambda request: request.custom_id == "request-0"
        )
        sandbox.batches.hold()
        job = clients.call(client, "batches.submit", [question(name) for name in "abc"])
        sandbox.batches.step(2)
        until(lambda: clients.call(job, "refresh").counts.processing == 1)
        sandbox.batches.expire()
        with track_impact() as ledger:
            clients.items(job)
            clients.items(job)
        assert (ledger.total.requests, ledger.total.failed) == (1, 2)

    def test_embeddings(self, clients, client):
        with track_impact() as ledger:
            requests = [
                {"model": EMBEDDINGS, "input": ["a", "b"]},
                {"model": "bge-large-en-v1.5", "input": "c"},
            ]
            clients.items(finished(clients, client, requests, endpoint="/v1/embeddings"))
        assert list(ledger.by("endpoint")) == ["embeddings"]
        assert sorted(ledger.by("model")) == ["bge-large-en-v1.5", EMBEDDINGS], "each answer names its own"


class TestBudget:
    def test_lines_are_requests(self, clients, sandbox):
        budget = ImpactBudget(max_requests=5)
        client = clients.client(sandbox, budget=budget)
        job = finished(clients, client, [question("a"), question("b"), question("c")])
        assert budget.requests == 3
        sandbox.requests.clear()
        with pytest.raises(BudgetExceededError, match="3 requests are more than the budget has left: 3 of 5"):
            clients.call(client, "batches.submit", [question("d"), question("e"), question("f")])
        assert [request.method for request in sandbox.requests] == ["GET"], (
            "only the list of batches was asked for"
        )
        again = clients.call(client, "batches.submit", [question("a"), question("b"), question("c")])
        assert (again.id, budget.requests) == (job.id, 3), "a job that is given back is not paid again"

    def test_what_lines_cost_is_spent_once(self, clients, sandbox):
        budget = ImpactBudget(max_cost_eur=1)
        client = clients.client(sandbox, budget=budget)
        job = finished(clients, client, [question("a"), question("b")])
        results = clients.items(job)
        clients.items(job)
        assert budget.spent.requests == 2
        assert budget.spent.eur == sum(result.answer.billing_cost.eur for result in results)

    def test_a_budget_that_is_used_up_refuses_a_batch(self, clients, sandbox):
        client = clients.client(sandbox, budget=ImpactBudget(max_cost_eur=0))
        with pytest.raises(BudgetExceededError, match="used up"):
            clients.call(client, "batches.submit", [question()])
        assert not [request for request in sandbox.requests if request.method == "POST"]

    def test_it_refuses_a_batch_that_is_made_by_hand(self, clients, client, sandbox):
        job = clients.call(client, "batches.submit", [question()])
        file = job.batches[0].input_file_id
        spent = clients.client(sandbox, budget=ImpactBudget(max_cost_eur=0))
        with pytest.raises(BudgetExceededError, match="used up"):
            clients.call(spent, "batches.create", input_file_id=file, endpoint="/v1/chat/completions")
        assert len(sandbox.batches.all()) == 1

    def test_watching_a_batch_is_free(self, clients, client):
        job = clients.call(client, "batches.submit", [question()])
        with track_impact(ImpactBudget(max_requests=1)):
            for _ in range(3):
                clients.call(job, "refresh")
            clients.call(client, "batches.list")
            clients.call(client, "files.list")


class TestResidency:
    def requests(self, mode="raise"):
        return [question(name, filters={"countries": ["FI"]}, verify_location=mode) for name in "ab"]

    def test_verified(self, clients, client):
        with track_impact() as ledger:
            results = clients.items(finished(clients, client, self.requests()))
        assert [result.error for result in results] == [None, None]
        assert ledger.total.verified == 2

    def test_an_answer_without_a_location_is_an_error_of_its_line(self, clients, client, sandbox):
        sandbox.faults.add(Fault(impact="missing"), when=lambda request: request.custom_id == "request-1")
        job = finished(clients, client, self.requests())
        # Another process knows the rule from the batch itself.
        with track_impact() as ledger:
            fine, wrong = clients.items(clients.call(clients.client(sandbox), "batches.resume", job.id))
        assert fine.error is None
        assert isinstance(wrong.error, ResidencyError)
        assert wrong.error.answer.text
        assert (ledger.total.verified, ledger.total.unverified, ledger.total.requests) == (1, 1, 2)

    def test_a_warning(self, clients, client, sandbox):
        sandbox.faults.add(Fault(impact="missing"), when=lambda request: request.custom_id == "request-1")
        job = finished(clients, client, self.requests("warn"))
        with pytest.warns(ResidencyWarning, match="FI cannot be verified"):
            results = clients.items(job)
        assert all(result.answer.text for result in results)

    def test_one_rule_for_all_requests(self, clients, client, sandbox):
        requests = [*self.requests(), question(filters={"countries": ["DE"]}, verify_location="raise")]
        with pytest.raises(InvalidArgumentError, match=r"requests\[2\]: verify_location: needs the same"):
            clients.call(client, "batches.submit", requests)
        assert not sandbox.requests
