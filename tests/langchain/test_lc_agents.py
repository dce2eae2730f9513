"""LangChain's agents: tools, structured answers, middleware that switches on errors and profiles, checkpoints."""

import asyncio
import json

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    HumanInTheLoopMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    SummarizationMiddleware,
)
from langchain.agents.structured_output import ToolStrategy
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel

from langchain_melious.errors import AuthenticationError, InsufficientBalanceError
from melious.sandbox import Fault, Reply

NATIVE, BY_TOOL = "llama-3.3-70b-instruct", "glm-4.6"
NO_WAIT = {"initial_delay": 0.0, "backoff_factor": 0.0, "jitter": False}


def get_weather(city: str) -> str:
    """Get the current weather in a given city."""
    return f"It is sunny in {city}, 21 degrees."


def multiply(a: int, b: int) -> int:
    """Multiply two integers."""
    return a * b


class Report(BaseModel):
    """Weather in a city."""

    city: str
    degrees: int


TOOLS = [get_weather, multiply]
BOTH = "What is the weather in Rome, and what is 12 * 7?"
ROME = Reply(reasoning="I look it up.", tool_calls=[("get_weather", {"city": "Rome"})])
BOTH_CALLS = Reply(tool_calls=[("get_weather", {"city": "Rome"}), ("multiply", {"a": 12, "b": 7})])
ANSWER = Reply(chunks=["It ", "is ", "sunny, ", "and ", "it ", "is ", "84."])
REPORT = {"city": "Rome", "degrees": 21}


def asked(text, **more):
    return {"messages": [HumanMessage(text)], **more}


def bodies(sandbox):
    return [request.body for request in sandbox.requests.to("chat")]


# --- tools -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [NATIVE, "glm-4.7"], ids=["plain", "reasoning"])
def test_an_agent_calls_its_tools_and_answers_from_their_results(way, chat, sandbox, model):
    sandbox.replies.add(BOTH_CALLS, ANSWER)
    state = way.invoke(create_agent(chat(model), TOOLS, system_prompt="Be brief."), asked(BOTH))
    results = {m.name: m.content for m in state["messages"] if isinstance(m, ToolMessage)}
    assert results == {"get_weather": "It is sunny in Rome, 21 degrees.", "multiply": "84"}
    last = state["messages"][-1]
    assert last.text == "It is sunny, and it is 84."
    assert last.usage_metadata["total_tokens"] > 0
    assert last.response_metadata["environment_impact"]["carbon_g_co2"] > 0
    first, *_, answered = bodies(sandbox)
    assert [tool["function"]["name"] for tool in first["tools"]] == ["get_weather", "multiply"]
    assert answered["messages"][0] == {"role": "system", "content": "Be brief."}
    sent = [message["content"] for message in answered["messages"] if message["role"] == "tool"]
    assert sent == ["It is sunny in Rome, 21 degrees.", "84"]


def test_updates_come_step_by_step_and_values_grow(way, chat, sandbox):
    sandbox.replies.add(BOTH_CALLS, ANSWER, BOTH_CALLS, ANSWER)
    agent = create_agent(chat(), TOOLS)
    steps = way.stream(agent, asked(BOTH), stream_mode="updates")
    names = [name for step in steps for name in step]
    assert names == ["model", "tools", "tools", "model"]
    lengths = [len(state["messages"]) for state in way.stream(agent, asked(BOTH), stream_mode="values")]
    assert lengths[0] == 1
    assert lengths == sorted(lengths)


def test_messages_come_token_by_token_and_add_up_to_the_state(way, chat, sandbox, whole):
    sandbox.replies.add(BOTH_CALLS, ANSWER)
    agent = create_agent(chat(), TOOLS)
    parts = way.stream(agent, asked(BOTH), stream_mode=["messages", "values"])
    final = [state for mode, state in parts if mode == "values"][-1]["messages"]
    streamed: dict[str, list[AIMessageChunk]] = {}
    for mode, part in parts:
        if mode == "messages" and isinstance(part[0], AIMessageChunk):
            streamed.setdefault(part[0].id, []).append(part[0])
    said = [message for message in final if isinstance(message, AIMessage)]
    assert list(streamed) == [message.id for message in said]
    for message in said:
        added = whole(streamed[message.id])
        assert len(streamed[message.id]) > 3
        assert added.content == message.content
        assert added.tool_calls == message.tool_calls
        assert added.usage_metadata == message.usage_metadata
        assert added.response_metadata == message.response_metadata


def test_the_thinking_before_a_call_goes_back_to_the_model(way, chat, sandbox):
    sandbox.replies.add(ROME, ANSWER)
    way.invoke(create_agent(chat("glm-4.7"), TOOLS), asked("What is the weather in Rome?"))
    assert bodies(sandbox)[-1]["messages"][1]["reasoning_content"] == "I look it up."


# --- malformed arguments -----------------------------------------------------------------------------


def test_a_malformed_call_beside_a_good_one_is_answered_with_an_error_and_the_loop_goes_on(
    way, chat, sandbox
):
    calls = [("get_weather", {"city": "Rome"}, "c1"), ("get_weather", '{"city": ', "c2")]
    sandbox.replies.add(Reply(tool_calls=calls), ANSWER)
    state = way.invoke(create_agent(chat(NATIVE), TOOLS), asked("What is the weather in Rome?"))
    assert state["messages"][1].invalid_tool_calls[0]["args"] == '{"city": '
    assert state["messages"][-1].text
    sent = bodies(sandbox)[-1]["messages"]
    offered = [made["id"] for made in sent[1]["tool_calls"]]
    answered = {message["tool_call_id"] for message in sent if message["role"] == "tool"}
    assert offered == ["c1", "c2"]
    assert answered == {"c1", "c2"}
    for made in sent[1]["tool_calls"]:
        assert isinstance(json.loads(made["function"]["arguments"]), dict)


def test_a_malformed_call_alone_is_there_to_be_seen_and_the_conversation_can_go_on(way, chat, sandbox):
    sandbox.replies.add(Reply(tool_calls=[("get_weather", '{"city": ', "c1")]), ROME, ANSWER)
    agent = create_agent(chat(NATIVE), TOOLS)
    state = way.invoke(agent, asked("What is the weather in Rome?"))
    (invalid,) = state["messages"][-1].invalid_tool_calls
    assert (invalid["name"], invalid["args"], invalid["id"]) == ("get_weather", '{"city": ', "c1")
    assert invalid["error"]
    again = way.invoke(
        agent, {"messages": [*state["messages"], HumanMessage("The weather in Rome, please.")]}
    )
    assert [type(message) for message in again["messages"][-3:]] == [AIMessage, ToolMessage, AIMessage]


# --- structured answers ------------------------------------------------------------------------------


def test_a_model_that_holds_schemas_is_asked_to_hold_this_one(way, chat, sandbox):
    sandbox.replies.add(ROME, Reply(text=json.dumps(REPORT)))
    agent = create_agent(chat(NATIVE), TOOLS, response_format=Report)
    state = way.invoke(agent, asked("What is the weather in Rome?"))
    assert state["structured_response"] == Report(**REPORT)
    for body in bodies(sandbox):
        assert body["response_format"]["type"] == "json_schema"
        assert body["response_format"]["json_schema"]["schema"]["required"] == ["city", "degrees"]
        assert [tool["function"]["name"] for tool in body["tools"]] == ["get_weather", "multiply"]


def test_a_model_that_does_not_gets_the_schema_as_a_tool(way, chat, sandbox):
    sandbox.replies.add(ROME, Reply(tool_calls=[("Report", REPORT)]))
    agent = create_agent(chat(BY_TOOL), TOOLS, response_format=Report)
    state = way.invoke(agent, asked("What is the weather in Rome?"))
    assert state["structured_response"] == Report(**REPORT)
    for body in bodies(sandbox):
        assert "response_format" not in body
        assert body["tools"][-1]["function"]["name"] == "Report"
        assert body["tool_choice"] == "required"


def test_the_strategy_may_be_chosen(way, chat, sandbox):
    sandbox.replies.add(ROME, Reply(tool_calls=[("Report", REPORT)]))
    agent = create_agent(chat(NATIVE), TOOLS, response_format=ToolStrategy(Report))
    state = way.invoke(agent, asked("What is the weather in Rome?"))
    assert state["structured_response"] == Report(**REPORT)
    assert "response_format" not in bodies(sandbox)[0]


def test_a_structured_answer_is_streamed_too(way, chat, sandbox):
    sandbox.replies.add(ROME, Reply(text=json.dumps(REPORT)))
    agent = create_agent(chat(NATIVE), TOOLS, response_format=Report)
    last = way.stream(agent, asked("What is the weather in Rome?"), stream_mode="values")[-1]
    assert last["structured_response"] == Report(**REPORT)


# --- middleware --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(code="rate_limit"), Fault(cut_after_bytes=0)])
def test_the_agent_tries_again_after_what_passes(way, chat, sandbox, fault):
    sandbox.faults.add(fault)
    retry = ModelRetryMiddleware(max_retries=2, on_failure="error", **NO_WAIT)
    agent = create_agent(chat(max_retries=0, max_rate_limit_wait=0.0), TOOLS, middleware=[retry])
    state = way.invoke(agent, asked("Hello"))
    assert state["messages"][-1].text
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(code="auth", times=None), AuthenticationError),
        (Fault(code="context_length", times=None), ContextOverflowError),
        (Fault(code="insufficient_quota", times=None), InsufficientBalanceError),
    ],
    ids=["auth", "context", "quota"],
)
def test_it_does_not_try_again_what_cannot_get_better(way, chat, sandbox, fault, error):
    sandbox.faults.add(fault)
    retry = ModelRetryMiddleware(max_retries=2, on_failure="error", **NO_WAIT)
    agent = create_agent(chat(max_retries=0), TOOLS, middleware=[retry])
    with pytest.raises(error) as caught:
        way.invoke(agent, asked("Hello"))
    assert not caught.value.is_retryable
    assert len(sandbox.requests) == 1


def test_another_model_steps_in(way, chat, sandbox):
    sandbox.faults.add(Fault(status=503))
    sandbox.replies.add(ROME, ANSWER)
    fallback = ModelFallbackMiddleware(chat("llama-3.1-8b-instruct"))
    agent = create_agent(chat(NATIVE, max_retries=0), TOOLS, middleware=[fallback])
    state = way.invoke(agent, asked("What is the weather in Rome?"))
    assert state["messages"][-1].text
    assert [body["model"] for body in bodies(sandbox)] == [NATIVE, "llama-3.1-8b-instruct", NATIVE]
    assert state["messages"][1].response_metadata["model_name"] == "llama-3.1-8b-instruct"


def talk(words):
    turns = []
    for number in range(6):
        turns += [
            HumanMessage(f"Turn {number}: " + "the sea is blue. " * words),
            AIMessage(f"Yes, {number}."),
        ]
    return {"messages": [*turns, HumanMessage("What is 12 * 7?")]}


def script(sandbox):
    """The replies to the requests that offer tools; those that ask for a summary get what the sandbox says."""
    sandbox.replies.add(
        Reply(tool_calls=[("multiply", {"a": 12, "b": 7})]),
        ANSWER,
        when=lambda request: "tools" in request.body,
    )


@pytest.mark.parametrize(("words", "requests"), [(20, 2), (400, 3)], ids=["short", "long"])
def test_a_conversation_is_summarized_when_it_nears_the_window_of_the_profile(
    way, chat, sandbox, words, requests
):
    llm = chat("apertus-70b")
    limit = llm.profile["max_input_tokens"]
    summarize = SummarizationMiddleware(llm, trigger=("fraction", 8000 / limit), keep=("messages", 1))
    script(sandbox)
    state = way.invoke(create_agent(llm, TOOLS, middleware=[summarize]), talk(words))
    assert "84" in state["messages"][-1].text
    assert len(sandbox.requests) == requests
    assert ("summary" in state["messages"][0].text) == (requests == 3)


def test_the_tokens_that_were_counted_count_for_the_summary(way, chat, sandbox):
    """The estimate is scaled by what the last answer of this provider's model says it took."""
    llm = chat("apertus-70b")
    history = talk(20)
    history["messages"][-2].response_metadata["model_provider"] = "melious"
    history["messages"][-2].usage_metadata = {
        "input_tokens": 60_000,
        "output_tokens": 10,
        "total_tokens": 60_010,
    }
    summarize = SummarizationMiddleware(llm, trigger=("fraction", 0.5), keep=("messages", 1))
    script(sandbox)
    state = way.invoke(create_agent(llm, TOOLS, middleware=[summarize]), history)
    assert "summary" in state["messages"][0].text
    assert len(sandbox.requests) == 3


def test_a_summary_that_overflows_is_made_from_less(way, chat, sandbox):
    llm = chat("apertus-70b", max_retries=0)
    sandbox.faults.add(Fault(code="context_length"))
    summarize = SummarizationMiddleware(
        llm, trigger=("messages", 3), keep=("messages", 1), trim_tokens_to_summarize=None
    )
    script(sandbox)
    state = way.invoke(create_agent(llm, TOOLS, middleware=[summarize]), talk(400))
    assert "84" in state["messages"][-1].text
    overflowed, shorter, *_ = (len(body["messages"][0]["content"]) for body in bodies(sandbox))
    assert shorter < 0.7 * overflowed


# --- people and checkpoints --------------------------------------------------------------------------


def test_a_person_decides_and_the_agent_goes_on_from_its_checkpoint(way, chat, sandbox):
    sandbox.replies.add(ROME, ANSWER)
    agent = create_agent(
        chat("glm-4.7"),
        TOOLS,
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"get_weather": True})],
        checkpointer=InMemorySaver(),
    )
    thread = {"configurable": {"thread_id": "1"}}
    waiting = way.invoke(agent, asked("What is the weather in Rome?"), thread)
    (interrupt,) = waiting["__interrupt__"]
    assert interrupt.value["action_requests"][0]["args"] == {"city": "Rome"}
    edited = {"name": "get_weather", "args": {"city": "Oslo"}}
    decision = Command(resume={"decisions": [{"type": "edit", "edited_action": edited}]})
    state = way.invoke(agent, decision, thread)
    assert state["messages"][2].content.endswith("It is sunny in Oslo, 21 degrees.")
    assert bodies(sandbox)[-1]["messages"][-1]["content"] == state["messages"][2].content


def test_messages_come_back_from_a_checkpoint_as_they_were(way, chat, sandbox):
    sandbox.replies.add(ROME, ANSWER, ANSWER)
    saver = InMemorySaver()
    agent = create_agent(chat("glm-4.7"), TOOLS, checkpointer=saver)
    thread = {"configurable": {"thread_id": "1"}}
    given = way.invoke(agent, asked(BOTH), thread)["messages"]
    kept = create_agent(chat("glm-4.7"), TOOLS, checkpointer=saver).get_state(thread).values["messages"]
    assert kept == given
    for before, after in zip(given, kept, strict=True):
        assert type(after) is type(before)
        assert after.response_metadata == before.response_metadata
    again = way.invoke(agent, asked("Thank you."), thread)["messages"]
    assert again[: len(given)] == given
    assert len(bodies(sandbox)[-1]["messages"]) == len(given) + 1


def test_many_agents_at_once(chat, sandbox):
    agent = create_agent(chat(NATIVE), TOOLS)
    cities = ["Rome", "Oslo", "Paris", "Berlin", "Madrid", "Vienna", "Lisbon", "Athens"]

    for city in cities:
        sandbox.replies.add(
            Reply(tool_calls=[("get_weather", {"city": city})]),
            Reply(text=f"It is sunny in {city}."),
            when=lambda request, city=city: city in request.body["messages"][0]["content"],
        )

    async def run():
        return await agent.abatch([asked(f"What is the weather in {city}?") for city in cities])

    answers = [state["messages"][-1].text for state in asyncio.run(run())]
    assert [f"sunny in {city}" in answer for city, answer in zip(cities, answers, strict=True)] == [True] * 8
