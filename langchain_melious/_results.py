"""Answers of the core as LangChain's results: whole ones, and chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessageChunk, ToolCallChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from langchain_melious._messages import PROVIDER, message_from_wire, usage_from_wire
from langchain_melious._thinking import ThinkSplitter

if TYPE_CHECKING:
    from melious.results import ChatCompletion
    from melious.streams import StreamBase

_FACTS = ("id", "created", "system_fingerprint", "service_tier")


def metadata_of(
    raw: Mapping[str, Any], request_id: str | None, routing: Mapping[str, Any], finish_reason: str | None
) -> dict[str, Any]:
    """What `response_metadata` says of an answer; what the service did not report is absent.

    Args:
        raw: The answer as a whole, as the wire has it.
        request_id: The service's id of the request.
        routing: What was asked of the routing; who answered is added.
        finish_reason: Why the answer ended.
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
    asked = dict(routing)
    if isinstance(impact, dict) and impact:
        metadata["environment_impact"] = impact
        asked |= {name: impact[name] for name in ("provider_id", "location") if impact.get(name)}
    if asked:
        metadata["routing"] = asked
    if isinstance(raw.get("billing_cost"), dict) and raw["billing_cost"]:
        metadata["billing_cost"] = raw["billing_cost"]
    return metadata


def result_of(
    completion: ChatCompletion, routing: Mapping[str, Any], *, think_tags: bool = True
) -> ChatResult:
    """Make LangChain's result of a whole answer; with `n`, the first generation carries its costs."""
    raw = completion.raw
    generations = []
    for position, choice in enumerate(raw["choices"]):
        message = message_from_wire(choice.get("message") or {}, think_tags=think_tags)
        whole = raw if position == 0 else {name: raw.get(name) for name in ("model", *_FACTS)}
        metadata = metadata_of(whole, completion.request_id, routing, choice.get("finish_reason"))
        if choice.get("logprobs"):
            metadata["logprobs"] = choice["logprobs"]
        message.response_metadata = metadata
        if position == 0:
            message.usage_metadata = usage_from_wire(raw.get("usage"))
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


class ChunkReader:
    """Makes message chunks of the chunks of one stream; what ends the answer is kept for the last one."""

    def __init__(self, routing: Mapping[str, Any], *, think_tags: bool = True) -> None:
        self._routing = routing
        self._splitter = ThinkSplitter() if think_tags else None
        self._logprobs: dict[str, list[Any]] = {}

    def read(self, chunk: Mapping[str, Any]) -> ChatGenerationChunk | None:
        """The message chunk for a chunk of the wire, or None where it says nothing new."""
        for choice in chunk["choices"]:
            if choice.get("index"):
                continue
            if choice.get("logprobs"):
                self._keep(choice["logprobs"])
            delta = choice["delta"]
            content = delta.get("content") or ""
            beside = _beside(delta)
            if content and self._splitter is not None:
                content = self._split(content, beside)
            calls = delta.get("tool_calls")
            if calls:
                message = AIMessageChunk(
                    content=content,
                    additional_kwargs=beside,
                    tool_call_chunks=[_piece(call) for call in calls],
                    response_metadata={"model_provider": PROVIDER},
                )
            elif content or beside:
                message = AIMessageChunk(
                    content=content,
                    additional_kwargs=beside,
                    response_metadata={"model_provider": PROVIDER},
                )
            else:
                continue
            return ChatGenerationChunk(message=message)
        return None

    def last(self, stream: StreamBase) -> ChatGenerationChunk:
        """The one chunk that says how the answer ended and what it cost."""
        partial = stream.partial
        raw = {
            **partial.facts,
            "usage": partial.usage,
            "environment_impact": partial.environment_impact,
            "billing_cost": partial.billing_cost,
        }
        metadata = metadata_of(raw, stream.request_id, self._routing, partial.finish_reason)
        if self._logprobs:
            metadata["logprobs"] = self._logprobs
        thought, said = self._splitter.rest() if self._splitter else ("", "")
        return ChatGenerationChunk(
            message=AIMessageChunk(
                content=said,
                additional_kwargs={"reasoning_content": thought} if thought else {},
                response_metadata=metadata,
                usage_metadata=usage_from_wire(partial.usage),
                chunk_position="last",
            )
        )

    def _split(self, content: str, beside: dict[str, Any]) -> str:
        """Move what is thought from the text to the reasoning; give what is said."""
        assert self._splitter is not None  # noqa: S101 - narrows the type for the checker
        thought, said = self._splitter.split(content)
        if thought:
            beside["reasoning_content"] = beside.get("reasoning_content", "") + thought
        if self._splitter.over:
            self._splitter = None
        return said

    def _keep(self, logprobs: Mapping[str, Any]) -> None:
        for name, items in logprobs.items():
            if isinstance(items, list):
                self._logprobs.setdefault(name, []).extend(items)


def _beside(delta: Mapping[str, Any]) -> dict[str, Any]:
    beside: dict[str, Any] = {}
    reasoning = delta.get("reasoning_content")
    if reasoning:
        beside["reasoning_content"] = reasoning
    if delta.get("refusal"):
        beside["refusal"] = delta["refusal"]
    return beside


def _piece(call: Mapping[str, Any]) -> ToolCallChunk:
    function = call["function"]
    return {
        "type": "tool_call_chunk",
        "index": call["index"],
        "id": call.get("id"),
        "name": function.get("name"),
        "args": function["arguments"],
    }
