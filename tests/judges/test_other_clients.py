"""What others wrote for MCP and for Anthropic's form, against the sandbox: the recipes of the documentation."""
# ruff: noqa: E402 - what is imported may not be installed

import asyncio
import json
from collections.abc import Iterator

import pytest

for needed in ("langchain_mcp_adapters.client", "llama_index.tools.mcp", "langchain_anthropic"):
    pytest.importorskip(needed)

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.client import MultiServerMCPClient
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec

from melious.sandbox import Reply, Sandbox

# What others wrote warns of itself, and their code is not ours to change.
pytestmark = [pytest.mark.judges, pytest.mark.filterwarnings("ignore")]


def river_length(river: str) -> str:
    """Give the length of a river in km."""
    return river


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def claude(sandbox: Sandbox) -> ChatAnthropic:
    root = sandbox.base_url.removesuffix("/v1")
    return ChatAnthropic(model="claude-sonnet-4-0", max_tokens=500, base_url=root, api_key=sandbox.api_key)


def test_langchain_over_mcp(sandbox: Sandbox) -> None:
    server = {
        "transport": "streamable_http",
        "url": f"{sandbox.base_url}/mcp/jsonrpc",
        "headers": {"Authorization": f"Bearer {sandbox.api_key}"},
    }

    async def run() -> tuple[list[BaseTool], list[dict[str, str]]]:
        tools = await MultiServerMCPClient({"melious": server}).get_tools()
        return tools, await tools[0].ainvoke({"query": "heat pumps"})

    tools, content = asyncio.run(run())
    assert [tool.name for tool in tools] == ["web-search", "url-scraper", "docs-lookup"]
    assert json.loads(content[0]["text"])["simulated"] is True
    # The adapter shows the errors of tools to the model.
    assert "must be a string" in str(asyncio.run(tools[0].ainvoke({"query": ""})))


def test_llama_index_over_mcp(sandbox: Sandbox) -> None:
    client = BasicMCPClient(
        f"{sandbox.base_url}/mcp/jsonrpc", headers={"Authorization": f"Bearer {sandbox.api_key}"}
    )

    async def run() -> tuple[list[str | None], str]:
        tools = await McpToolSpec(client).to_tool_list_async()
        return [tool.metadata.name for tool in tools], (await tools[0].acall(query="heat pumps")).content

    names, content = asyncio.run(run())
    assert names[:2] == ["web-search", "url-scraper"]
    assert "imulated" in content


def test_anthropics_class_answers_and_streams(claude: ChatAnthropic, sandbox: Sandbox) -> None:
    sandbox.replies.add(Reply(text="Hello."), Reply(chunks=["Hel", "lo."]), endpoint="messages")
    assert claude.invoke("Hi.").text == "Hello."
    assert "".join(chunk.text for chunk in claude.stream("Hi.")) == "Hello."
    assert sandbox.requests[0].served is not None
    assert sandbox.requests[0].served.model == "deepseek-v3.2"


def test_anthropics_class_calls_tools(claude: ChatAnthropic, sandbox: Sandbox) -> None:
    calling = claude.bind_tools([river_length])
    sandbox.replies.add(Reply(tool_calls=[("river_length", {"river": "Elbe"})]), endpoint="messages", times=2)
    assert [call["args"] for call in calling.invoke("How long?").tool_calls] == [{"river": "Elbe"}]
    whole: AIMessageChunk | None = None
    for chunk in calling.stream("How long?"):
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    assert [call["args"] for call in whole.tool_calls] == [{"river": "Elbe"}]
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["input_tokens"] > 0
