"""Tools: how they are offered, and how calls are read, whole and streamed."""

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock, ToolCallBlock
from llama_kit import TOOLS, piece, sse, usage, whole

from llama_index_melious._tools import allows_strict
from melious.sandbox import Fault


def call_piece(index, call_id=None, name=None, arguments=""):
    function = {"name": name, "arguments": arguments}
    return piece({"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]})


TWO_CALLS = [
    {"id": "c1", "type": "function", "function": {"name": "multiply", "arguments": '{"a": 6, "b": 7}'}},
    {"id": "c2", "type": "function", "function": {"name": "get_time", "arguments": ""}},
]


async def test_offering_tools(make_llm, way, sandbox):
    response = await way(make_llm(), "chat_with_tools", TOOLS, user_msg="What is the weather in Oslo?")
    body = sandbox.requests[-1].body
    assert body["tools"] == [tool.metadata.to_openai_tool() for tool in TOOLS]
    assert body["tool_choice"] == "auto"
    assert body["parallel_tool_calls"] is False
    (call,) = response.message.additional_kwargs["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    (block,) = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
    assert (block.tool_call_id, block.tool_name) == (call["id"], "get_weather")
    (selection,) = make_llm().get_tool_calls_from_response(response)
    assert selection.tool_kwargs == {"city": "Oslo"}


async def test_nothing_is_sent_for_tools_that_are_not_there(make_llm, way, sandbox):
    await way(make_llm(), "chat_with_tools", [], user_msg="Hello", tool_required=True)
    assert set(sandbox.requests[-1].body) == {"model", "messages"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "auto"),
        ({"tool_choice": None}, "auto"),
        ({"tool_required": True}, "required"),
        ({"tool_required": True, "tool_choice": "none"}, "none"),
        ({"tool_choice": "get_time"}, {"type": "function", "function": {"name": "get_time"}}),
    ],
)
async def test_tool_choice(make_llm, way, sandbox, arguments, expected):
    await way(make_llm(), "chat_with_tools", TOOLS, user_msg="Hello", **arguments)
    assert sandbox.requests[-1].body["tool_choice"] == expected


def test_strict_only_where_the_schema_allows_it(make_llm):
    loose = make_llm(strict=True)._prepare_chat_with_tools(TOOLS)["tools"]
    assert all("strict" not in tool["function"] for tool in loose)
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
    }
    assert allows_strict(schema)
    assert not allows_strict(schema | {"required": []})
    assert not allows_strict({"type": "array", "items": {"type": "object", "properties": {}}})


async def test_history_and_message_stay_as_they_were(make_llm, way, sandbox):
    history = [ChatMessage("Hello"), ChatMessage("Hi!", role="assistant")]
    before = [message.model_copy(deep=True) for message in history]
    message = ChatMessage(role="user", blocks=[TextBlock(text="What time is it?")])
    await way(make_llm(), "chat_with_tools", TOOLS, user_msg=message, chat_history=history)
    assert history == before
    assert [sent["content"] for sent in sandbox.requests[-1].body["messages"]] == [
        "Hello",
        "Hi!",
        "What time is it?",
    ]


async def test_one_call_at_most_unless_parallel(make_llm, way, sandbox):
    sandbox.faults.add(
        Fault(body=whole({"content": "Look:", "tool_calls": TWO_CALLS}, "tool_calls"), times=2)
    )
    llm = make_llm()
    one = await way(llm, "chat_with_tools", TOOLS, user_msg="?")
    both = await way(llm, "chat_with_tools", TOOLS, user_msg="?", allow_parallel_tool_calls=True)
    assert [call.tool_name for call in llm.get_tool_calls_from_response(one)] == ["multiply"]
    assert len(one.message.additional_kwargs["tool_calls"]) == 1
    assert one.message.content == both.message.content == "Look:"
    selected = llm.get_tool_calls_from_response(both)
    assert [(call.tool_name, call.tool_kwargs) for call in selected] == [
        ("multiply", {"a": 6, "b": 7}),
        ("get_time", {}),
    ]


async def test_streamed_calls_grow(make_llm, way, sandbox):
    chunks = [
        piece({"role": "assistant", "content": "Well, "}),
        piece({"content": "wait."}),
        call_piece(0, "c1", "multiply"),
        call_piece(0, arguments='{"a": 6'),
        call_piece(0, arguments=', "b": 7}'),
        call_piece(1, "c2", "get_time"),
        piece({}, "tool_calls"),
        usage(prompt_tokens=5, completion_tokens=9, total_tokens=14),
    ]
    sandbox.faults.add(Fault(raw=sse(*chunks)))
    llm = make_llm()
    responses = await way(llm, "stream_chat_with_tools", TOOLS, user_msg="?", allow_parallel_tool_calls=True)
    seen = [
        [
            (call.tool_name, call.tool_kwargs)
            for call in llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
        ]
        for response in responses
    ]
    full = ("multiply", {"a": 6, "b": 7})
    assert seen == [
        [],
        [],
        [("multiply", {})],
        [("multiply", {"a": 6})],
        [full],
        [full, ("get_time", {})],
        [full, ("get_time", {})],
    ]
    assert all(response.message.content == "Well, wait." for response in responses[1:])
    last = responses[-1]
    assert [call["id"] for call in last.message.additional_kwargs["tool_calls"]] == ["c1", "c2"]
    assert last.additional_kwargs["finish_reason"] == "tool_calls"
    early = responses[3].message.additional_kwargs["tool_calls"]
    assert early[0]["function"]["arguments"] == '{"a": 6'


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ("", {}),
        ("null", {}),
        ("[1]", {}),
        ("no json", {}),
        ('{"text": "half a sen', {"text": "half a sen"}),
        ('{"a": [1, {"b": "c', {"a": [1, {"b": "c"}]}),
    ],
)
@pytest.mark.parametrize("kept_in", ["blocks", "additional_kwargs"])
def test_reading_arguments(make_llm, arguments, expected, kept_in):
    if kept_in == "blocks":
        block = ToolCallBlock(tool_call_id="c1", tool_name="f", tool_kwargs=arguments)
        message = ChatMessage(role="assistant", blocks=[block])
    else:
        call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}
        message = ChatMessage(role="assistant", additional_kwargs={"tool_calls": [call]})
    (selection,) = make_llm().get_tool_calls_from_response(ChatResponse(message=message))
    assert (selection.tool_id, selection.tool_name, selection.tool_kwargs) == ("c1", "f", expected)


def test_arguments_that_a_tool_changes_are_its_own(make_llm):
    block = ToolCallBlock(tool_call_id="c1", tool_name="f", tool_kwargs='{"a": [1]}')
    response = ChatResponse(message=ChatMessage(role="assistant", blocks=[block]))
    make_llm().get_tool_calls_from_response(response)[0].tool_kwargs["a"].append(2)
    assert make_llm().get_tool_calls_from_response(response)[0].tool_kwargs == {"a": [1]}


def test_no_call_where_one_was_expected(make_llm):
    response = ChatResponse(message=ChatMessage("I would rather not.", role="assistant"))
    with pytest.raises(ValueError, match="I would rather not"):
        make_llm().get_tool_calls_from_response(response)
    assert make_llm().get_tool_calls_from_response(response, error_on_no_tool_call=False) == []


async def test_predict_and_call(make_llm, way):
    result = await way(make_llm(), "predict_and_call", TOOLS, user_msg="What is the weather in Oslo?")
    assert result.response == "Sunny in Oslo, 21 degrees"
