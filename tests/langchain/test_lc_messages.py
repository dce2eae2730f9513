"""Messages to the wire and back, by value, and as the sandbox sees them."""

import base64

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_melious.chat.content import Reader
from langchain_melious.chat.messages import (
    calls_from_wire,
    message_from_wire,
    message_to_wire,
    messages_to_wire,
    usage_from_wire,
)
from langchain_melious.errors import InvalidArgumentError

PNG = "data:image/png;base64,iVBORw0KGgo="
IMAGE = {"type": "image_url", "image_url": {"url": PNG}}
SEES = Reader("glm-4.7", image=True, audio=True)
CALL = {"name": "search", "args": {"query": "Wärme"}, "id": "call_1", "type": "tool_call"}
WIRE_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "search", "arguments": '{"query":"Wärme"}'},
}


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (HumanMessage("hi"), {"role": "user", "content": "hi"}),
        (HumanMessage("hi", name="Ada", id="m1"), {"role": "user", "content": "hi", "name": "Ada"}),
        (HumanMessage(""), {"role": "user", "content": ""}),
        (SystemMessage("be kind"), {"role": "system", "content": "be kind"}),
        (
            SystemMessage("be kind", additional_kwargs={"__openai_role__": "developer"}),
            {"role": "system", "content": "be kind"},
        ),
        (SystemMessage(["one", "two"]), {"role": "system", "content": "one\ntwo"}),
        (ChatMessage("hi", role="developer"), {"role": "system", "content": "hi"}),
        (ChatMessage("hi", role="user"), {"role": "user", "content": "hi"}),
        (FunctionMessage("7", name="add"), {"role": "function", "content": "7", "name": "add"}),
        (AIMessage("hello"), {"role": "assistant", "content": "hello"}),
        (AIMessageChunk(content="hello"), {"role": "assistant", "content": "hello"}),
        (
            AIMessage("", tool_calls=[CALL]),
            {"role": "assistant", "content": "", "tool_calls": [WIRE_CALL]},
        ),
        (
            AIMessage("", additional_kwargs={"refusal": "I will not."}),
            {"role": "assistant", "content": "I will not."},
        ),
        (
            ToolMessage("42", tool_call_id="call_1", name="search", artifact=object()),
            {"role": "tool", "content": "42", "tool_call_id": "call_1", "name": "search"},
        ),
        (
            ToolMessage([{"type": "text", "text": "a", "id": "x"}, "b"], tool_call_id="1"),
            {"role": "tool", "content": "a\nb", "tool_call_id": "1"},
        ),
        (ToolMessage([], tool_call_id="1"), {"role": "tool", "content": "", "tool_call_id": "1"}),
    ],
)
def test_a_message_on_the_wire(message, wire):
    assert message_to_wire(message, SEES) == wire


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (
            {"type": "text", "text": "x", "id": "lc_1", "index": 0, "extras": {}},
            {"type": "text", "text": "x"},
        ),
        (
            {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}, "annotations": []},
            {"type": "text", "text": "x"},
        ),
        (IMAGE, IMAGE),
        ({"type": "image_url", "image_url": PNG}, IMAGE),
        (
            {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}, "index": 1},
            {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
        ),
        ({"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png", "id": "b"}, IMAGE),
        (
            {"type": "image", "url": "https://example.org/a.png"},
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        ),
        ({"type": "image", "url": PNG}, IMAGE),
        (
            {"type": "image", "source_type": "base64", "data": "iVBORw0KGgo=", "mime_type": "image/png"},
            IMAGE,
        ),
        (
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
            },
            IMAGE,
        ),
        (
            {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        ),
        ({"type": "file", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}, IMAGE),
        (
            {"type": "audio", "base64": "SUQz", "mime_type": "audio/mpeg"},
            {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
        ),
        (
            {"type": "audio", "base64": "SUQz", "mime_type": "audio/wav"},
            {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "wav"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mpeg"}, "id": "x"},
            {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
        ),
        (
            {"type": "file", "base64": b64("a;b\n1;2"), "mime_type": "text/csv", "filename": "t.csv"},
            {"type": "text", "text": "t.csv:\na;b\n1;2"},
        ),
        (
            {"type": "file", "base64": b64('{"a":1}'), "mime_type": "application/json"},
            {"type": "text", "text": '{"a":1}'},
        ),
        (
            {
                "type": "file",
                "file": {"filename": "n.md", "file_data": f"data:text/markdown;base64,{b64('# Ü')}"},
            },
            {"type": "text", "text": "n.md:\n# Ü"},
        ),
        (
            {"type": "text-plain", "text": "notes", "mime_type": "text/plain", "title": "N"},
            {"type": "text", "text": "N:\nnotes"},
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "doc"}},
            {"type": "text", "text": "doc"},
        ),
        ({"type": "non_standard", "value": IMAGE}, IMAGE),
    ],
)
def test_a_block_on_the_wire(block, part):
    wire = message_to_wire(HumanMessage(["look:", block]), SEES)
    assert wire["content"] == [{"type": "text", "text": "look:"}, part]


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (
            {"type": "file", "base64": "JVBERi0=", "mime_type": "application/pdf"},
            ["'file' (application/pdf)", "extract"],
        ),
        ({"type": "video", "url": "https://example.org/a.mp4"}, ["'video'", "does not read videos"]),
        ({"type": "audio", "url": "https://example.org/a.mp3"}, ["'audio'", "base64"]),
        ({"type": "audio", "base64": "SUQz"}, ["mime_type"]),
        ({"type": "image", "base64": "iVBORw0KGgo="}, ["mime_type"]),
        ({"type": "image", "file_id": "f"}, ["base64 or url"]),
        ({"type": "image_url", "image_url": {}}, ["no URL"]),
        ({"type": "file", "base64": "//79", "mime_type": "text/plain"}, ["not text in base64"]),
        ({"type": "hologram"}, ["'hologram'"]),
        ({"type": "non_standard", "value": {"type": "hologram"}}, ["'hologram'"]),
    ],
)
def test_what_cannot_be_sent_is_named(block, said):
    with pytest.raises(InvalidArgumentError) as caught:
        message_to_wire(HumanMessage([block]), SEES)
    assert "'glm-4.7'" in str(caught.value)
    for words in said:
        assert words in str(caught.value)


@pytest.mark.parametrize("message", [ChatMessage("x", role="critic"), RemoveMessage(id="1")])
def test_a_role_that_the_service_does_not_know_is_refused(message):
    with pytest.raises(InvalidArgumentError, match=r"critic|RemoveMessage"):
        message_to_wire(message, SEES)


def test_histories_of_other_providers_come_out_clean():
    message = AIMessage(
        [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "reasoning", "reasoning": "ho", "id": "rs_1"},
            {"type": "web_search_call", "id": "ws_1"},
            {"type": "server_tool_call", "name": "x", "args": {}, "id": "1"},
            {"type": "text", "text": "Let me ", "index": 0, "annotations": [{"type": "citation"}]},
            {"type": "text", "text": "look.", "id": "msg_1"},
            {"type": "tool_use", "id": "call_1", "name": "search", "input": {"query": "Wärme"}},
            {"type": "tool_call", "id": "call_1", "name": "search", "args": {}, "extras": {"x": 1}},
        ],
        tool_calls=[CALL],
        response_metadata={"model_provider": "anthropic"},
        usage_metadata={"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
    )
    assert message_to_wire(message, SEES) == {
        "role": "assistant",
        "content": "Let me look.",
        "reasoning_content": "hmho",
        "tool_calls": [WIRE_CALL],
    }


def test_reasoning_is_found_wherever_a_message_keeps_it():
    thought = {"reasoning_content": "I need the search."}
    with_call = AIMessage("", additional_kwargs=thought, tool_calls=[CALL])
    assert message_to_wire(with_call, SEES)["reasoning_content"] == "I need the search."
    blocks = AIMessage([{"type": "reasoning", "reasoning": "So."}], tool_calls=[CALL])
    assert message_to_wire(blocks, SEES)["reasoning_content"] == "So."


def test_malformed_calls_go_back_as_valid_json():
    message = AIMessage(
        "",
        tool_calls=[{"name": "a", "args": {}, "id": None}],
        invalid_tool_calls=[{"name": "b", "args": '{"x": ', "id": "c2", "error": "cut"}],
    )
    first, second = messages_to_wire([message], SEES)[0]["tool_calls"]
    assert first == {"id": "call_0", "type": "function", "function": {"name": "a", "arguments": "{}"}}
    assert second["function"] == {"name": "b", "arguments": '{"invalid_arguments":"{\\"x\\": "}'}


def test_images_of_tools_move_behind_the_results_where_a_model_cannot_take_them():
    history = [
        AIMessage("", tool_calls=[CALL, {**CALL, "id": "call_2"}]),
        ToolMessage([IMAGE], tool_call_id="call_1"),
        ToolMessage([{"type": "text", "text": "two"}, IMAGE], tool_call_id="call_2"),
        AIMessage("Nice."),
    ]
    moved = messages_to_wire(history, SEES)
    assert [message["role"] for message in moved] == ["assistant", "tool", "tool", "user", "assistant"]
    assert "next message" in moved[1]["content"]
    assert moved[2]["content"] == "two"
    assert moved[3]["content"] == [IMAGE, IMAGE]
    assert messages_to_wire(history[:2], SEES)[-1] == {"role": "user", "content": [IMAGE]}
    kept = messages_to_wire(history, SEES, tool_images=True)
    assert [message["role"] for message in kept] == ["assistant", "tool", "tool", "assistant"]
    assert kept[1]["content"] == [IMAGE]


def test_the_input_is_never_changed():
    block = {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png", "id": "b"}
    message = HumanMessage([dict(block)])
    message_to_wire(message, SEES)
    assert message.content == [block]


@pytest.mark.parametrize(
    ("wire", "content", "beside"),
    [
        ({"content": "hi"}, "hi", {}),
        ({"content": None}, "", {}),
        ({}, "", {}),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab", {}),
        ({"content": "x", "reasoning_content": "why"}, "x", {"reasoning_content": "why"}),
        ({"content": "x", "reasoning": "why"}, "x", {"reasoning_content": "why"}),
        ({"content": "x", "reasoning_content": None}, "x", {}),
        (
            {"content": "x", "reasoning_details": [{"type": "reasoning.text", "text": "why"}]},
            "x",
            {
                "reasoning_content": "why",
                "reasoning_details": [{"type": "reasoning.text", "text": "why"}],
            },
        ),
        ({"content": "", "refusal": "no"}, "", {"refusal": "no"}),
    ],
)
def test_an_answer_as_a_message(wire, content, beside):
    message = message_from_wire(wire)
    assert (message.content, message.additional_kwargs) == (content, beside)


@pytest.mark.parametrize(
    ("arguments", "parsed"),
    [
        ('{"a": 1}', {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ('"{\\"a\\": 1}"', {"a": 1}),
        ("", {}),
        (None, {}),
        ("null", {}),
        ('{"t": "\\ud83d"}', {"t": "\ud83d"}),
    ],
)
def test_arguments_are_read(arguments, parsed):
    valid, invalid = calls_from_wire([{"id": "1", "function": {"name": "f", "arguments": arguments}}])
    assert valid == [{"name": "f", "args": parsed, "id": "1"}]
    assert invalid == []


@pytest.mark.parametrize("arguments", ['{"a": ', "[1]", "42", "<true>"])
def test_malformed_arguments_are_kept_with_their_text_and_a_reason(arguments):
    valid, (invalid,) = calls_from_wire([{"id": "1", "function": {"name": "f", "arguments": arguments}}])
    assert valid == []
    assert invalid["args"] == arguments
    assert invalid["error"]


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        (None, None),
        ({}, None),
        ({"prompt_tokens": 3}, None),
        (
            {"prompt_tokens": 3, "completion_tokens": 4},
            {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
        ),
        (
            {"prompt_tokens": 3.0, "total_tokens": 7},
            {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
        ),
        (
            {
                "prompt_tokens": 30,
                "completion_tokens": 4,
                "total_tokens": 34,
                "prompt_tokens_details": {"cached_tokens": 20, "audio_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            {
                "input_tokens": 30,
                "output_tokens": 4,
                "total_tokens": 34,
                "input_token_details": {"cache_read": 20, "audio": 2},
                "output_token_details": {"reasoning": 3},
            },
        ),
        (
            {
                "prompt_tokens": 30,
                "completion_tokens": 4,
                "total_tokens": 34,
                "prompt_tokens_details": None,
                "cached_tokens": 6,
            },
            {
                "input_tokens": 30,
                "output_tokens": 4,
                "total_tokens": 34,
                "input_token_details": {"cache_read": 6},
            },
        ),
        ({"prompt_tokens": True, "completion_tokens": 4}, None),
        ({"prompt_tokens": 3, "completion_tokens": 4.5}, None),
    ],
)
def test_usage(wire, usage):
    assert usage_from_wire(wire) == usage


def test_the_same_body_is_sent_on_every_way(way, chat, sandbox):
    llm = chat("gemma-4-26b-a4b")
    history = [
        SystemMessage("Be brief."),
        HumanMessage([{"type": "text", "text": "What is this?", "id": "x"}, IMAGE]),
        AIMessage([{"type": "text", "text": "Wait.", "index": 0}], tool_calls=[CALL]),
        ToolMessage([{"type": "text", "text": "a lamp", "id": "y"}], tool_call_id="call_1"),
    ]
    way.invoke(llm, history)
    way.stream(llm, history)
    whole, streamed = (request.body for request in sandbox.requests.to("chat"))
    assert whole == {
        "model": "gemma-4-26b-a4b",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is this?"}, IMAGE]},
            {"role": "assistant", "content": "Wait.", "tool_calls": [WIRE_CALL]},
            {"role": "tool", "content": "a lamp", "tool_call_id": "call_1"},
        ],
    }
    assert streamed == {**whole, "stream": True, "stream_options": {"include_usage": True}}
