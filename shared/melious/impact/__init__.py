"""What requests cost in energy, carbon, water and money, and the ledger that adds it up.

Missing is not zero: a figure that the service did not report stays None, and a
ledger counts how many requests reported what.

* `facts`: what the service reports about one request.
* `totals`: an entry for one request, and sums over many.
* `ledger`: the sums, in total and by model, provider, country, endpoint and routing.
* `estimates`: estimates for requests that reported nothing.
* `budget`: limits on the sums.
* `tracking`: the ledgers and budgets of the current context.
* `rows`: one row for each request, with its time.
* `units`: the units in which sums are easy to read.
* `views`: the ledger as text, HTML, Markdown, picture, CSV and pandas frame, and two side by side.
"""

from typing import TYPE_CHECKING, Any

from melious._figures import whole_count
from melious.impact.facts import BillingCost, EnvironmentImpact
from melious.impact.ledger import ImpactLedger
from melious.impact.totals import Dimension, Entry, Estimate, Totals, Verification, token_counts
from melious.impact.tracking import active_budgets, active_ledgers, track_impact

if TYPE_CHECKING:
    from melious.impact.views.comparison import compare

__all__ = [
    "BillingCost",
    "Dimension",
    "Entry",
    "EnvironmentImpact",
    "Estimate",
    "ImpactLedger",
    "Totals",
    "Verification",
    "active_budgets",
    "active_ledgers",
    "compare",
    "token_counts",
    "track_impact",
    "whole_count",
]


def __getattr__(name: str) -> Any:
    if name == "compare":
        from melious.impact.views.comparison import compare  # noqa: PLC0415 - rarely needed

        return compare
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
