"""The three generations: their words for errors, their headers, their bills."""

import time

import pytest

from melious.sandbox import Fault, Sandbox

HELLO = {"model": "glm-4.7", "messages": [{"role": "user", "content": "Hello"}]}
DEVELOPER = {"model": "glm-4.7", "messages": [{"role": "developer", "content": "Hello"}]}
UNKNOWN = HELLO | {"model": "gpt-9"}
WITHOUT_MODEL = {"messages": HELLO["messages"]}
NOWHERE = HELLO | {"filters": {"countries": ["AQ"]}}
PICTURE = {
    "model": "llama-3.3-70b-instruct",
    "messages": [
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}],
        }
    ],
}
TOO_LONG = {"model": "qwen2.5-72b-instruct", "messages": [{"role": "user", "content": "word " * 40_000}]}

REFUSALS = {
    "unknown model": (
        UNKNOWN,
        {
            "live": (404, "model_not_found"),
            "g1": (404, "INFERENCE_MODEL_NOT_FOUND"),
            "g2": (404, "INFERENCE_3001"),
        },
    ),
    "no model": (
        WITHOUT_MODEL,
        {
            "live": (400, "invalid_request_error"),
            "g1": (400, "VALIDATION_REQUIRED_FIELD"),
            "g2": (400, "VALIDATION_4002"),
        },
    ),
    "developer role": (
        DEVELOPER,
        {
            "live": (400, "invalid_request_error"),
            "g1": (400, "VALIDATION_INVALID_VALUE"),
            "g2": (400, "VALIDATION_4001"),
        },
    ),
    "no provider": (
        NOWHERE,
        {
            "live": (503, "no_providers_available"),
            "g1": (503, "INFERENCE_NO_PROVIDERS_AVAILABLE"),
            "g2": (503, "INFERENCE_3104"),
        },
    ),
    "picture": (
        PICTURE,
        {
            "live": (400, "invalid_request_error"),
            "g1": (400, "VALIDATION_INVALID_VALUE"),
            "g2": (400, "INFERENCE_3201"),
        },
    ),
    "too long": (
        TOO_LONG,
        {
            "live": (400, "context_length_exceeded"),
            "g1": (400, "INFERENCE_CONTEXT_LENGTH_EXCEEDED"),
            "g2": (400, "INFERENCE_3207"),
        },
    ),
}
SCRIPTED = {
    "insufficient_quota": {
        "live": (429, "insufficient_quota"),
        "g1": (403, "BILLING_INSUFFICIENT_ENERGY"),
        "g2": (402, "BILLING_2003"),
    },
    "provider_error": {
        "live": (503, "provider_error"),
        "g1": (502, "INFERENCE_PROVIDER_ERROR"),
        "g2": (502, "INFERENCE_3103"),
    },
    "rate_limit": {
        "live": (429, "rate_limit_exceeded"),
        "g1": (429, "RATE_LIMIT_EXCEEDED"),
        "g2": (429, "AUTH_1028"),
    },
    "upstream_timeout": {
        "live": (504, "upstream_timeout"),
        "g1": (504, "INFERENCE_PROVIDER_TIMEOUT"),
        "g2": (504, "INFERENCE_3107"),
    },
}


@pytest.fixture(scope="module")
def profiles():
    with Sandbox("live") as live, Sandbox("g1") as g1, Sandbox("g2") as g2:
        yield {"live": live, "g1": g1, "g2": g2}


@pytest.fixture(params=["live", "g1", "g2"])
def profiled(request, profiles, client_of):
    return request.param, profiles[request.param], client_of(profiles[request.param])


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(profiled, case):
    name, _, http = profiled
    body, expected = REFUSALS[case]
    response = http.post("/chat/completions", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == expected[name]


@pytest.mark.parametrize("code", SCRIPTED)
def test_scripted_reasons(profiled, code):
    name, _, http = profiled
    response = http.post(
        "/chat/completions", json=HELLO, headers={"x-sandbox-fault": Fault(code=code).to_header()}
    )
    assert (response.status_code, response.json()["error"]["code"]) == SCRIPTED[code][name]


def test_body_shapes(profiled):
    name, _, http = profiled
    error = http.post("/chat/completions", json=TOO_LONG).json()["error"]
    assert "33000" in error["message"]
    shapes = {
        "live": {"message", "type", "param", "code"},
        "g1": {"message", "type", "code"},
        "g2": {"message", "code", "details"},
    }
    assert set(error) == shapes[name]
    if name == "g2":
        assert error["details"]["context_length"] == 33_000
        assert error["details"]["input_tokens"] > 33_000


def test_keys(profiled):
    name, _, http = profiled
    wrong = {"live": "invalid_api_key", "g1": "AUTH_INVALID_API_KEY", "g2": "AUTH_1008"}[name]
    response = http.get("/models", headers={"authorization": "Bearer sk-mel-wrong"})
    assert (response.status_code, response.json()["error"]["code"]) == (401, wrong)
    missing = {"live": "invalid_api_key", "g1": "AUTH_INVALID_API_KEY", "g2": "AUTH_1007"}[name]
    del http.headers["authorization"]
    response = http.get("/models")
    assert (response.status_code, response.json()["error"]["code"]) == (401, missing)


def test_rate_limit_headers(profiled):
    name, sandbox, http = profiled
    sandbox.reset()
    http.post("/chat/completions", json=HELLO)
    headers = http.post("/chat/completions", json=UNKNOWN).headers
    if name == "g2":
        limit, left = headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]
        assert 0 <= int(headers["x-ratelimit-reset-requests"]) <= 60
        assert "x-ratelimit-limit" not in headers
    else:
        limit, left = headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]
        assert 1_500_000_000 < int(headers["x-ratelimit-reset"]) <= time.time() + 61
        assert "x-ratelimit-limit-requests" not in headers
    assert int(limit) - int(left) == 2


def test_bills(profiled):
    name, _, http = profiled
    body = http.post("/chat/completions", json=HELLO).json()
    assert set(body["environment_impact"]) == {
        "energy_kwh",
        "carbon_g_co2",
        "water_liters",
        "renewable_percent",
        "pue",
        "provider_id",
        "location",
        "simulated",
    }
    if name == "g1":
        assert "billing_cost" not in body
        return
    bill = body["billing_cost"]
    assert all(isinstance(value, str) and "e" not in value for value in (bill["energy"], bill["credits"]))
    if name == "g2":
        assert (bill["credits"], bill["paid_with"]) == ("0.0", "energy")
        assert float(bill["energy"]) > 0
    else:
        assert bill["paid_with"] == "credits"
        assert float(bill["energy"]) == pytest.approx(float(bill["credits"]) * 10_000)


def test_impact_in_streams(profiled):
    name, _, http = profiled
    text = http.post("/chat/completions", json=HELLO | {"stream": True}).text
    assert text.count("environment_impact") == (0 if name == "live" else 1)
    assert text.count("billing_cost") == (1 if name == "g2" else 0)
    assert text.endswith("data: [DONE]\n\n")


def test_impact_in_live_streams_on_request(start_sandbox, client_of):
    http = client_of(start_sandbox(stream_impact=True))
    text = http.post("/chat/completions", json=HELLO | {"stream": True}).text
    assert "billing_cost" in text.split("data: ")[-2]


def test_unknown_profile():
    with pytest.raises(ValueError, match="live, g1, g2"):
        Sandbox("g3")
