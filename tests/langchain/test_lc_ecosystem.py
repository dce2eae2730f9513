"""Parts of LangChain that ask a model for more than an answer: middleware, stores, counters, older agents."""

import asyncio

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    LLMToolSelectorMiddleware,
    TodoListMiddleware,
    wrap_model_call,
)
from langchain.agents.structured_output import ProviderStrategy
from langchain_classic.agents import AgentExecutor, create_tool_calling_agent
from langchain_classic.chains import create_history_aware_retriever
from langchain_core.messages import AIMessage, HumanMessage, trim_messages
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore
from langgraph.store.memory import InMemoryStore
from pydantic import BaseModel

from melious.sandbox import Reply

MODEL = "llama-3.3-70b-instruct"


class Report(BaseModel):
    """Weather in a city."""

    city: str
    degrees: int


def get_weather(city: str) -> str:
    """Get the current weather in a given city."""
    return f"It is sunny in {city}, 21 degrees."


def multiply(a: int, b: int) -> int:
    """Multiply two integers."""
    return a * b


CALL = Reply(reasoning="I look it up.", tool_calls=[("get_weather", {"city": "Rome"})])
TODO = {"content": "Look at the weather", "status": "pending"}
ANSWER = Reply(text="It is sunny.")
ASKED = {"messages": [HumanMessage("What is the weather in Rome?")]}


def bodies(sandbox):
    return [request.body for request in sandbox.requests.to("chat")]


# --- middleware --------------------------------------------------------------------------------------


def test_tools_are_chosen_beforehand_by_a_schema_that_is_made_for_it(way, chat, sandbox):
    choose = LLMToolSelectorMiddleware(model=chat(MODEL), always_include=["get_weather"], max_tools=1)
    selection = Reply(text='{"tools": ["multiply"]}')
    sandbox.replies.add(selection, CALL, selection, ANSWER)
    state = way.invoke(create_agent(chat(MODEL), [get_weather, multiply], middleware=[choose]), ASKED)
    assert state["messages"][-1].text == "It is sunny."
    chosen, *asked = bodies(sandbox)[0], *bodies(sandbox)[1::2]
    options = chosen["response_format"]["json_schema"]["schema"]["properties"]["tools"]["items"]
    assert "multiply" in str(options)
    for body in asked:
        assert {offered["function"]["name"] for offered in body["tools"]} == {"get_weather", "multiply"}


def test_old_results_are_cleared_by_the_models_own_count(way, chat, sandbox):
    edit = ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=10, keep=0)], token_count_method="model")
    sandbox.replies.add(CALL, ANSWER)
    state = way.invoke(create_agent(chat(MODEL), [get_weather], middleware=[edit]), ASKED)
    assert "[cleared]" in bodies(sandbox)[-1]["messages"][-1]["content"]
    assert "sunny in Rome" in state["messages"][2].text


def test_a_list_of_things_to_do(way, chat, sandbox):
    agent = create_agent(chat(MODEL), [get_weather], middleware=[TodoListMiddleware()])
    sandbox.replies.add(Reply(tool_calls=[("write_todos", {"todos": [TODO]})]), ANSWER)
    assert way.invoke(agent, ASKED)["todos"] == [TODO]
    names = [offered["function"]["name"] for offered in bodies(sandbox)[0]["tools"]]
    assert set(names) == {"get_weather", "write_todos"}


def test_model_and_settings_are_chosen_for_each_call(chat, sandbox):
    other = chat("qwen3-32b")

    @wrap_model_call
    def choose(request, handler):
        settings = {"temperature": 0.0, "preset": "speed"}
        return handler(request.override(model=other, model_settings=settings))

    sandbox.replies.add(CALL, ANSWER)
    create_agent(chat(MODEL), [get_weather], middleware=[choose]).invoke(ASKED)
    assert len(bodies(sandbox)) == 2
    for body in bodies(sandbox):
        assert (body["model"], body["temperature"], body["preset"]) == ("qwen3-32b", 0.0, "speed")


@pytest.mark.parametrize("schema", [Report, Report.model_json_schema()], ids=["class", "JSON schema"])
def test_a_schema_is_held_strictly(way, chat, sandbox, schema):
    agent = create_agent(chat(MODEL), [get_weather], response_format=ProviderStrategy(schema, strict=True))
    sandbox.replies.add(CALL, Reply(text='{"city": "Rome", "degrees": 21}'))
    made = way.invoke(agent, ASKED)["structured_response"]
    assert (made if isinstance(made, dict) else made.model_dump()) == {"city": "Rome", "degrees": 21}
    assert bodies(sandbox)[0]["response_format"]["json_schema"]["strict"] is True


class Keywords(BaseModel):
    properties: dict[str, str] = {}
    items: list[str]


def test_a_property_may_be_named_like_a_keyword_of_json_schema(way, chat, sandbox):
    sandbox.replies.add(Reply(text='{"properties": {}, "items": ["a"]}'))
    way.invoke(chat(MODEL).with_structured_output(Keywords, method="json_schema", strict=True), "Hello")
    schema = bodies(sandbox)[0]["response_format"]["json_schema"]["schema"]
    assert set(schema["properties"]) == {"properties", "items"}
    assert schema["properties"]["items"]["type"] == "array"


# --- streams of the third kind -----------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_an_agents_events_are_those_of_the_model(way, chat, sandbox):
    sandbox.replies.add(CALL, Reply(chunks=list("It is sunny.")))
    agent = create_agent(chat("glm-4.7"), [get_weather])

    async def collected():
        return [event async for event in await agent.astream_events(ASKED, version="v3")]

    events = asyncio.run(collected()) if way.asynchronous else list(agent.stream_events(ASKED, version="v3"))
    reported = [event["params"]["data"] for event in events if event["method"] == "messages"]
    inner = [data[0] if isinstance(data, tuple | list) else data for data in reported]
    kinds = [data["event"] for data in inner if "event" in data]
    assert kinds.count("message-start") == kinds.count("message-finish") == 2
    assert kinds.count("content-block-delta") > 10


# --- stores and counters -----------------------------------------------------------------------------


def test_a_store_of_langgraph_searches_by_meaning(way, embeddings, sandbox):
    store = InMemoryStore(index={"dims": 1024, "embed": embeddings(), "fields": ["text"]})

    async def kept():
        for key, text in texts.items():
            await store.aput(("notes",), key, {"text": text})
        return [item.key for item in await store.asearch(("notes",), query="How is a house warmed?")]

    texts = {
        "cat": "A cat sleeps in the sun.",
        "heat": "A heat pump warms a house.",
        "rye": "Rye is a cereal.",
    }
    if way.asynchronous:
        found = asyncio.run(kept())
    else:
        for key, text in texts.items():
            store.put(("notes",), key, {"text": text})
        found = [item.key for item in store.search(("notes",), query="How is a house warmed?")]
    assert found[0] == "heat"
    assert len(sandbox.requests.to("embeddings")) == 4


def test_messages_are_trimmed_by_the_models_own_count(chat, sandbox):
    history = [HumanMessage("Tell me of the sea. " * 200), AIMessage("It is blue."), HumanMessage("Hello")]
    kept = trim_messages(history, max_tokens=50, token_counter=chat(MODEL), strategy="last", start_on="human")
    assert kept == history[2:]
    assert not sandbox.requests


# --- langchain-classic -------------------------------------------------------------------------------


def test_the_older_agent_executor(way, chat, sandbox):
    calls = [("get_weather", {"city": "Rome"}), ("multiply", {"a": 12, "b": 7})]
    sandbox.replies.add(*2 * [Reply(tool_calls=calls), ANSWER])
    tools = [tool(get_weather), tool(multiply)]
    prompt = ChatPromptTemplate.from_messages([("human", "{input}"), ("placeholder", "{agent_scratchpad}")])
    executor = AgentExecutor(agent=create_tool_calling_agent(chat(MODEL), tools, prompt), tools=tools)
    asked = {"input": "What is the weather in Rome, and what is 12 * 7?"}
    answer = way.invoke(executor, asked)["output"]
    assert answer == "It is sunny."
    results = [message["content"] for message in bodies(sandbox)[-1]["messages"] if message["role"] == "tool"]
    assert results == ["It is sunny in Rome, 21 degrees.", "84"]
    steps = way.stream(executor, asked)
    assert steps[-1]["output"] == answer


def test_a_question_is_put_anew_before_the_search(way, chat, embeddings, sandbox):
    store = InMemoryVectorStore.from_texts(["The sea is blue.", "Bread is baked."], embeddings())
    prompt = ChatPromptTemplate.from_messages([("placeholder", "{chat_history}"), ("human", "{input}")])
    chain = create_history_aware_retriever(chat(MODEL), store.as_retriever(search_kwargs={"k": 1}), prompt)
    (found,) = way.invoke(chain, {"input": "What colour is the sea?", "chat_history": []})
    assert found.page_content == "The sea is blue."
    assert not bodies(sandbox)
    way.invoke(chain, {"input": "And the sky?", "chat_history": [HumanMessage("Hello"), AIMessage("Hi.")]})
    assert len(bodies(sandbox)) == 1
