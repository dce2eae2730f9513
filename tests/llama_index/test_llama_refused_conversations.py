"""A conversation that a model's template refuses goes out once more in the form it takes, in agents too."""

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_kit import MODEL, QUIET_AGENTS, REASONER, WEATHER

from melious.errors import BadRequestError
from melious.sandbox import Fault, Reply

pytestmark = QUIET_AGENTS

SEVERAL = [
    ChatMessage("Be brief.", role="system"),
    ChatMessage("It is noon.", role="developer"),
    ChatMessage("Hello!"),
]
APART = ["Be brief.", "It is noon.", "Hello!"]
MERGED = ["Be brief.\n\nIt is noon.", "Hello!"]
AT_THE_BEGINNING = "System message must be at the beginning."
MUST = "The `reasoning_content` in the thinking mode must be passed back to the API."
OSLO = Reply(reasoning="I look it up.", tool_calls=[("get_weather", {"city": "Oslo"})])
ANSWER = Reply(text="It is sunny.")


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


@pytest.fixture(params=["chat", "stream_chat"])
def ask(request, way):
    async def ask(llm, messages, **params):
        return await way(llm, request.param, messages, **params)

    return ask


async def test_system_messages_are_merged_after_one_refusal_and_from_then_on(ask, make_llm, sandbox):
    sandbox.faults.add(refusal(AT_THE_BEGINNING))
    for _ in range(2):
        assert await ask(make_llm(), SEVERAL)
    assert contents(sandbox) == [APART, MERGED, MERGED]


async def test_the_option_merges_at_once(ask, make_llm, sandbox):
    await ask(make_llm(merge_system_messages=True), SEVERAL)
    await ask(make_llm(), SEVERAL, merge_system_messages=True)
    assert contents(sandbox) == [MERGED, MERGED]


async def test_an_explicit_no_is_obeyed_and_named_by_the_error(ask, make_llm, sandbox):
    sandbox.faults.add(refusal(AT_THE_BEGINNING))
    with pytest.raises(BadRequestError, match="remove merge_system_messages=False"):
        await ask(make_llm(merge_system_messages=False), SEVERAL)
    assert contents(sandbox) == [APART]


@pytest.mark.parametrize("streaming", [True, False])
async def test_the_prompt_of_an_agent_and_what_its_memory_holds(make_llm, sandbox, streaming):
    sandbox.faults.add(refusal(AT_THE_BEGINNING))
    sandbox.replies.add(ANSWER)
    agent = FunctionAgent(tools=[WEATHER], llm=make_llm(), system_prompt="Be brief.", streaming=streaming)
    remembered = [ChatMessage("It is noon.", role="system")]
    assert str(await agent.run("Hello!", chat_history=remembered)) == "It is sunny."
    assert contents(sandbox) == [APART, MERGED]


@pytest.mark.parametrize("streaming", [True, False])
async def test_an_agent_gives_reasoning_back_to_a_model_that_wants_it(make_llm, sandbox, streaming):
    sandbox.faults.add(refusal(MUST, after=1))
    sandbox.replies.add(OSLO, OSLO, ANSWER)
    agent = FunctionAgent(tools=[WEATHER], llm=make_llm(model=REASONER), streaming=streaming)
    assert str(await agent.run("Oslo?")) == "It is sunny."
    thought = "I look it up."
    assert reasoning(sandbox) == [[], [None], [thought], [thought, thought]]


@pytest.mark.parametrize("streaming", [True, False])
async def test_reasoning_that_is_turned_off_is_named_by_the_error(make_llm, sandbox, streaming):
    sandbox.faults.add(refusal(MUST, after=1))
    sandbox.replies.add(OSLO)
    llm = make_llm(model=REASONER, echo_thinking=False)
    agent = FunctionAgent(tools=[WEATHER], llm=llm, streaming=streaming)
    with pytest.raises(BadRequestError, match="do not turn off echo_thinking"):
        await agent.run("Oslo?")
    assert reasoning(sandbox) == [[], [None]]


async def test_reasoning_that_was_not_kept_is_named_by_the_error(ask, make_llm, sandbox):
    sandbox.faults.add(refusal(MUST))
    history = [ChatMessage("Is it?"), ChatMessage("Yes.", role="assistant"), ChatMessage("Why?")]
    with pytest.raises(BadRequestError, match=r"the conversation lacks it: .* echo_thinking sends it"):
        await ask(make_llm(), history)
    assert len(sandbox.requests) == 1


async def test_the_catalogue_knows_who_wants_reasoning_back(make_llm, sandbox):
    sandbox.replies.add(OSLO, ANSWER)
    agent = FunctionAgent(tools=[WEATHER], llm=make_llm(model="kimi-k2.7-code"))
    await agent.run("Oslo?")
    assert reasoning(sandbox) == [[], ["I look it up."]]


def test_models_are_told_apart(make_llm, sandbox):
    sandbox.faults.add(refusal(AT_THE_BEGINNING))
    make_llm().chat(SEVERAL)
    make_llm(model=REASONER).chat(SEVERAL)
    assert MODEL != REASONER
    assert contents(sandbox) == [APART, MERGED, APART]
