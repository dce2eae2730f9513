"""Reasoning: under its two names, and as a leading `<think>` part of the text, however it is cut."""

import pytest
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ThinkingBlock, ToolCallBlock
from llama_kit import REASONER, piece, sse, usage, whole

from melious.sandbox import Fault
from melious.wire.thinking import split_thinking

HELLO = [ChatMessage("Hello, you!")]
TEXTS = [
    ("Yes.", "", "Yes."),
    ("<think>Hm.</think>Yes.", "Hm.", "Yes."),
    ("\n<think>\nHm.\n</think>\n\nYes. <think>no</think>", "\nHm.\n", "Yes. <think>no</think>"),
    ("<think></think>Yes.", "", "Yes."),
    ("<think>cut off </th", "cut off </th", ""),
    ("<thi", "", "<thi"),
    ("  <b>bold</b>", "", "  <b>bold</b>"),
    ("  \n", "", "  \n"),
]


def in_blocks(message):
    thoughts = [block.content for block in message.blocks if isinstance(block, ThinkingBlock)]
    texts = [block.text for block in message.blocks if isinstance(block, TextBlock)]
    return "".join(thoughts), "".join(texts)


def streamed(*texts):
    return Fault(raw=sse(*(piece({"content": text}) for text in texts), piece({}, "stop")))


# --- in tags -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "thought", "said"), TEXTS)
def test_whole_texts(text, thought, said):
    assert split_thinking(text) == (thought, said)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(("text", "thought", "said"), TEXTS)
async def test_whole_and_streamed_alike(make_llm, way, sandbox, text, thought, said, size):
    llm = make_llm()
    sandbox.faults.add(Fault(body=whole({"content": text})))
    response = await way(llm, "chat", HELLO)
    assert in_blocks(response.message) == (thought, said)
    sandbox.faults.add(streamed(*(text[at : at + size] for at in range(0, len(text), size))))
    responses = await way(llm, "stream_chat", HELLO)
    assert in_blocks(responses[-1].message) == (thought, said)
    assert "".join(response.delta for response in responses) == said
    deltas = [response.additional_kwargs.get("thinking_delta", "") for response in responses]
    assert "".join(deltas) == thought
    seen = ""
    for response in responses:
        seen += response.delta
        assert (response.message.content or "") == seen


async def test_tags_are_text_where_that_is_wished(make_llm, way, sandbox):
    text = "<think>Hm.</think>Yes."
    llm = make_llm(think_tags=False)
    sandbox.faults.add(Fault(body=whole({"content": text})), streamed("<think>Hm.", "</think>Yes."))
    assert (await way(llm, "chat", HELLO)).message.content == text
    *_, last = await way(llm, "stream_chat", HELLO)
    assert last.message.content == text
    assert [type(block) for block in last.message.blocks] == [TextBlock]


async def test_what_is_told_apart_holds_no_tags(make_llm, way, sandbox):
    text = "<think> is a tag."
    sandbox.faults.add(Fault(body=whole({"content": text, "reasoning_content": "Hm."})))
    response = await way(make_llm(), "chat", HELLO)
    assert in_blocks(response.message) == ("Hm.", text)
    chunks = [piece({"content": "\n"}), piece({"reasoning_content": "Hm."}), piece({"content": text})]
    sandbox.faults.add(Fault(raw=sse(*chunks, piece({}, "stop"))))
    responses = await way(make_llm(), "stream_chat", HELLO)
    assert in_blocks(responses[-1].message) == ("Hm.", f"\n{text}")
    assert "".join(response.delta for response in responses) == f"\n{text}"


async def test_tags_before_tool_calls_and_objects(make_llm, way, sandbox):
    from llama_index.core.prompts import PromptTemplate
    from pydantic import BaseModel

    class Book(BaseModel):
        title: str

    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    chunks = [piece({"content": "<think>A tool!</think>"}), piece({"tool_calls": [call]})]
    sandbox.faults.add(Fault(raw=sse(*chunks, piece({}, "tool_calls"))))
    *_, last = await way(make_llm(), "stream_chat", HELLO)
    assert [type(block) for block in last.message.blocks] == [ThinkingBlock, ToolCallBlock]
    text = '<think>A {book}?</think>{"title": "Dune"}'
    sandbox.faults.add(Fault(body=whole({"content": text})), streamed(text[:20], text[20:]))
    assert await way(make_llm(), "structured_predict", Book, PromptTemplate("?")) == Book(title="Dune")
    *_, book = await way(make_llm(), "stream_structured_predict", Book, PromptTemplate("?"))
    assert book == Book(title="Dune")


# --- as a field of its own -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_both_names_in_whole_answers(make_llm, way, sandbox, name):
    details = {"completion_tokens_details": {"reasoning_tokens": 7}, "completion_tokens": 9}
    sandbox.faults.add(Fault(body=whole({"content": "Yes.", name: "Hm."}, usage=details)))
    thought, text = (await way(make_llm(), "chat", HELLO)).message.blocks
    assert (thought.content, thought.num_tokens, text.text) == ("Hm.", 7, "Yes.")


@pytest.mark.parametrize("count", [0, 1, 5])
async def test_as_many_deltas_as_there_are_thoughts(make_llm, way, sandbox, count):
    chunks = [piece({"role": "assistant", "content": None, "reasoning_content": "Hm. "})] * count
    chunks += [piece({"content": "Yes."}), piece({}, "stop"), usage(completion_tokens=3)]
    sandbox.faults.add(Fault(raw=sse(*chunks)))
    responses = await way(make_llm(), "stream_chat", HELLO)
    deltas = [response.additional_kwargs.get("thinking_delta") for response in responses]
    assert deltas == ["Hm. "] * count + [None, None]
    assert in_blocks(responses[-1].message) == ("Hm. " * count, "Yes.")
    assert [type(block) for block in responses[-1].message.blocks] == [ThinkingBlock] * bool(count) + [
        TextBlock
    ]


async def test_thoughts_that_used_up_the_answer(make_llm, way, sandbox):
    sandbox.faults.add(Fault(body=whole({"content": None, "reasoning_content": "Hm."}, "length")))
    response = await way(make_llm(), "chat", HELLO)
    assert in_blocks(response.message) == ("Hm.", "")
    assert response.additional_kwargs["finish_reason"] == "length"


@pytest.mark.parametrize("echo", [None, False, True])
async def test_thoughts_on_the_way_back(make_llm, way, sandbox, echo):
    llm = make_llm(model=REASONER, echo_thinking=echo)
    first = await way(llm, "chat", HELLO)
    await way(llm, "chat", [*HELLO, first.message, ChatMessage("And now?")])
    sent = sandbox.requests[-1].body["messages"][1]
    assert sent["content"] == first.message.content
    assert ("reasoning_content" in sent) == bool(echo)


async def test_completions_hold_the_text_alone(make_llm, way):
    response = await way(make_llm(model=REASONER), "complete", "Hello, you!")
    assert response.text
    thought, _ = in_blocks((await way(make_llm(model=REASONER), "chat", HELLO)).message)
    assert thought
    assert thought not in response.text
