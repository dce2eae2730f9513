"""Blocks and roles as the wire carries them: by values."""

import base64
from io import BytesIO

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_kit import Call, Function

from llama_index_melious.llm.messages import to_wire
from melious import InvalidArgumentError

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PNG_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()
MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x00" * 8

# Older versions of llama-index-core take no open files.
TAKES_FILES = "IO" in str(ImageBlock.model_fields["image"].annotation)


def content(*blocks, role="user"):
    return to_wire([ChatMessage(role=role, blocks=list(blocks))])[0]["content"]


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (MessageRole.SYSTEM, "system"),
        (MessageRole.DEVELOPER, "system"),
        (MessageRole.USER, "user"),
        ("user", "user"),
        (MessageRole.ASSISTANT, "assistant"),
        (MessageRole.CHATBOT, "assistant"),
        (MessageRole.MODEL, "assistant"),
    ],
)
def test_roles(role, expected):
    assert to_wire([ChatMessage("Hi", role=role)]) == [{"role": expected, "content": "Hi"}]


@pytest.mark.parametrize("role", [MessageRole.TOOL, MessageRole.FUNCTION])
def test_results_of_tools(role):
    call = ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={"a": 1})
    result = ChatMessage(
        role=role,
        blocks=[TextBlock(text="one"), TextBlock(text="two")],
        additional_kwargs={"tool_call_id": "c1"},
    )
    assert to_wire([ChatMessage(role="assistant", blocks=[call]), result])[1] == {
        "role": "tool",
        "content": "one\ntwo",
        "tool_call_id": "c1",
    }


def test_text_is_one_string_and_empty_text_stays():
    assert content(TextBlock(text="a"), TextBlock(text="b")) == "a\nb"
    assert content(TextBlock(text="")) == ""
    assert to_wire([ChatMessage(role="assistant", blocks=[])]) == [{"role": "assistant", "content": ""}]


@pytest.mark.parametrize(
    ("block", "image"),
    [
        (ImageBlock(url="https://example.org/a.png"), {"url": "https://example.org/a.png"}),
        (ImageBlock(image=PNG), {"url": PNG_URL}),
        (ImageBlock(image=base64.b64encode(PNG), detail="low"), {"url": PNG_URL, "detail": "low"}),
        *([(ImageBlock(image=BytesIO(PNG)), {"url": PNG_URL})] if TAKES_FILES else []),
        (ImageBlock(url=PNG_URL), {"url": PNG_URL}),
    ],
)
def test_images(block, image):
    assert content(TextBlock(text="Look:"), block) == [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": image},
    ]


def test_image_by_path(tmp_path):
    path = tmp_path / "dot.png"
    path.write_bytes(PNG)
    assert content(ImageBlock(path=path))[0]["image_url"]["url"] == PNG_URL


@pytest.mark.parametrize("role", ["assistant", "system"])
def test_roles_that_carry_text_only(role):
    assert content(TextBlock(text="a"), ImageBlock(image=PNG), role=role) == (
        "a\n[an image was here; this model cannot read it]"
    )


def test_audio_comes_before_the_question(tmp_path):
    path = tmp_path / "noise"
    path.write_bytes(MP3)
    audio = {"data": base64.b64encode(MP3).decode(), "format": "mp3"}
    for block in (AudioBlock(audio=MP3, format="mp3"), AudioBlock(audio=MP3), AudioBlock(path=path)):
        assert content(TextBlock(text="Who speaks?"), block) == [
            {"type": "input_audio", "input_audio": audio},
            {"type": "text", "text": "Who speaks?"},
        ]


def test_text_documents_go_inline(tmp_path):
    path = tmp_path / "notes.md"
    path.write_text("# Düne", encoding="utf-8")
    given = DocumentBlock(data="# Düne".encode(), document_mimetype="text/markdown", title="notes")
    assert content(given) == "notes:\n# Düne"
    assert content(DocumentBlock(path=path, title="notes")) == "notes:\n# Düne"


def test_citable_blocks_become_text():
    citable = CitableBlock(title="Dunes", source="dunes.txt", content=[TextBlock(text="Sand moves.")])
    citation = CitationBlock(
        cited_content=TextBlock(text="Sand moves."),
        source="dunes.txt",
        title="Dunes",
        additional_location_info={},
    )
    assert content(citable) == "Dunes (dunes.txt)\nSand moves."
    assert content(citation) == "Sand moves.\n[Dunes, dunes.txt]"


def test_cache_points_and_thoughts_are_left_out():
    cache = CachePoint(cache_control=CacheControl(type="ephemeral"))
    assert content(TextBlock(text="a"), cache) == "a"
    message = ChatMessage(role="assistant", blocks=[ThinkingBlock(content="Hm"), TextBlock(text="a")])
    assert to_wire([message]) == [{"role": "assistant", "content": "a"}]
    assert to_wire([message], echo_thinking=True) == [
        {"role": "assistant", "content": "a", "reasoning_content": "Hm"}
    ]


def test_video_only_for_models_that_take_it():
    block = VideoBlock(url="https://example.org/a.mp4")
    with pytest.raises(InvalidArgumentError, match=r"messages\[0\].*does not read videos"):
        content(block)
    wire = to_wire([ChatMessage(role="user", blocks=[block])], refused=frozenset())
    assert wire[0]["content"] == [{"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}}]


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (DocumentBlock(data=b"%PDF-1.7 ...", title="a.pdf"), "set convert_documents=True"),
        (DocumentBlock(url="https://example.org/a.txt", document_mimetype="text/plain"), "is a URL"),
        (AudioBlock(url="https://example.org/a.mp3"), "is a URL"),
        (AudioBlock(audio=b"\x01\x02\x03\x04"), "format"),
        *([(ImageBlock(image=BytesIO(b"")), "empty")] if TAKES_FILES else []),
        (ImageBlock(), "empty"),
    ],
)
def test_what_cannot_be_sent_is_said_and_nothing_is_fetched(block, said):
    with pytest.raises(InvalidArgumentError, match=said):
        content(block)


# --- histories with calls of tools ------------------------------------------------------------------


def asking(*calls, text=""):
    blocks = [TextBlock(text=text)] if text else []
    return ChatMessage(role="assistant", blocks=[*blocks, *calls])


def answer(call_id, text="ok"):
    return ChatMessage(text, role="tool", additional_kwargs={"tool_call_id": call_id})


def test_calls_keep_their_text_order_and_arguments():
    exact = '{"b": 1,  "a": 2}'
    calls = [
        ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs=exact),
        ToolCallBlock(tool_call_id="c2", tool_name="sub", tool_kwargs={"x": "ä"}),
        ToolCallBlock(tool_call_id="c3", tool_name="now", tool_kwargs=""),
    ]
    message = asking(*calls, text="Let me see.")
    wire = to_wire([message, answer("c2"), answer("c1"), answer("c3")])
    assert wire[0]["content"] == "Let me see."
    assert [call["function"] for call in wire[0]["tool_calls"]] == [
        {"name": "add", "arguments": exact},
        {"name": "sub", "arguments": '{"x":"ä"}'},
        {"name": "now", "arguments": "{}"},
    ]
    assert message.blocks[1].tool_kwargs == exact


def test_content_is_empty_text_beside_calls():
    call = ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={})
    assert to_wire([asking(call), answer("c1")])[0]["content"] == ""


def test_calls_kept_in_additional_kwargs():
    kept = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    message = ChatMessage(role="assistant", content="", additional_kwargs={"tool_calls": [kept]})
    assert to_wire([message, answer("c1")])[0]["tool_calls"] == [kept]


def test_call_ids_go_with_results_only():
    message = ChatMessage("Done.", role="assistant", additional_kwargs={"tool_call_id": "c1"})
    assert to_wire([message]) == [{"role": "assistant", "content": "Done."}]


UNANSWERED = {"role": "tool", "tool_call_id": "c1", "content": "No result of this call was recorded."}


def test_a_result_without_its_call_becomes_words():
    (message,) = to_wire([answer("c1")])
    assert message["role"] == "user"
    assert message["content"].startswith("Result of an earlier tool call: ")


@pytest.mark.parametrize("then", [[], [ChatMessage("Hi")]], ids=["at the end", "before another turn"])
def test_a_call_without_a_result_is_answered(then):
    wire = to_wire([asking(ToolCallBlock(tool_call_id="c1", tool_name="a")), *then])
    assert wire[1] == UNANSWERED
    assert len(wire) == 2 + len(then)


@pytest.mark.parametrize(
    "about", [{}, {"name": "a"}, {"tool_call_id": "a"}], ids=["nothing", "name", "name as id"]
)
def test_a_result_without_an_id_belongs_to_the_call_before_it(about):
    call = asking(ToolCallBlock(tool_call_id="c1", tool_name="a"))
    wire = to_wire([call, ChatMessage("3", role="tool", additional_kwargs=about)])
    assert wire[1] == {"role": "tool", "tool_call_id": "c1", "content": "3"}


# --- what other versions and other integrations leave in histories --------------------------------------------


def test_result_of_a_tool_with_a_picture():
    call = ToolCallBlock(tool_call_id="c1", tool_name="draw", tool_kwargs={})
    result = ChatMessage(
        role="tool",
        blocks=[TextBlock(text="Here:"), ImageBlock(image=PNG)],
        additional_kwargs={"tool_call_id": "c1"},
    )
    assert to_wire([asking(call), result])[1]["content"] == [
        {"type": "text", "text": "Here:"},
        {"type": "image_url", "image_url": {"url": PNG_URL}},
    ]


def test_calls_that_are_objects():
    message = ChatMessage(role="assistant", content="", additional_kwargs={"tool_calls": [Call()]})
    assert to_wire([message, answer("c1")])[0]["tool_calls"] == [Call().model_dump()]
    kept = ChatMessage.model_validate_json(message.model_dump_json())
    assert to_wire([kept, answer("c1")])[0]["tool_calls"] == [Call().model_dump()]


@pytest.mark.parametrize("kept", [Function(), Function().model_dump()])
def test_functions_from_before_there_were_tools(kept):
    message = ChatMessage(role="assistant", content="", additional_kwargs={"function_call": kept})
    result = ChatMessage("3", role=MessageRole.FUNCTION, additional_kwargs={"name": "add"})
    called, answered = to_wire([message, result])
    assert called["tool_calls"] == [
        {"id": "call_add", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    ]
    assert answered == {"role": "tool", "content": "3", "tool_call_id": "call_add"}


def test_the_callers_messages_are_only_read():
    messages = [
        ChatMessage(role="user", blocks=[TextBlock(text="a"), ImageBlock(image=PNG), AudioBlock(audio=MP3)]),
        asking(ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={"a": [1]}), text="b"),
        answer("c1"),
    ]
    before = [message.model_copy(deep=True) for message in messages]
    to_wire(messages)
    assert messages == before


def test_errors_name_block_and_model():
    message = ChatMessage(role="user", blocks=[VideoBlock(url="https://example.org/a.mp4")])
    with pytest.raises(
        InvalidArgumentError,
        match=r"glm-4\.7: messages\[0\]: a block of type VideoBlock.*does not read videos",
    ):
        to_wire([message], model="glm-4.7")


def test_blocks_that_nobody_knows_yet():
    message = ChatMessage(role="user", blocks=[TextBlock(text="a")])
    message.blocks = [object()]
    with pytest.raises(InvalidArgumentError, match=r"messages\[0\]: object cannot be sent"):
        to_wire([message])
