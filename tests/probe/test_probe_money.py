"""What the probe spends, and where it stops."""

from __future__ import annotations

from decimal import Decimal

import pytest

from melious.sandbox import Fault


def test_it_costs_less_than_a_cent_and_says_so_before(sandbox, prepared):
    probe = prepared(sandbox.base_url, sandbox.api_key)
    assert [request.endpoint for request in sandbox.requests] == ["models"]
    probe.run(lambda _: None)
    assert 0 < probe.spending.total < Decimal("0.01")


def test_the_plan_is_no_promise_that_is_broken(sandbox, monkeypatch):
    from melious.probe.runner import Probe
    from melious.probe.sending import Wire

    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    wire = Wire(sandbox.base_url, 60.0)
    probe = Probe(wire, Decimal("0.01"))
    plan = probe.prepare()
    probe.run(lambda _: None)
    wire.close()
    assert plan.requests == len({seen.ask.name for seen in probe.seen})
    assert plan.most_cost >= probe.spending.total
    assert all(seen.eur is None or seen.eur <= seen.ask.most_cost for seen in probe.seen)


@pytest.mark.parametrize("limit", ["0.0001", "0.00002"])
def test_it_stops_before_the_limit(sandbox, probed, limit):
    probe, lines = probed(sandbox.base_url, sandbox.api_key, limit=limit)
    assert probe.spending.total <= Decimal(limit)
    left_out = [line for line in lines.values() if f"left of {limit} EUR" in line.finding.said]
    assert left_out
    assert lines["bad key"].finding.verdicts == ("LIVE",), "what is free is asked all the same"
    assert lines["tools"].finding.verdicts != ("not asked",)


def test_a_limit_of_nothing_sends_nothing_that_is_billed(sandbox, probed):
    probe, lines = probed(sandbox.base_url, sandbox.api_key, limit="0")
    assert not any(seen.ask.most_cost for seen in probe.seen)
    assert lines["impact of chat"].finding.verdicts == ("not asked",)


def test_a_missing_bill_is_estimated_and_counted_apart(sandbox, probed):
    sandbox.faults.add(Fault(cost="missing", times=None))
    probe, _ = probed(sandbox.base_url, sandbox.api_key)
    assert probe.spending.reported == 0
    assert probe.spending.estimated > 0
    paid = [seen for seen in probe.seen if seen.ask.most_cost and seen.status in (200, 503)]
    assert probe.spending.unreported == len(paid)


def test_an_empty_balance_ends_what_is_paid(start_sandbox, probed):
    for profile in ("g1", "g2", "live"):
        sandbox = start_sandbox(profile)
        # The first two chat requests are refused for their content.
        sandbox.faults.add(Fault(endpoint="chat", code="insufficient_quota", after=2, times=None))
        probe, lines = probed(sandbox.base_url, sandbox.api_key)
        assert probe.trouble == "the balance is used up"
        assert lines["empty balance"].finding.verdicts == (profile.upper(),)
        assert sum(seen.ask.most_cost > 0 for seen in probe.seen) == 1
        assert lines["impact of chat"].finding.verdicts == ("not asked",)
        assert "the balance is used up" in lines["flavors"].finding.said
        assert lines["tools"].finding.verdicts != ("not asked",)
