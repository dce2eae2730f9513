"""The service's own tools in LlamaIndex: which are offered, what their outputs hold, how they fail, agents."""

import json

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ReActAgent, ToolCallResult
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.tools.calling import acall_tool, call_tool
from llama_index.core.tools.types import ToolMetadata
from llama_kit import QUIET_AGENTS

from llama_index_melious import MeliousHostedToolSpec, MeliousImpactEventHandler
from melious import (
    APITimeoutError,
    AuthenticationError,
    BudgetExceededError,
    ImpactBudget,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ResidencyError,
    ServerError,
    ToolResult,
    track_impact,
)
from melious.sandbox import Fault, Reply, Sandbox


@pytest.fixture
def make_spec(place):
    return lambda **arguments: MeliousHostedToolSpec(**{**place, **arguments})


@pytest.fixture
def make_search(make_spec):
    return lambda **arguments: make_spec(include=["web-search"], **arguments).to_tool_list()[0]


async def tools_of(way, spec, *args):
    return spec.to_tool_list(*args) if way.name == "sync" else await spec.to_tool_list_async(*args)


def ran(sandbox):
    return [request for request in sandbox.requests if request.path.endswith("/execute")]


# --- which tools ---------------------------------------------------------------------------------------------


async def test_the_tools_are_those_of_the_service(way, make_spec):
    tools = await tools_of(way, make_spec())
    assert [tool.metadata.name for tool in tools] == ["web_search", "url_scraper", "docs_lookup"]
    parameters = tools[0].metadata.get_parameters_dict()
    assert parameters["properties"]["max_results"]["maximum"] == 50
    assert parameters["required"] == ["query"]
    assert set(tools[0].metadata.fn_schema.model_fields) == {"query", "max_results"}
    assert tools[0].metadata.to_openai_tool()["function"]["description"] == tools[0].metadata.description


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"source": "managed"}, ["url_scraper"]),
        ({"tool_type": "mcp"}, ["docs_lookup"]),
        ({"category": "search"}, ["web_search"]),
        ({"search": "page"}, ["url_scraper"]),
        ({"include": ["docs-lookup"]}, ["docs_lookup"]),
        ({"exclude": ["docs-lookup", "url_scraper"]}, ["web_search"]),
    ],
    ids=repr,
)
async def test_filters(way, make_spec, filters, names):
    assert [tool.metadata.name for tool in await tools_of(way, make_spec(**filters))] == names


async def test_the_arguments_of_the_framework(way, make_spec):
    own = ToolMetadata("Look it up.", "web_search", fn_schema=None)
    functions = ["docs_lookup", ("web-search", "aweb-search")]
    tools = await tools_of(way, make_spec(), functions, {"web_search": own})
    assert [tool.metadata.name for tool in tools] == ["web_search", "docs_lookup"]
    assert tools[0].metadata is own


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"source": "natve"}, "source: must be one of native, managed, remote"),
        ({"include": "web-search"}, "include: must be a list"),
        ({"exclude": [1]}, r"exclude\[0\]"),
        ({"categry": "x"}, "did you mean 'category'"),
    ],
)
def test_wrong_filters_are_refused_when_the_spec_is_made(make_spec, sandbox, wrong, said):
    with pytest.raises(InvalidArgumentError, match=said):
        make_spec(**wrong)
    assert len(sandbox.requests) == 0


async def test_a_tool_that_there_is_not(way, make_spec):
    with pytest.raises(InvalidArgumentError, match="did you mean 'web-search'"):
        await tools_of(way, make_spec(include=["web-serch"]))


async def test_a_key_without_the_scope(way, make_spec):
    with Sandbox(keys={"sk-mel-chat": ["inference.*"]}) as sandbox:
        spec = make_spec(api_key="sk-mel-chat", base_url=sandbox.base_url)
        with pytest.raises(PermissionDeniedError, match=r"kit\.tools"):
            await tools_of(way, spec)


async def test_odd_forms(way, make_spec, sandbox):
    forms = [
        {"name": "docs.read", "parameters": {"type": "object", "properties": {"schema": {}, "_a b": {}}}},
        {"name": "a" * 80},
        {"description": "no name"},
    ]
    openai = Reply(json={"tools": forms})
    sandbox.replies.add(openai, endpoint="tools", when=lambda one: one.path.endswith("openai"))
    tools = await tools_of(way, make_spec())
    assert [len(tool.metadata.name) <= 64 and "." not in tool.metadata.name for tool in tools] == [True, True]
    assert set(tools[0].metadata.get_parameters_dict()["properties"]) == {"schema", "_a b"}
    sandbox.replies.add(Reply(json={"result": "ok"}), endpoint="tools")
    output = await way(tools[0], "call", **{"schema": 1, "_a b": 2})
    assert output.content == "ok"
    assert ran(sandbox)[0].path == "/v1/tools/docs.read/execute"
    assert ran(sandbox)[0].body == {"parameters": {"schema": 1, "_a b": 2}}


# --- what a run gives ----------------------------------------------------------------------------------------


async def test_an_output(way, make_search, sandbox):
    output = await way(make_search(), "call", query="heat pumps", max_results=1)
    assert (output.tool_name, output.is_error) == ("web_search", False)
    assert isinstance(output.raw_output, ToolResult)
    assert json.loads(output.content) == output.raw_output.result
    assert output.raw_output.request_id == sandbox.requests[-1].request_id
    assert output.raw_input == {"args": (), "kwargs": {"query": "heat pumps", "max_results": 1}}
    assert ran(sandbox)[0].body == {"parameters": {"query": "heat pumps", "max_results": 1}}


@pytest.mark.parametrize(
    ("result", "content"),
    [("Text", "Text"), ("", ""), (None, "null"), ([{"a": "é"}], '[{"a":"é"}]'), ({"a": 1}, '{"a":1}')],
    ids=repr,
)
async def test_results_of_every_kind(way, make_search, sandbox, result, content):
    search = make_search()
    sandbox.replies.add(Reply(json={"result": result}), endpoint="tools")
    output = await way(search, "call", query="x")
    assert (output.content, output.raw_output.result) == (content, result)


async def test_the_framework_calls_it_with_one_argument(way, make_search, sandbox):
    search = make_search()
    search.metadata.fn_schema.model_json_schema = lambda: {"type": "object", "properties": {"query": {}}}
    given = {"query": "heat"}
    output = call_tool(search, given) if way.name == "sync" else await acall_tool(search, given)
    assert not output.is_error
    assert ran(sandbox)[0].body == {"parameters": given}


async def test_what_a_run_costs_is_reported(way, make_search, sandbox):
    search = make_search()
    answer = {"result": "x", "environment_impact": {"carbon_g_co2": 2.5, "location": "FR"}}
    sandbox.replies.add(Reply(json=answer), endpoint="tools")
    handler = MeliousImpactEventHandler()
    get_dispatcher().add_event_handler(handler)
    try:
        with track_impact() as ledger:
            await way(search, "call", query="x")
    finally:
        get_dispatcher().event_handlers.remove(handler)
    assert (handler.total.requests, handler.total.carbon_g_co2) == (1, 2.5)
    assert list(ledger.by("model")) == ["web-search"]


# --- how a run fails -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(endpoint="tools", code="not_found"), NotFoundError),
        (Fault(endpoint="tools", code="scope"), PermissionDeniedError),
        (Fault(endpoint="tools", code="auth"), AuthenticationError),
        (Fault(endpoint="tools", code="rate_limit", headers={"retry-after": "90"}), RateLimitError),
        (Fault(endpoint="tools", status=500), ServerError),
        (Fault(endpoint="tools", delay=30.0), APITimeoutError),
    ],
    ids=["404", "403", "401", "429", "500", "timeout"],
)
async def test_a_failure_is_an_output_that_says_so(way, make_search, sandbox, fault, kind):
    search = make_search(max_retries=0, timeout=0.5, max_rate_limit_wait=0)
    sandbox.faults.add(fault)
    output = await way(search, "call", query="x")
    assert output.is_error
    assert output.content.startswith("Encountered error: ")
    assert output.raw_output.startswith(output.content.removeprefix("Encountered error: "))
    if hasattr(output, "exception"):  # not in LlamaIndex 0.14.5
        assert type(output.exception) is kind


async def test_a_result_that_says_that_it_failed(way, make_search, sandbox):
    search = make_search()
    sandbox.replies.add(Reply(json={"result": {"error": "The page is gone."}}), endpoint="tools")
    output = await way(search, "call", query="x")
    assert (output.is_error, output.raw_output.result) == (True, {"error": "The page is gone."})
    assert "The page is gone." in output.content


@pytest.mark.parametrize("result", [None, "", {}], ids=repr)
async def test_what_a_failed_run_without_a_result_says_reaches_the_model(way, make_search, sandbox, result):
    answer = {"success": False, "result": result, "message": "The page is gone."}
    search = make_search()
    sandbox.replies.add(Reply(json=answer), endpoint="tools")
    output = await way(search, "call", query="x")
    assert (output.is_error, output.raw_output.result) == (True, result)
    assert "The page is gone." in output.content


async def test_what_no_model_can_help_is_raised(way, make_search, sandbox):
    spent = make_search(budget=ImpactBudget(max_requests=1))
    await way(spent, "call", query="x")
    with pytest.raises(BudgetExceededError):
        await way(spent, "call", query="x")
    bound = make_search(filters={"countries": ["DE"]}, verify_location="raise")
    with pytest.raises(ResidencyError):
        await way(bound, "call", query="x")
    assert len(ran(sandbox)) == 2
    assert ran(sandbox)[1].body == {"parameters": {"query": "x"}}


async def test_further_fields_and_headers(way, make_search, sandbox):
    search = make_search(additional_kwargs={"region": "EU"}, default_headers={"x-team": "a"})
    await way(search, "call", query="x")
    assert ran(sandbox)[0].body == {"parameters": {"query": "x"}, "region": "EU"}
    assert ran(sandbox)[0].headers["x-team"] == "a"


# --- agents --------------------------------------------------------------------------------------------------


class TestAgents:
    pytestmark = QUIET_AGENTS

    async def ask(self, agent, question):
        handler, results = agent.run(question), []
        async for event in handler.stream_events():
            if isinstance(event, ToolCallResult):
                results.append(event)
        return str(await handler), results

    async def test_an_agent_searches(self, way, make_llm, make_spec, sandbox):
        agent = FunctionAgent(tools=await tools_of(way, make_spec()), llm=make_llm(model="glm-4.7"))
        sandbox.replies.add(
            Reply(tool_calls=[("web_search", {"query": "heat pumps"})]),
            Reply(tool_calls=[("docs_lookup", {"topic": ""})]),
            Reply(text="Nothing is known."),
        )
        answer, results = await self.ask(agent, "What is new about heat pumps?")
        assert answer == "Nothing is known."
        assert [(one.tool_name, one.tool_output.is_error) for one in results] == [
            ("web_search", False),
            ("docs_lookup", True),
        ]
        assert sandbox.requests[-1].body["messages"][-1]["content"] == results[-1].tool_output.content

    @pytest.mark.parametrize("streaming", [True, False])
    @pytest.mark.parametrize("arguments", ["{query: heat", '["heat"]'])
    async def test_arguments_that_are_not_an_object_run_nothing(
        self, make_llm, make_spec, sandbox, arguments, streaming
    ):
        tools = make_spec().to_tool_list()
        agent = FunctionAgent(tools=tools, llm=make_llm(model="glm-4.7"), streaming=streaming)
        sandbox.replies.add(Reply(tool_calls=[("web_search", arguments)]), Reply(text="I could not search."))
        answer, (result,) = await self.ask(agent, "What is new?")
        assert answer == "I could not search."
        assert result.tool_output.is_error
        assert "not a JSON object" in result.tool_output.content
        assert ran(sandbox) == []

    @pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning")
    async def test_an_agent_that_writes_its_calls(self, make_llm, make_spec, sandbox):
        agent = ReActAgent(
            tools=make_spec(include=["web-search"]).to_tool_list(), llm=make_llm(model="glm-4.7")
        )
        sandbox.replies.add(
            Reply(text='Thought: I search.\nAction: web_search\nAction Input: {"query": "heat"}'),
            Reply(text="Thought: I can answer without using any more tools.\nAnswer: Nothing."),
        )
        answer, (result,) = await self.ask(agent, "What is new?")
        assert (answer, result.tool_output.is_error) == ("Nothing.", False)


# --- the key -------------------------------------------------------------------------------------------------


def test_the_key_is_nowhere_to_be_read(make_spec):
    with Sandbox(api_key="sk-mel-hidden") as hidden:
        spec = make_spec(api_key="sk-mel-hidden", base_url=hidden.base_url)
        (tool, *_) = spec.to_tool_list()
        failed = tool.call(query="")
        seen = [
            repr(spec),
            repr(tool),
            repr(tool.metadata),
            repr(failed),
            repr(getattr(failed, "exception", None)),
        ]
        seen += [json.dumps(spec.to_dict()), spec.model_dump_json(), failed.model_dump_json()]
        assert not any("sk-mel-hidden" in text for text in seen)
        assert MeliousHostedToolSpec.from_dict({**spec.to_dict(), "api_key": "k"}).base_url == hidden.base_url
