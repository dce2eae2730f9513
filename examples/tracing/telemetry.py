"""Where spans go: to the address in `OTEL_EXPORTER_OTLP_ENDPOINT`, or as a tree to the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from melious import otel
from melious.impact.units import euro

USD_PER_EUR = 1.17  # the tools read costs as dollars; the service bills in euro


@contextmanager
def traced(exporter: SpanExporter) -> Iterator[TracerProvider]:
    """Trace everything inside the block; what is left is exported when it ends."""
    provider = TracerProvider(resource=Resource({SERVICE_NAME: "melious-example"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    langchain = langchain_instrumentor()
    if langchain is not None:  # spans of agents, tools and models, with their content
        langchain.instrument(tracer_provider=provider)
    otel.instrument(provider, usd_per_eur=USD_PER_EUR)  # spans of requests, with their costs
    try:
        yield provider
    finally:
        otel.uninstrument()
        if langchain is not None:
            langchain.uninstrument()
        provider.shutdown()


def langchain_instrumentor() -> Any:
    """OpenInference's tracer of LangChain; None where it is not installed."""
    try:
        return import_module("openinference.instrumentation.langchain").LangChainInstrumentor()
    except ModuleNotFoundError:
        return None


def exporter_of_the_environment() -> SpanExporter:
    """OTLP over HTTP where the usual variable names an address, else the terminal."""
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        from opentelemetry.exporter.otlp.proto.http import trace_exporter  # noqa: PLC0415 - rarely needed

        exporter: SpanExporter = trace_exporter.OTLPSpanExporter()
        return exporter
    return TreeExporter()


class TreeExporter(SpanExporter):
    """Prints the spans as a tree when there are no more."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take finished spans; children finish before their parents."""
        self._spans.extend(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Print the tree."""
        self._print_below(None, "")

    def _print_below(self, parent: int | None, indent: str) -> None:
        below = [span for span in self._spans if (span.parent.span_id if span.parent else None) == parent]
        for span in sorted(below, key=lambda span: span.start_time or 0):
            print(f"{indent}{span.name}".ljust(46), figures(dict(span.attributes or {})))
            self._print_below(span.context.span_id, f"{indent}  ")


def figures(found: dict[str, Any]) -> str:
    """Tokens, cost and impact of a span, where it has them."""
    tokens = [
        next((found[name] for name in names if name in found), None)
        for names in (
            ("gen_ai.usage.input_tokens", "llm.token_count.prompt"),
            ("gen_ai.usage.output_tokens", "llm.token_count.completion"),
        )
    ]
    shown = [
        f"{count} {word}" for count, word in zip(tokens, ("in", "out"), strict=True) if count is not None
    ]
    if "melious.cost_eur" in found:
        shown.append(euro(found["melious.cost_eur"]))
    if "melious.carbon_g_co2" in found:
        shown.append(f"{1000 * found['melious.carbon_g_co2']:.3g} mg CO₂ in {found['melious.country']}")
    if "melious.simulated" in found:
        shown.append("simulated")
    return ", ".join(shown)
