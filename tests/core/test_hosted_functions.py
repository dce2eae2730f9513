"""The service's tools as functions for models: which slug runs which, and names that every server takes."""

import json
import logging
from typing import Any

import pytest

from melious import InvalidArgumentError
from melious.sandbox import Fault, Reply, Sandbox
from melious.wire.hosted_tools import functions_of

from .clients import Clients


def form(name: str | None, **more: Any) -> dict[str, Any]:
    """A function in OpenAI's form."""
    function = more if name is None else {"name": name, **more}
    return {"type": "function", "function": function}


@pytest.mark.parametrize(
    "answer",
    [
        {"tools": [form("web_search")]},
        {"data": [{"name": "web_search"}]},
        [{"type": "function", "name": "web_search"}],
        {"items": [{"function": {"name": "web_search"}}]},
    ],
    ids=["tools", "bare functions", "flat", "without a type"],
)
def test_functions_in_every_shape(clients: Clients, client: Any, sandbox: Sandbox, answer: Any) -> None:
    sandbox.faults.add(Fault(endpoint="tools", body=json.dumps(answer), status=200))
    assert clients.call(client, "tools.openai").tools == [form("web_search")]


def test_functions_know_their_slugs(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    found = clients.call(client, "tools.functions")
    assert [(each.name, each.slug) for each in found] == [
        ("web_search", "web-search"),
        ("url_scraper", "url-scraper"),
        ("docs_lookup", "docs-lookup"),
    ]
    assert found[0].parameters["properties"]["max_results"]["maximum"] == 50
    assert found[0].to_openai() == clients.call(client, "tools.openai").tools[0]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"source": "native"}, ["web-search"]),
        ({"tool_type": "mcp"}, ["docs-lookup"]),
        ({"category": "web"}, ["url-scraper"]),
        ({"search": "documentation"}, ["docs-lookup"]),
        ({"include": ["web_search", "url-scraper"]}, ["web-search", "url-scraper"]),
        ({"exclude": ["web-search"]}, ["url-scraper", "docs-lookup"]),
        ({"include": ["web-search"], "exclude": ["web_search", "gone"]}, []),
    ],
    ids=repr,
)
def test_functions_by_filters(
    clients: Clients, client: Any, filters: dict[str, Any], expected: list[str]
) -> None:
    assert [each.slug for each in clients.call(client, "tools.functions", **filters)] == expected


def test_a_name_that_no_tool_has(clients: Clients, client: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"include\[1\].*'web-serch'.*did you mean 'web-search'"):
        clients.call(client, "tools.functions", include=["web-search", "web-serch"])
    for wrong in ("web-search", [3]):
        with pytest.raises(InvalidArgumentError, match="exclude"):
            clients.call(client, "tools.functions", exclude=wrong)


LISTED = [
    {"name": "Web Search", "slug": "web-search"},
    {"name": "Reader", "slug": "url.reader/v2"},
    {"name": "Twin", "slug": "twin-a"},
    {"name": "Twin", "slug": "twin-b"},
    {"name": "No slug"},
    {"slug": None, "name": "Null"},
]


@pytest.mark.parametrize(
    ("function", "slug"),
    [
        (form("web-search"), "web-search"),
        (form("web_search"), "web-search"),
        (form("WebSearch", slug="web-search"), "web-search"),
        ({**form("search"), "slug": "web-search"}, "web-search"),
        (form("Web Search"), "web-search"),
        (form("Reader"), "url.reader/v2"),
        (form("url_reader_v2"), "url.reader/v2"),
        (form("something_else"), "something_else"),
        (form("No slug"), "No slug"),
    ],
)
def test_the_slug_of_a_function(function: dict[str, Any], slug: str) -> None:
    (found,), _ = functions_of([function], LISTED)
    assert found.slug == slug


def test_functions_that_cannot_be_told_apart_or_have_no_name() -> None:
    found, problems = functions_of([form("Twin"), form(None), form(""), {"type": "function"}], LISTED)
    assert found == []
    assert problems[0] == "'Twin' could be any of twin-a, twin-b, and is left out"
    assert len(problems) == 4


def test_only_listed_functions() -> None:
    found, problems = functions_of([form("web_search"), form("other")], LISTED, only_listed=True)
    assert [each.slug for each in found] == ["web-search"]
    assert problems == []


@pytest.mark.parametrize("parameters", [None, {}, [], "none", {"type": "string"}, {"properties": None}])
def test_a_function_without_parameters(parameters: Any) -> None:
    (found,), _ = functions_of([form("web_search", parameters=parameters)], LISTED)
    assert found.parameters == {"type": "object", "properties": {}}


def test_names_that_no_server_takes() -> None:
    long, other = "a" * 70, "a" * 70 + "b"
    forms = [form(name) for name in ("docs.read", "docs_read", "docs read", long, other)]
    found, _ = functions_of(forms, [])
    names = [each.name for each in found]
    assert len(set(names)) == 5
    assert all(
        0 < len(name) <= 64 and set(name) <= set("abcdefghijklmnopqrstuvwxyz_0123456789") for name in names
    )
    assert names[:1] == ["docs_read"]
    assert [each.slug for each in found] == ["docs.read", "docs_read", "docs read", long, other]
    assert functions_of(forms, [])[0] == found, "names are the same in every process"


def test_a_function_that_comes_twice_is_one() -> None:
    found, _ = functions_of([form("web_search"), form("web-search"), form("web_search")], LISTED)
    assert [each.name for each in found] == ["web_search"]


def test_the_log_says_what_is_uncertain(
    clients: Clients, client: Any, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.replies.add(
        Reply(json={"tools": [form("mystery")]}),
        endpoint="tools",
        when=lambda one: one.path.endswith("openai"),
    )
    with caplog.at_level(logging.WARNING, logger="melious"):
        (found,) = clients.call(client, "tools.functions")
    assert found.slug == "mystery"
    assert "'mystery' is not among the listed tools" in caplog.text
