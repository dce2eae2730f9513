"""Which route would have cost less: what the rows show, with its evidence, and when it is thin."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from melious import BillingCost, EnvironmentImpact, ImpactLedger, InvalidArgumentError, track_impact
from melious.impact import Entry, RouteSuggestion, suggest_route
from melious.impact.rows import Row

from .clients import CHAT, QUESTION, Clients

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def _ledger(*groups: tuple[int, dict[str, Any]]) -> ImpactLedger:
    """Requests in groups: how many, and what they are like."""
    return ImpactLedger.from_rows(
        Row(NOON, _entry(number, **like)) for count, like in groups for number in range(count)
    )


def _entry(
    number: int,
    *,
    routing: str | None = None,
    country: str | None = "DE",
    grams: float | None = 0.4,
    eur: str | None = None,
    spread: float = 0.0,
    tokens: int | None = 1000,
    **more: Any,
) -> Entry:
    grams = None if grams is None else grams + spread * (number % 5 - 2)
    return Entry(
        "chat",
        "glm-4.7",
        routing,
        None if tokens is None else {"prompt_tokens": tokens // 2, "completion_tokens": tokens // 2},
        EnvironmentImpact(carbon_g_co2=grams, location=country),
        None if eur is None else BillingCost(credits=eur),
        **more,
    )


def _only(ledger: ImpactLedger, choice: str, saves: str = "carbon", **arguments: Any) -> RouteSuggestion:
    (found,) = [
        each for each in suggest_route(ledger, **arguments) if (each.choice, each.saves) == (choice, saves)
    ]
    return found


def test_a_cheaper_flavor_is_suggested_with_its_evidence() -> None:
    ledger = _ledger((30, {"spread": 0.01}), (20, {"routing": "eco", "grams": 0.1, "spread": 0.01}))
    found = _only(ledger, "flavor or preset")
    assert (found.verdict, found.instead.route, found.usual.route) == ("less", {"flavor": "eco"}, {})
    assert (found.instead.requests, found.usual.requests, found.per) == (20, 30, "1,000 tokens")
    assert found.change == pytest.approx(-0.75)
    assert found.instead.low < found.instead.median < found.instead.high < found.usual.low
    assert str(found) == (
        "chat glm-4.7, carbon by flavor or preset: flavor='eco' (median 100 mg CO₂ per 1,000 tokens, quartiles "
        "90.0 mg CO₂ to 110 mg CO₂, 20 requests) took 75% less than the default route (median 400 mg CO₂ per "
        "1,000 tokens, quartiles 390 mg CO₂ to 410 mg CO₂, 30 requests)."
    )
    assert suggest_route(ledger).suggestions[0] == found, "what saves comes first"


def test_a_preset_and_a_country_are_suggested_as_arguments_of_a_call() -> None:
    presets = _ledger((20, {}), (20, {"routing": "environment", "grams": 0.1}))
    assert _only(presets, "flavor or preset").instead.route == {"preset": "environment"}
    countries = _ledger((20, {}), (10, {"country": "FI", "grams": 0.1}))
    found = _only(countries, "country")
    assert (found.verdict, found.instead.route) == ("less", {"filters": {"countries": ["FI"]}})
    assert "countries=['FI']" in str(found)
    assert "verify_location" in str(suggest_route(countries))


def test_money_is_compared_like_carbon() -> None:
    ledger = _ledger((30, {"eur": "0.0004"}), (20, {"routing": "price", "eur": "0.0001", "grams": 0.9}))
    found = _only(ledger, "flavor or preset", "cost")
    assert (found.verdict, found.change) == ("less", pytest.approx(-0.75))
    assert _only(ledger, "flavor or preset").verdict == "least", "it costs more carbon"
    assert "median 100 µ€ per 1,000 tokens" in str(found)


def test_thin_evidence_is_said_to_be_thin() -> None:
    found = _only(_ledger((30, {}), (9, {"routing": "eco", "grams": 0.1})), "flavor or preset")
    assert found.verdict == "thin"
    assert "The evidence is thin: fewer than 10 requests on one of the two." in str(found)


def test_a_route_that_was_seen_often_is_preferred_to_a_lucky_one() -> None:
    ledger = _ledger(
        (30, {}), (20, {"routing": "eco", "grams": 0.2}), (1, {"routing": "batch", "grams": 0.1})
    )
    found = _only(ledger, "flavor or preset")
    assert (found.verdict, found.instead.route) == ("less", {"flavor": "eco"})


def test_spreads_that_overlap_are_said_to() -> None:
    ledger = _ledger((30, {"spread": 0.1}), (30, {"routing": "eco", "grams": 0.35, "spread": 0.1}))
    found = _only(ledger, "flavor or preset")
    assert found.verdict == "unclear"
    assert "the difference may be chance" in str(found)


def test_the_usual_route_may_cost_least_or_be_the_only_one() -> None:
    found = _only(_ledger((30, {}), (20, {"routing": "speed", "grams": 0.9})), "flavor or preset")
    assert (found.verdict, found.change) == ("least", pytest.approx(1.25))
    assert "costs least of what has been seen; next is flavor='speed'" in str(found)
    alone = _only(_ledger((30, {})), "flavor or preset")
    assert (alone.verdict, alone.instead, alone.change) == ("alone", None, None)
    assert "only this route has been seen" in str(alone)


def test_of_routes_used_as_often_the_cheaper_one_is_suggested() -> None:
    found = _only(
        _ledger((20, {"routing": "eco", "grams": 0.1}), (20, {"routing": "speed"})), "flavor or preset"
    )
    assert (found.verdict, found.usual.route, found.instead.route) == (
        "less",
        {"flavor": "speed"},
        {"flavor": "eco"},
    )


def test_routes_that_are_too_slow_or_not_timed_are_left_out() -> None:
    ledger = _ledger(
        (20, {"seconds": 1.0}),
        (18, {"routing": "eco", "grams": 0.1, "seconds": 2.0}),
        (2, {"routing": "eco", "grams": 0.1, "seconds": 9.0}),
        (20, {"routing": "price", "grams": 0.05, "seconds": 8.0}),
        (20, {"routing": "batch", "grams": 0.01}),
    )
    found = _only(ledger, "flavor or preset", max_latency=2.0)
    assert (found.instead.route, found.instead.seconds) == ({"flavor": "eco"}, 2.0), "9 of 10 are in time"
    assert found.too_slow == ({"flavor": "price"}, {"flavor": "batch"})
    assert "Not fast enough, or not timed: flavor='price', flavor='batch'." in str(found)
    alone = _only(ledger, "flavor or preset", max_latency=0.5)
    assert (alone.verdict, alone.instead) == ("alone", None)
    assert "no other route is fast enough" in str(alone)


def test_a_usual_route_that_is_itself_too_slow_is_said_to_be() -> None:
    slow = (20, {"grams": 0.1, "seconds": 50.0})
    ledger = _ledger(slow, (12, {"routing": "speed", "grams": 0.5, "seconds": 1.0}))
    found = _only(ledger, "flavor or preset", max_latency=2.0)
    assert (found.verdict, found.too_slow) == ("least", ({},))
    assert "Not fast enough, or not timed: the default route." in str(found)
    alone = str(_only(_ledger(slow), "flavor or preset", max_latency=2.0))
    assert "only this route has been seen. Not fast enough, or not timed: the default route." in alone


def test_requests_that_reported_nothing_or_failed_are_no_evidence() -> None:
    ledger = _ledger(
        (20, {}),
        (20, {"routing": "eco", "grams": None}),
        (20, {"routing": "speed", "grams": 0.1, "failed": True}),
    )
    assert _only(ledger, "flavor or preset").verdict == "alone"
    assert len(suggest_route(_ledger((5, {"grams": None})))) == 0
    assert "There is nothing to compare: 5 answers" in str(suggest_route(_ledger((5, {"grams": None}))))
    assert str(suggest_route(ImpactLedger())).startswith("There is nothing to compare: 0 answers")


def test_without_tokens_requests_are_compared_as_they_are() -> None:
    ledger = _ledger((20, {}), (10, {"routing": "eco", "grams": 0.1, "tokens": None}))
    assert _only(ledger, "flavor or preset").per == "request"


def test_real_requests_are_timed_and_simulated_ones_labelled(clients: Clients, client: Any) -> None:
    with track_impact(keep_rows=99) as ledger:
        for flavor in (None, "eco"):
            for _ in range(2):
                clients.call(client, "chat.create", model=CHAT, messages=QUESTION, flavor=flavor)
    found = _only(ledger, "flavor or preset", max_latency=600)
    assert found.usual.seconds is not None
    assert found.usual.seconds > 0
    assert str(suggest_route(ledger)).count("Simulated: the sandbox answered 4 requests.") == 1
    assert "<li>" in suggest_route(ledger)._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"ledger": 7}, "ledger: must be a ledger, not 7"),
        ({"max_latency": 0}, "max_latency: must be a positive number of seconds, not 0"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=re.escape(said)):
        suggest_route(**{"ledger": ImpactLedger(), **arguments})


def test_without_rows_nothing_is_guessed() -> None:
    ledger = ImpactLedger()
    ledger.record(_entry(0))
    with pytest.raises(InvalidArgumentError, match=r"ledger: no rows are kept; use track_impact\(keep_rows="):
        suggest_route(ledger)
