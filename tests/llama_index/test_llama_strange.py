"""Answers that no server should give, and arguments that nobody should: what was paid for is not lost, errors name the place."""

import asyncio
import json
import re

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_kit import MULTIPLY, piece, sse, whole
from pydantic import BaseModel

from llama_index_melious import StructuredOutputError
from melious import InvalidArgumentError
from melious.sandbox import Fault

HELLO = [ChatMessage("Hello")]


class Word(BaseModel):
    word: str


def call(call_id, arguments):
    return {"id": call_id, "type": "function", "function": {"name": "multiply", "arguments": arguments}}


@pytest.mark.parametrize(
    "counts",
    [
        "many",
        ["many"],
        {"completion_tokens_details": 3},
        {"completion_tokens_details": {"reasoning_tokens": "x"}},
    ],
    ids=str,
)
async def test_usage_of_any_shape_spoils_no_answer(make_llm, way, sandbox, counts):
    sandbox.faults.add(Fault(body=whole({"content": "Hi"}, usage=counts)))
    assert (await way(make_llm(), "chat", HELLO)).message.content == "Hi"
    end = {**piece({}, "stop"), "usage": counts}
    sandbox.faults.add(Fault(raw=sse(piece({"content": "Hi"}), end)))
    last = (await way(make_llm(), "stream_chat", HELLO))[-1]
    assert last.message.content == "Hi"
    assert "total_tokens" not in last.additional_kwargs


async def test_ids_of_calls_may_be_numbers(make_llm, way, sandbox):
    message = {"content": "", "tool_calls": [call(3, '{"a": 2, "b": 3}'), call(0, '{"a": 4, "b": 5}')]}
    sandbox.faults.add(Fault(body=whole(message, "tool_calls")))
    llm = make_llm()
    response = await way(llm, "chat_with_tools", [MULTIPLY], "2 x 3, 4 x 5", allow_parallel_tool_calls=True)
    selected = llm.get_tool_calls_from_response(response)
    assert [(each.tool_id, each.tool_kwargs) for each in selected] == [
        ("3", {"a": 2, "b": 3}),
        ("0", {"a": 4, "b": 5}),
    ]
    answers = [
        ChatMessage(role="tool", content="6", additional_kwargs={"tool_call_id": each.tool_id})
        for each in selected
    ]
    await way(llm, "chat", [*HELLO, response.message, *answers])
    assert [each["id"] for each in sandbox.requests[-1].body["messages"][1]["tool_calls"]] == ["3", "0"]


async def test_calls_that_share_an_id_can_be_answered(make_llm, way, sandbox):
    message = {"content": "", "tool_calls": [call("c", '{"a": 2, "b": 3}'), call("c", '{"a": 4, "b": 5}')]}
    sandbox.faults.add(Fault(body=whole(message, "tool_calls")), Fault(body=whole({"content": "6 and 20"})))
    llm = make_llm()
    response = await way(llm, "chat_with_tools", [MULTIPLY], "2 x 3, 4 x 5", allow_parallel_tool_calls=True)
    ids = [call.tool_id for call in llm.get_tool_calls_from_response(response)]
    assert ids[0] == "c" != ids[1]
    six, twenty = (
        ChatMessage(role="tool", content=text, additional_kwargs={"tool_call_id": call_id})
        for text, call_id in zip(("6", "20"), ids, strict=True)
    )
    answer = await way(llm, "chat", [*HELLO, response.message, six, twenty])
    assert answer.message.content == "6 and 20"
    assert [each["content"] for each in sandbox.requests[-1].body["messages"][2:]] == ["6", "20"]


async def test_log_probabilities_without_a_number(make_llm, way, sandbox):
    tokens = [{"token": "H", "logprob": None}, {"token": "i", "logprob": -0.5, "top_logprobs": None}]
    told = {"content": tokens}
    body = whole({"content": "Hi"})
    body["choices"][0]["logprobs"] = told
    sandbox.faults.add(Fault(body=body))
    sandbox.faults.add(Fault(raw=sse(piece({"content": "Hi"}, logprobs=told), piece({}, "stop"))))
    response = await way(make_llm(), "chat", HELLO)
    last = (await way(make_llm(), "stream_chat", HELLO))[-1]
    for each in (response, last):
        assert [[one.logprob for one in alternatives] for alternatives in each.logprobs] == [[], [-0.5]]
    assert response.raw["choices"][0]["logprobs"]["content"] == tokens


@pytest.mark.parametrize(
    "after", [" I hope {that} helps]", "\n```\nIs [this] what you meant?", '{"word": "dunes"}', ""]
)
@pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
async def test_whatever_follows_the_object_is_left_out(make_llm, way, sandbox, method, after):
    text = json.dumps({"word": "a } in [it"}) + after
    raw = sse(piece({"content": text}), piece({}, "stop"))
    sandbox.faults.add(Fault(raw=raw) if "stream" in method else Fault(body=whole({"content": text})))
    result = await way(make_llm(), method, Word, PromptTemplate("A word?"))
    assert (result[-1] if isinstance(result, list) else result) == Word(word="a } in [it")


async def test_an_object_nested_beyond_reason_is_no_accident(make_llm, way, sandbox):
    sandbox.faults.add(Fault(body=whole({"content": '{"word":' * 100_000})))
    with pytest.raises(StructuredOutputError, match="not a valid Word"):
        await way(make_llm(), "structured_predict", Word, PromptTemplate("A word?"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"stream": True}, "stream_chat"),
        ({"extra_body": 3}, "extra_body: must be a mapping"),
        ({"extra_body": [("a", 1)]}, "extra_body: must be a mapping"),
    ],
)
async def test_wrong_arguments_of_a_call(make_llm, way, sandbox, wrong, said):
    with pytest.raises(InvalidArgumentError, match=said):
        await way(make_llm(), "chat", HELLO, **wrong)
    assert not sandbox.requests


async def test_what_is_no_message_is_named_by_its_place(make_llm, way, sandbox):
    with pytest.raises(InvalidArgumentError, match=r"messages\[1\]: must be a ChatMessage, not dict"):
        await way(make_llm(), "chat", [*HELLO, {"role": "user", "content": "Hello"}])
    assert not sandbox.requests


@pytest.mark.parametrize("instruction", ["", "passage: "])
async def test_what_is_no_text_is_named_by_its_place(make_embedding, way, sandbox, instruction):
    with pytest.raises(InvalidArgumentError, match=r"texts\[1\]"):
        await way(make_embedding(text_instruction=instruction), "get_text_embedding_batch", ["dunes", None])
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("foreign", "meant"),
    [
        ("request_timeout", "timeout"),
        ("headers", "default_headers"),
        ("url", "base_url"),
        ("token", "api_key"),
    ],
)
def test_words_of_other_integrations_are_told_in_ours(make_llm, make_embedding, make_rerank, foreign, meant):
    for make in (make_llm, make_embedding, make_rerank):
        with pytest.raises(InvalidArgumentError, match=f"did you mean '{meant}'"):
            make(**{foreign: "x"})


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ("Hello", "messages: must be a list of ChatMessage, not str; complete() takes a prompt"),
        (None, "messages: must be a list of ChatMessage, not NoneType"),
        (ChatMessage("Hello"), "messages: must be a list of ChatMessage, not ChatMessage"),
        ({"role": "user", "content": "Hello"}, "messages: must be a list of ChatMessage, not dict"),
        (["Hello"], "messages[0]: must be a ChatMessage, not str"),
        ([ChatMessage("Hello"), None], "messages[1]: must be a ChatMessage, not NoneType"),
    ],
)
def test_what_is_no_list_of_messages_is_refused_in_words_of_ours(make_llm, sandbox, messages, said):
    llm = make_llm()
    calls = {
        "chat": lambda: llm.chat(messages),
        "achat": lambda: asyncio.run(llm.achat(messages)),
        "stream_chat": lambda: llm.stream_chat(messages),
        "astream_chat": lambda: asyncio.run(llm.astream_chat(messages=messages)),
    }
    for call in calls.values():
        with pytest.raises(InvalidArgumentError, match=re.escape(said)) as refused:
            call()
        assert "pydantic" not in str(refused.value)
    assert not sandbox.requests
