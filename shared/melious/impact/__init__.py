"""What a request cost, in energy, carbon, water and money, and the ledger that adds it up.

Missing is not zero: a figure that the service did not report stays None, and a
ledger counts how many requests reported what.

* `facts`: what the service reports of one request.
* `totals`: what a ledger is told of one request, and sums over many.
* `ledger`: the sums, in total and by model, provider, country, endpoint and routing.
* `estimates`: what requests that reported nothing may have cost.
* `sections`, `table`, `html`, `export`, `plots`: the ledger for people and other programs.
* `tracking`: which ledgers the running code reports to.
"""

from melious._figures import whole_count
from melious.impact.facts import BillingCost, EnvironmentImpact
from melious.impact.ledger import ImpactLedger
from melious.impact.totals import Dimension, Entry, Estimate, Totals, Verification, token_counts
from melious.impact.tracking import active_budgets, active_ledgers, track_impact

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
    "token_counts",
    "track_impact",
    "whole_count",
]
