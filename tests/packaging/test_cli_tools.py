"""`melious tools`, as it is typed."""

import json

import pytest

from melious.cli import main
from melious.sandbox import Fault, Reply, Sandbox

pytestmark = pytest.mark.usefixtures("no_settings")
SEARCH = '{"query": "heat pumps", "max_results": 1}'


@pytest.fixture
def tools(capsys, monkeypatch, sandbox):
    """Run the command with the sandbox's key, or with another one or none; give status, output and errors."""

    def run(*arguments, key=sandbox.api_key, base_url=sandbox.base_url):
        monkeypatch.setenv("MELIOUS_BASE_URL", base_url)
        monkeypatch.setenv("MELIOUS_API_KEY", key)
        status = main(["tools", *arguments])
        said = capsys.readouterr()
        assert "sk-mel-s" not in said.out + said.err
        return status, said.out, said.err

    return run


def test_the_list(tools):
    status, out, _ = tools()
    assert status == 0
    assert "3 of 3 tools" in out
    assert "web-search   Web Search            native   handler  search" in out


@pytest.mark.parametrize(
    ("arguments", "slugs"),
    [
        (["search"], ["web-search"]),
        (["URL_scr"], ["url-scraper"]),
        (["telepathy"], []),
        (["--source", "managed"], ["url-scraper"]),
        (["--tool-type", "mcp"], ["docs-lookup"]),
        (["--category", "search"], ["web-search"]),
    ],
)
def test_some_of_them(tools, arguments, slugs):
    _, out, _ = tools(*arguments, "--json")
    assert [tool["slug"] for tool in json.loads(out)["tools"]] == slugs
    _, text, _ = tools(*arguments)
    assert all(slug in text for slug in slugs)
    assert ("Search the web. Gives titles" in text) == (slugs == ["web-search"])


def test_a_tool_without_a_slug_is_shown(tools, sandbox):
    sandbox.replies.add(Reply(json={"items": [{"name": "Odd"}], "total": 1}), endpoint="tools")
    status, out, _ = tools()
    assert (status, "Odd" in out) == (0, True)


def test_a_run(tools, sandbox):
    status, out, _ = tools("web-search", "--run", SEARCH)
    assert (status, json.loads(out)["simulated"]) == (0, True)
    status, out, _ = tools("web-search", "--run", SEARCH, "--json")
    assert set(json.loads(out)) == {"result"}
    assert sandbox.requests[0].body == {"parameters": json.loads(SEARCH)}
    sandbox.replies.add(Reply(json={"result": "Plain text."}), endpoint="tools")
    assert tools("web-search", "--run", "{}")[1] == "Plain text.\n"


def test_a_run_that_fails(tools, sandbox):
    sandbox.replies.add(Reply(json={"result": {"error": "gone"}}), endpoint="tools")
    assert tools("web-search", "--run", SEARCH)[0] == 1
    status, out, err = tools("telepathy", "--run", "{}")
    assert (status, out) == (1, "")
    assert "`melious tools` lists the tools" in err
    assert "client.tools" not in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--source", "natve"], "--source: must be one of"),
        (["--tool-type", "x"], "--tool-type: must be one of"),
        (["web-search", "--run", "{"], "--run: is not valid JSON"),
        (["web-search", "--run", "[1]"], "--run: must be a JSON object"),
        (["--run", "{}"], "--run: needs the slug"),
    ],
)
def test_wrong_arguments(tools, sandbox, arguments, said):
    status, out, err = tools(*arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert len(sandbox.requests) == 0


def test_without_a_key_and_without_the_scope(tools):
    status, _, err = tools(key="")
    assert (status, "MELIOUS_API_KEY is not set" in err) == (1, True)
    with Sandbox(keys={"sk-mel-chat": ["inference.*"]}) as other:
        status, _, err = tools(key="sk-mel-chat", base_url=other.base_url)
    assert (status, "kit.tools" in err) == (1, True)


def test_an_outage(tools, sandbox):
    sandbox.faults.add(Fault(endpoint="tools", status=500, times=None))
    assert tools()[0] == 1
