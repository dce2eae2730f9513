"""Histories that others wrote, and blocks that a message cannot carry: what has a form on the wire is sent."""

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ToolCallBlock,
)

from llama_index_melious.llm.messages import to_wire
from melious import InvalidArgumentError

PDF = b"%PDF-1.7 \xff\xfe"
PNG = b"\x89PNG\r\n\x1a\n"


def result(call_id, text="6"):
    return ChatMessage(role="tool", content=text, additional_kwargs={"tool_call_id": call_id})


def calling(*blocks, **kept):
    return ChatMessage(role="assistant", blocks=[*blocks], additional_kwargs=kept)


# --- blocks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["assistant", "system", "developer"])
def test_messages_of_text_name_what_is_none(role):
    blocks = [
        TextBlock(text="Look:"),
        ImageBlock(image=PNG),
        AudioBlock(audio=b"who knows"),
        DocumentBlock(data=PDF, document_mimetype="application/pdf", title="a.pdf"),
        DocumentBlock(data=b"Dunes", document_mimetype="text/plain", title="a.txt"),
    ]
    (wire,) = to_wire([ChatMessage(role=role, blocks=blocks)])
    assert wire["content"].splitlines() == [
        "Look:",
        "[an image was here; this model cannot read it]",
        "[an audio recording was here; this model cannot read it]",
        "[a PDF file, a.pdf, was here; this model cannot read it]",
        "a.txt:",
        "Dunes",
    ]


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("application/json", "a"),
        ("application/ld+json", "a"),
        ("application/xml", "a"),
        ("application/x-yaml", "a"),
        ("text/csv; charset=utf-8", "a"),
        (None, "a.py"),
        (None, "a.json"),
        (None, "a.log"),
        (None, None),
        ("application/octet-stream", "a"),
    ],
)
def test_documents_of_text_go_inline_whatever_they_are_called(kind, title):
    block = DocumentBlock(data="ä: 1".encode(), document_mimetype=kind, title=title)
    block.document_mimetype = kind  # LlamaIndex guesses one from the title
    (wire,) = to_wire([ChatMessage(role="user", blocks=[block])])
    assert wire["content"] == f"{block.title or 'document'}:\nä: 1"


@pytest.mark.parametrize("name", ["notes.yaml", "notes.log", "notes.py", "notes"])
def test_documents_by_path_are_read_by_what_they_are(tmp_path, name):
    path = tmp_path / name
    path.write_text("a: 1")
    (wire,) = to_wire([ChatMessage(role="user", blocks=[DocumentBlock(path=path)])])
    assert wire["content"].endswith("\na: 1")


@pytest.mark.parametrize(
    ("data", "kind", "title"),
    [
        (PDF, None, "a.bin"),
        (b"a\0b", None, "a"),
        (PDF, "application/pdf", "a"),
        (b"PK", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "a"),
        (b"text", None, "a.pdf"),
    ],
)
def test_documents_that_are_no_text_are_refused_by_name(data, kind, title):
    block = DocumentBlock(data=data, document_mimetype=kind, title=title)
    with pytest.raises(
        InvalidArgumentError, match=rf"messages\[0\]: the document '{title}'.*set convert_documents=True"
    ):
        to_wire([ChatMessage(role="user", blocks=[block])])


# --- calls ----------------------------------------------------------------------------------------------


def test_calls_without_ids_go_by_their_names():
    call = ToolCallBlock(tool_call_id=None, tool_name="multiply", tool_kwargs={"a": 2, "b": 3})
    wire = to_wire([ChatMessage("2 x 3"), calling(call), result("multiply")])
    assert wire[1]["tool_calls"][0]["id"] == wire[2]["tool_call_id"] == "call_0"


def test_calls_in_the_words_of_anthropic():
    kept = {"type": "tool_use", "id": "t1", "name": "multiply", "input": {"a": 2}}
    wire = to_wire([ChatMessage("2 x 3"), calling(tool_calls=[kept]), result("t1")])
    assert wire[1]["tool_calls"] == [
        {"id": "t1", "type": "function", "function": {"name": "multiply", "arguments": '{"a":2}'}}
    ]


@pytest.mark.parametrize(
    "kept", [{"tool_calls": ["x"]}, {"tool_calls": [3]}, {"function_call": "auto"}], ids=str
)
def test_what_is_no_call_is_refused_by_its_place(kept):
    with pytest.raises(InvalidArgumentError, match=r"m: messages\[1\]: .* is not a tool call"):
        to_wire([ChatMessage("Hi"), calling(**kept)], model="m")


def test_arguments_without_a_json_form_are_refused_by_their_place():
    call = ToolCallBlock(tool_call_id="c", tool_name="f", tool_kwargs={"a": object()})
    with pytest.raises(
        InvalidArgumentError, match=r"messages\[0\]: the arguments for 'f' cannot be written as JSON"
    ):
        to_wire([calling(call), result("c")])


def test_arguments_with_half_a_character_are_sent():
    call = ToolCallBlock(tool_call_id="c", tool_name="f", tool_kwargs={"a": "\ud83d"})
    wire = to_wire([calling(call), result("c")])
    assert wire[0]["tool_calls"][0]["function"]["arguments"] == '{"a":"\\ud83d"}'


@pytest.mark.parametrize("role", [MessageRole.USER, MessageRole.SYSTEM])
async def test_no_word_of_tools_without_tools(make_llm, way, sandbox, role):
    messages = [ChatMessage(role=role, content="Hello"), ChatMessage("Hello")]
    for form in ("chat", "stream_chat"):
        await way(make_llm(), form, messages, tools=[], tool_choice="auto", parallel_tool_calls=False)
        assert not {"tools", "tool_choice", "parallel_tool_calls"} & sandbox.requests[-1].body.keys()
