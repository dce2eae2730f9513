"""Runs that go wrong: each gives a report that says why."""

from __future__ import annotations

import itertools
import json
import socket

import pytest
from loopback import Answer, Loopback

from melious.probe import report
from melious.probe.questions import QUESTIONS
from melious.sandbox import Fault

KEY = "sk-mel-of-the-tests"
JSON = {"content-type": "application/json"}


def test_nobody_is_there(probed):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        probe, lines = probed(f"http://127.0.0.1:{taken.getsockname()[1]}/v1", KEY)
    assert len(probe.seen) == 1
    assert "127.0.0.1" in probe.trouble
    assert lines["models"].finding.verdicts == lines["flavors"].finding.verdicts == ("not reachable",)


def test_the_service_falls_silent(sandbox, probed):
    sandbox.faults.add(Fault(endpoint="chat", cut_after_bytes=0, times=None))
    probe, lines = probed(sandbox.base_url, sandbox.api_key)
    assert [seen.status for seen in probe.seen].count(None) == 3
    assert lines["flavors"].finding.verdicts == ("not reachable",)
    assert lines["bad key"].finding.verdicts == ("LIVE",)


def test_a_bad_key(sandbox, probed):
    probe, lines = probed(sandbox.base_url, KEY)
    assert probe.trouble == "the service refused the key"
    assert [seen.status for seen in probe.seen] == [401, 401]
    assert lines["models"].finding.verdicts == ("not allowed",)
    assert lines["bad key"].finding.verdicts == ("LIVE",)
    assert lines["flavors"].finding.said == "the service refused the key"


@pytest.mark.parametrize("status", [404, 302, 200])
def test_something_that_is_not_melious(probed, status):
    page = Answer(status, {"content-type": "text/html"}, b"<html>Welcome to nginx</html>")
    with Loopback(lambda _: page) as server:
        probe, lines = probed(server.base_url, KEY)
        assert len(server.asked) == 1
    assert "not Melious" in probe.trouble
    assert lines["flavors"].finding.verdicts == ("not reachable",)


def test_the_rate_limit_is_waited_for_once_and_its_code_is_read(start_sandbox, probed):
    for profile in ("g1", "g2", "live"):
        sandbox = start_sandbox(profile)
        sandbox.faults.add(Fault(endpoint="embeddings", code="rate_limit", headers={"retry-after": "7"}))
        waits = []
        probe, lines = probed(sandbox.base_url, sandbox.api_key, sleep=waits.append)
        assert waits == [7.0]
        assert lines["rate limit reached"].finding.verdicts == (profile.upper(),)
        assert lines["empty input"].finding.verdicts == (profile.upper(),)
        assert not probe.trouble


def test_a_rate_limit_without_end_ends_the_run(sandbox, probed):
    sandbox.faults.add(
        Fault(endpoint="embeddings", code="rate_limit", headers={"retry-after": "50"}, times=None)
    )
    waits = []
    probe, _ = probed(sandbox.base_url, sandbox.api_key, sleep=waits.append)
    assert sum(waits) <= 180
    assert probe.trouble == "the rate limit was reached"


def test_a_provider_that_fails_within_a_stream_decides_nothing(sandbox, lines_of):
    sandbox.faults.add(Fault(endpoint="chat", code="provider_error", error_after_events=1, times=None))
    finding = lines_of()["impact of a stream"].finding
    assert finding.verdicts == ("unclear",), finding


def test_interrupted_it_keeps_what_it_has(sandbox, prepared):
    probe = prepared(sandbox.base_url, sandbox.api_key)

    def interrupt(line):
        if line.name == "bad key":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        probe.run(interrupt)
    probe.abandon("interrupted")
    lines = {line.name: line.finding for line in probe.lines}
    assert lines["bad key"].verdicts == ("LIVE",)
    assert lines["flavors"].said == "interrupted"
    assert {question.name for question in QUESTIONS} == {name.partition(" (")[0] for name in lines}


ODD = [
    None,
    [],
    {},
    "text",
    7,
    {"error": "no"},
    {"error": {"code": ["a"], "message": {"b": 1}}},
    {"error": None, "data": [None, 1, {"id": 3}, {"id": "m", "_meta": {"type": ["chat"]}}]},
    {
        "data": [{"id": "m", "_meta": {"type": "chat", "pricing": {"input_cost_per_million_eur": "x"}}}],
        "choices": [None, 5],
        "usage": {"completion_tokens": "many", "prompt_tokens": None},
        "environment_impact": {"location": 3, "provider_id": ["x"], "energy_kwh": "NaN"},
        "billing_cost": {"credits": "-1", "energy": {}, "paid_with": []},
        "results": [3],
        "items": [None],
        "jsonrpc": "2.0",
        "result": "pong",
        "input_tokens": None,
        "segments": {},
    },
    {
        "data": [
            {
                "id": "m",
                "status": ["completed"],
                "output_file_id": "file_1",
                "embedding": "!!",
                "request_counts": [],
            },
            {"id": "n", "status": "completed", "output_file_id": "file_1"},
        ],
        "choices": [{"message": {"content": ["a"], "tool_calls": [{"function": ["x"]}]}}],
        "environment_impact": {},
        "billing_cost": {"credits": True},
        "results": [{"index": "a"}],
        "tools": [{"type": "function"}],
        "response": {"body": 5},
    },
]


@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_whatever_is_answered_there_is_a_report(probed, status, body):
    listed = {"data": [{"id": name, "_meta": {"type": kind}} for name, kind in _KINDS]}

    def answer(asked):
        is_list = "/models" in asked.path
        return Answer(200 if is_list else status, JSON, json.dumps(listed if is_list else body).encode())

    with Loopback(answer) as server:
        probe, lines = probed(server.base_url, KEY)
        facts = report.about(server.base_url, 0.0)
        assert json.loads(json.dumps(report.to_dict(probe, facts, KEY)))["findings"]
        assert report.to_markdown(probe, facts, KEY).count("\n| ") > len(lines)
    assert len(lines) > 60


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {"content-type": "text/html; charset=utf-8"}, b"<html>Please log in</html>"),
        Answer(200, JSON, b"{}"),
        Answer(200, JSON, b'{"detail": "accepted"}'),
        Answer(204, {}, b""),
    ],
    ids=["page", "empty object", "other object", "nothing"],
)
def test_what_is_no_answer_says_nothing_about_answers(probed, answer):
    """A portal in between answers 200 too; that no bill is in its page must not count for the service."""
    listed = {"data": [{"id": name, "_meta": {"type": kind}} for name, kind in _KINDS]}
    models = Answer(200, JSON, json.dumps(listed).encode())
    with Loopback(lambda asked: models if "/models" in asked.path else answer) as server:
        _, lines = probed(server.base_url, KEY, models=())
    for line in lines.values():
        if line.topic in {"Impact and bill", "Shapes of answers", "Routing"} or "impact" in line.name:
            assert set(line.finding.verdicts) <= {"new", "not asked"}, line
    assert lines["bill of chat"].finding.said.startswith(f"{answer.status}")


def test_places_that_change_by_themselves_are_no_effect(probed):
    """A service that balances its load serves every request elsewhere, with a wish and without."""
    listed = {"data": [{"id": name, "_meta": {"type": kind}} for name, kind in _KINDS]}
    places = itertools.cycle([("regolo", "IT"), ("ionos", "DE"), ("verda", "FI")])

    def answer(asked):
        if "/models" in asked.path:
            return Answer(200, JSON, json.dumps(listed).encode())
        provider, country = next(places)
        body = {"choices": [{"message": {"content": "OK"}}], "data": [{"embedding": [0.5]}]}
        impact = {"provider_id": provider, "location": country}
        return Answer(200, JSON, json.dumps(body | {"environment_impact": impact}).encode())

    with Loopback(answer) as server:
        _, lines = probed(server.base_url, KEY, models=())
    for name in (
        "preset, older words",
        "flavors",
        "mode in chat",
        "preset for embeddings",
        "mode",
        "custom_weights",
    ):
        assert lines[name].finding.verdicts == ("unclear",), name
        assert "without a wish: " in lines[name].finding.said


_KINDS = [("m", "chat"), ("e", "embeddings"), ("r", "rerank"), ("whisper", "audio")]
