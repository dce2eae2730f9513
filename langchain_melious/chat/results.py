"""Whole answers of the core converted to LangChain results, and the metadata of answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_melious.chat.calls import CUT_OFF
from langchain_melious.chat.messages import message_from_wire, usage_from_wire
from langchain_melious.errors import ModelRefusalError
from langchain_melious.provider import FROM_CACHE, PROVIDER
from melious.wire.arguments import Tools

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.messages.ai import UsageMetadata

    from melious.answers.meta import AttachedDocument
    from melious.answers.results import ChatCompletion

_COSTS = ("environment_impact", "billing_cost")
_FACTS = ("id", "created", "system_fingerprint", "service_tier")


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read the answer to one call.

    Attributes:
        routing: The requested routing, for the metadata.
        think_tags: Treat a leading `<think>` part of the text as reasoning.
        response_headers: Include the headers in the metadata.
        raise_refusals: Raise an error if a content filter withheld the answer.
        tools: The tools of the request.
        langsmith_cost: Include the cost of whole answers in their usage, for LangSmith. Never for streams:
            LangChain cannot add chunks whose usage has a fraction.
    """

    routing: Mapping[str, Any] = field(default_factory=dict)
    think_tags: bool = True
    response_headers: bool = False
    langsmith_cost: bool = False
    raise_refusals: bool = True
    tools: Tools = ()

    def metadata(
        self,
        raw: Mapping[str, Any],
        finish_reason: str | None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        relaxed: Sequence[str] = (),
        documents: Sequence[AttachedDocument] = (),
    ) -> dict[str, Any]:
        """The `response_metadata` of an answer (`raw`), without what the service did not report."""
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
        if documents:
            metadata["converted_documents"] = [document._asdict() for document in documents]
        if self.response_headers and headers:
            metadata["headers"] = dict(headers)
        return metadata

    def usage_with_cost(self, raw: Mapping[str, Any]) -> UsageMetadata | None:
        """The token counts of a whole answer, with its cost if requested and known."""
        usage = usage_from_wire(raw.get("usage"))
        cost = raw.get("billing_cost")
        if self.langsmith_cost and usage is not None and isinstance(cost, dict):
            from melious.impact import BillingCost  # noqa: PLC0415 - rarely needed

            eur = BillingCost.model_validate(cost).eur
            if eur is not None:
                usage["total_cost"] = float(eur)  # type: ignore[typeddict-unknown-key]
        return usage


def result_of(completion: ChatCompletion, read_options: ReadOptions) -> ChatResult:
    """Convert a whole answer to LangChain's result; with `n`, the first generation carries the costs."""
    raw, meta = completion.raw, completion.meta
    generations = []
    for position, choice in enumerate(raw["choices"]):
        finish = choice.get("finish_reason")
        whole = raw if position == 0 else {name: raw.get(name) for name in ("model", *_FACTS)}
        metadata = read_options.metadata(
            whole, finish, meta.request_id, meta.headers, meta.relaxed, meta.documents
        )
        if choice.get("logprobs"):
            metadata["logprobs"] = choice["logprobs"]
        message = message_from_wire(
            choice.get("message") or {},
            think_tags=read_options.think_tags,
            tools=read_options.tools,
            cut_off=finish is not None and finish in CUT_OFF,
            metadata=metadata,
            usage=read_options.usage_with_cost(raw) if position == 0 else None,
        )
        generations.append(ChatGeneration(message=message))
    if read_options.raise_refusals:
        _check_not_withheld(generations)
    first = generations[0].message.response_metadata
    output = {name: first[name] for name in ("model_name", "token_usage", *_COSTS) if name in first}
    return ChatResult(generations=generations, llm_output=output)


def unpaid(message: AIMessage) -> AIMessage:
    """A copy of a cached message, marked as such and without what the first request cost."""
    metadata = {name: value for name, value in message.response_metadata.items() if name not in _COSTS}
    return message.model_copy(update={"response_metadata": metadata | {FROM_CACHE: True}})


def _check_not_withheld(generations: Sequence[ChatGeneration]) -> None:
    """Refuse an answer of which a content filter left nothing whole.

    Raises:
        ModelRefusalError: It withheld every generation, or a part of each.
    """
    if all(one.message.response_metadata.get("finish_reason") == "content_filter" for one in generations):
        raise withheld(generations[0].message)


def withheld(message: BaseMessage) -> ModelRefusalError:
    """The error for an answer that a content filter withheld, or cut."""
    text = str(message.text)
    how = "cut short" if text else "withheld"
    return ModelRefusalError(
        f"The answer was {how} by a content filter",
        text=text,
        raw_message=message,
        request_id=message.response_metadata.get("request_id"),
    )


def summed(outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
    """Add up the costs of several answers, without figures that none of them reported."""
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
