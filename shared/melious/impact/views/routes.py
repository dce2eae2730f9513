"""Which route would have cost less, by what a ledger has seen."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from statistics import median, quantiles
from typing import Any, Literal, NamedTuple, TypeAlias

from melious._figures import counted
from melious.errors import InvalidArgumentError
from melious.errors.checks import check_seconds
from melious.impact.rows import Row
from melious.impact.sums import Sums
from melious.impact.totals import token_counts
from melious.impact.units import carbon, euro
from melious.routing.filters import FLAVORS

LEAST = 10
"""Fewer requests than this are thin evidence."""
_NEARLY_ALL = 0.9
Kind: TypeAlias = Literal["carbon", "cost"]
Verdict: TypeAlias = Literal["less", "unclear", "thin", "least", "alone"]
_FIGURE: dict[Kind, str] = {"carbon": "carbon_g_co2", "cost": "eur"}
_CHOICES = ("flavor or preset", "country")


class _Seen(NamedTuple):
    """What one request cost on its route."""

    route: str | None
    cost: float
    seconds: float | None


@dataclass(frozen=True, slots=True)
class RouteEvidence:
    """What requests on one route cost.

    Attributes:
        route: The arguments of a call that ask for it, such as `{"flavor": "eco"}`; empty for the default.
        requests: How many requests reported the figure.
        median: The median: grams of CO2 or euro, per 1,000 tokens or per request.
        low: The lower quartile.
        high: The upper quartile.
        seconds: The time in which nine of ten whole answers came; None if it was not measured.
    """

    route: dict[str, Any]
    requests: int
    median: float
    low: float
    high: float
    seconds: float | None


@dataclass(frozen=True, slots=True)
class RouteSuggestion:
    """What another route would have saved for one model, as far as requests show it.

    Attributes:
        endpoint: The endpoint.
        model: The model.
        choice: What may change: `flavor or preset`, or `country`, which is a filter.
        saves: `carbon` or `cost`.
        per: `1,000 tokens`, or `request` where tokens are not known.
        verdict: `less`: the other route costs less, and the quartiles do not overlap. `unclear`: its median
            is lower, but the quartiles overlap. `thin`: one of the two has fewer than 10 requests. `least`:
            the usual route costs least. `alone`: there is no other route to compare with.
        usual: The route of most requests.
        instead: The route with the lowest median of those that are fast enough.
        too_slow: Routes that do not keep `max_latency`, or whose time was not measured. Others than the
            usual one are left out.
    """

    endpoint: str
    model: str
    choice: str
    saves: Kind
    per: str
    verdict: Verdict
    usual: RouteEvidence
    instead: RouteEvidence | None
    too_slow: tuple[dict[str, Any], ...] = ()

    @property
    def change(self) -> float | None:
        """How much more the other route takes, as a share: -0.25 is a quarter less."""
        if self.instead is None or not self.usual.median:
            return None
        return self.instead.median / self.usual.median - 1

    def __str__(self) -> str:
        head = f"{self.endpoint} {self.model}, {self.saves} by {self.choice}: "
        return head + " ".join([*self._said(), *self._left_out()])

    def _said(self) -> Iterator[str]:
        usual = f"{_name(self.usual.route)} ({self._figures(self.usual)})"
        if self.instead is None:
            others = [route for route in self.too_slow if route != self.usual.route]
            other = "no other route is fast enough" if others else "only this route has been seen"
            yield f"{usual}; {other}."
            return
        instead = f"{_name(self.instead.route)} ({self._figures(self.instead)})"
        change = "" if self.change is None else f"{abs(self.change):.0%} "
        if self.verdict == "least":
            yield f"{usual} costs least of what has been seen; next is {instead}."
            return
        yield f"{instead} took {change}less than {usual}."
        if self.verdict == "thin":
            yield f"The evidence is thin: fewer than {LEAST} requests on one of the two."
        elif self.verdict == "unclear":
            yield "The spreads overlap: the difference may be chance."

    def _left_out(self) -> Iterator[str]:
        if self.too_slow and (self.instead is not None or self.usual.route in self.too_slow):
            yield f"Not fast enough, or not timed: {', '.join(map(_name, self.too_slow))}."

    def _figures(self, evidence: RouteEvidence) -> str:
        show = carbon if self.saves == "carbon" else euro
        spread = f"{show(evidence.low)} to {show(evidence.high)}"
        timed = "" if evidence.seconds is None else f", 9 of 10 within {evidence.seconds:.3g} s"
        of = counted(evidence.requests, "request")
        return f"median {show(evidence.median)} per {self.per}, quartiles {spread}, {of}{timed}"


@dataclass(frozen=True, slots=True, repr=False)
class RouteAdvice:
    """Suggestions by endpoint, model and figure. It prints; nothing in it is a promise.

    Attributes:
        suggestions: A suggestion for each endpoint, model, choice and figure; those that save come first.
        requests: How many answered requests were looked at.
        simulated: How many of them the sandbox answered.
    """

    suggestions: tuple[RouteSuggestion, ...]
    requests: int
    simulated: int

    def __iter__(self) -> Iterator[RouteSuggestion]:
        return iter(self.suggestions)

    def __len__(self) -> int:
        return len(self.suggestions)

    @property
    def notes(self) -> list[str]:
        """What to know about the evidence, in sentences."""
        if not self.suggestions:
            seen = counted(self.requests, "answer")
            return [f"There is nothing to compare: {seen}, and no carbon or cost reported."]
        said = ["This is what these requests cost, at their hours and with their prompts; it is no promise."]
        if self.simulated:
            said.insert(0, f"Simulated: the sandbox answered {counted(self.simulated, 'request')}.")
        if any(each.choice == "country" for each in self.suggestions):
            said.append("Countries are a filter: verify_location checks that it is obeyed.")
        return said

    def __str__(self) -> str:
        return "\n".join([*map(str, self.suggestions), *self.notes])

    def __repr__(self) -> str:
        return f"RouteAdvice(suggestions={len(self)}, requests={self.requests})"

    def _repr_html_(self) -> str:
        """The HTML that notebooks show."""
        items = "".join(f"<li>{escape(str(each))}</li>" for each in self.suggestions)
        return f"<ul>{items}</ul>" + "".join(f"<p>{escape(note)}</p>" for note in self.notes)


def suggest_route(ledger: Sums, max_latency: float | None = None) -> RouteAdvice:
    """Which flavor, preset or country would have cost less carbon or money, by what a ledger has seen.

    It compares requests of the same endpoint and model: their medians, per 1,000 tokens where tokens are
    known. It says how many requests that stands on and how far they spread, and when that is thin. Requests
    that did not report a figure, or failed, have no part in it.

    Args:
        ledger: A ledger that keeps rows (`keep_rows`), or `ImpactLedger.from_rows(file)`.
        max_latency: Seconds in which nine of ten whole answers must have come for a route to be suggested;
            streams are not timed. By default any time will do.

    Returns:
        Suggestions, which print with their evidence.

    Raises:
        InvalidArgumentError: An argument is wrong, or the ledger keeps no rows.

    Examples:
        >>> from melious import EnvironmentImpact, ImpactLedger
        >>> from melious.impact import Entry, suggest_route
        >>> ledger = ImpactLedger(keep_rows=100)
        >>> for routing, grams in [(None, 0.5), (None, 0.5), (None, 0.5), ("eco", 0.2)] * 10:
        ...     ledger.record(Entry("chat", "glm-4.7", routing, impact=EnvironmentImpact(carbon_g_co2=grams)))
        >>> best = suggest_route(ledger).suggestions[0]
        >>> best.verdict, best.instead.route, round(best.change, 2)
        ('less', {'flavor': 'eco'}, -0.6)
    """
    if not isinstance(ledger, Sums):
        raise InvalidArgumentError(f"ledger: must be a ledger, not {ledger!r:.80}", param="ledger")
    if max_latency is not None:
        check_seconds("max_latency", max_latency)
    rows = ledger.rows
    if not rows and ledger.total.requests:
        raise InvalidArgumentError(
            "ledger: no rows are kept; use track_impact(keep_rows=10_000), or ImpactLedger.from_rows(file)",
            param="ledger",
        )
    answered = [row for row in rows if row.entry.answered and not row.entry.failed]
    found = sorted(
        _suggestions(answered, max_latency), key=lambda each: (_RANK[each.verdict], each.change or 0)
    )
    return RouteAdvice(tuple(found), len(answered), sum(row.entry.simulated for row in answered))


_RANK: dict[Verdict, int] = {"less": 0, "unclear": 1, "thin": 2, "least": 3, "alone": 4}


def _suggestions(rows: Iterable[Row], max_latency: float | None) -> Iterator[RouteSuggestion]:
    by_model: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_model[row.entry.endpoint, row.entry.model].append(row)
    for (endpoint, model), of_model in by_model.items():
        for saves, figure in _FIGURE.items():
            reported = [row for row in of_model if row.entry.reported(figure) is not None]
            tokens = [_tokens(row) for row in reported]
            by_tokens = bool(tokens) and all(tokens)
            for choice in _CHOICES:
                seen = [
                    _Seen(
                        _route_of(row, choice),
                        float(row.entry.reported(figure)) * (1000 / count if by_tokens and count else 1),
                        row.entry.seconds,
                    )
                    for row, count in zip(reported, tokens, strict=True)
                    if choice != "country" or _route_of(row, choice)
                ]
                if seen:
                    per = "1,000 tokens" if by_tokens else "request"
                    verdict, usual, instead, slow = _compared(seen, choice, max_latency)
                    yield RouteSuggestion(endpoint, model, choice, saves, per, verdict, usual, instead, slow)


def _compared(
    seen: list[_Seen], choice: str, max_latency: float | None
) -> tuple[Verdict, RouteEvidence, RouteEvidence | None, tuple[dict[str, Any], ...]]:
    """The usual route against the best of the others."""
    by_route: dict[str | None, list[_Seen]] = defaultdict(list)
    for each in seen:
        by_route[each.route].append(each)
    found = [_evidence(_arguments(route, choice), of_route) for route, of_route in by_route.items()]
    # Of routes that are used as often, the dearest: the others may save.
    usual, *others = sorted(found, key=lambda each: (-each.requests, -each.median, str(each.route)))
    within = [each for each in found if max_latency is None or _is_within(each, max_latency)]
    fast = [each for each in others if each in within]
    slow = tuple(each.route for each in (usual, *others) if each not in within)
    if not fast:
        return "alone", usual, None, slow
    # A route that has been seen often is preferred to one that may be cheap by chance.
    known = [each for each in fast if each.requests >= LEAST and each.median < usual.median]
    best = min(known or fast, key=lambda each: each.median)
    if best.median >= usual.median:
        return "least", usual, best, slow
    if min(best.requests, usual.requests) < LEAST:
        return "thin", usual, best, slow
    return ("less" if best.high < usual.low else "unclear"), usual, best, slow


def _evidence(route: dict[str, Any], seen: list[_Seen]) -> RouteEvidence:
    costs = sorted(each.cost for each in seen)
    low, _, high = quantiles(costs, n=4, method="inclusive") if len(costs) > 1 else costs * 3
    times = sorted(each.seconds for each in seen if each.seconds is not None)
    nearly_all = times[math.ceil(_NEARLY_ALL * len(times)) - 1] if len(times) == len(seen) else None
    return RouteEvidence(route, len(costs), median(costs), low, high, nearly_all)


def _is_within(evidence: RouteEvidence, max_latency: float) -> bool:
    return evidence.seconds is not None and evidence.seconds <= max_latency


def _route_of(row: Row, choice: str) -> str | None:
    impact = row.entry.impact
    return row.entry.routing if choice == "flavor or preset" else None if impact is None else impact.location


def _arguments(route: str | None, choice: str) -> dict[str, Any]:
    if route is None:
        return {}
    if choice == "country":
        return {"filters": {"countries": [route]}}
    return {"flavor" if route in FLAVORS else "preset": route}


def _name(route: dict[str, Any]) -> str:
    if not route:
        return "the default route"
    ((name, value),) = route.items()
    return f"countries={value['countries']}" if name == "filters" else f"{name}={value!r}"


def _tokens(row: Row) -> int:
    counts = token_counts(row.entry.usage or {})
    return (counts["input_tokens"] or 0) + (counts["output_tokens"] or 0)
