"""What several requests cost together; None if any of them did not report it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from melious.answers.results import Result, Usage
from melious.impact import BillingCost, EnvironmentImpact


def combined(answers: Sequence[Result]) -> dict[str, Any]:
    """The fields of a result that stands for several answers of one model."""
    return {
        "usage": sum_usage(answers),
        "environment_impact": sum_impact(answers),
        "billing_cost": sum_cost(answers),
        "model": next((model for answer in answers if (model := getattr(answer, "model", None))), None),
        "batches": [*answers],
    }


def sum_usage(answers: Sequence[Result]) -> Usage | None:
    """The tokens of all answers; 0 if there are no answers."""
    if not answers:
        return Usage(prompt_tokens=0, total_tokens=0)
    known = [answer.usage for answer in answers if answer.usage is not None]
    if not known or len(known) < len(answers):
        return None
    if len(known) == 1:
        return known[0]
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return Usage(**{name: _sum([getattr(usage, name) for usage in known]) for name in names})


def sum_impact(answers: Sequence[Result]) -> EnvironmentImpact | None:
    """The impact of all answers; what differs between them, such as the location, is None."""
    known = [answer.environment_impact for answer in answers if answer.environment_impact is not None]
    if not known or len(known) < len(answers):
        return None
    if len(known) == 1:
        return known[0]
    sums = ("energy_kwh", "carbon_g_co2", "water_liters")
    same = ("renewable_percent", "pue", "provider_id", "location")
    return EnvironmentImpact(
        **{name: _sum([getattr(impact, name) for impact in known]) for name in sums},
        **{name: _common([getattr(impact, name) for impact in known]) for name in same},
        simulated=any(impact.simulated for impact in known),
    )


def sum_cost(answers: Sequence[Result]) -> BillingCost | None:
    """The cost of all answers."""
    known = [answer.billing_cost for answer in answers if answer.billing_cost is not None]
    if not known or len(known) < len(answers):
        return None
    if len(known) == 1:
        return known[0]
    return BillingCost(
        energy=_sum([cost.energy for cost in known]),
        credits=_sum([cost.credits for cost in known]),
        paid_with=_common([cost.paid_with for cost in known]),
        simulated=any(cost.simulated for cost in known),
    )


def _sum(values: Sequence[Any]) -> Any:
    return None if any(value is None for value in values) else sum(values)


def _common(values: Sequence[Any]) -> Any:
    return values[0] if len(set(values)) == 1 else None
