"""Each verdict by the answers that lead to it, beyond what the sandbox says."""

from __future__ import annotations

import json

import pytest

from melious.probe.asking import Ask, Seen
from melious.probe.questions import BY_CHANCE, QUESTIONS
from melious.probe.verdicts import obstacle

QUESTION = {question.name: question for question in (*QUESTIONS, *BY_CHANCE)}
IMPACT = {
    "energy_kwh": 9.0e-05,
    "carbon_g_co2": 0.037,
    "water_liters": 0.0,
    "renewable_percent": 100,
    "pue": 1.2,
    "provider_id": "regolo",
    "location": "IT",
}


def seen(body, status=200, *, asked=None, headers=None, endpoint="chat"):
    """An answer as the wire carries it; a list is the events of a stream."""
    ask = Ask(name="a", endpoint=endpoint, path="p", body=asked)
    kept = {"content-type": "application/json"} | (headers or {})
    if isinstance(body, list):
        kept["content-type"] = "text/event-stream"
        text = "".join(
            event if isinstance(event, str) else f"data: {json.dumps(event)}\n\n" for event in body
        )
        return Seen(ask, status, kept, text.encode())
    return Seen(ask, status, kept, json.dumps(body).encode())


def judged(name, *answers):
    question = QUESTION[name]
    found = obstacle(answers, question.takes) or question.judge(answers)
    return " ".join(found.verdicts), found.said


def error(code, message="No.", **more):
    return {"error": {"code": code, "message": message, **more}}


@pytest.mark.parametrize(
    ("name", "status", "code", "verdict"),
    [
        ("bad key", 401, "AUTH_INVALID_API_KEY", "G1"),
        ("bad key", 401, "AUTH_1008", "G2"),
        ("bad key", 401, "invalid_api_key", "LIVE"),
        ("bad key", 401, "AUTH_1007", "new"),
        ("bad key", 403, "AUTH_1008", "new"),
        ("bad key", 401, "Bad-Key", "new"),
        ("bad key", 401, None, "new"),
        ("unknown model", 404, "INFERENCE_3001", "G2"),
        ("unknown model", 400, "model_not_found", "new"),
        ("empty input", 422, "VALIDATION_4005", "new"),
        ("input too long", 400, "context_length_exceeded", "LIVE"),
        ("missing scope", 403, "AUTH_1015", "G2"),
        ("rate limit reached", 429, "AUTH_1028", "G2"),
        ("rate limit reached", 429, "too_many_requests", "LIVE"),
        ("empty balance", 402, "BILLING_2001", "G2"),
        ("empty balance", 403, "BILLING_INSUFFICIENT_ENERGY", "G1"),
        ("empty balance", 429, "insufficient_quota", "LIVE"),
        ("filters: none can match", 503, "INFERENCE_NO_PROVIDERS_AVAILABLE", "G1"),
        ("filters: none can match", 503, "INFERENCE_3104", "G2"),
        ("filters: none can match", 400, "unknown_field", "new"),
        ("developer role", 400, "invalid_request_error", "LIVE"),
    ],
)
def test_refusals(name, status, code, verdict):
    answer = seen(error(code), status)
    question = QUESTION[name]
    found = question.judge([answer])
    assert (" ".join(found.verdicts), str(status) in found.said) == (verdict, True)


def test_what_should_be_refused_and_is_accepted_is_new():
    assert judged("empty input", seen({"data": []})) == ("new", "accepted: 200")
    assert judged("filters: none can match", seen({})) == ("G2", "ignored: it was answered")
    assert judged("developer role", seen({})) == ("new", "accepted")


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ({"environment_impact": IMPACT}, "G1 G2 LIVE"),
        ({"environment_impact": IMPACT | {"simulated": True}}, "G1 G2 LIVE"),
        ({"environment_impact": IMPACT | {"grid": "IT-NORD"}}, "new"),
        ({"environment_impact": {"location": "IT"}}, "new"),
        ({"environment_impact": None}, "new"),
        ({}, "new"),
    ],
)
def test_impact(body, verdict):
    assert judged("impact of chat", seen(body))[0] == verdict


@pytest.mark.parametrize(
    ("bill", "verdict"),
    [
        ({"credits": "0.0000144", "energy": "0.144", "paid_with": "credits"}, "LIVE"),
        ({"credits": "0.0000144", "energy": "0.2", "paid_with": "energy"}, "LIVE"),
        ({"credits": "0.0000144"}, "LIVE"),
        ({"energy": "0.0008", "credits": "0.0", "paid_with": "energy"}, "G2"),
        ({"energy": "0.0", "credits": "0.01", "paid_with": "credits"}, "G2"),
        ({"energy": "0.0", "credits": "0.01", "paid_with": "energy"}, "new"),
        ({"energy": "0", "credits": "0", "paid_with": "credits"}, "G2 LIVE"),
        ({"credits": 0.01, "energy": 100, "paid_with": "credits"}, "new"),
        ({"credits": "-1", "energy": "1", "paid_with": "credits"}, "new"),
        ({"credits": "1", "energy": "1", "paid_with": "credits", "vat": "0.2"}, "new"),
        (None, "G1"),
    ],
)
def test_bills(bill, verdict):
    assert judged("bill of chat", seen({"billing_cost": bill}))[0] == verdict


def test_streams():
    first = {"choices": [{"index": 0, "delta": {"content": "OK"}}]}
    last = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    done = "data: [DONE]\n\n"
    assert judged("usage asked for", seen([first, last, done]))[0] == "G2 LIVE"
    assert judged("usage asked for", seen([first | {"usage": last["usage"]}, last, done]))[0] == "new"
    assert judged("usage not asked for", seen([first, last, done]))[0] == "new"
    assert judged("events of a stream", seen([first, ": keep-alive\n\n", done]))[0] == "G1 G2 LIVE"
    assert judged("events of a stream", seen([first]))[0] == "new"
    found = judged("events of a stream", seen([first, ': energy {"joules": 3}\n\n', done]))
    assert found == ("new", 'text/event-stream, 1 chunks, [DONE]; comments: energy {"joules": 3}')
    assert judged("impact of a stream", seen([first, last | {"environment_impact": IMPACT}, done]))[0] == "G2"
    broken = seen([first, error("provider_error", "The provider failed.")])
    assert judged("impact of a stream", broken)[0] == "unclear"


@pytest.mark.parametrize(
    ("places", "verdict"),
    [
        (("DE", "FI"), "G1"),
        (("de", None), "unclear"),
        (("IT", "IT"), "G2"),
        (("FI", "FI"), "G2"),
        (("DE", "no provider"), "G1"),
        (("no provider", "no provider"), "G1"),
        (("refused", "FI"), "new"),
    ],
)
def test_countries(places, verdict):
    answers = []
    for country, place in zip(("DE", "FI"), places, strict=True):
        asked = {"filters": {"countries": [country]}}
        if place == "no provider":
            answers.append(
                seen(error("no_providers", "No providers match the specified filters."), 503, asked=asked)
            )
        elif place == "refused":
            answers.append(seen(error("unknown_field"), 400, asked=asked))
        else:
            impact = IMPACT | {"location": place} if place else {"energy_kwh": 1}
            answers.append(seen({"environment_impact": impact}, asked=asked))
    assert judged("filters: countries", *answers)[0] == verdict


@pytest.mark.parametrize(
    ("providers", "verdict"),
    [(("a", "b"), "G2 LIVE"), (("a", "a"), "unclear"), (("a", None), "unclear"), (("a", 404), "G1")],
)
def test_flavors(providers, verdict):
    answers = [
        seen(error("model_not_found"), each, asked={"model": "m:eco"})
        if each == 404
        else seen(
            {"environment_impact": IMPACT | {"provider_id": each}} if each else {}, asked={"model": "m:eco"}
        )
        for each in providers
    ]
    assert judged("flavors", *answers)[0] == verdict


def chat(content=None, calls=None, finish="stop", **usage):
    message = {"role": "assistant", "content": content, "tool_calls": calls}
    return seen({"choices": [{"message": message, "finish_reason": finish}], "usage": usage})


@pytest.mark.parametrize(
    ("content", "finish", "verdict"),
    [
        ('{"city": "Paris", "country": "France"}', "stop", "G2"),
        ('{"city": "Paris"}', "stop", "new"),
        ("Paris, France", "stop", "new"),
        ('{"city": "Par', "length", "unclear"),
        (None, "length", "unclear"),
    ],
)
def test_objects_of_a_schema(content, finish, verdict):
    assert judged("json_schema", chat(content, finish=finish))[0] == verdict


@pytest.mark.parametrize(
    ("content", "calls", "verdict"),
    [
        (None, [{"function": {"name": "save_city", "arguments": '{"city": "Paris"}'}}], "G2"),
        (None, [{"function": {"name": "save_city", "arguments": "true"}}], "new"),
        ("<\uff5cDSML\uff5cinvoke>true", [], "LIVE"),
        ("I saved it.", None, "new"),
    ],
)
def test_forced_calls(content, calls, verdict):
    assert judged("named tool", chat(content, calls))[0] == verdict


def test_limits_and_efforts():
    assert judged("max_completion_tokens", chat("1 2 3", completion_tokens=8)) == ("LIVE", "kept: 8 tokens")
    assert judged("max_completion_tokens", chat("1 2 3", completion_tokens=90))[0] == "G1 G2"
    assert judged("max_completion_tokens", chat("1 2 3"))[0] == "unclear"
    refused = seen(error("invalid_request_error"), 400)
    thought = chat("OK", completion_tokens=9, completion_tokens_details={"reasoning_tokens": 7})
    assert judged("reasoning_effort", refused, thought)[0] == "G1 G2"
    assert judged("reasoning_effort", thought, refused)[0] == "LIVE"
    assert "high: 7 reasoning tokens, not shown" in judged("reasoning_effort", thought, thought)[1]


@pytest.mark.parametrize(
    ("name", "body", "verdict"),
    [
        ("tools", {"items": [{"slug": "web-search"}]}, "G1 G2"),
        ("tools", {"data": []}, "new"),
        ("tools in OpenAI's form", [{"type": "function"}], "G1 G2"),
        ("tools in OpenAI's form", {"tools": [{"type": "function"}]}, "G1 G2"),
        ("tools in OpenAI's form", {"data": []}, "unclear"),
        ("tools in OpenAI's form", {"object": "list"}, "new"),
        ("MCP ping", {"jsonrpc": "2.0", "id": 1, "result": {}}, "G1 G2"),
        ("MCP initialize", {"jsonrpc": "2.0", "result": {"protocolVersion": "2025-06-18"}}, "new"),
        ("MCP ping", {"pong": True}, "new"),
        ("batches", {"data": []}, "G1 G2 LIVE"),
        ("batches", {"data": [{"request_counts": {"processing": 0, "succeeded": 1, "errored": 0}}]}, "G2"),
        ("batches", {"data": [{"request_counts": {"total": 1, "completed": 1, "failed": 0}}]}, "LIVE"),
        ("batches", {"data": [{"request_counts": {"done": 1}}]}, "new"),
        ("count_tokens", {"input_tokens": 18}, "G2"),
        ("count_tokens", {"input_tokens": 18, "model": "m"}, "new"),
        ("responses", {"output": []}, "new"),
        ("owners of models", {"data": [{"id": "m", "owned_by": "melious"}]}, "LIVE"),
        ("owners of models", {"data": [{"id": "m", "owned_by": "zai"}]}, "G2"),
        ("models", {"data": [{"id": "m", "_meta": {"type": "guardrail"}}]}, "LIVE"),
        ("models", {"data": [{"id": "m", "_meta": {"type": "video"}}]}, "new"),
        ("cached tokens", {"usage": {"cached_tokens": 3}}, "LIVE"),
        ("cached tokens", {"usage": {}}, "new"),
        ("base64 vectors", {"data": [{"embedding": "AAAAAA=="}]}, "G2"),
        ("base64 vectors", {"data": [{"embedding": [0.5]}]}, "new"),
        ("base64 vectors", {"data": [{"embedding": "AAAA"}]}, "new"),
        ("results of rerank", {"results": [{"index": 0, "relevance_score": 1, "document": "t"}]}, "G1 G2"),
        ("results of rerank", {"results": [{"index": 0, "score": 1}]}, "new"),
    ],
)
def test_shapes(name, body, verdict):
    answer = seen({"x": 0}) if isinstance(body, list) else seen(body)
    if isinstance(body, list):
        answer = Seen(answer.ask, 200, answer.headers, json.dumps(body).encode())
    assert judged(name, answer)[0] == verdict


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        ({"x-ratelimit-limit": "240", "x-ratelimit-reset": "1786348124"}, "G1 LIVE"),
        ({"x-ratelimit-limit": "240", "x-ratelimit-reset": "30"}, "new"),
        ({"x-ratelimit-limit-requests": "60", "x-ratelimit-reset-requests": "30"}, "G2"),
        ({"x-ratelimit-limit-requests": "60", "x-ratelimit-reset-requests": "1786348124"}, "new"),
        ({"ratelimit-limit": "60"}, "new"),
        ({}, "new"),
    ],
)
def test_rate_limit_headers(headers, verdict):
    assert judged("rate-limit headers", seen({}, headers=headers))[0] == verdict


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (404, error("not_found"), "not there"),
        (405, "", "not there"),
        (403, error("AUTH_1015"), "not allowed"),
        (402, error("BILLING_2001"), "not asked"),
        (429, error("rate_limit_exceeded"), "not asked"),
        (503, error("provider_error"), "unclear"),
        (400, error("invalid_request_error"), "new"),
        (None, "", "not reachable"),
    ],
)
def test_what_keeps_a_question_from_its_answer(status, body, verdict):
    assert judged("tools", seen(body, status, endpoint="tools"))[0] == verdict
