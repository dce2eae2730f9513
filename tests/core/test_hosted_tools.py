"""The tools that the service runs: lists in every shape, look-ups, runs and their results."""

import asyncio
import json
import pickle
from typing import Any

import pytest

from melious import (
    BudgetExceededError,
    ImpactBudget,
    InvalidArgumentError,
    MeliousError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ResidencyError,
    ResponseDecodeError,
    track_impact,
)
from melious.sandbox import Fault, Reply, Sandbox

from .clients import Clients

SEARCH = {"query": "heat pumps"}


def listed(clients: Clients, client: Any, **params: Any) -> list[Any]:
    """All tools, page by page."""
    if not clients.asynchronous:
        return list(client.tools.iterate(**params))

    async def gather() -> list[Any]:
        return [tool async for tool in client.tools.iterate(**params)]

    return asyncio.run(gather())


def paths(sandbox: Sandbox) -> list[str]:
    """The paths that were asked, each with its query."""
    return [
        f"{one.path}?{one.query}" if one.query else one.path
        for one in sandbox.requests
        if one.endpoint == "tools"
    ]


# --- lists ---------------------------------------------------------------------------------------------------


def test_a_page_of_tools(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    page = clients.call(client, "tools.list", page=2, page_size=1, source="managed", search="url")
    assert page.items == []
    assert page.raw["total"] == 1
    (tool,) = clients.call(client, "tools.list", tool_type="handler", category="search").items
    assert (tool.slug, tool.name, tool.source, tool.tool_type) == (
        "web-search",
        "Web Search",
        "native",
        "handler",
    )
    assert tool.raw["id"] == tool.id
    assert tool.request_id == sandbox.requests[1].request_id
    assert paths(sandbox) == [
        "/v1/tools?page=2&page_size=1&source=managed&search=url",
        "/v1/tools?tool_type=handler&category=search",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"page": 0},
        {"page": "1"},
        {"page_size": 0},
        {"page_size": 101},
        {"source": "natve"},
        {"tool_type": "skill"},
        {"category": ""},
        {"search": 3},
        {"extra_body": {"a": 1}},
        {"pagesize": 3},
    ],
    ids=repr,
)
def test_wrong_filters_are_refused_before_anything_is_sent(
    clients: Clients, client: Any, sandbox: Sandbox, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        clients.call(client, "tools.list", **wrong)
    assert len(sandbox.requests) == 0


def test_the_most_on_a_page_is_taken(clients: Clients, client: Any) -> None:
    assert len(clients.call(client, "tools.list", page_size=100).items) == 3


def test_all_pages_until_the_last(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    pages: list[dict[str, Any]] = [
        {"items": [{"slug": "a"}, {"slug": "b"}], "total": 3},
        {"items": [{"slug": "c"}], "total": 3},
    ]
    sandbox.replies.add(*(Reply(json=page) for page in pages), endpoint="tools")
    assert [tool.slug for tool in listed(clients, client)] == ["a", "b", "c"]
    assert paths(sandbox) == ["/v1/tools?page=1&page_size=100", "/v1/tools?page=2&page_size=100"]


@pytest.mark.parametrize(
    ("second", "requests"),
    [
        (Reply(json={"items": []}), 2),
        (Reply(json={"items": [{"slug": "a"}, {"slug": "b"}]}), 2),
        (Reply(json=[{"slug": "b"}]), 2),
    ],
    ids=["empty", "the first again", "part of the first"],
)
def test_pages_end_where_nothing_new_comes(
    clients: Clients, client: Any, sandbox: Sandbox, second: Reply, requests: int
) -> None:
    sandbox.replies.add(Reply(json={"items": [{"slug": "a"}, {"slug": "b"}]}), second, endpoint="tools")
    assert [tool.slug for tool in listed(clients, client)] == ["a", "b"]
    assert len(sandbox.requests) == requests


def test_a_404_beyond_the_last_page_ends_the_list(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sandbox.replies.add(Reply(json={"items": [{"slug": "a"}]}), endpoint="tools")
    sandbox.faults.add(Fault(endpoint="tools", status=404, after=1))
    assert [tool.slug for tool in listed(clients, client)] == ["a"]
    sandbox.faults.add(Fault(endpoint="tools", status=404))
    with pytest.raises(NotFoundError):
        listed(clients, client)


@pytest.mark.parametrize(
    "end",
    [{"has_more": False}, {"has_next": False}, {"total_pages": 1}, {"pagination": {"total": 1}}],
    ids=repr,
)
def test_a_list_that_says_that_it_ends(
    clients: Clients, client: Any, sandbox: Sandbox, end: dict[str, Any]
) -> None:
    sandbox.replies.add(Reply(json={"items": [{"slug": "a"}], **end}), endpoint="tools")
    assert len(listed(clients, client)) == 1
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        '{"items": [{"slug": "a"}, null, 3]}',
        '[{"slug": "a"}]',
        '{"tools": [{"slug": "a", "name": null, "id": 7, "category": ["x"]}]}',
        '{"data": [{"slug": "a"}]}',
    ],
)
def test_lists_in_every_shape(clients: Clients, client: Any, sandbox: Sandbox, answer: str) -> None:
    sandbox.faults.add(Fault(endpoint="tools", body=answer, status=200))
    (tool,) = clients.call(client, "tools.list").items
    assert (tool.slug, tool.category) == ("a", None)
    assert tool.raw["slug"] == "a"


@pytest.mark.parametrize("answer", ['{"items": null}', '{"ok": true}', '"tools"', "<html></html>", ""])
def test_what_is_no_list(clients: Clients, client: Any, sandbox: Sandbox, answer: str) -> None:
    sandbox.faults.add(Fault(endpoint="tools", body=answer, status=200))
    with pytest.raises(ResponseDecodeError, match="tools"):
        clients.call(client, "tools.list")


# --- one tool ------------------------------------------------------------------------------------------------


def test_one_tool_its_schema_and_its_limit(clients: Clients, client: Any) -> None:
    assert clients.call(client, "tools.retrieve", "web-search").name == "Web Search"
    schema = clients.call(client, "tools.schema", "web-search")
    assert schema.parameters["required"] == ["query"]
    limit = clients.call(client, "tools.rate_limit", "web-search")
    assert (limit.limit, limit.raw["window_seconds"]) == (100_000, 60)


@pytest.mark.parametrize(
    "answer",
    [
        {"parameters": {"type": "object"}},
        {"input_schema": {"type": "object"}},
        {"inputSchema": {"type": "object"}},
        {"schema": {"type": "object"}},
        {"function": {"name": "a", "parameters": {"type": "object"}}},
    ],
    ids=repr,
)
def test_a_schema_in_every_shape(
    clients: Clients, client: Any, sandbox: Sandbox, answer: dict[str, Any]
) -> None:
    sandbox.replies.add(Reply(json=answer), endpoint="tools")
    assert clients.call(client, "tools.schema", "web-search").parameters == {"type": "object"}


def test_a_schema_that_is_the_answer_and_one_that_is_missing(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    bare = {"type": "object", "properties": {"query": {"type": "string"}}}
    sandbox.replies.add(Reply(json=bare), Reply(json={"ok": True}), endpoint="tools")
    assert clients.call(client, "tools.schema", "web-search").parameters == bare
    missing = clients.call(client, "tools.schema", "web-search")
    assert (missing.parameters, missing.raw) == (None, {"ok": True})


@pytest.mark.parametrize("slug", ["", "  ", None, 3, ".", "..", "a\ud800"])
def test_what_is_no_slug(clients: Clients, client: Any, sandbox: Sandbox, slug: Any) -> None:
    for name in ("retrieve", "schema", "rate_limit", "execute"):
        with pytest.raises(InvalidArgumentError, match="slug"):
            clients.call(client, f"tools.{name}", slug)
    assert len(sandbox.requests) == 0


def test_a_slug_stays_one_part_of_the_path(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    with pytest.raises(NotFoundError):
        clients.call(client, "tools.execute", "a/../../models?x=1#y")
    assert sandbox.requests[0].query == ""
    assert sandbox.requests[0].path.endswith("/execute")


# --- runs ----------------------------------------------------------------------------------------------------


def test_a_run(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    result = clients.call(client, "tools.execute", "web-search", {"query": "heat pumps", "max_results": 2})
    assert len(result.result["results"]) == 2
    assert json.loads(result.text) == result.result
    assert not result.is_error
    assert sandbox.requests[0].body == {"parameters": {"query": "heat pumps", "max_results": 2}}


@pytest.mark.parametrize(
    ("answer", "result", "text", "failed"),
    [
        ('{"result": "Some text"}', "Some text", "Some text", False),
        ('{"result": ""}', "", "", False),
        ('{"result": null}', None, "null", False),
        ('{"result": [1, "é"]}', [1, "é"], '[1,"é"]', False),
        ('{"result": {"error": "unreachable"}}', {"error": "unreachable"}, '{"error":"unreachable"}', True),
        ('{"result": {"error": null}}', {"error": None}, '{"error":null}', False),
        ('{"result": {"isError": true}}', {"isError": True}, '{"isError":true}', True),
        ('{"result": "no", "success": false}', "no", "no", True),
        ('{"output": 3, "billing_cost": {"energy": "1"}}', {"output": 3}, '{"output":3}', False),
        ("[1, 2]", [1, 2], "[1,2]", False),
        ('"bare"', "bare", "bare", False),
        ("null", None, "null", False),
    ],
)
def test_results_in_every_shape(
    clients: Clients, client: Any, sandbox: Sandbox, answer: str, result: Any, text: str, failed: bool
) -> None:
    sandbox.faults.add(Fault(endpoint="tools", body=answer, status=200))
    found = clients.call(client, "tools.execute", "web-search", SEARCH)
    assert (found.result, found.text, found.is_error) == (result, text, failed)
    assert found.raw == json.loads(answer)


@pytest.mark.parametrize("said", [{"message": "It broke."}, "It broke."], ids=["object", "text"])
@pytest.mark.parametrize("more", [{}, {"result": None}, {"result": "half of it"}], ids=repr)
def test_an_error_in_an_answer_is_raised_and_the_tool_is_not_run_again(
    clients: Clients, client: Any, sandbox: Sandbox, said: Any, more: dict[str, Any]
) -> None:
    sandbox.faults.add(Fault(endpoint="tools", body={**more, "error": said}, status=200))
    with pytest.raises(MeliousError, match="It broke"):
        clients.call(client, "tools.execute", "web-search", SEARCH, max_retries=2)
    assert len(sandbox.requests) == 1


def test_a_tool_is_run_again_where_the_service_asks_for_it(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    sandbox.faults.add(
        Fault(endpoint="tools", body={"error": "busy"}, status=200, headers={"x-should-retry": "true"})
    )
    assert clients.call(client, "tools.execute", "web-search", SEARCH, max_retries=1).result
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize("answer", ["<html>busy</html>", "", "{"])
def test_a_result_that_is_no_json(clients: Clients, client: Any, sandbox: Sandbox, answer: str) -> None:
    sandbox.faults.add(Fault(endpoint="tools", body=answer, status=200))
    with pytest.raises(ResponseDecodeError):
        clients.call(client, "tools.execute", "web-search", SEARCH)


@pytest.mark.parametrize("parameters", ["query", [1], {"query": object()}, {"query": float("nan")}])
def test_arguments_that_cannot_be_sent(
    clients: Clients, client: Any, sandbox: Sandbox, parameters: Any
) -> None:
    with pytest.raises(InvalidArgumentError, match="parameters"):
        clients.call(client, "tools.execute", "web-search", parameters)
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize("profile", ["live", "g1", "g2"])
def test_a_key_without_the_scope(clients: Clients, profile: Any) -> None:
    with Sandbox(profile, keys={"sk-mel-chat": ["inference.*"]}) as sandbox:
        client = clients.client(sandbox, api_key="sk-mel-chat")
        for name, arguments in (("list", ()), ("openai", ()), ("execute", ("web-search", SEARCH))):
            with pytest.raises(PermissionDeniedError, match=r"kit\.tools"):
                clients.call(client, f"tools.{name}", *arguments)


def test_a_tool_that_there_is_not(clients: Clients, client: Any) -> None:
    with pytest.raises(NotFoundError, match="melious tools") as caught:
        clients.call(client, "tools.execute", "telepathy", {})
    assert caught.value.status_code == 404


def test_a_run_is_sent_again_when_the_service_says_so(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault(endpoint="tools", code="rate_limit", headers={"retry-after": "0"}))
    assert clients.call(client, "tools.execute", "web-search", SEARCH).attempts == 2
    sandbox.faults.add(Fault(endpoint="tools", code="rate_limit", headers={"retry-after": "900"}))
    with pytest.raises(RateLimitError) as caught:
        clients.call(client, "tools.execute", "web-search", SEARCH)
    assert caught.value.retry_after == 900


def test_a_run_that_timed_out_is_not_sent_twice(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(endpoint="tools", delay=30.0, times=None))
    with pytest.raises(MeliousError):
        clients.call(client, "tools.execute", "web-search", SEARCH, timeout=0.2)
    assert len(sandbox.requests) == 1


# --- what it costs, and where --------------------------------------------------------------------------------


def test_runs_are_counted_and_look_ups_are_not(clients: Clients, client: Any) -> None:
    with track_impact() as ledger:
        clients.call(client, "tools.functions")
        clients.call(client, "tools.execute", "web-search", SEARCH)
    assert ledger.total.requests == ledger.total.without_impact == ledger.total.without_cost == 1
    assert list(ledger.by("endpoint")) == ["tools"]
    assert list(ledger.by("model")) == ["web-search"]


def test_what_a_run_reports_is_counted(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    cost = {
        "environment_impact": {"energy_kwh": 0.5, "location": "FR"},
        "billing_cost": {"credits": "0.1", "paid_with": "credits"},
    }
    sandbox.replies.add(Reply(json={"result": "x", **cost}), endpoint="tools", model="web-search")
    with track_impact() as ledger:
        result = clients.call(client, "tools.execute", "web-search", SEARCH)
    assert result.environment_impact.location == "FR"
    assert ledger.total.energy_kwh == 0.5


def test_a_used_up_budget_sends_no_run(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, budget=ImpactBudget(max_requests=1))
    clients.call(client, "tools.execute", "web-search", SEARCH)
    with pytest.raises(BudgetExceededError):
        clients.call(client, "tools.execute", "web-search", SEARCH)
    assert len(sandbox.requests) == 1


def test_a_residency_rule_holds_for_tools(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, filters={"countries": ["DE"]}, verify_location="raise")
    with pytest.raises(ResidencyError):
        clients.call(client, "tools.execute", "web-search", SEARCH)
    assert sandbox.requests[0].body == {"parameters": SEARCH}, "filters reach no tool"
    answer = {"result": "x", "environment_impact": {"location": "DE"}}
    sandbox.replies.add(Reply(json=answer), endpoint="tools")
    assert clients.call(client, "tools.execute", "web-search", SEARCH).result == "x"
    assert clients.call(client, "tools.execute", "web-search", SEARCH, verify_location="off").result
    with pytest.raises(InvalidArgumentError, match="countries"):
        clients.call(clients.client(sandbox), "tools.execute", "web-search", verify_location="raise")


def test_the_key_is_in_no_error_and_no_repr(clients: Clients, sandbox: Sandbox) -> None:
    with Sandbox(api_key="sk-mel-hidden") as hidden:
        client = clients.client(hidden, api_key="sk-mel-hidden")
        page = clients.call(client, "tools.list")
        with pytest.raises(NotFoundError) as caught:
            clients.call(client, "tools.execute", "telepathy", {})
        seen = [repr(page), repr(client.tools), repr(caught.value), str(pickle.dumps(caught.value))]
        assert not any("sk-mel-hidden" in text for text in seen)
