"""The service's own tools, MCP and Anthropic's form, as plain HTTP sees them."""

import json
from typing import Any

import httpx
import pytest

from melious.sandbox import Fault, Reply, Sandbox

SEARCH = {"query": "heat pumps"}


@pytest.fixture
def http(sandbox: Sandbox):
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    with httpx.Client(base_url=sandbox.base_url, headers=headers, trust_env=False) as client:
        yield client


def rpc(http: httpx.Client, method: str, params: Any = None, **more: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}, **more}
    return http.post("/mcp/jsonrpc", json=body).json()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/tools?page=0", 400),
        ("/tools?page_size=101", 400),
        ("/tools?page_size=x", 400),
        ("/tools?source=natve", 400),
        ("/tools?tool_type=skill", 400),
        ("/tools?page=99&page_size=100", 200),
        ("/tools/telepathy", 404),
        ("/tools/web-search", 200),
        ("/tools/web-search/schema", 200),
        ("/tools/web-search/rate-limit", 200),
        ("/tools/web-search/execute", 405),
    ],
)
def test_paths(http, path, status):
    assert http.get(path).status_code == status


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "parameters"),
        ({"parameters": []}, "parameters"),
        ({"parameters": {}}, "parameters.query"),
        ({"parameters": {"query": ""}}, "parameters.query"),
        ({"parameters": {**SEARCH, "max_results": 0}}, "parameters.max_results"),
        ({"parameters": {**SEARCH, "max_results": True}}, "parameters.max_results"),
        ({"parameters": {**SEARCH, "count": 3}}, "parameters.count"),
    ],
)
def test_arguments_are_checked(http, body, param):
    answer = http.post("/tools/web-search/execute", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_a_scripted_result_of_a_tool_that_there_is_not(http, sandbox):
    sandbox.replies.add(Reply(json={"result": 1}), endpoint="tools", model="telepathy")
    assert http.get("/tools").json()["total"] == 3
    assert http.post("/tools/telepathy/execute", json={"parameters": {}}).json() == {"result": 1}


def test_results_say_that_they_are_simulated(http):
    for slug, given in (
        ("web-search", SEARCH),
        ("url-scraper", {"url": "u"}),
        ("docs-lookup", {"topic": "t"}),
    ):
        answer = http.post(f"/tools/{slug}/execute", json={"parameters": given}).json()
        assert set(answer) == {"result"}
        assert "imulated" in json.dumps(answer)


def test_the_page_shows_runs(http, sandbox):
    http.post("/tools/web-search/execute", json={"parameters": SEARCH})
    http.post("/mcp/jsonrpc", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    page = httpx.get(sandbox.page_url, trust_env=False).text
    assert "web-search/execute" in page
    assert "heat pumps" in page
    assert "ping" in page


# --- MCP -----------------------------------------------------------------------------------------------------


def test_a_session(http):
    result = rpc(http, "initialize", {"protocolVersion": "2025-03-26"})["result"]
    assert result["protocolVersion"] == "2024-11-05"
    assert result["serverInfo"] == {"name": "melious-mcp-server", "version": "1.0.0"}
    assert result["capabilities"] == {"tools": {"listChanged": True}}
    notified = http.post("/mcp/jsonrpc", json={"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (notified.status_code, notified.content) == (202, b"")
    assert rpc(http, "ping")["result"] == {}
    first = rpc(http, "tools/list")["result"]
    second = rpc(http, "tools/list", {"cursor": first["nextCursor"]})["result"]
    names = [tool["name"] for tool in first["tools"] + second["tools"]]
    assert names == ["web-search", "url-scraper", "docs-lookup"]
    assert "nextCursor" not in second
    called = rpc(http, "tools/call", {"name": "web-search", "arguments": SEARCH})["result"]
    assert (called["isError"], json.loads(called["content"][0]["text"])["simulated"]) == (False, True)
    wrong = rpc(http, "tools/call", {"name": "web-search", "arguments": {}})["result"]
    assert (wrong["isError"], wrong["content"][0]["text"]) == (True, "'query' is required.")


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("resources/list", {}, -32601),
        ("tools/list", {"cursor": "from-9"}, -32602),
        ("tools/list", [], -32602),
        ("tools/call", {"name": "telepathy"}, -32602),
        ("tools/call", {"name": "web-search", "arguments": [1]}, -32602),
    ],
)
def test_errors_of_methods(http, method, params, code):
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    answer = http.post("/mcp/jsonrpc", json=body).json()
    assert (answer["id"], answer["error"]["code"]) == (7, code)


@pytest.mark.parametrize("body", ["[]", "{}", "{", '{"jsonrpc": "1.0", "id": 1, "method": "ping"}'])
def test_what_is_no_message(http, body):
    assert http.post("/mcp/jsonrpc", content=body).json()["error"]["code"] == -32600


def test_methods_as_paths(http):
    assert http.post("/mcp/initialize", json={}).json()["protocolVersion"] == "2024-11-05"
    assert http.get("/mcp/ping").json() == {}
    assert len(http.post("/mcp/tools/list", json={"cursor": "from-2"}).json()["tools"]) == 1
    called = http.post("/mcp/tools/call", json={"name": "url-scraper", "arguments": {"url": "u"}}).json()
    assert called["isError"] is False
    assert http.post("/mcp/tools/call", json={"name": "telepathy"}).status_code == 400


def test_scopes_and_faults(http, sandbox):
    with Sandbox(keys={"sk-mel-tools": ["kit.tools"], "sk-mel-kit": ["kit.*"]}) as other:

        def status(key: str, path: str) -> int:
            headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
            return httpx.post(
                f"{other.base_url}{path}", headers=headers, json={}, trust_env=False
            ).status_code

        assert status("sk-mel-tools", "/mcp/jsonrpc") == 403
        assert status("sk-mel-tools", "/tools/web-search/execute") == 400
        assert status("sk-mel-kit", "/mcp/jsonrpc") == 200
        assert status("sk-mel-kit", "/messages") == 403
    sandbox.faults.add(Fault(endpoint="mcp", status=503))
    assert http.post("/mcp/jsonrpc", json={}).status_code == 503


# --- Anthropic's form ----------------------------------------------------------------------------------------

ASKED = {"model": "claude-sonnet-4", "max_tokens": 500, "messages": [{"role": "user", "content": "Hi."}]}
VERSION = {"anthropic-version": "2023-06-01"}
TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


def test_an_answer(http, sandbox):
    sandbox.replies.add(Reply(text="Hello."), endpoint="messages", model="deepseek-v3.2")
    answer = http.post("/messages", json=ASKED, headers=VERSION).json()
    assert (answer["type"], answer["role"], answer["model"]) == ("message", "assistant", "claude-sonnet-4")
    assert answer["content"] == [{"type": "text", "text": "Hello."}]
    assert answer["stop_reason"] == "end_turn"
    assert set(answer["usage"]) == {"input_tokens", "output_tokens"}
    assert not {"environment_impact", "billing_cost"} & set(answer)
    assert sandbox.requests[0].served.model == "deepseek-v3.2"


def test_the_documented_profiles_add_impact_and_bill():
    for profile in ("g1", "g2"):
        with Sandbox(profile) as other:
            headers = {**VERSION, "x-api-key": other.api_key}
            url = f"{other.base_url}/messages"
            answer = httpx.post(url, json=ASKED, headers=headers, trust_env=False).json()
            assert answer["environment_impact"]["simulated"] is True


def test_tools_there_and_back(http, sandbox):
    sandbox.replies.add(Reply(tool_calls=[("get_weather", {"city": "Oslo"}, "c1")]), endpoint="messages")
    answer = http.post("/messages", json={**ASKED, "tools": [TOOL]}, headers=VERSION).json()
    assert answer["stop_reason"] == "tool_use"
    assert answer["content"] == [
        {"type": "tool_use", "id": "c1", "name": "get_weather", "input": {"city": "Oslo"}}
    ]
    result = {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "12 degrees"}]}
    turns = [
        *ASKED["messages"],
        {"role": "assistant", "content": answer["content"]},
        {"role": "user", "content": [result]},
    ]
    again = http.post("/messages", json={**ASKED, "tools": [TOOL], "messages": turns}, headers=VERSION).json()
    assert "12 degrees" in again["content"][0]["text"]


def test_a_stream(http, sandbox):
    reply = Reply(chunks=["Hel", "lo."], tool_calls=[("get_weather", {"city": "Oslo"})])
    sandbox.replies.add(reply, endpoint="messages")
    text = http.post("/messages", json={**ASKED, "tools": [TOOL], "stream": True}, headers=VERSION).text
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    names = [line[7:] for line in text.splitlines() if line.startswith("event: ")]
    assert [event["type"] for event in events] == names
    assert names[0] == "message_start"
    assert names[-2:] == ["message_delta", "message_stop"]
    said = "".join(
        event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta"
    )
    assert said == "Hello."


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"max_tokens": None}, 400),
        ({"model": "telepathy"}, 404),
        ({"messages": []}, 400),
        ({"messages": [{"role": "system", "content": "x"}]}, 400),
        ({"messages": [{"role": "user", "content": [{"type": "document"}]}]}, 400),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, 400),
    ],
)
def test_what_is_refused(http, wrong, status):
    assert http.post("/messages", json={**ASKED, **wrong}, headers=VERSION).status_code == status


def test_the_version_is_required(http):
    for path in ("/messages", "/messages/count_tokens"):
        refused = http.post(path, json=ASKED)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "anthropic-version")
    assert http.post("/messages/count_tokens", json=ASKED, headers=VERSION).json()["input_tokens"] > 0
