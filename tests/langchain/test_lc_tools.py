"""Tools: binding, choosing, calling, and the loop to the answer."""

import json
from functools import partial
from typing import Annotated

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from langchain_melious.errors import InvalidArgumentError
from melious.sandbox import Reply


@tool
def get_weather(city: str) -> str:
    """Get the current weather in a city."""
    return f"It is 7 degrees and raining in {city}."


class Multiply(BaseModel):
    """Multiply two integers."""

    a: int = Field(description="first factor")
    b: int = Field(description="second factor")


class Add(TypedDict):
    """Add two integers."""

    a: Annotated[int, ..., "first summand"]
    b: Annotated[int, ..., "second summand"]


ANTHROPIC = {
    "name": "search",
    "description": "Search the documentation.",
    "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
}
TOOLS = [get_weather, Multiply, Add, ANTHROPIC]


def body(sandbox):
    return sandbox.requests.to("chat")[-1].body


def test_tools_of_every_kind_are_functions_on_the_wire(way, chat, sandbox):
    sandbox.replies.add(Reply(tool_calls=[("Multiply", {"a": 6, "b": 7})]))
    message = way.invoke(chat().bind_tools(TOOLS), "What is 6 multiplied by 7?")
    sent = body(sandbox)["tools"]
    assert [made["function"]["name"] for made in sent] == ["get_weather", "Multiply", "Add", "search"]
    assert {made["type"] for made in sent} == {"function"}
    assert sent[1]["function"]["parameters"]["required"] == ["a", "b"]
    assert sent[3]["function"]["parameters"] == ANTHROPIC["input_schema"]
    (call,) = message.tool_calls
    assert (call["name"], call["args"], call["type"]) == ("Multiply", {"a": 6, "b": 7}, "tool_call")
    assert message.response_metadata["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, None),
        ("auto", "auto"),
        ("none", "none"),
        ("any", "required"),
        ("required", "required"),
        (True, "required"),
        (False, "none"),
        ("Multiply", {"type": "function", "function": {"name": "Multiply"}}),
        (
            {"type": "function", "function": {"name": "Add"}},
            {"type": "function", "function": {"name": "Add"}},
        ),
        ({"type": "tool", "name": "search"}, {"type": "function", "function": {"name": "search"}}),
        ({"name": "search"}, {"type": "function", "function": {"name": "search"}}),
        ({"type": "any"}, "required"),
        ({"type": "auto"}, "auto"),
    ],
)
def test_every_form_of_tool_choice(way, chat, sandbox, choice, sent):
    way.invoke(chat().bind_tools(TOOLS, tool_choice=choice), "Please do something with 3 and 4.")
    assert body(sandbox).get("tool_choice") == sent


def test_a_choice_that_is_not_a_tool_is_refused(chat):
    with pytest.raises(InvalidArgumentError, match="did you mean 'Multiply'"):
        chat().bind_tools(TOOLS, tool_choice="Multply")
    with pytest.raises(InvalidArgumentError, match="hologram"):
        chat().bind_tools(TOOLS, tool_choice={"type": "tool", "name": "hologram"})


def test_a_tool_that_is_not_a_function_is_refused(chat):
    with pytest.raises(InvalidArgumentError, match="web_search_preview"):
        chat().bind_tools([{"type": "web_search_preview"}])


def test_strict_and_parallel_are_sent(way, chat, sandbox):
    way.invoke(chat().bind_tools([Multiply], strict=True, parallel_tool_calls=False), "Hello")
    function = body(sandbox)["tools"][0]["function"]
    assert function["strict"] is True
    assert function["parameters"]["additionalProperties"] is False
    assert body(sandbox)["parallel_tool_calls"] is False
    way.invoke(chat().bind_tools([Multiply]), "Hello")
    assert "strict" not in body(sandbox)["tools"][0]["function"]
    assert "parallel_tool_calls" not in body(sandbox)


def test_no_tools_are_no_tools(way, chat, sandbox):
    way.invoke(chat().bind_tools([], tool_choice="any"), "Hello")
    assert not {"tools", "tool_choice"} & set(body(sandbox))


def test_tools_per_call_need_no_binding(way, chat, sandbox):
    sandbox.replies.add(Reply(tool_calls=[("get_weather", {"city": "Oslo"})]))
    message = way.invoke(chat(), "Weather in Oslo?", tools=[get_weather], tool_choice="get_weather")
    assert body(sandbox)["tools"][0]["function"]["name"] == "get_weather"
    assert message.tool_calls[0]["args"] == {"city": "Oslo"}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_loop_to_the_answer(way, chat, whole, sandbox, streamed):
    llm = chat().bind_tools([get_weather])
    history = [HumanMessage("What is the weather in Oslo and Bergen?")]
    sandbox.replies.add(
        Reply(
            reasoning="Two cities, two calls.",
            tool_calls=[("get_weather", {"city": "Oslo"}, "c1"), ("get_weather", {"city": "Bergen"}, "c2")],
        ),
        Reply(text="It is raining in both."),
    )

    def turn():
        return whole(way.stream(llm, history)) if streamed else way.invoke(llm, history)

    asked = turn()
    assert [call["args"]["city"] for call in asked.tool_calls] == ["Oslo", "Bergen"]
    history += [asked, *(get_weather.invoke(call) for call in asked.tool_calls)]
    answer = turn()
    assert answer.tool_calls == []
    assert answer.text == "It is raining in both."
    replayed, *results = body(sandbox)["messages"][1:]
    assert replayed["reasoning_content"] == "Two cities, two calls."
    assert replayed["content"] == ""
    assert [call["id"] for call in replayed["tool_calls"]] == ["c1", "c2"]
    assert [(result["tool_call_id"], result["content"]) for result in results] == [
        ("c1", "It is 7 degrees and raining in Oslo."),
        ("c2", "It is 7 degrees and raining in Bergen."),
    ]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_malformed_arguments_are_kept(way, chat, whole, sandbox, streamed):
    sandbox.replies.add(Reply(tool_calls=[("get_weather", "city = Oslo", "c1")]))
    message = whole(way.stream(chat(), "Hello")) if streamed else way.invoke(chat(), "Hello")
    assert message.tool_calls == []
    (invalid,) = message.invalid_tool_calls
    assert (invalid["name"], invalid["args"], invalid["id"]) == ("get_weather", "city = Oslo", "c1")
    way.invoke(chat(), [HumanMessage("Hello"), message, ToolMessage("no JSON", tool_call_id="c1")])
    sent = body(sandbox)["messages"][1]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(sent) == {"invalid_arguments": "city = Oslo"}


@pytest.mark.parametrize("name", ["a/b", "Weather report", "n" * 65])
def test_names_of_the_users_world(way, chat, sandbox, name):
    described = {"name": name, "description": "d", "parameters": {"type": "object", "properties": {}}}
    with pytest.raises(InvalidArgumentError, match=r"tools\[0\]: .* is not a valid name for a tool"):
        chat().bind_tools([described])
    sandbox.replies.add(Reply(text="Hi"))
    history = [HumanMessage("Hello", name="Anna Maria"), AIMessage("Hi", name="Research Expert")]
    way.invoke(chat(), [*history, HumanMessage("Go on")])
    assert [m.get("name") for m in sandbox.requests[-1].body["messages"]] == [
        "Anna_Maria",
        "Research_Expert",
        None,
    ]


@pytest.mark.parametrize("wrong", [5, "search", partial(len, "x"), {"no": "name"}])
def test_what_is_no_tool_is_named_by_its_place(chat, wrong):
    model = chat()
    for use in (
        lambda: model.bind_tools([Multiply, wrong]).invoke("Hello"),
        lambda: model.get_num_tokens_from_messages([HumanMessage("Hello")], tools=[Multiply, wrong]),
    ):
        with pytest.raises(InvalidArgumentError, match=r"tools\[1\]: is not a tool that LangChain can read"):
            use()
