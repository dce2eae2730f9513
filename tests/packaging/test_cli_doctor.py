"""`melious doctor`, as it is typed, against a sandbox: what it finds, what it costs, what it gives away."""

from __future__ import annotations

import json

import pytest

from melious.cli import main
from melious.sandbox import Fault

ENDPOINTS = ["models", "chat", "embeddings", "rerank", "images", "audio", "tools", "mcp"]
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}

pytestmark = pytest.mark.usefixtures("no_settings")


def lines(out):
    """What was found, by name: the mark and the text."""
    found = {}
    for line in out.splitlines():
        if line[:4].strip() in {"ok", "note", "FAIL", "-"} and line[4:6] == "  ":
            name, _, said = line[6:].partition("  ")
            found[name.strip()] = (line[:4].strip(), said.strip())
    return found


def test_all_is_well(doctor, sandbox):
    status, out = doctor(sandbox.api_key, sandbox.base_url)
    assert status == 0
    found = lines(out)
    assert {name: found[name][0] for name in ENDPOINTS} == dict.fromkeys(ENDPOINTS, "ok")
    assert found["key"] == ("ok", "from MELIOUS_API_KEY")
    assert "--base-url" in found["base URL"][1]
    assert "of 100,000 requests left" in found["rate limit"][1]
    assert found["balance"][0] == "-"
    assert out.startswith("melious ")
    for name in ("python", "httpx", "langchain-core", "llama-index-core"):
        assert name in out
    assert "No problems found." in out


def test_nothing_that_it_sends_could_be_billed(doctor, sandbox):
    doctor(sandbox.api_key, sandbox.base_url)
    asked = {request.path: (request.method, request.body, request.status) for request in sandbox.requests}
    assert len(asked) == len(sandbox.requests)
    assert asked.pop("/v1/mcp/jsonrpc") == ("POST", PING, 200)
    reading = {path for path, (method, _, _) in asked.items() if method == "GET"}
    assert reading == {"/v1/models", "/v1/tools", "/v1/vector_stores"}
    empty = [(body, status) for path, (_, body, status) in asked.items() if path not in reading]
    assert all(body in ({}, None) and status in (400, 404) for body, status in empty)


def test_no_scopes_sends_no_empty_requests(checks, sandbox):
    status, found = checks(sandbox.api_key, sandbox.base_url, "--no-scopes")
    assert status == 0
    assert found["chat"]["state"] == "skipped"
    assert [request.endpoint for request in sandbox.requests] == ["models"]


@pytest.mark.parametrize("profile", ["live", "g1", "g2"])
def test_a_restricted_key_is_told_by_endpoint(checks, start_sandbox, profile):
    scopes = ["inference.chat", "inference.rerank", "inference.models"]
    sandbox = start_sandbox(profile, keys={"sk-mel-part": scopes})
    status, found = checks("sk-mel-part", sandbox.base_url)
    assert status == 0, "a key that may not do everything is no mistake"
    assert {name: found[name]["allowed"] for name in ENDPOINTS} == {
        "models": True,
        "chat": True,
        "embeddings": False,
        "rerank": True,
        "images": False,
        "audio": False,
        "tools": False,
        "mcp": False,
    }
    assert "kit.tools" in found["tools"]["said"]
    assert "inference.images" in found["images"]["said"]
    assert found["images"]["status_code"] == 403


def test_what_a_script_needs_must_be_allowed(checks, start_sandbox):
    sandbox = start_sandbox(keys={"sk-mel-part": ["inference.chat", "inference.models"]})
    assert checks("sk-mel-part", sandbox.base_url, "--need", "chat")[0] == 0
    status, found = checks("sk-mel-part", sandbox.base_url, "--need", "chat", "--need", "rerank")
    assert status == 1
    assert (found["chat"]["state"], found["rerank"]["state"]) == ("ok", "failed")


def test_a_needed_endpoint_that_was_not_asked_is_not_taken_for_allowed(checks, sandbox):
    status, found = checks(sandbox.api_key, sandbox.base_url, "--no-scopes", "--need", "chat")
    assert (status, found["chat"]["state"]) == (1, "failed")


def test_an_endpoint_that_there_is_not(capsys, sandbox):
    assert main(["doctor", "--need", "telepathy"]) == 2
    assert "telepathy" in capsys.readouterr().err


def test_a_key_without_the_list_of_models(checks, start_sandbox):
    sandbox = start_sandbox(keys={"sk-mel-chat": ["inference.chat"]})
    status, found = checks("sk-mel-chat", sandbox.base_url)
    assert status == 0
    assert (found["models"]["allowed"], found["chat"]["allowed"]) == (False, True)
    assert found["rate limit"]["state"] == "skipped"


def test_a_key_for_the_kit_only(checks, start_sandbox):
    sandbox = start_sandbox(keys={"sk-mel-kit": ["kit.*"]})
    status, found = checks("sk-mel-kit", sandbox.base_url, "--need", "tools", "--need", "mcp")
    assert (status, found["tools"]["allowed"], found["chat"]["allowed"]) == (0, True, False)
    status, found = checks("sk-mel-kit", sandbox.base_url, "--need", "chat")
    assert (status, found["chat"]["state"]) == (1, "failed")


def test_a_key_for_nothing_here(checks, start_sandbox):
    sandbox = start_sandbox(keys={"sk-mel-kit": ["hub.read"]})
    status, found = checks("sk-mel-kit", sandbox.base_url)
    assert (status, found["scopes"]["state"]) == (1, "failed")


def test_a_wrong_key_is_refused_once(doctor, sandbox):
    status, out = doctor("sk-mel-wrong", sandbox.base_url)
    assert status == 1
    mark, said = lines(out)["authentication"]
    assert mark == "FAIL"
    assert "401" in " ".join(out.split())
    assert said
    assert len(sandbox.requests) == 1


def test_quotes_around_a_key_are_noticed(doctor, sandbox):
    status, out = doctor(f'"{sandbox.api_key}"', sandbox.base_url)
    assert status == 1
    assert lines(out)["key"][0] == "note"
    assert "quotes" in lines(out)["key"][1]
    assert sandbox.api_key not in out


def test_a_key_of_somebody_else_is_noticed(checks, sandbox):
    _, found = checks("gsk_0123456789", sandbox.base_url)
    assert found["key"]["state"] == "note"
    assert "gsk" not in json.dumps(found)


def test_no_key(checks, sandbox):
    status, found = checks(None, sandbox.base_url)
    assert status == 1
    assert (found["key"]["state"], found["connection"]["state"]) == ("failed", "ok")
    assert "MELIOUS_API_KEY" in found["key"]["said"]
    assert not sandbox.requests


def test_a_key_that_no_header_carries(doctor, sandbox):
    status, out = doctor("sk-mel-with\nbreak", sandbox.base_url)
    assert status == 1
    assert lines(out)["key"][0] == "FAIL"
    assert "sk-mel-with" not in out


def test_the_origin_of_the_base_url(monkeypatch, capsys, sandbox):
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    monkeypatch.setenv("MELIOUS_BASE_URL", sandbox.base_url.removesuffix("/v1"))
    assert main(["doctor", "--no-scopes"]) == 0
    assert f"{sandbox.base_url} (from MELIOUS_BASE_URL)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "url", ["http://api.melious.ai", "ftp://somewhere", "https://me:hidden@api.melious.ai"]
)
def test_a_base_url_that_cannot_be_used(checks, url):
    status, found = checks("sk-mel-x", url)
    assert (status, found["base URL"]["state"]) == (1, "failed")
    assert "hidden" not in json.dumps(found)


def test_a_base_url_that_holds_a_password_is_not_repeated(checks):
    for url in ("https://me:hid/den@host", "me:hidden@host", "https://a..b", "https://me:1/hidden@host"):
        status, found = checks("sk-mel-x", url)
        assert (status, found["base URL"]["state"]) == (1, "failed")
        assert "hid" not in json.dumps(found)


# --- the account ------------------------------------------------------------------------------------------


def test_a_limit_that_is_nearly_used_up_is_not_used_up(checks, start_sandbox):
    sandbox = start_sandbox(rate_limit=6)
    status, found = checks(sandbox.api_key, sandbox.base_url)
    assert status == 0
    assert (found["rate limit"]["limit"], found["rate limit"]["remaining"]) == (6, 5)
    assert found["rate limit"]["reset_after"] <= 62
    assert "5 requests" in found["chat"]["said"]
    assert len(sandbox.requests) == 1


def test_a_limit_that_is_used_up(checks, start_sandbox):
    sandbox = start_sandbox(rate_limit=0)
    status, found = checks(sandbox.api_key, sandbox.base_url)
    assert (status, found["rate limit"]["state"]) == (1, "failed")
    assert found["rate limit"]["retry_after"] > 0


def test_an_empty_balance(checks, sandbox):
    sandbox.faults.add(Fault(code="insufficient_quota", endpoint="chat", times=None))
    status, found = checks(sandbox.api_key, sandbox.base_url)
    assert (status, found["chat"]["state"]) == (1, "failed")
    assert (found["chat"]["out_of_money"], found["chat"]["allowed"]) == (True, True)
    assert "balance" not in found


def test_what_cannot_be_known_is_not_claimed(checks, sandbox):
    sandbox.faults.add(Fault(endpoint="rerank", status=500))
    sandbox.faults.add(Fault(endpoint="images", status=404, body={"error": {"message": "Not Found"}}))
    status, found = checks(sandbox.api_key, sandbox.base_url)
    assert status == 0
    assert (found["rerank"]["state"], found["rerank"]["allowed"]) == ("note", None)
    assert (found["images"]["allowed"], found["audio"]["allowed"]) == (False, True)


def test_a_service_in_trouble(checks, sandbox):
    sandbox.faults.add(Fault(endpoint="models", status=503))
    status, found = checks(sandbox.api_key, sandbox.base_url)
    assert (status, found["service"]["state"], found["service"]["status_code"]) == (1, "failed", 503)
    assert len(sandbox.requests) == 1, "no retries: the doctor tells what is"


def test_after_a_refusal_for_the_rate_nothing_more_is_asked(checks, sandbox):
    sandbox.faults.add(Fault(endpoint="embeddings", status=429))
    status, found = checks(sandbox.api_key, sandbox.base_url)
    assert status == 0
    assert (found["chat"]["allowed"], found["embeddings"]["allowed"]) == (True, None)
    assert [found[name]["state"] for name in ENDPOINTS[3:]] == ["skipped"] * len(ENDPOINTS[3:])
    assert [request.endpoint for request in sandbox.requests] == ENDPOINTS[:3]


def test_something_else_at_the_address(checks, sandbox):
    sandbox.faults.add(Fault(endpoint="models", body="<html>Welcome</html>", content_type="text/html"))
    status, found = checks(sandbox.api_key, sandbox.base_url)
    assert (status, found["service"]["state"]) == (1, "failed")
    assert "JSON" in found["service"]["said"]
