"""Agents in workflows: several tools, several agents, streams, memory, objects as answers, and ends."""

import asyncio
import json
from typing import Any

import pytest
from llama_index.core.agent.workflow import (
    AgentOutput,
    AgentStream,
    AgentWorkflow,
    FunctionAgent,
    ReActAgent,
    ToolCall,
    ToolCallResult,
)
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool
from llama_kit import MULTIPLY, QUIET_AGENTS, REASONER, TIME, WEATHER, eventually
from pydantic import BaseModel
from workflows.errors import WorkflowCancelledByUser

from melious import ProviderError, track_impact
from melious.sandbox import Fault, Reply

pytestmark = QUIET_AGENTS


async def run(agent: Any, question: str, **more: Any) -> tuple[Any, list[Any]]:
    handler = agent.run(question, **more)
    events = [event async for event in handler.stream_events()]
    return await handler, events


def tools_used(events: list[Any]) -> list[tuple[str, str]]:
    return [
        (event.tool_name, str(event.tool_output)) for event in events if isinstance(event, ToolCallResult)
    ]


def calls(*made: tuple[str, dict[str, Any]]) -> Reply:
    return Reply(tool_calls=[(*call, f"c{index}") for index, call in enumerate(made)])


def says(*pieces: str) -> Reply:
    return Reply(chunks=pieces)


# --- one agent ---------------------------------------------------------------------------------------


async def test_several_tools_in_one_turn(make_llm, sandbox):
    sandbox.replies.add(
        calls(("get_weather", {"city": "Oslo"}), ("get_time", {})), says("21 degrees, ", "at 12:34.")
    )
    agent = FunctionAgent(tools=[MULTIPLY, WEATHER, TIME], llm=make_llm(model=REASONER))
    answer, events = await run(agent, "What is the weather in Oslo, and what time is it?")
    assert sorted(tools_used(events)) == [
        ("get_time", "It is 12:34"),
        ("get_weather", "Sunny in Oslo, 21 degrees"),
    ]
    assert str(answer) == "21 degrees, at 12:34."
    asked, told = (request.body for request in sandbox.requests)
    assert asked["parallel_tool_calls"] is True
    made = [call["id"] for call in told["messages"][-3]["tool_calls"]]
    assert [message["tool_call_id"] for message in told["messages"][-2:]] == made == ["c0", "c1"]


async def test_several_tools_one_after_another(make_llm, sandbox):
    sandbox.replies.add(
        calls(("multiply", {"a": 6, "b": 7})),
        calls(("get_weather", {"city": "Rome"}), ("get_time", {})),
        says("42, and ", "sunny."),
    )
    with track_impact() as ledger:
        answer, events = await run(
            FunctionAgent(tools=[MULTIPLY, WEATHER, TIME], llm=make_llm()), "Do it all"
        )
    assert str(answer) == "42, and sunny."
    assert [name for name, _ in tools_used(events)] == ["multiply", "get_weather", "get_time"]
    assert next(event.tool_kwargs for event in events if type(event) is ToolCall) == {"a": 6, "b": 7}
    roles = [message["role"] for message in sandbox.requests[-1].body["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "tool", "tool"]
    assert ledger.total.requests == 3


async def test_stream_of_an_agent_is_its_answer(make_llm, sandbox):
    sandbox.replies.add(
        Reply(reasoning="I need the weather.", tool_calls=[("get_weather", {"city": "Oslo"})]),
        says("Sunny, ", "21 ", "degrees."),
    )
    agent = FunctionAgent(tools=[WEATHER], llm=make_llm(model=REASONER), system_prompt="Be brief.")
    answer, events = await run(agent, "What is the weather in Oslo?")
    streamed = [event for event in events if isinstance(event, AgentStream)]
    assert "".join(event.delta for event in streamed) == str(answer) == "Sunny, 21 degrees."
    assert any(event.thinking_delta for event in streamed)
    assert streamed[-1].response == str(answer)
    assert streamed[-1].raw["usage"]["total_tokens"] > 0
    outputs = [event for event in events if isinstance(event, AgentOutput)]
    assert [output.tool_calls[0].tool_name for output in outputs] == ["get_weather"] * 2
    assert str(outputs[-1]) == str(answer)


async def test_result_that_is_the_answer(make_llm, sandbox):
    """What a tool with `return_direct` gives is kept as an answer of the assistant, with the call's id."""
    direct = FunctionTool.from_defaults(fn=lambda: "It is late.", name="say_late", return_direct=True)
    memory = ChatMemoryBuffer.from_defaults(llm=make_llm())
    agent = FunctionAgent(tools=[direct], llm=make_llm())
    sandbox.replies.add(calls(("say_late", {})), says("As I said."))
    answer, _ = await run(agent, "Is it late?", memory=memory)
    assert str(answer) == "It is late."
    answer, _ = await run(agent, "Really?", memory=memory)
    assert str(answer) == "As I said."
    sent = sandbox.requests[-1].body["messages"]
    assert not [message for message in sent if message["role"] != "tool" and "tool_call_id" in message]


async def test_conversation_goes_on_after_it_was_written_down(make_llm, sandbox):
    sandbox.replies.add(calls(("get_weather", {"city": "Oslo"})), says("Sunny."), says("You are welcome."))
    agent = FunctionAgent(tools=[WEATHER], llm=make_llm(model=REASONER))
    memory = ChatMemoryBuffer.from_defaults(llm=make_llm())
    await run(agent, "What is the weather in Oslo?", memory=memory)
    kept = [message.model_dump_json() for message in memory.get_all()]
    history = [ChatMessage.model_validate_json(message) for message in kept]
    await run(agent, "Thank you.", chat_history=history)
    sent = sandbox.requests[-1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "assistant", "user"]
    (call,) = sent[1]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Oslo"}


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


async def test_agent_answers_with_an_object(make_llm, sandbox):
    sandbox.replies.add(
        calls(("get_weather", {"city": "Oslo"})),
        says("Sunny, 21 degrees."),
        Reply(text='{"city": "Oslo", "degrees": 21}'),
    )
    agent = FunctionAgent(tools=[WEATHER], llm=make_llm(), output_cls=Weather)
    answer, _ = await run(agent, "What is the weather in Oslo?")
    assert answer.get_pydantic_model(Weather) == Weather(city="Oslo", degrees=21)
    assert "Sunny in Oslo, 21 degrees" in json.dumps(sandbox.requests[-1].body["messages"])
    assert sandbox.requests[-1].body["response_format"]["json_schema"]["name"] == "Weather"


async def test_trouble_of_a_tool_is_told_to_the_model(make_llm, sandbox):
    def broken() -> str:
        """Break."""
        raise RuntimeError("the tool is worn out")

    sandbox.replies.add(calls(("broken", {})), says("Sorry."))
    answer, _ = await run(FunctionAgent(tools=[broken], llm=make_llm()), "Break something")
    assert str(answer) == "Sorry."
    assert "worn out" in sandbox.requests[-1].body["messages"][-1]["content"]


async def test_trouble_of_the_service_ends_the_run_with_its_error(make_llm, sandbox):
    sandbox.faults.add(Fault(code="provider_error", error_after_events=3))
    handler = FunctionAgent(tools=[WEATHER], llm=make_llm()).run("What is the weather in Oslo?")
    with pytest.raises(ProviderError) as caught:
        await handler
    assert caught.value.request_id


async def test_cancelling_a_run_closes_its_connection(make_llm, start_sandbox):
    sandbox = start_sandbox()
    sandbox.faults.add(Fault(stall_after_events=3, stall_seconds=600))
    llm = make_llm(base_url=sandbox.base_url, api_key=sandbox.api_key)
    handler = FunctionAgent(tools=[WEATHER], llm=llm).run("Tell me about lighthouses.")
    async for event in handler.stream_events():
        if isinstance(event, AgentStream):
            break
    await handler.cancel_run()
    assert await eventually(lambda: not sandbox.open_connections)
    with pytest.raises(WorkflowCancelledByUser):
        await handler


# --- several agents ----------------------------------------------------------------------------------


def team(llm: Any) -> AgentWorkflow:
    desk = FunctionAgent(
        name="desk",
        description="Takes questions.",
        tools=[TIME],
        llm=llm,
        system_prompt="Hand questions on to who knows.",
        can_handoff_to=["forecaster"],
    )
    forecaster = FunctionAgent(
        name="forecaster",
        description="Knows the weather.",
        tools=[WEATHER, MULTIPLY],
        llm=llm,
        can_handoff_to=[],
    )
    return AgentWorkflow(agents=[desk, forecaster], root_agent="desk", initial_state={"asked": 0})


async def test_one_agent_hands_over_to_another(make_llm, sandbox):
    sandbox.replies.add(
        calls(("handoff", {"to_agent": "forecaster", "reason": "weather"})),
        calls(("get_weather", {"city": "Oslo"})),
        says("Sunny, ", "21 degrees."),
    )
    answer, events = await run(team(make_llm()), "What is the weather in Oslo?")
    assert str(answer) == "Sunny, 21 degrees."
    assert [name for name, _ in tools_used(events)] == ["handoff", "get_weather"]
    asked = [[tool["function"]["name"] for tool in request.body["tools"]] for request in sandbox.requests]
    assert asked == [["get_time", "handoff"], ["get_weather", "multiply"], ["get_weather", "multiply"]]
    streamed = [event.current_agent_name for event in events if isinstance(event, AgentStream)]
    assert streamed[0] == "desk"
    assert streamed[-1] == "forecaster"
    assert "forecaster" in sandbox.requests[0].body["tools"][1]["function"]["description"]


def test_workflow_on_several_loops(make_llm, sandbox):
    workflow = AgentWorkflow.from_tools_or_functions([WEATHER, TIME], llm=make_llm())
    for city in ("Oslo", "Rome", "Bern"):
        answer, _ = asyncio.run(run(workflow, f"What is the weather in {city}?"))
        assert f"Sunny in {city}" in str(answer)
    assert {request.status for request in sandbox.requests} == {200}
    assert len(sandbox.requests) == 6


async def test_workflows_side_by_side(make_llm):
    workflow = AgentWorkflow.from_tools_or_functions([WEATHER], llm=make_llm())
    cities = ["Oslo", "Rome", "Bern", "Wien", "Riga", "Kiel"]
    results = await asyncio.gather(*(run(workflow, f"What is the weather in {city}?") for city in cities))
    for city, (answer, _) in zip(cities, results, strict=True):
        assert f"Sunny in {city}" in str(answer)


# --- reasoning in text -------------------------------------------------------------------------------


# ReActAgent asks its context whether it runs, in a way that the workflow package deprecates.
@pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning")
async def test_react_agent_takes_several_steps(make_llm, sandbox):
    sandbox.replies.add(
        says("Thought: multi", 'ply.\nAction: multiply\nAction Input: {"a": 6, ', '"b": 7}'),
        says('Thought: and the weather.\nAction: get_weather\nAction Input: {"city": "Oslo"}'),
        says("Thought: I can answer without using any more tools.\nAnswer: 42, ", "and sunny."),
    )
    agent = ReActAgent(tools=[MULTIPLY, WEATHER], llm=make_llm())
    answer, events = await run(
        agent, "Well?", chat_history=[ChatMessage("Hi"), ChatMessage("Hello.", role="assistant")]
    )
    assert str(answer) == "42, and sunny."
    assert tools_used(events) == [("multiply", "42"), ("get_weather", "Sunny in Oslo, 21 degrees")]
    assert len([event for event in events if isinstance(event, AgentStream)]) >= 6
    assert "tools" not in sandbox.requests[-1].body
    assert "Observation: 42" in json.dumps(sandbox.requests[1].body["messages"])
