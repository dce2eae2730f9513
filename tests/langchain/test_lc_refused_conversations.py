"""A conversation that a model's template refuses goes out once more in the form it takes, in agents too."""

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from langchain_melious.errors import BadRequestError
from melious.sandbox import Fault, Reply

MODEL = "llama-3.3-70b-instruct"
SEVERAL = [SystemMessage("Be brief."), SystemMessage("It is noon."), HumanMessage("Hello!")]
APART = ["Be brief.", "It is noon.", "Hello!"]
MERGED = ["Be brief.\n\nIt is noon.", "Hello!"]
AT_THE_BEGINNING = "System message must be at the beginning."
MUST = "The `reasoning_content` in the thinking mode must be passed back to the API."
NO_EXTRAS = "Extra inputs are not permitted, field: 'messages[2].reasoning_content'"
ROME = Reply(reasoning="I look it up.", tool_calls=[("get_weather", {"city": "Rome"})])
ANSWER = Reply(text="It is sunny.")


def get_weather(city: str) -> str:
    """Get the current weather in a given city."""
    return f"It is sunny in {city}."


def refusal(message, **when):
    body = {"error": {"message": message, "type": "invalid_request_error"}}
    return Fault(status=400, body=body, **when)


def contents(sandbox):
    return [[message["content"] for message in request.body["messages"]] for request in sandbox.requests]


def reasoning(sandbox):
    """The reasoning of the assistant's messages, request by request."""
    return [
        [
            message.get("reasoning_content")
            for message in request.body["messages"]
            if message["role"] == "assistant"
        ]
        for request in sandbox.requests
    ]


@pytest.fixture(params=["invoke", "stream"])
def ask(request, way):
    return getattr(way, request.param)


def test_system_messages_are_merged_after_one_refusal_and_from_then_on(ask, chat, sandbox):
    sandbox.faults.add(refusal(AT_THE_BEGINNING))
    for _ in range(2):
        assert ask(chat(MODEL), SEVERAL)
    assert contents(sandbox) == [APART, MERGED, MERGED]


def test_the_option_merges_at_once(ask, chat, sandbox):
    ask(chat(MODEL, merge_system_messages=True), SEVERAL)
    ask(chat(MODEL).bind(merge_system_messages=True), SEVERAL)
    assert contents(sandbox) == [MERGED, MERGED]


def test_an_explicit_no_is_obeyed_and_named_by_the_error(ask, chat, sandbox):
    sandbox.faults.add(refusal(AT_THE_BEGINNING))
    with pytest.raises(BadRequestError, match="remove merge_system_messages=False"):
        ask(chat(MODEL, merge_system_messages=False), SEVERAL)
    assert contents(sandbox) == [APART]


def test_a_late_system_message_of_an_agent_becomes_part_of_the_users_turn(way, chat, sandbox):
    sandbox.faults.add(refusal(AT_THE_BEGINNING))
    sandbox.replies.add(ANSWER)
    agent = create_agent(chat(MODEL), [get_weather], system_prompt="Be brief.")
    way.invoke(agent, {"messages": [HumanMessage("Hello!"), SystemMessage("It is noon.")]})
    assert contents(sandbox)[1:] == [["Be brief.", "Hello!\n\nIt is noon."]]


def test_an_agent_goes_on_where_reasoning_is_not_taken(way, chat, sandbox):
    sandbox.faults.add(refusal(NO_EXTRAS, after=1))
    sandbox.replies.add(ROME, ANSWER)
    state = way.invoke(create_agent(chat("glm-4.7"), [get_weather]), {"messages": [("user", "Rome?")]})
    assert state["messages"][-1].text == "It is sunny."
    assert reasoning(sandbox) == [[], ["I look it up."], [None]]


def test_all_reasoning_goes_back_to_a_model_that_refuses_less(ask, chat, sandbox):
    thought = AIMessage("Yes.", additional_kwargs={"reasoning_content": "Hm."})
    history = [HumanMessage("Is it?"), thought, HumanMessage("Why?")]
    sandbox.faults.add(refusal(MUST))
    for _ in range(2):
        ask(chat(MODEL), history)
    assert reasoning(sandbox) == [[None], ["Hm."], ["Hm."]]


def test_reasoning_that_is_turned_off_is_named_by_the_error(way, chat, sandbox):
    sandbox.faults.add(refusal(MUST, after=1))
    sandbox.replies.add(ROME)
    agent = create_agent(chat("glm-4.7", replay_reasoning=False), [get_weather])
    with pytest.raises(BadRequestError, match="do not turn off replay_reasoning"):
        way.invoke(agent, {"messages": [("user", "Rome?")]})
    assert reasoning(sandbox) == [[], [None]]


def test_reasoning_that_was_not_kept_is_named_by_the_error(ask, chat, sandbox):
    sandbox.faults.add(refusal(MUST))
    with pytest.raises(BadRequestError, match="the conversation lacks it"):
        ask(chat(MODEL), [HumanMessage("Is it?"), AIMessage("Yes."), HumanMessage("Why?")])
    assert len(sandbox.requests) == 1


def test_reasoning_goes_back_with_tool_calls_only(ask, chat, sandbox):
    thought = {"reasoning_content": "Hm."}
    call = {"name": "get_weather", "args": {"city": "Rome"}, "id": "c1"}
    history = [
        HumanMessage("Is it?"),
        AIMessage("Yes.", additional_kwargs=thought),
        AIMessage("", additional_kwargs=thought, tool_calls=[call]),
    ]
    ask(chat(MODEL), history)
    ask(chat(MODEL).bind(replay_reasoning=False), history)
    assert reasoning(sandbox) == [[None, "Hm."], [None, None]]
