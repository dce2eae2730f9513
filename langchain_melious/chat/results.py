"""Whole answers of the core as LangChain's results, and what is said about an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_melious.chat.messages import message_from_wire, usage_from_wire
from langchain_melious.provider import PROVIDER

if TYPE_CHECKING:
    from langchain_core.messages.ai import UsageMetadata

    from melious.answers.results import ChatCompletion

_FACTS = ("id", "created", "system_fingerprint", "service_tier")


@dataclass(frozen=True, slots=True)
class Reading:
    """How the answer to one call is to be read.

    Attributes:
        routing: What was asked of the routing, for the metadata.
        think_tags: Take a leading `<think>` part of the text as reasoning.
        response_headers: Put the headers of the answer into the metadata.
        langsmith_cost: Put the cost of a whole answer into its usage, for LangSmith. Never of a stream:
            LangChain cannot add up chunks whose usage holds a fraction.
    """

    routing: Mapping[str, Any] = field(default_factory=dict)
    think_tags: bool = True
    response_headers: bool = False
    langsmith_cost: bool = False

    def metadata(
        self,
        raw: Mapping[str, Any],
        finish_reason: str | None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        relaxed: Sequence[str] = (),
    ) -> dict[str, Any]:
        """What `response_metadata` says of an answer; what the service did not report is absent.

        Args:
            raw: The answer as a whole, as the wire has it.
            finish_reason: Why the answer ended.
            request_id: The service's id of the request.
            headers: The headers of the answer.
            relaxed: The filters that were given up to find a provider.
        """
        metadata: dict[str, Any] = {"model_provider": PROVIDER}
        if raw.get("model"):
            metadata["model_name"] = raw["model"]
        if finish_reason:
            metadata["finish_reason"] = finish_reason
        metadata.update((name, raw[name]) for name in _FACTS if raw.get(name))
        if request_id:
            metadata["request_id"] = request_id
        if isinstance(raw.get("usage"), dict):
            metadata["token_usage"] = raw["usage"]
        impact = raw.get("environment_impact")
        asked = dict(self.routing)
        if isinstance(impact, dict) and impact:
            metadata["environment_impact"] = impact
            asked |= {name: impact[name] for name in ("provider_id", "location") if impact.get(name)}
        if relaxed:
            asked["relaxed"] = list(relaxed)
        if asked:
            metadata["routing"] = asked
        if isinstance(raw.get("billing_cost"), dict) and raw["billing_cost"]:
            metadata["billing_cost"] = raw["billing_cost"]
        if self.response_headers and headers:
            metadata["headers"] = dict(headers)
        return metadata

    def usage_with_cost(self, raw: Mapping[str, Any]) -> UsageMetadata | None:
        """The token counts of a whole answer, with its cost where that is wanted and known."""
        usage = usage_from_wire(raw.get("usage"))
        cost = raw.get("billing_cost")
        if self.langsmith_cost and usage is not None and isinstance(cost, dict):
            from melious.impact import BillingCost  # noqa: PLC0415 - rarely needed

            eur = BillingCost.model_validate(cost).eur
            if eur is not None:
                usage["total_cost"] = float(eur)  # type: ignore[typeddict-unknown-key]
        return usage


def result_of(completion: ChatCompletion, reading: Reading) -> ChatResult:
    """Make LangChain's result of a whole answer; with `n`, the first generation carries its costs."""
    raw = completion.raw
    generations = []
    for position, choice in enumerate(raw["choices"]):
        message = message_from_wire(choice.get("message") or {}, think_tags=reading.think_tags)
        whole = raw if position == 0 else {name: raw.get(name) for name in ("model", *_FACTS)}
        message.response_metadata = reading.metadata(
            whole, choice.get("finish_reason"), completion.request_id, completion.headers, completion.relaxed
        )
        if choice.get("logprobs"):
            message.response_metadata["logprobs"] = choice["logprobs"]
        if position == 0:
            message.usage_metadata = reading.usage_with_cost(raw)
        generations.append(ChatGeneration(message=message))
    first = generations[0].message.response_metadata
    output = {
        name: first[name]
        for name in ("model_name", "token_usage", "environment_impact", "billing_cost")
        if name in first
    }
    return ChatResult(generations=generations, llm_output=output)


def summed(outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
    """Add up what several answers cost; a figure that none of them reported is absent."""
    from melious.impact import BillingCost, Entry, EnvironmentImpact, Totals  # noqa: PLC0415 - rarely needed

    totals = Totals()
    model = None
    for output in outputs:
        if not output:
            continue
        model = model or output.get("model_name")
        impact, cost = output.get("environment_impact"), output.get("billing_cost")
        totals.add(
            Entry(
                "chat",
                model or "",
                usage=output.get("token_usage"),
                impact=EnvironmentImpact.model_validate(impact) if impact else None,
                cost=BillingCost.model_validate(cost) if cost else None,
            )
        )
    whole: dict[str, Any] = {"model_name": model} if model else {}
    if totals.with_usage:
        read, written = totals.input_tokens, totals.output_tokens
        whole["token_usage"] = {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": None if read is None or written is None else read + written,
        }
    if totals.with_impact:
        whole["environment_impact"] = {
            name: getattr(totals, name) for name in ("energy_kwh", "carbon_g_co2", "water_liters")
        }
    if totals.with_cost:
        whole["billing_cost"] = {"eur": totals.eur, "charged": totals.charged}
    return whole
