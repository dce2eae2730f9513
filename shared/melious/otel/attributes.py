"""The attributes of spans: from requests and outcomes to names and values. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from melious.clients.outcomes import CallOutcome
from melious.errors import MeliousError
from melious.exchange.request import Request
from melious.impact import BillingCost, EnvironmentImpact, token_counts

OPERATIONS = {
    "chat": ("chat", "text"),
    "embeddings": ("embeddings", None),
    "rerank": ("rerank", None),
    "images": ("generate_content", "image"),
    "audio": ("transcription", "text"),
}
Attributes: TypeAlias = dict[str, Any]

_CONVENTIONS, _OURS = "gen_ai.", "melious."


def common_attributes(request: Request) -> Attributes:
    """What spans and metrics of a request share."""
    operation, _ = OPERATIONS[request.endpoint]
    origin = urlsplit(request.base_url)
    return known(
        {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": "melious",
            "gen_ai.request.model": request.routing.model or None,
            "server.address": origin.hostname,
            "server.port": origin.port or (80 if origin.scheme == "http" else 443),
        }
    )


def request_attributes(request: Request) -> Attributes:
    """What is known at the start of a call."""
    _, output = OPERATIONS[request.endpoint]
    return known(
        {
            **common_attributes(request),
            "gen_ai.output.type": output,
            "gen_ai.request.stream": request.stream or None,
            "melious.routing": request.routing.preference,
        }
    )


def outcome_attributes(outcome: CallOutcome) -> Attributes:
    """What is known at the end of a call, except what `cost_attributes` says."""
    entry, error, answer = outcome.entry, outcome.error, outcome.answer
    counts = token_counts(entry.usage) if entry.usage else {}
    return known(
        {
            "gen_ai.response.model": _text(answer.get("model")),
            "gen_ai.response.id": _text(answer.get("id")),
            "gen_ai.response.finish_reasons": _finish_reasons(answer.get("choices")),
            "gen_ai.usage.input_tokens": counts.get("input_tokens"),
            "gen_ai.usage.output_tokens": counts.get("output_tokens"),
            "gen_ai.usage.cache_read.input_tokens": counts.get("cached_tokens"),
            "gen_ai.usage.reasoning.output_tokens": counts.get("reasoning_tokens"),
            **_impact(entry.impact),
            **_charge(entry.cost),
            "melious.simulated": outcome.entry.simulated or None,
            "melious.request_id": outcome.request_id,
            "melious.attempts": outcome.attempts or None,
            "melious.relaxed": list(entry.relaxed) or None,
            "melious.residency": entry.residency,
            # The text of an error may repeat what was sent: it is not recorded.
            "error.type": None if error is None else type(error).__name__,
            "http.response.status_code": getattr(error, "status_code", None),
            "melious.error.code": error.code if isinstance(error, MeliousError) else None,
        }
    )


def cost_attributes(eur: Decimal | None, usd_per_eur: Decimal | None, scope: str = "") -> Attributes:
    """A cost where Langfuse and OpenInference look for it.

    Args:
        eur: The cost in euro; None if it was not reported.
        usd_per_eur: The rate to convert at; None leaves it euro.
        scope: The tracer of the span. Langfuse's own spans have a name of their own for the cost.
    """
    if eur is None:
        return {}
    amount = float(eur if usd_per_eur is None else eur * usd_per_eur)
    attributes: Attributes = {
        "gen_ai.usage.cost": amount,
        "llm.cost.total": amount,
        "melious.cost_currency": "EUR" if usd_per_eur is None else "USD",
    }
    if scope.startswith("langfuse"):
        attributes["langfuse.observation.cost_details"] = json.dumps({"total": amount})
    return attributes


def uncounted(attributes: Attributes) -> Attributes:
    """The same under `melious.` where the conventions' names would be counted a second time."""
    return {
        _OURS + name.removeprefix(_CONVENTIONS) if name.startswith(_CONVENTIONS) else name: value
        for name, value in attributes.items()
        if name != "gen_ai.provider.name"
    }


def known(attributes: Mapping[str, Any]) -> Attributes:
    """The attributes without unknown ones."""
    return {name: value for name, value in attributes.items() if value is not None}


def _impact(impact: EnvironmentImpact | None) -> Attributes:
    if impact is None:
        return {}
    return {
        "melious.energy_kwh": impact.energy_kwh,
        "melious.carbon_g_co2": impact.carbon_g_co2,
        "melious.water_liters": impact.water_liters,
        "melious.provider": impact.provider_id,
        "melious.country": impact.location,
    }


def _charge(cost: BillingCost | None) -> Attributes:
    if cost is None:
        return {}
    return {
        "melious.cost_eur": None if cost.eur is None else float(cost.eur),
        "melious.charged": None if cost.charged is None else float(cost.charged),
        "melious.paid_with": cost.paid_with,
    }


def _finish_reasons(choices: Any) -> list[str] | None:
    found: Iterable[Any] = choices if isinstance(choices, list) else ()
    reasons = [_text(choice.get("finish_reason")) for choice in found if isinstance(choice, dict)]
    return [reason for reason in reasons if reason] or None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
