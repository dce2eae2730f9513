"""What a model cannot read: refused where the user has just sent it, words where it stands in the conversation."""

import base64
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from langchain_melious.errors import InvalidArgumentError
from melious.sandbox import Reply

DATA = base64.b64encode(b"\x00\x01 who knows").decode()
PDF = {"type": "file", "mime_type": "application/pdf", "base64": base64.b64encode(b"%PDF-1.7").decode()}
URL = "https://example.org/a.png"
BLIND, SEEING = "glm-4.7", "gemma-4-26b-a4b"

UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "image": ({"type": "image", "base64": DATA, "mime_type": "image/png"}, "an image"),
    "image url": ({"type": "image_url", "image_url": {"url": URL}}, "an image"),
    "input_image": ({"type": "input_image", "image_url": URL}, "an image"),
    "audio": ({"type": "audio", "base64": DATA, "mime_type": "audio/wav"}, "an audio recording"),
    "input_audio": ({"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}}, "an audio"),
    "video": ({"type": "video", "base64": DATA, "mime_type": "video/mp4"}, "a video"),
    "media": ({"type": "media", "mime_type": "video/mp4", "file_uri": "gs://a/b"}, "a video"),
    "pdf": ({**PDF, "filename": "report.pdf"}, "a PDF file, report.pdf,"),
    "input_file": (
        {
            "type": "input_file",
            "filename": "r.pdf",
            "file_data": f"data:application/pdf;base64,{PDF['base64']}",
        },
        "a PDF file, r.pdf,",
    ),
    "zip": ({"type": "file", "mime_type": "application/zip", "base64": DATA}, "a file (application/zip)"),
    "link": ({"type": "resource_link", "uri": "file:///a"}, "content of type 'resource_link'"),
}


@pytest.mark.parametrize(("block", "named"), UNREADABLE.values(), ids=list(UNREADABLE))
def test_a_fresh_message_is_refused_before_it_is_sent(way, chat, sandbox, block, named):
    with pytest.raises(InvalidArgumentError, match=rf"{block['type'].removeprefix('input_')}.*{BLIND}"):
        way.invoke(chat(BLIND), [HumanMessage(["Look", block])])
    assert not sandbox.requests


@pytest.mark.parametrize(("block", "named"), UNREADABLE.values(), ids=list(UNREADABLE))
@pytest.mark.parametrize("turn", ["user", "tool"])
def test_an_older_turn_is_put_into_words(way, chat, sandbox, block, named, turn):
    sandbox.replies.add(Reply(text="Well."))
    if turn == "user":
        history = [HumanMessage(["Look", block]), AIMessage("Nice.")]
    else:
        call = {"name": "read", "args": {}, "id": "c1"}
        history = [AIMessage("", tool_calls=[call]), ToolMessage(["Look", block], tool_call_id="c1")]
    way.invoke(chat(BLIND), [HumanMessage("Hello"), *history, HumanMessage("Go on")])
    (message,) = [m for m in sandbox.requests[-1].body["messages"] if "Look" in str(m["content"])]
    content = message["content"]
    text = content if isinstance(content, str) else "\n".join(part["text"] for part in content)
    assert text.startswith("Look")
    assert f"[{named}" in text
    assert "was here; this model cannot read it]" in text


@pytest.mark.parametrize("name", ["image", "image url", "input_image"])
def test_a_model_that_sees_gets_the_picture(way, chat, sandbox, name):
    sandbox.replies.add(Reply(text="Well."))
    way.invoke(chat(SEEING), [HumanMessage(["Look", UNREADABLE[name][0]])])
    (_, part) = sandbox.requests[-1].body["messages"][0]["content"]
    assert part["type"] == "image_url"
    assert part["image_url"]["url"].startswith(("data:image/png;base64,", URL))


def test_a_document_of_text_blocks_is_read(way, chat, sandbox):
    source = {
        "type": "content",
        "content": [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}],
    }
    sandbox.replies.add(Reply(text="Well."))
    way.invoke(chat(BLIND), [HumanMessage([{"type": "document", "source": source, "title": "notes"}])])
    assert sandbox.requests[-1].body["messages"][0]["content"] == "notes:\nOne\nTwo"


def test_pictures_in_an_assistants_turn_are_named(way, chat, sandbox):
    sandbox.replies.add(Reply(text="Well."))
    said = AIMessage(["Here:", UNREADABLE["image"][0]])
    way.invoke(chat(SEEING), [HumanMessage("Paint"), said, HumanMessage("And now?")])
    assert "[an image was here" in sandbox.requests[-1].body["messages"][1]["content"]


def test_an_agent_whose_tool_gave_a_file_goes_on(way, chat, sandbox):
    @tool
    def read() -> list[Any]:
        """Read the report."""
        return ["The report:", {**PDF, "filename": "report.pdf"}]

    sandbox.replies.add(Reply(tool_calls=[("read", {})]), Reply(text="I cannot."), Reply(text="Hello."))
    agent = create_agent(chat(BLIND), [read], checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    way.invoke(agent, {"messages": "What does it say?"}, config)
    last = way.invoke(agent, {"messages": "Never mind"}, config)["messages"][-1]
    assert last.text == "Hello."


def test_a_thread_goes_on_after_a_file_was_refused(way, chat, sandbox):
    sandbox.replies.add(Reply(text="Hello."))
    agent = create_agent(chat(BLIND), [], checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    with pytest.raises(InvalidArgumentError, match="convert_documents=True"):
        way.invoke(agent, {"messages": [HumanMessage([PDF])]}, config)
    assert way.invoke(agent, {"messages": "Never mind"}, config)["messages"][-1].text == "Hello."
