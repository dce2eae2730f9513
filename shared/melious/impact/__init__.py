"""What requests cost in energy, carbon, water and money, and the ledger that adds it up.

Missing is not zero: a figure that the service did not report stays None, and a
ledger counts how many requests reported what.

* `facts`: what the service reports about one request.
* `totals`: an entry for one request, and sums over many.
* `sums`: the sums, in total and by model, provider, country, endpoint, routing, tag and month.
* `ledger`: sums of what is recorded; `shown`: the ways to show them.
* `estimates`: estimates for requests that reported nothing.
* `budget`: limits on the sums.
* `tracking`: the ledgers and budgets of the current context; `tags`: its tags.
* `rows`: one row for each request, with its time.
* `periods`: the periods of reports.
* `units`: the units in which sums are easy to read.
* `views`: the ledger as text, HTML, Markdown, picture, CSV and pandas frame, two side by side, reports on
  periods, exports for other tools, and which route would have cost less.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from melious._figures import whole_count
from melious.impact.facts import BillingCost, EnvironmentImpact
from melious.impact.ledger import ImpactLedger
from melious.impact.totals import Dimension, Entry, Estimate, Tags, Totals, Verification, token_counts
from melious.impact.tracking import active_budgets, active_ledgers, track_impact

if TYPE_CHECKING:
    from melious.impact.periods import PeriodArgument
    from melious.impact.views.codecarbon import Written
    from melious.impact.views.comparison import compare
    from melious.impact.views.report import Report, report
    from melious.impact.views.routes import RouteAdvice, RouteEvidence, RouteSuggestion, suggest_route
    from melious.impact.views.sci import SCI

_LAZY = {
    "PeriodArgument": "periods",
    "Report": "views.report",
    "RouteAdvice": "views.routes",
    "RouteEvidence": "views.routes",
    "RouteSuggestion": "views.routes",
    "SCI": "views.sci",
    "Written": "views.codecarbon",
    "compare": "views.comparison",
    "report": "views.report",
    "suggest_route": "views.routes",
}
"""Names that are rarely needed, and the module of each."""

__all__ = [
    "SCI",
    "BillingCost",
    "Dimension",
    "Entry",
    "EnvironmentImpact",
    "Estimate",
    "ImpactLedger",
    "PeriodArgument",
    "Report",
    "RouteAdvice",
    "RouteEvidence",
    "RouteSuggestion",
    "Tags",
    "Totals",
    "Verification",
    "Written",
    "active_budgets",
    "active_ledgers",
    "compare",
    "report",
    "suggest_route",
    "token_counts",
    "track_impact",
    "whole_count",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
