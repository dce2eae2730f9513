"""The replay itself: a cassette of the sandbox passes the checks of cassettes of the service, in each profile."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
import replaying

from melious.probe import cassette, report
from melious.probe.runner import Probe
from melious.probe.sending import Wire
from melious.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("event_loop_closed")


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Record a cassette of a sandbox, once for each profile."""

    @cache
    def run(profile: str) -> Path:
        folder = tmp_path_factory.mktemp("cassettes") / profile
        with pytest.MonkeyPatch.context() as patch, Sandbox(profile) as sandbox:
            patch.setenv("MELIOUS_API_KEY", sandbox.api_key)
            wire = Wire(sandbox.base_url, 60.0)
            probe = Probe(wire, Decimal("0.01"))
            probe.prepare()
            probe.run(lambda _: None)
            wire.close()
            told = report.about(sandbox.base_url, 0.0)
            cassette.write(folder, probe.seen, told, sandbox.api_key)
        return folder

    return run


@pytest.mark.parametrize("profile", ["live", "g1", "g2"])
def test_a_cassette_of_the_sandbox_is_read_right(record, profile):
    exchanges = cassette.read(record(profile))
    with replaying.server() as server:
        checked = {exchange.name: replaying.check(server, exchange) for exchange in exchanges}
    assert sum(checked.values()) > 150
    assert {exchange.endpoint for exchange in exchanges if checked[exchange.name]} == set(replaying.READ)


def test_a_reader_that_reads_wrong_would_be_found(record):
    exchanges = {exchange.name: exchange for exchange in cassette.read(record("live"))}
    too_long = exchanges["embeddings too long"]
    error = json.loads(too_long.body)["error"] | {"code": "window_exceeded", "message": "Too much."}
    with replaying.server() as server, pytest.raises(AssertionError, match="too long"):
        replaying.check(server, replace(too_long, body=json.dumps({"error": error}).encode()))


def _with(exchange, **fields):
    body = json.loads(exchange.body) | fields
    return replace(exchange, body=json.dumps({name: value for name, value in body.items() if value}).encode())


def test_forms_that_callers_have_seen_are_read_right_too(record):
    """Bills of one amount, tokens counted under meta, errors without a code, and errors within a stream."""
    found = {exchange.name.partition(" llama")[0]: exchange for exchange in cassette.read(record("live"))}
    error = {"message": "Try again", "type": "server_error", "code": "provider_error"}
    in_stream = b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
    stream = found["stream with usage"]
    odd = [
        _with(found["chat"], billing_cost={"credits": 0.0000144}),
        _with(found["embeddings"], billing_cost={"credits": "0"}, environment_impact={"location": "FI"}),
        _with(found["rerank"], usage=None, meta={"tokens": {"input_tokens": 60}}),
        _with(found["chat without fields"], error={"message": "Model missing"}),
        replace(stream, body=in_stream),
        replace(stream, body=stream.body.partition(b"\n\n")[0] + b"\n\n" + in_stream),
    ]
    with replaying.server() as server:
        assert all(replaying.check(server, exchange) for exchange in odd)
