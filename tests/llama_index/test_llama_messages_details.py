"""Blocks of every kind as the wire carries them, and calls as they are read back."""

import base64
from io import BytesIO

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    ChatResponse,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_kit import MULTIPLY, TIME, Call, piece, sse, whole

from llama_index_melious.llm.messages import to_wire
from melious.sandbox import Fault

HELLO = [ChatMessage("Hello, you!")]
TAKES_FILES = "IO" in str(ImageBlock.model_fields["image"].annotation)
needs_files = pytest.mark.skipif(not TAKES_FILES, reason="this llama-index-core takes no open files")
PICTURES = {
    "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01",
    "gif": b"GIF89a\x01\x00\x01\x00\x00\x00\x00",
    "webp": b"RIFF\x1a\x00\x00\x00WEBPVP8L",
}
SOUNDS = {
    "wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "ogg": b"OggS\x00\x02\x00\x00\x00\x00\x00\x00",
    "flac": b"fLaC\x00\x00\x00\x22\x00\x00\x00\x00",
    "mp3": b"\xff\xfb\x90\x00\x00\x00\x00\x00\x00\x00\x00\x00",
}


def base64_of(data):
    return base64.b64encode(data).decode()


def content(*blocks, **options):
    return to_wire([ChatMessage(role="user", blocks=list(blocks))], **options)[0]["content"]


# --- media -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("kept", ["bytes", "path", pytest.param("file", marks=needs_files)])
def test_the_type_of_a_picture(kind, kept, tmp_path):
    data, path = PICTURES[kind], tmp_path / "picture"
    path.write_bytes(data)
    block = {"bytes": lambda: ImageBlock(image=data), "path": lambda: ImageBlock(path=path)}.get(
        kept, lambda: ImageBlock(image=BytesIO(data))
    )()
    (part,) = content(block)
    assert part["image_url"]["url"] == f"data:image/{kind};base64,{base64_of(data)}"


def test_a_given_type_of_a_picture_counts():
    (part,) = content(ImageBlock(image=base64.b64encode(b"\x00" * 12), image_mimetype="image/avif"))
    assert part["image_url"]["url"].startswith("data:image/avif;base64,")


@needs_files
def test_an_open_file_is_read_for_every_request():
    block = ImageBlock(image=BytesIO(PICTURES["jpeg"]))
    assert content(block) == content(block)


@pytest.mark.parametrize("kind", SOUNDS)
def test_the_format_of_a_recording(kind, tmp_path):
    path = tmp_path / "recording"
    path.write_bytes(SOUNDS[kind])
    for block in (AudioBlock(audio=SOUNDS[kind]), AudioBlock(path=path)):
        (part,) = content(block)
        assert part["input_audio"] == {"data": base64_of(SOUNDS[kind]), "format": kind}


def test_a_given_format_of_a_recording_counts():
    (part,) = content(AudioBlock(audio=SOUNDS["wav"], format="pcm16"))
    assert part["input_audio"]["format"] == "pcm16"


def test_recordings_and_documents_in_data_urls():
    sound = AudioBlock(url=f"data:audio/wav;base64,{base64_of(SOUNDS['wav'])}", format="wav")
    assert content(sound)[0]["input_audio"] == {"data": base64_of(SOUNDS["wav"]), "format": "wav"}
    notes = DocumentBlock(
        url=f"data:text/plain;base64,{base64_of(b'Sand.')}", document_mimetype="text/plain", title="notes"
    )
    assert content(notes) == "notes:\nSand."


@pytest.mark.parametrize(("given", "told"), [(None, "video/mp4"), ("video/webm", "video/webm")])
def test_a_video_of_ours(given, told):
    film = base64.b64encode(b"film film film")
    (part,) = content(VideoBlock(video=film, video_mimetype=given), refused=frozenset())
    assert part == {"type": "video_url", "video_url": {"url": f"data:{told};base64,{film.decode()}"}}


@pytest.mark.parametrize("suffix", ["txt", "md", "csv", "json", "html", "xml", "CSV"])
def test_documents_whose_name_says_that_they_are_text(suffix, tmp_path):
    path = tmp_path / f"notes.{suffix}"
    path.write_text("Düne;1", encoding="utf-8")
    assert content(DocumentBlock(path=path, title="notes")) == "notes:\nDüne;1"


def test_text_that_is_no_utf_8_is_sent_all_the_same():
    document = DocumentBlock(data="Düne".encode("latin-1"), document_mimetype="text/plain", title="notes")
    assert content(document) == "notes:\nD�ne"


def test_pictures_in_citable_blocks():
    block = CitableBlock(
        title="Dunes",
        source="dunes.txt",
        content=[TextBlock(text="Sand:"), ImageBlock(url="https://example.org/a.png")],
    )
    assert [part["type"] for part in content(block)] == ["text", "text", "image_url"]


# --- thoughts --------------------------------------------------------------------------------------------------


def test_all_thoughts_go_back_beside_calls_too():
    message = ChatMessage(
        role="assistant",
        blocks=[
            ThinkingBlock(content="One."),
            ThinkingBlock(content=None),
            ThinkingBlock(content="Two."),
            ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={}),
        ],
    )
    result = ChatMessage("3", role="tool", additional_kwargs={"tool_call_id": "c1"})
    sent, _ = to_wire([message, result], echo_thinking=True)
    assert sent["reasoning_content"] == "One.\nTwo."
    assert sent["tool_calls"]


# --- calls -----------------------------------------------------------------------------------------------------


def test_calls_that_another_integration_kept_as_objects_are_read(make_llm):
    message = ChatMessage(role="assistant", content="", additional_kwargs={"tool_calls": [Call()]})
    (selected,) = make_llm().get_tool_calls_from_response(ChatResponse(message=message))
    assert (selected.tool_id, selected.tool_name, selected.tool_kwargs) == ("c1", "add", {"a": 1})


def bit(index, call_id=None, name=None, arguments=""):
    return piece(
        {"tool_calls": [{"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}]}
    )


async def test_calls_may_be_counted_from_anywhere(make_llm, way, sandbox):
    """Some servers count the text before a call as well."""
    chunks = [
        bit(1, "c1", "multiply", '{"a": 6'),
        bit(1, arguments=', "b": 7}'),
        bit(4, "c2", "get_time", "{}"),
    ]
    sandbox.faults.add(Fault(raw=sse(*chunks, piece({}, "tool_calls"))))
    llm = make_llm()
    *_, last = await way(
        llm, "stream_chat_with_tools", [MULTIPLY, TIME], user_msg="?", allow_parallel_tool_calls=True
    )
    calls = [(one.tool_id, one.tool_kwargs) for one in llm.get_tool_calls_from_response(last)]
    assert calls == [("c1", {"a": 6, "b": 7}), ("c2", {})]


async def test_pieces_may_repeat_id_and_name(make_llm, way, sandbox):
    chunks = [bit(0, "c1", "multiply", '{"a": 6'), bit(0, "c1", "multiply", ', "b": 7}')]
    sandbox.faults.add(Fault(raw=sse(*chunks, piece({}, "tool_calls"))))
    llm = make_llm()
    for response in (await way(llm, "stream_chat_with_tools", [MULTIPLY], user_msg="?"))[1:]:
        (one,) = llm.get_tool_calls_from_response(response)
        assert (one.tool_id, one.tool_name, one.tool_kwargs) == ("c1", "multiply", {"a": 6, "b": 7})


async def test_every_piece_has_the_calls_in_both_places(make_llm, way, sandbox):
    chunks = [bit(0, "c1", "multiply", '{"a": 6'), bit(0, arguments=', "b": 7}')]
    sandbox.faults.add(Fault(raw=sse(*chunks, piece({}, "tool_calls"))))
    for response in await way(make_llm(), "stream_chat_with_tools", [MULTIPLY], user_msg="?"):
        (block,) = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
        (kept,) = response.message.additional_kwargs["tool_calls"]
        assert (block.tool_call_id, block.tool_name) == (kept["id"], kept["function"]["name"])
        assert block.tool_kwargs == kept["function"]["arguments"]


# --- what answers tell -------------------------------------------------------------------------------------------


async def test_a_count_of_zero_is_a_count(make_llm, way, sandbox):
    counts = {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}
    sandbox.faults.add(Fault(body=whole({"content": ""}, "stop", usage=counts)))
    said = (await way(make_llm(), "chat", HELLO)).additional_kwargs
    assert {name: said[name] for name in counts} == counts


async def test_counts_that_are_no_numbers_are_not_told_as_such(make_llm, way, sandbox):
    counts = {
        "prompt_tokens": "many",
        "total_tokens": "more",
        "completion_tokens_details": {"reasoning_tokens": "x"},
    }
    sandbox.faults.add(Fault(body=whole({"content": "Hi", "reasoning_content": "Hm."}, usage=counts)))
    response = await way(make_llm(), "chat", HELLO)
    assert response.message.content == "Hi"
    assert response.message.blocks[0].num_tokens is None
    assert not {"prompt_tokens", "total_tokens"} & set(response.additional_kwargs)


@pytest.mark.parametrize("method", ["chat", "stream_chat"])
async def test_the_bytes_of_log_probabilities(make_llm, way, sandbox, method):
    told = {"content": [{"token": "ü", "logprob": -0.5, "bytes": [195, 188], "top_logprobs": []}]}
    body = whole({"content": "ü"})
    body["choices"][0]["logprobs"] = told
    sandbox.faults.add(
        Fault(raw=sse(piece({"content": "ü"}, logprobs=told), piece({}, "stop")))
        if "stream" in method
        else Fault(body=body)
    )
    result = await way(make_llm(logprobs=True), method, HELLO)
    ((only,),) = (result[-1] if isinstance(result, list) else result).logprobs
    assert (only.token, only.logprob, only.bytes) == ("ü", -0.5, [195, 188])
