"""The service's own tools in LangChain: which are offered, what their messages hold, how they fail, agents."""

import copy
import json
import pickle

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import BaseToolkit, ToolException
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from langchain_melious import ChatMelious, MeliousHostedTool, MeliousToolkit, get_melious_callback
from langchain_melious.errors import InvalidArgumentError, PermissionDeniedError
from melious import (
    APITimeoutError,
    AuthenticationError,
    BudgetExceededError,
    ImpactBudget,
    MeliousError,
    NotFoundError,
    RateLimitError,
    ResidencyError,
    ServerError,
    track_impact,
)
from melious import PermissionDeniedError as CorePermissionDeniedError
from melious.sandbox import Fault, Reply, Sandbox

HEAT = {"query": "heat pumps"}


@pytest.fixture
def kit(sandbox):
    def make(**arguments):
        return MeliousToolkit(**{"api_key": sandbox.api_key, "base_url": sandbox.base_url, **arguments})

    return make


@pytest.fixture
def search(kit):
    def make(**arguments):
        return kit(include=["web-search"], **arguments).get_tools()[0]

    return make


def asked(tool, **arguments):
    return {"type": "tool_call", "id": "1", "name": tool.name, "args": arguments or HEAT}


def tools_of(way, toolkit):
    return way.call(toolkit, "get_tools")


def ran(sandbox):
    return [request for request in sandbox.requests if request.path.endswith("/execute")]


# --- which tools ---------------------------------------------------------------------------------------------


def test_the_tools_are_those_of_the_service(way, kit):
    toolkit = kit()
    assert isinstance(toolkit, BaseToolkit)
    tools = tools_of(way, toolkit)
    assert [(tool.name, tool.slug) for tool in tools] == [
        ("web_search", "web-search"),
        ("url_scraper", "url-scraper"),
        ("docs_lookup", "docs-lookup"),
    ]
    offered = convert_to_openai_tool(tools[0])["function"]
    assert offered["name"] == "web_search"
    assert offered["description"] == tools[0].description
    assert offered["parameters"]["properties"]["max_results"]["maximum"] == 50
    assert offered["parameters"]["required"] == ["query"]


@pytest.mark.parametrize(
    ("filters", "slugs"),
    [
        ({"source": "managed"}, ["url-scraper"]),
        ({"tool_type": "mcp"}, ["docs-lookup"]),
        ({"category": "search"}, ["web-search"]),
        ({"search": "page"}, ["url-scraper"]),
        ({"include": ["docs_lookup"]}, ["docs-lookup"]),
        ({"exclude": ["docs-lookup", "url_scraper"]}, ["web-search"]),
    ],
    ids=repr,
)
def test_filters(way, kit, filters, slugs):
    assert [tool.slug for tool in tools_of(way, kit(**filters))] == slugs


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"source": "natve"}, "source: must be one of native, managed, remote"),
        ({"include": "web-search"}, "include: must be a list"),
        ({"exclude": [1]}, "exclude"),
        ({"categry": "x"}, "did you mean 'category'"),
        ({"category": ""}, "category"),
    ],
)
def test_wrong_filters_are_refused_when_the_toolkit_is_made(kit, sandbox, wrong, said):
    with pytest.raises(InvalidArgumentError, match=said):
        kit(**wrong)
    assert len(sandbox.requests) == 0


def test_a_tool_that_there_is_not(way, kit):
    with pytest.raises(InvalidArgumentError, match="did you mean 'web-search'"):
        tools_of(way, kit(include=["web-serch"]))


def test_nothing_is_taken_by_position():
    with pytest.raises(InvalidArgumentError, match="model"):
        MeliousToolkit("web-search")


def test_a_key_without_the_scope(way):
    with Sandbox(keys={"sk-mel-chat": ["inference.*"]}) as sandbox:
        toolkit = MeliousToolkit(api_key="sk-mel-chat", base_url=sandbox.base_url)
        with pytest.raises(PermissionDeniedError, match=r"kit\.tools"):
            tools_of(way, toolkit)


@pytest.mark.parametrize(
    "form",
    [
        {"name": "docs.read", "parameters": None},
        {"name": "a" * 80},
        {"name": "Lies das! ö", "description": None, "parameters": {"type": "object"}},
    ],
    ids=["dots", "too long", "odd signs"],
)
def test_names_that_no_model_can_call(way, kit, sandbox, form):
    openai = Reply(json={"tools": [{"type": "function", "function": form}, {"type": "function"}, None]})
    sandbox.replies.add(openai, endpoint="tools", when=lambda one: one.path.endswith("openai"))
    (tool,) = tools_of(way, kit())
    assert tool.slug == form["name"]
    assert convert_to_openai_tool(tool)["function"]["parameters"] == {"type": "object", "properties": {}}
    assert tool.args == {}
    sandbox.replies.add(
        Reply(tool_calls=[(tool.name, {})]), Reply(text="Done."), Reply(json={"result": 7}), endpoint="chat"
    )
    sandbox.replies.add(Reply(json={"result": 7}), endpoint="tools")
    agent = create_agent(
        ChatMelious(model="glm-4.7", api_key=sandbox.api_key, base_url=sandbox.base_url), tools=[tool]
    )
    messages = agent.invoke({"messages": [HumanMessage("Read it.")]})["messages"]
    assert messages[-2].content == "7"


# --- what a run gives ----------------------------------------------------------------------------------------


def test_content_and_artifact(way, search, sandbox):
    tool = search()
    message = way.invoke(tool, asked(tool, query="heat pumps", max_results=1))
    assert isinstance(message, ToolMessage)
    assert (message.status, message.name) == ("success", "web_search")
    assert json.loads(message.content) == message.artifact["result"]
    assert message.artifact["model"] == "web-search"
    assert message.artifact["request_id"] == sandbox.requests[-1].request_id
    assert ran(sandbox)[0].body == {"parameters": {"query": "heat pumps", "max_results": 1}}
    json.dumps(message.artifact)


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ("Text", "Text"),
        ("", ""),
        (None, "null"),
        ([{"a": "é"}], '[{"a":"é"}]'),
        ({"a": 1}, '{"a":1}'),
        (0, "0"),
    ],
    ids=repr,
)
def test_results_of_every_kind(way, search, sandbox, result, content):
    tool = search()
    sandbox.replies.add(Reply(json={"result": result}), endpoint="tools")
    message = way.invoke(tool, asked(tool))
    assert (message.content, message.artifact["result"]) == (content, result)


def test_arguments_of_any_name_reach_the_tool(way, sandbox):
    schema = {
        "type": "object",
        "properties": {name: {} for name in ("self", "config", "run_manager", "args")},
    }
    tool = MeliousHostedTool(
        name="odd",
        slug="odd",
        description="Takes odd arguments.",
        args_schema=schema,
        api_key=sandbox.api_key,
        base_url=sandbox.base_url,
    )
    sandbox.replies.add(Reply(json={"result": "ok"}), endpoint="tools")
    given = {"self": 1, "config": "c", "run_manager": 2, "args": [3]}
    assert way.invoke(tool, asked(tool, **given)).content == "ok"
    assert ran(sandbox)[0].body == {"parameters": given}


def test_what_a_run_costs_is_reported(way, search, sandbox):
    tool = search()
    answer = {"result": "x", "environment_impact": {"carbon_g_co2": 2.5, "location": "FR"}}
    sandbox.replies.add(Reply(json=answer), endpoint="tools")
    with get_melious_callback() as handler, track_impact() as ledger:
        message = way.invoke(tool, asked(tool))
    assert message.artifact["environment_impact"]["carbon_g_co2"] == 2.5
    assert (handler.total.requests, handler.total.carbon_g_co2) == (1, 2.5)
    assert list(ledger.by("model")) == ["web-search"]


# --- how a run fails -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (Fault(endpoint="tools", code="not_found"), NotFoundError),
        (Fault(endpoint="tools", code="scope"), CorePermissionDeniedError),
        (Fault(endpoint="tools", code="auth"), AuthenticationError),
        (Fault(endpoint="tools", code="rate_limit", headers={"retry-after": "90"}), RateLimitError),
        (Fault(endpoint="tools", status=500), ServerError),
        (Fault(endpoint="tools", delay=30.0), APITimeoutError),
    ],
    ids=["404", "403", "401", "429", "500", "timeout"],
)
def test_a_failure_is_a_tool_exception(way, search, sandbox, fault, cause):
    tool = search(max_retries=0, timeout=0.5, max_rate_limit_wait=0)
    sandbox.faults.add(fault)
    with pytest.raises(ToolException) as caught:
        way.invoke(tool, asked(tool))
    error = caught.value
    assert isinstance(error, MeliousError)
    assert isinstance(error.__cause__, cause)
    assert (error.status_code, error.retry_after) == (
        error.__cause__.status_code,
        error.__cause__.retry_after,
    )
    assert str(error) == str(error.__cause__)
    assert pickle.loads(pickle.dumps(error)).message == error.message


@pytest.mark.parametrize("result", [None, "", {}], ids=repr)
def test_what_a_failed_run_without_a_result_says_reaches_the_model(way, search, sandbox, result):
    answer = {"success": False, "result": result, "message": "The page is gone."}
    tool = search(handle_tool_error=True)
    sandbox.replies.add(Reply(json=answer), endpoint="tools")
    message = way.invoke(tool, asked(tool))
    assert (message.status, json.loads(message.content)) == ("error", answer)


@pytest.mark.parametrize(
    "result", [{"error": "The page is gone."}, {"isError": True, "text": "gone"}], ids=repr
)
def test_a_result_that_says_that_it_failed(way, search, sandbox, result):
    tool = search(handle_tool_error=True)
    sandbox.replies.add(Reply(json={"result": result}), endpoint="tools", times=2)
    message = way.invoke(tool, asked(tool))
    assert (message.status, json.loads(message.content)) == ("error", result)
    tool.handle_tool_error = False
    with pytest.raises(ToolException, match="gone"):
        way.invoke(tool, asked(tool))


@pytest.mark.parametrize(
    ("handled", "content"),
    [
        (True, "'parameters.query' must be a string that is not empty."),
        ("Ask for something.", "Ask for something."),
        (lambda error: f"status {error.status_code}", "status 400"),
    ],
    ids=["True", "text", "a function"],
)
def test_what_the_model_reads_of_a_failure(way, search, handled, content):
    tool = search(handle_tool_error=handled)
    message = way.invoke(tool, asked(tool, query=""))
    assert (message.status, message.content) == ("error", content)


def test_what_no_model_can_help_ends_the_run(way, search, sandbox):
    spent = search(budget=ImpactBudget(max_requests=1), handle_tool_error=True)
    way.invoke(spent, asked(spent))
    with pytest.raises(BudgetExceededError):
        way.invoke(spent, asked(spent))
    bound = search(filters={"countries": ["DE"]}, verify_location="raise", handle_tool_error=True)
    with pytest.raises(ResidencyError):
        way.invoke(bound, asked(bound))
    assert len(ran(sandbox)) == 2


# --- agents --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("handled", [True, False])
def test_an_agent_searches(way, kit, sandbox, handled):
    model = ChatMelious(model="glm-4.7", api_key=sandbox.api_key, base_url=sandbox.base_url)
    agent = create_agent(model, tools=tools_of(way, kit(handle_tool_error=handled)))
    sandbox.replies.add(
        Reply(tool_calls=[("web_search", HEAT), ("url_scraper", {"url": "https://example.com"})]),
        Reply(tool_calls=[("docs_lookup", {"topic": ""})]),
        Reply(text="Nothing is known."),
    )
    question = {"messages": [HumanMessage("What is new about heat pumps?")]}
    if not handled:
        with pytest.raises(ToolException):
            way.invoke(agent, question)
        return
    messages = way.invoke(agent, question)["messages"]
    results = [message for message in messages if isinstance(message, ToolMessage)]
    assert [(one.name, one.status) for one in results] == [
        ("web_search", "success"),
        ("url_scraper", "success"),
        ("docs_lookup", "error"),
    ]
    assert results[0].artifact["result"]["query"] == "heat pumps"
    assert messages[-1].content == "Nothing is known."
    assert sandbox.requests[-1].body["messages"][-1]["content"] == results[-1].content


def test_a_tool_node(way, kit, sandbox):
    graph = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode(tools_of(way, kit())))
    graph.add_edge(START, "tools")
    call = {"name": "web_search", "args": HEAT, "id": "1", "type": "tool_call"}
    asking = {"role": "assistant", "content": "", "tool_calls": [call]}
    (message,) = way.invoke(graph.compile(), {"messages": [asking]})["messages"][1:]
    assert message.artifact["result"]["simulated"] is True
    assert len(ran(sandbox)) == 1


# --- the key, copies -----------------------------------------------------------------------------------------


def test_the_key_is_in_no_repr_and_no_trace(kit):
    with Sandbox(api_key="sk-mel-hidden") as hidden:
        toolkit = kit(api_key="sk-mel-hidden", base_url=hidden.base_url)
        (tool, *_) = toolkit.get_tools()
        with pytest.raises(ToolException) as caught:
            tool.invoke(asked(tool, query=""))
        seen = [repr(toolkit), repr(tool), str(tool), tool.model_dump_json(), repr(caught.value)]
        assert not any("sk-mel-hidden" in text for text in seen)
        assert not any("sk-mel-hidden" in text for text in (str(pickle.dumps(caught.value)),))


@pytest.mark.parametrize("carried", [copy.copy, copy.deepcopy, lambda tool: pickle.loads(pickle.dumps(tool))])
def test_a_tool_can_be_carried(way, search, carried):
    tool = search()
    tool.invoke(asked(tool))
    other = carried(tool)
    assert other == tool
    assert way.invoke(other, asked(other)).artifact["result"]["simulated"] is True
