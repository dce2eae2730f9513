"""Agents of LlamaIndex that use tools through Melious."""

import json

import pytest
from llama_index.core.agent.workflow import (
    AgentStream,
    AgentWorkflow,
    FunctionAgent,
    ReActAgent,
    ToolCallResult,
)
from llama_index.core.tools import FunctionTool
from llama_kit import MULTIPLY, QUIET_AGENTS, TIME, WEATHER, piece, sse, whole

from melious.sandbox import Fault, Reply

pytestmark = QUIET_AGENTS


async def run(agent, question):
    events = []
    handler = agent.run(question)
    async for event in handler.stream_events():
        events.append(event)
    return str(await handler), events


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("model", ["llama-3.1-8b-instruct", "glm-4.7"])
async def test_function_agent_with_two_tools(make_llm, sandbox, streaming, model):
    thinking = "I need the weather." if model == "glm-4.7" else None
    sandbox.replies.add(
        Reply(reasoning=thinking, tool_calls=[("get_weather", {"city": "Oslo"})]),
        Reply(text="Sunny, 21 degrees."),
    )
    agent = FunctionAgent(tools=[MULTIPLY, WEATHER], llm=make_llm(model=model), streaming=streaming)
    answer, events = await run(agent, "What is the weather in Oslo?")
    assert answer == "Sunny, 21 degrees."
    assert [event.tool_name for event in events if isinstance(event, ToolCallResult)] == ["get_weather"]
    assert [message["role"] for message in sandbox.requests[-1].body["messages"]][-3:] == [
        "user",
        "assistant",
        "tool",
    ]
    if streaming and model == "glm-4.7":
        assert any(event.thinking_delta for event in events if isinstance(event, AgentStream))


async def test_function_agent_with_a_tool_without_arguments(make_llm, sandbox):
    sandbox.replies.add(Reply(tool_calls=[("get_time", "")]), Reply(text="12:34."))
    answer, events = await run(
        FunctionAgent(tools=[TIME], llm=make_llm()), "What is the current time of day?"
    )
    assert answer == "12:34."
    (result,) = [event for event in events if isinstance(event, ToolCallResult)]
    assert str(result.tool_output) == "It is 12:34"


async def test_initial_tool_choice_by_name(make_llm, sandbox):
    agent = FunctionAgent(tools=[MULTIPLY, TIME], llm=make_llm(), initial_tool_choice="get_time")
    await run(agent, "Hello")
    assert sandbox.requests[0].body["tool_choice"] == {"type": "function", "function": {"name": "get_time"}}


# ReActAgent asks its context whether it runs, in a way that the workflow package deprecates.
@pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning")
async def test_react_agent(make_llm, sandbox):
    sandbox.replies.add(
        Reply(text='Thought: multiply.\nAction: multiply\nAction Input: {"a": 6, "b": 7}'),
        Reply(text="Thought: I know.\nAnswer: It is 42."),
    )
    answer, events = await run(ReActAgent(tools=[MULTIPLY], llm=make_llm()), "What is 6 times 7?")
    assert answer == "It is 42."
    assert [str(event.tool_output) for event in events if isinstance(event, ToolCallResult)] == ["42"]
    assert "42" in json.dumps(sandbox.requests[-1].body["messages"])


def answers(streaming, message, finish):
    """The next answer, streamed or whole, of a server that knows any model."""
    return Fault(raw=sse(piece(message, finish))) if streaming else Fault(body=whole(message, finish))


@pytest.mark.parametrize("streaming", [True, False])
async def test_an_unknown_model_calls_tools_where_the_caller_says_so(make_llm, sandbox, streaming):
    with pytest.raises(ValueError, match="FunctionCallingLLM"):  # LlamaIndex's own check
        await run(FunctionAgent(tools=[WEATHER], llm=make_llm(model="somebody/new-model")), "Oslo?")
    assert not sandbox.requests
    llm = make_llm(model="somebody/new-model", is_function_calling_model=True, context_window=32_000)
    call = {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    calls = [{"index": 0, "id": "c1", "type": "function", "function": call}]
    sandbox.faults.add(answers(streaming, {"content": "", "tool_calls": calls}, "tool_calls"))
    sandbox.faults.add(answers(streaming, {"content": "Sunny, 21 degrees."}, "stop"))
    answer, events = await run(FunctionAgent(tools=[WEATHER], llm=llm, streaming=streaming), "Oslo?")
    assert answer == "Sunny, 21 degrees."
    assert [event.tool_name for event in events if isinstance(event, ToolCallResult)] == ["get_weather"]
    assert llm.metadata.context_window == 32_000


def test_the_agent_for_an_unknown_model_needs_no_tool_calls(make_llm):
    workflow = AgentWorkflow.from_tools_or_functions([WEATHER], llm=make_llm(model="somebody/new-model"))
    (agent,) = workflow.agents.values()
    assert isinstance(agent, ReActAgent)


@pytest.mark.parametrize("streaming", [True, False])
async def test_function_agent_without_tools(make_llm, sandbox, streaming):
    sandbox.replies.add(Reply(text="A tower with a light."))
    answer, events = await run(FunctionAgent(llm=make_llm(), streaming=streaming), "What is a lighthouse?")
    assert answer == "A tower with a light."
    assert not [event for event in events if isinstance(event, ToolCallResult)]
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(sandbox.requests[-1].body)


@pytest.mark.parametrize("parallel", [True, False])
async def test_text_and_parallel_calls_in_one_answer(make_llm, sandbox, parallel):
    sandbox.replies.add(
        Reply(
            text="Let me look. ",
            tool_calls=[("get_weather", {"city": "Oslo"}, "c1"), ("get_time", "", "c2")],
        ),
        Reply(text="Sunny."),
    )
    agent = FunctionAgent(tools=[WEATHER, TIME], llm=make_llm(), allow_parallel_tool_calls=parallel)
    _, events = await run(agent, "What is the weather in Oslo, and what time is it?")
    called = [event.tool_name for event in events if isinstance(event, ToolCallResult)]
    assert sorted(called) == ["get_time", "get_weather"][not parallel :]
    asking = next(message for message in sandbox.requests[1].body["messages"] if "tool_calls" in message)
    assert asking["content"] == "Let me look. "
    assert [call["id"] for call in asking["tool_calls"]] == ["c1", "c2"][: 1 + parallel]


async def test_no_tool_runs_on_arguments_that_were_cut_off(make_llm, sandbox):
    ran = []

    def delete(path: str) -> str:
        """Delete a file."""
        ran.append(path)
        return "gone"

    sandbox.replies.add(Reply(tool_calls=[("delete", '{"path": "/home/me')], finish_reason="length"))
    agent = FunctionAgent(tools=[FunctionTool.from_defaults(fn=delete)], llm=make_llm())
    with pytest.raises(Exception, match="raise `max_tokens`"):
        await run(agent, "Delete my old notes.")
    assert not ran


async def test_an_agent_goes_on_after_broken_arguments(make_llm, sandbox):
    """The tool's complaint goes back to the model, which gets another try."""
    sandbox.replies.add(Reply(tool_calls=[("multiply", "a=6, b=7")]), Reply(text="It is 42."))
    agent = FunctionAgent(tools=[MULTIPLY], llm=make_llm(), streaming=True)
    answer = await agent.run("What is 6 times 7?")
    told = [m for m in sandbox.requests[1].body["messages"] if m["role"] == "tool"]
    assert "argument" in told[0]["content"]
    assert answer.response.content == "It is 42."
