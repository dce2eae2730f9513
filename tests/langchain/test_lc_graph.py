"""Models in a LangGraph graph: every mode of streaming, branches side by side, interrupts, checkpoints."""

import asyncio
import json
import operator
import threading
import warnings
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage, ToolMessage
from langchain_core.messages.ai import add_usage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command, interrupt

from melious import track_impact
from melious.sandbox import Fault, Reply

BOTH = "What is the weather in Rome, and what is 12 * 7?"
BOTH_CALLS = Reply(
    reasoning="Two tools.", tool_calls=[("get_weather", {"city": "Rome"}), ("multiply", {"a": 12, "b": 7})]
)
ANSWER = Reply(chunks=["It ", "is ", "sunny, ", "and ", "84."])


def get_weather(city: str) -> str:
    """Get the current weather in a given city."""
    return f"It is sunny in {city}."


def multiply(a: int, b: int) -> int:
    """Multiply two integers."""
    return a * b


TOOLS = [get_weather, multiply]


def asked(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


def graph_of(llm: Any, **compiled: Any) -> Any:
    """A model that may call tools, as a graph of one's own."""
    model = llm.bind_tools(TOOLS)

    def call(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    async def acall(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", RunnableLambda(call, acall))
    graph.add_node("tools", ToolNode(TOOLS))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition, {"tools": "tools", END: END})
    graph.add_edge("tools", "model")
    return graph.compile(**compiled)


# --- the loop, and its streams -----------------------------------------------------------------------


def test_the_graph_goes_round_until_there_is_an_answer(way, chat, sandbox):
    sandbox.replies.add(BOTH_CALLS, ANSWER)
    messages = way.invoke(graph_of(chat()), asked(BOTH))["messages"]
    assert [type(message) for message in messages] == [
        *(HumanMessage, AIMessage, ToolMessage, ToolMessage, AIMessage)
    ]
    assert [message.content for message in messages[2:]] == [
        *("It is sunny in Rome.", "84", "It is sunny, and 84.")
    ]
    sent = sandbox.requests.to("chat")[-1].body["messages"]
    assert [message["content"] for message in sent[2:]] == ["It is sunny in Rome.", "84"]


def test_what_it_took_is_in_the_state(way, chat, start_sandbox):
    there = start_sandbox(stream_impact=True)
    there.replies.add(BOTH_CALLS, ANSWER)
    graph = graph_of(chat(api_key=there.api_key, base_url=there.base_url))
    with track_impact() as ledger:
        messages = way.invoke(graph, asked(BOTH))["messages"]
    first, second = (message for message in messages if isinstance(message, AIMessage))
    usage = add_usage(first.usage_metadata, second.usage_metadata)
    counted = (ledger.total.input_tokens, ledger.total.output_tokens)
    assert (usage["input_tokens"], usage["output_tokens"]) == counted
    carbon = [m.response_metadata["environment_impact"]["carbon_g_co2"] for m in (first, second)]
    assert sum(carbon) == pytest.approx(ledger.total.carbon_g_co2)
    assert first.response_metadata["finish_reason"] == "tool_calls"
    assert second.response_metadata["finish_reason"] == "stop"


def test_tokens_of_every_model_call_are_streamed_with_their_node(way, chat, sandbox, whole):
    sandbox.replies.add(BOTH_CALLS, ANSWER)
    parts = way.stream(graph_of(chat()), asked(BOTH), stream_mode=["messages", "updates", "values"])
    tokens = [part for mode, part in parts if mode == "messages" and isinstance(part[0], AIMessageChunk)]
    assert {metadata["langgraph_node"] for _, metadata in tokens} == {"model"}
    assert {metadata["ls_provider"] for _, metadata in tokens} == {"melious"}
    final = [state for mode, state in parts if mode == "values"][-1]["messages"]
    updates = [
        message
        for mode, part in parts
        if mode == "updates"
        for update in part.values()
        for message in update["messages"]
    ]
    assert updates == final[1:]
    for message in final:
        if isinstance(message, AIMessage):
            added = whole([chunk for chunk, _ in tokens if chunk.id == message.id])
            assert added.content == message.content
            assert added.tool_calls == message.tool_calls
            assert added.additional_kwargs == message.additional_kwargs
            assert added.usage_metadata == message.usage_metadata


class _SeenEnough(Exception):  # noqa: N818 - not an error
    """Raised out of a stream to end it."""


def test_a_token_is_there_while_the_service_still_writes(way, chat, sandbox):
    sandbox.faults.add(Fault(stall_after_events=5, stall_seconds=600))
    complete: list[bool] = []

    class Watching(list):
        def append(self, part):
            complete.append(sandbox.requests[0].complete)
            raise _SeenEnough

        def extend(self, parts):
            for part in parts:
                self.append(part)

    with pytest.raises(_SeenEnough):
        way.stream(graph_of(chat()), asked("Hello"), stream_mode="messages", into=Watching())
    assert complete == [False]


def test_the_parts_of_ones_own_stream(way, chat):
    llm = chat()

    def tell(state: MessagesState) -> dict[str, Any]:
        write, whole = get_stream_writer(), None
        for chunk in llm.stream(state["messages"]):
            write({"text": chunk.text, "reasoning": chunk.additional_kwargs.get("reasoning_content", "")})
            whole = chunk if whole is None else whole + chunk
        return {"messages": [whole]}

    async def atell(state: MessagesState) -> dict[str, Any]:
        write, whole = get_stream_writer(), None
        async for chunk in llm.astream(state["messages"]):
            write({"text": chunk.text, "reasoning": chunk.additional_kwargs.get("reasoning_content", "")})
            whole = chunk if whole is None else whole + chunk
        return {"messages": [whole]}

    graph = StateGraph(MessagesState)
    graph.add_node("tell", atell if way.asynchronous else tell)
    graph.add_edge(START, "tell")
    parts = way.stream(graph.compile(), asked("Hello"), stream_mode=["custom", "values"])
    written = [part for mode, part in parts if mode == "custom"]
    said = [state for mode, state in parts if mode == "values"][-1]["messages"][-1]
    assert "".join(part["text"] for part in written) == said.text
    assert "".join(part["reasoning"] for part in written) == said.additional_kwargs["reasoning_content"]


def test_a_stream_that_breaks_off_says_so_in_the_graph(way, chat, sandbox):
    sandbox.faults.add(Fault(cut_after_events=3))
    seen: list[Any] = []
    with pytest.raises(ConnectionError):
        way.stream(graph_of(chat()), asked("Hello"), stream_mode="messages", into=seen)
    assert seen


# --- branches ----------------------------------------------------------------------------------------


class Opinions(TypedDict):
    question: str
    opinions: Annotated[list[str], operator.add]
    messages: Annotated[list[AnyMessage], add_messages]


def test_branches_ask_side_by_side(way, chat, sandbox):
    """No branch reads on before each has its first chunk, which one after the other they never would."""
    names = ["glm-4.7", "llama-3.3-70b-instruct", "gpt-oss-120b", "qwen3-32b"]
    together, atogether = threading.Barrier(len(names), timeout=60), asyncio.Barrier(len(names))
    graph = StateGraph(Opinions)
    for name in names:
        llm = chat(name)

        def ask(state: Opinions, llm: Any = llm) -> dict[str, Any]:
            chunks = llm.stream(state["question"])
            whole = next(chunks)
            together.wait()
            return {"messages": [sum(chunks, whole)], "opinions": [llm.model]}

        async def aask(state: Opinions, llm: Any = llm) -> dict[str, Any]:
            chunks = llm.astream(state["question"])
            whole = await anext(chunks)
            async with asyncio.timeout(60):
                await atogether.wait()
            async for chunk in chunks:
                whole += chunk
            return {"messages": [whole], "opinions": [llm.model]}

        graph.add_node(name, aask if way.asynchronous else ask)
        graph.add_edge(START, name)
        graph.add_edge(name, END)
    state = way.invoke(graph.compile(), {"question": "Hello", "opinions": [], "messages": []})
    assert sorted(state["opinions"]) == sorted(names)
    assert {message.response_metadata["model_name"] for message in state["messages"]} == set(names)
    assert len({request.connection for request in sandbox.requests}) == len(names)


# --- interrupts and checkpoints ----------------------------------------------------------------------


def test_a_graph_waits_for_a_person_and_goes_on(way, chat, sandbox):
    sandbox.replies.add(Reply(text="A draft."), Reply(text="The final text."))
    llm = chat("llama-3.3-70b-instruct")

    def approve(state: MessagesState) -> dict[str, Any]:
        answer = interrupt({"draft": state["messages"][-1].text})
        return {"messages": [HumanMessage(answer)]}

    def draft(state: MessagesState) -> dict[str, Any]:
        return {"messages": [llm.invoke(state["messages"])]}

    async def adraft(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await llm.ainvoke(state["messages"])]}

    node = adraft if way.asynchronous else draft
    graph = StateGraph(MessagesState)
    graph.add_node("draft", node)
    graph.add_node("approve", approve)
    graph.add_node("final", node)
    graph.add_edge(START, "draft")
    graph.add_edge("draft", "approve")
    graph.add_edge("approve", "final")
    compiled = graph.compile(checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    waiting = way.invoke(compiled, asked("Write me a text."), thread)
    assert waiting["__interrupt__"][0].value == {"draft": "A draft."}
    state = way.invoke(compiled, Command(resume="Make it longer."), thread)
    assert [message.content for message in state["messages"]] == [
        *("Write me a text.", "A draft.", "Make it longer.", "The final text.")
    ]
    sent = sandbox.requests.to("chat")[-1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert state["messages"][1] == waiting["messages"][1]


def test_a_loop_goes_on_in_another_graph_from_the_checkpoint(way, chat, sandbox):
    sandbox.replies.add(BOTH_CALLS, ANSWER)
    saver = InMemorySaver()
    thread = {"configurable": {"thread_id": "1"}}
    stopped = graph_of(chat(), checkpointer=saver, interrupt_before=["tools"])
    waiting = way.invoke(stopped, asked(BOTH), thread)["messages"]
    assert [call["name"] for call in waiting[-1].tool_calls] == ["get_weather", "multiply"]
    state = way.invoke(graph_of(chat(), checkpointer=saver), None, thread)["messages"]
    assert state[:2] == waiting
    assert [message.content for message in state[2:]] == [
        "It is sunny in Rome.",
        "84",
        "It is sunny, and 84.",
    ]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_messages_survive_the_serializer_of_checkpoints(way, chat, sandbox, whole, streamed):
    sandbox.replies.add(BOTH_CALLS)
    llm = chat("glm-4.7", preset="environment").bind_tools(TOOLS)
    message = whole(way.stream(llm, BOTH)) if streamed else way.invoke(llm, BOTH)
    serializer = JsonPlusSerializer()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = serializer.loads_typed(serializer.dumps_typed(message))
    assert type(again) is type(message)
    assert again == message
    assert again.response_metadata == message.response_metadata
    assert again.content_blocks == message.content_blocks
    assert json.loads(json.dumps(message.response_metadata)) == message.response_metadata


def test_many_runs_of_one_graph_at_once(chat, sandbox):
    graph = graph_of(chat("llama-3.3-70b-instruct"))
    cities = ["Rome", "Oslo", "Paris", "Berlin", "Madrid", "Vienna", "Lisbon", "Athens"]
    for city in cities:
        sandbox.replies.add(
            Reply(tool_calls=[("get_weather", {"city": city})]),
            ANSWER,
            when=lambda request, city=city: city in request.body["messages"][0]["content"],
        )

    async def run() -> list[Any]:
        return await asyncio.gather(
            *(graph.ainvoke(asked(f"What is the weather in {city}?")) for city in cities)
        )

    states = asyncio.run(run())
    for city, state in zip(cities, states, strict=True):
        assert state["messages"][2].content == f"It is sunny in {city}."
