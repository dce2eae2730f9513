"""With OpenInference and an address, a collector gets the spans of the agent and of its requests over OTLP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from examples.tracing.__main__ import main

pytestmark = pytest.mark.filterwarnings("ignore")  # what others wrote warns of itself


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The spans that a collector on loopback gets."""
    spans: list[Any] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["content-length"]))
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    spans.extend((scope.scope.name, span) for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield spans
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("no_key")
def test_a_collector_gets_the_whole_trace(collected: list[Any], capsys: pytest.CaptureFixture[str]):
    main([])
    assert "Five working days" in capsys.readouterr().out
    scopes = {scope for scope, _ in collected}
    assert scopes == {"examples", "melious", "openinference.instrumentation.langchain"}
    by_id = {span.span_id: span for _, span in collected}
    parents = [
        by_id[span.parent_span_id].name
        for scope, span in collected
        if scope == "melious" and span.parent_span_id
    ]
    assert sorted(parents) == ["ChatMelious", "ChatMelious", "MeliousRerank", "search"]


@pytest.mark.usefixtures("no_key")
def test_the_readme_shows_what_is_printed(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    missing_from: Callable[[str, str], list[str]],
):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    main([])
    assert missing_from(capsys.readouterr().out, "tracing") == []
