"""Tools: how they are offered, and how calls are read, whole and streamed."""

import gc
import inspect
import json
import pickle

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock, ToolCallBlock
from llama_index.core.tools import FunctionTool
from llama_kit import MULTIPLY, TOOLS, eventually, piece, sse, usage, whole
from pydantic_core import from_json

from llama_index_melious import ToolArgumentsError
from llama_index_melious.llm import tools as _tools
from melious.sandbox import Fault, Reply
from melious.wire.schemas import allows_strict


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


async def test_strict_only_where_the_schema_allows_it(make_llm, way, sandbox):
    def open_question(text: str, hint: str = "") -> str:
        """Ask."""
        return text

    tools = [*TOOLS, FunctionTool.from_defaults(fn=open_question, description="x" * 2000)]
    before = [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools]
    await way(make_llm(strict=True), "chat_with_tools", tools, user_msg="Hello")
    await way(make_llm(), "chat_with_tools", tools, user_msg="Hello", strict=True)
    await way(make_llm(strict=True), "chat_with_tools", tools, user_msg="Hello", strict=False)
    strict, by_call, loose = (request.body["tools"] for request in sandbox.requests)
    assert strict == by_call
    assert loose == before == [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools]
    assert [tool["function"].get("strict") for tool in strict] == [True, True, True, None]
    assert strict[0]["function"]["parameters"]["additionalProperties"] is False
    assert strict[3]["function"] == loose[3]["function"]
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


async def test_predict_and_call(make_llm, way, sandbox):
    sandbox.replies.add(Reply(tool_calls=[("get_weather", {"city": "Oslo"})]))
    result = await way(make_llm(), "predict_and_call", TOOLS, user_msg="What is the weather in Oslo?")
    assert result.response == "Sunny in Oslo, 21 degrees"


# --- arguments that cannot be read ---------------------------------------------------------------------


def calling(arguments, name="multiply"):
    function = {"name": name, "arguments": arguments}
    return {"content": "Let me see.", "tool_calls": [{"id": "c1", "type": "function", "function": function}]}


@pytest.mark.parametrize("method", ["chat_with_tools", "stream_chat_with_tools"])
@pytest.mark.parametrize(
    ("arguments", "finish", "advice"),
    [
        ('{"a": 6, "b": ', "length", "raise `max_tokens`"),
        ('{"a": 6, "b": ', "tool_calls", "strict"),
        ("a=6, b=7", "tool_calls", "strict"),
        ('{"a": 6} {"b": 7}', "tool_calls", "strict"),
        ("[6, 7]", "tool_calls", "a list"),
        ('"6, 7"', "tool_calls", "a str"),
    ],
)
async def test_broken_arguments_of_a_whole_answer(
    make_llm, way, sandbox, method, arguments, finish, advice, caplog
):
    message = calling(arguments)
    chunks = [piece({"content": "Let me see."}), call_piece(0, "c1", "multiply", arguments)]
    sandbox.faults.add(
        Fault(raw=sse(*chunks, piece({}, finish)))
        if "stream" in method
        else Fault(body=whole(message, finish))
    )
    llm = make_llm()
    result = await way(llm, method, TOOLS, user_msg="What is 6 times 7?")
    *partial, last = result if isinstance(result, list) else [result]
    for response in partial:
        llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
    with pytest.raises(ToolArgumentsError, match=advice) as caught:
        llm.get_tool_calls_from_response(last)
    assert isinstance(caught.value, ValueError)
    assert "'multiply'" in str(caught.value)
    assert arguments in str(caught.value)
    assert (caught.value.tool_name, caught.value.text) == ("multiply", arguments)
    assert caught.value.finish_reason == finish
    assert caught.value.request_id == sandbox.requests[-1].request_id
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.tool_name, again.text) == (str(caught.value), "multiply", arguments)
    if finish == "length":
        with pytest.raises(ToolArgumentsError):
            llm.get_tool_calls_from_response(last, error_on_no_tool_call=False)
        return
    (call,) = llm.get_tool_calls_from_response(last, error_on_no_tool_call=False)
    assert call.tool_kwargs == {"invalid_arguments": arguments}
    assert any("'multiply'" in record.message for record in caplog.records if record.levelname == "WARNING")


@pytest.mark.parametrize("arguments", ["", " ", "null", "{}", {}, None])
@pytest.mark.parametrize("method", ["chat_with_tools", "stream_chat_with_tools"])
async def test_a_tool_without_arguments(make_llm, way, sandbox, method, arguments):
    sandbox.faults.add(
        Fault(raw=sse(call_piece(0, "c1", "get_time", arguments), piece({}, "tool_calls")))
        if "stream" in method
        else Fault(body=whole(calling(arguments, "get_time"), "tool_calls"))
    )
    llm = make_llm()
    result = await way(llm, method, TOOLS, user_msg="What time is it?")
    last = result[-1] if isinstance(result, list) else result
    (call,) = llm.get_tool_calls_from_response(last)
    assert (call.tool_id, call.tool_name, call.tool_kwargs) == ("c1", "get_time", {})


@pytest.mark.parametrize("sign", ["\\ud83d", "[" * 300 + "]" * 300])
async def test_arguments_that_strict_parsers_refuse(make_llm, way, sandbox, sign):
    given = f'{{"text": "{sign}"}}' if sign.startswith("\\") else f'{{"text": {sign}}}'
    sandbox.faults.add(Fault(body=whole(calling(given, "f"), "tool_calls")))
    llm = make_llm()
    (call,) = llm.get_tool_calls_from_response(
        await way(llm, "chat_with_tools", TOOLS, user_msg="?", allow_parallel_tool_calls=True)
    )
    assert call.tool_kwargs == json.loads(given)


@pytest.mark.parametrize("method", ["chat_with_tools", "stream_chat_with_tools"])
async def test_calls_without_an_id_get_one(make_llm, way, sandbox, method):
    function = {"name": "get_time", "arguments": "{}"}
    calls = [{"type": "function", "function": function}, {"id": None, "function": function}]
    pieces = [piece({"tool_calls": [call | {"index": index}]}) for index, call in enumerate(calls)]
    sandbox.faults.add(
        Fault(raw=sse(*pieces, piece({}, "tool_calls")))
        if "stream" in method
        else Fault(body=whole({"content": "", "tool_calls": calls}, "tool_calls"))
    )
    llm = make_llm()
    result = await way(llm, method, TOOLS, user_msg="?", allow_parallel_tool_calls=True)
    message = (result[-1] if isinstance(result, list) else result).message
    ids = [call["id"] for call in message.additional_kwargs["tool_calls"]]
    assert len(set(ids)) == 2
    assert ids == [block.tool_call_id for block in message.blocks if isinstance(block, ToolCallBlock)]
    results = [
        ChatMessage("12:34", role="tool", additional_kwargs={"tool_call_id": call_id}) for call_id in ids
    ]
    await way(llm, "chat", [ChatMessage("?"), message, *results])
    assert [sent.get("tool_call_id") for sent in sandbox.requests[-1].body["messages"]][2:] == ids


# --- streams with more calls than were wanted -----------------------------------------------------------


@pytest.mark.parametrize("parallel", [False, True])
async def test_streams_keep_to_one_call_unless_parallel(make_llm, way, sandbox, parallel):
    chunks = [
        piece({"content": "Two!"}),
        call_piece(0, "c1", "multiply", '{"a": 6, "b": 7}'),
        call_piece(1, "c2", "get_time"),
        piece({}, "tool_calls"),
    ]
    sandbox.faults.add(Fault(raw=sse(*chunks)))
    llm = make_llm()
    responses = await way(
        llm, "stream_chat_with_tools", TOOLS, user_msg="?", allow_parallel_tool_calls=parallel
    )
    last = responses[-1]
    ids = ["c1", "c2"] if parallel else ["c1"]
    assert [call.tool_id for call in llm.get_tool_calls_from_response(last)] == ids
    assert [call["id"] for call in last.message.additional_kwargs["tool_calls"]] == ids
    assert last.message.content == "Two!"
    assert sandbox.requests[-1].body["parallel_tool_calls"] is parallel


@pytest.mark.parametrize("leave", ["break", "close"])
async def test_leaving_a_stream_with_tools_closes_it(make_llm, way, start_sandbox, leave):
    sandbox = start_sandbox()
    sandbox.faults.add(Fault(stall_after_events=3, stall_seconds=600))
    llm = make_llm(base_url=sandbox.base_url, api_key=sandbox.api_key)
    if way.name == "sync":
        stream = llm.stream_chat_with_tools(TOOLS, user_msg="Hello")
        assert inspect.isgenerator(stream)
        next(stream)
        if leave == "close":
            stream.close()
    else:
        stream = await llm.astream_chat_with_tools(TOOLS, user_msg="Hello")
        assert inspect.isasyncgen(stream)
        await anext(stream)
        if leave == "close":
            await stream.aclose()
    del stream
    gc.collect()
    assert await eventually(lambda: not sandbox.open_connections)


# --- what is kept from one chunk to the next ---------------------------------------------------------------


async def test_arguments_are_not_parsed_again_until_they_grow(make_llm, sandbox, monkeypatch):
    parsed = []
    monkeypatch.setattr(
        _tools, "from_json", lambda text, **how: parsed.append(text) or from_json(text, **how)
    )
    begun = {"index": 0, "id": "1", "function": {"name": "multiply", "arguments": '{"a": 2, "b": 3}'}}
    other = {"index": 1, "id": "2", "function": {"name": "multiply", "arguments": ""}}
    parts = [{"index": 1, "function": {"arguments": part}} for part in ('{"a": 4,', "", ' "b": 5}')]
    sandbox.faults.add(
        Fault(
            raw=sse(
                *[piece({"tool_calls": [one]}) for one in (begun, other, *parts)], piece({}, "tool_calls")
            )
        )
    )
    llm, found = make_llm(), []
    for response in llm.stream_chat_with_tools([MULTIPLY], "?", allow_parallel_tool_calls=True):
        found = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
        found[0].tool_kwargs["a"] = "what a tool does to its arguments stays with the tool"
    assert parsed == ['{"a": 2, "b": 3}', '{"a": 4,', '{"a": 4, "b": 5}']
    assert found[1].tool_kwargs == {"a": 4, "b": 5}


async def test_errors_of_tools_and_missing_calls(make_llm, way, sandbox):
    def fail() -> str:
        """Fail."""
        raise RuntimeError("out of order")

    sandbox.faults.add(Fault(body=whole(calling("", "fail"), "tool_calls")))
    tool = FunctionTool.from_defaults(fn=fail)
    with pytest.raises(ValueError, match="out of order"):
        await way(make_llm(), "predict_and_call", [tool], user_msg="?", error_on_tool_error=True)
    sandbox.faults.add(Fault(body=whole({"content": "Rather not."})))
    with pytest.raises(ValueError, match="Rather not"):
        await way(make_llm(), "predict_and_call", [tool], user_msg="?")
