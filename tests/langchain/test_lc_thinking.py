"""A leading `<think>` part is reasoning, however it is cut."""

import json

import pytest
from langchain_core.messages import HumanMessage

from melious.sandbox import Fault
from melious.wire.thinking import ThinkSplitter

TEXTS = [
    ("Yes.", "", "Yes."),
    ("<think>Hm.</think>Yes.", "Hm.", "Yes."),
    ("\n<think>\nHm.\n</think>\n\nYes. <think>no</think>", "\nHm.\n", "Yes. <think>no</think>"),
    ("<think>a < b </thin> c</think>Yes.", "a < b </thin> c", "Yes."),
    ("<think></think>Yes.", "", "Yes."),
    ("<think>cut off </th", "cut off </th", ""),
    ("<thi", "", "<thi"),
    ("<thinking>is a word", "", "<thinking>is a word"),
    ("  \n", "", "  \n"),
    ("  <b>bold</b>", "", "  <b>bold</b>"),
    ("I <think>so</think>", "", "I <think>so</think>"),
]


@pytest.mark.parametrize(("text", "thought", "said"), TEXTS)
def test_every_cut(text, thought, said):
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            splitter = ThinkSplitter()
            parts = [splitter.split(part) for part in (text[:first], text[first:second], text[second:])]
            parts.append(splitter.flush())
            assert "".join(part[0] for part in parts) == thought
            assert "".join(part[1] for part in parts) == said


def streamed(text):
    parts = [{"index": 0, "delta": {"content": sign}} for sign in text]
    parts.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    return Fault(raw=["".join(f"data: {json.dumps({'choices': [part]})}\n\n" for part in parts)])


def whole_answer(text):
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return Fault(status=200, body={"choices": [choice]})


def test_whole_and_streamed(way, chat, sandbox, whole):
    text = "<think>\nHm.\n</think>\n\nYes."
    sandbox.faults.add(whole_answer(text), streamed(text), whole_answer(text), streamed(text))
    asked = way.invoke(chat(), "Really?")
    chunks = way.stream(chat(), "Really?")
    for message in (asked, whole(chunks)):
        assert message.content == "Yes."
        assert message.additional_kwargs["reasoning_content"].strip() == "Hm."
        assert [block["type"] for block in message.content_blocks] == ["reasoning", "text"]
    assert len(chunks) > 6
    plain = chat(think_tags=False)
    assert way.invoke(plain, "Really?").content == text
    assert whole(way.stream(plain, "Really?")).content == text


def test_a_stream_that_ends_within_its_thoughts_loses_nothing(way, chat, sandbox, whole):
    sandbox.faults.add(streamed("<think>Hm. </th"))
    message = whole(way.stream(chat(), [HumanMessage("Really?")]))
    assert message.additional_kwargs["reasoning_content"] == "Hm. </th"
    assert message.content == ""
