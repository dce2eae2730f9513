"""The trace of an agent's answer has every request, with its cost, and goes to any exporter."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from examples.tracing.__main__ import QUESTION, ask, main, script
from examples.tracing.telemetry import figures
from melious import track_impact
from melious.sandbox import Sandbox


@pytest.mark.usefixtures("no_key")
def test_it_runs_without_a_key_and_prints_the_trace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    main([])
    shown = capsys.readouterr().out
    assert "answers and figures are simulated" in shown
    requests = [line.split("  ")[0] for line in map(str.strip, shown.splitlines()) if "µ€" in line]
    assert requests == [
        "embeddings bge-m3",
        "chat glm-4.7",
        "embeddings bge-m3",
        "rerank bge-reranker-v2-m3",
        "chat glm-4.7",
    ]
    assert all(line.endswith("simulated") for line in shown.splitlines() if "µ€" in line)
    assert shown.rstrip().endswith("A: Five working days, because parcels to Norway pass the customs.")


@pytest.mark.usefixtures("melious_key")
def test_the_spans_cost_as_much_as_the_ledger_counts(sandbox: Sandbox):
    script(sandbox)
    exporter = InMemorySpanExporter()
    with track_impact() as ledger:
        answer = ask(QUESTION, exporter)
    spans = [
        span for span in exporter.get_finished_spans() if "melious.cost_eur" in dict(span.attributes or {})
    ]
    assert answer.startswith("Five working days")
    assert len(spans) == ledger.total.requests == len(sandbox.requests) == 5
    costs = [dict(span.attributes or {})["melious.cost_eur"] for span in spans]
    assert sum(costs) == pytest.approx(float(ledger.total.eur or 0))


@pytest.mark.usefixtures("melious_key")
def test_every_request_for_the_question_is_below_its_span(sandbox: Sandbox):
    script(sandbox)
    exporter = InMemorySpanExporter()
    ask(QUESTION, exporter)
    spans = exporter.get_finished_spans()
    (question,) = [span for span in spans if span.name == "question"]
    below = [span for span in spans if span.context.trace_id == question.context.trace_id]
    assert sorted(span.name for span in below if span.name.startswith(("chat", "embeddings", "rerank"))) == [
        "chat glm-4.7",
        "chat glm-4.7",
        "embeddings bge-m3",
        "rerank bge-reranker-v2-m3",
    ]


def test_a_span_without_figures_shows_none():
    assert figures({"openinference.span.kind": "CHAIN"}) == ""
