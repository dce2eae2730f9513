"""Tools offered by both forms alike, and the errors of their calls and of objects."""

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_kit import TIME, TOOLS, piece, sse, whole
from pydantic import BaseModel, create_model

from llama_index_melious import StructuredOutputError, ToolArgumentsError
from melious.sandbox import Fault

PROMPT = PromptTemplate("A word?")
FORMS = ["chat_with_tools", "stream_chat_with_tools"]


class Word(BaseModel):
    word: str


# --- offering in streams -----------------------------------------------------------------------------------


@pytest.mark.sampled(3)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "auto"),
        ({"tool_required": True}, "required"),
        ({"tool_required": True, "tool_choice": "none"}, "none"),
        ({"tool_choice": "get_time"}, {"type": "function", "function": {"name": "get_time"}}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "get_time"}}},
            {"type": "function", "function": {"name": "get_time"}},
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("parallel", [True, False])
async def test_both_forms_offer_tools_alike(make_llm, way, sandbox, form, arguments, expected, parallel):
    more = {"temperature": 0.1, "preset": "speed", "allow_parallel_tool_calls": parallel}
    await way(make_llm(), form, TOOLS, user_msg="Hello", **arguments, **more)
    body = sandbox.requests[-1].body
    assert body["tool_choice"] == expected
    assert (body["temperature"], body["preset"], body["parallel_tool_calls"]) == (0.1, "speed", parallel)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["multiply", "get_weather", "get_time"]


@pytest.mark.parametrize("form", FORMS)
async def test_history_comes_before_the_message(make_llm, way, sandbox, form):
    history = [ChatMessage("Hello"), ChatMessage("Hi!", role="assistant")]
    before = [message.model_copy(deep=True) for message in history]
    await way(make_llm(), form, TOOLS, user_msg="And now?", chat_history=history)
    sent = [message["content"] for message in sandbox.requests[-1].body["messages"]]
    assert sent == ["Hello", "Hi!", "And now?"]
    assert history == before


# --- errors ------------------------------------------------------------------------------------------------


async def test_an_error_of_long_arguments_is_short_and_has_them_all(make_llm, way, sandbox):
    text = "x" * 100_000
    call = {"id": "c1", "type": "function", "function": {"name": "get_time", "arguments": text}}
    sandbox.faults.add(Fault(body=whole({"content": "", "tool_calls": [call]}, "tool_calls")))
    llm = make_llm()
    response = await way(llm, "chat_with_tools", [TIME], user_msg="?")
    with pytest.raises(ToolArgumentsError) as caught:
        llm.get_tool_calls_from_response(response)
    assert len(str(caught.value)) < 1000
    assert caught.value.text == text
    assert caught.value.body == response.raw


async def test_an_error_of_an_object_has_the_answer(make_llm, way, sandbox):
    answer = whole({"content": "I would rather not. " * 1000})
    sandbox.faults.add(Fault(body=answer))
    with pytest.raises(StructuredOutputError) as caught:
        await way(make_llm(), "structured_predict", Word, PROMPT)
    assert caught.value.body == answer
    assert len(str(caught.value)) < 1000
    assert caught.value.text == answer["choices"][0]["message"]["content"]


# --- schemas -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["W" * 100, "Wörter[ä]", "a.b c"])
async def test_names_of_schemas_that_every_server_takes(make_llm, way, sandbox, name):
    kind = create_model(name, word=(str, ...))
    sandbox.faults.add(Fault(body=whole({"content": '{"word": "owl"}'})))
    assert (await way(make_llm(), "structured_predict", kind, PROMPT)).word == "owl"
    sent = sandbox.requests[-1].body["response_format"]["json_schema"]["name"]
    assert 0 < len(sent) <= 64
    assert sent.isascii()
    assert sent.replace("_", "").replace("-", "").isalnum()


async def test_no_partial_object_comes_twice(make_llm, way, sandbox):
    """Thoughts and usage between the pieces of an object add nothing to it."""
    chunks = [
        piece({"content": '{"word": "o'}),
        piece({"reasoning_content": "Hm."}),
        piece({"reasoning_content": "An owl."}),
        piece({"content": 'wl"}'}),
    ]
    sandbox.faults.add(Fault(raw=sse(*chunks, piece({}, "stop"))))
    objects = await way(make_llm(), "stream_structured_predict", Word, PROMPT)
    assert [one.word for one in objects] == ["o", "owl", "owl"]
