"""OpenTelemetry's SDK with exporters in memory, and `melious.otel` switched on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from melious import otel


class Telemetry:
    """What was exported."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meter_provider = MeterProvider([self._reader])

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._spans.get_finished_spans())

    @property
    def ours(self) -> list[ReadableSpan]:
        """The spans of `melious.otel`."""
        return [span for span in self.spans if span.instrumentation_scope.name == "melious"]

    @property
    def span(self) -> ReadableSpan:
        (span,) = self.spans
        return span

    def total(self, *names: str) -> float:
        """The sum over all spans of an attribute that goes by one of some names, as a backend adds it up."""
        return sum(
            next((span.attributes[name] for name in names if name in span.attributes), 0)
            for span in self.spans
        )

    def points(self, name: str) -> list[Any]:
        data = self._reader.get_metrics_data()
        scopes = [scope for each in data.resource_metrics for scope in each.scope_metrics] if data else []
        metrics = [metric for scope in scopes for metric in scope.metrics if metric.name == name]
        return [point for metric in metrics for point in metric.data.data_points]

    def instrument(self, **options: Any) -> None:
        """Switch `melious.otel` on, with options."""
        otel.instrument(self.tracer_provider, self.meter_provider, **options)

    def clear(self) -> None:
        """Forget the spans."""
        self._spans.clear()

    def close(self) -> None:
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()


@contextmanager
def recorded() -> Iterator[Telemetry]:
    """Everything recorded inside the block."""
    telemetry = Telemetry()
    telemetry.instrument()
    try:
        yield telemetry
    finally:
        otel.uninstrument()
        telemetry.close()
