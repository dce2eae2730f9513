"""Streams: one chunk ends them, whatever the server does, and adding them up never fails."""

import asyncio
import json

import pytest
from faults.faults_kit import RawServer, eventually, http_chunk
from faults.faults_kit import event as sent_event
from langchain_core.language_models._compat_bridge import chunks_to_events
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

from langchain_melious.chat.results import ReadOptions
from langchain_melious.chat.streams import ChunkReader
from langchain_melious.errors import (
    APIStatusError,
    APITimeoutError,
    ProviderError,
    ServerError,
    StreamTruncatedError,
)
from melious.sandbox import Fault, Reply

PARIS = Reply(reasoning="I look it up.", tool_calls=[("get_weather", {"city": "Paris"})])
PARIS_AND_ROME = Reply(
    reasoning="Two tools.", tool_calls=[("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome"})]
)


def get_weather(city: str) -> str:
    """Get the weather in a city."""
    return f"It is sunny in {city}."


def get_time(city: str) -> str:
    """Get the time of day in a city."""
    return f"It is noon in {city}."


def test_a_stream_is_the_answer_in_pieces(way, chat, whole, start_sandbox):
    there = start_sandbox(stream_impact=True)
    llm = chat(api_key=there.api_key, base_url=there.base_url)
    chunks = way.stream(llm, "What is a heat pump?")
    streamed, asked = whole(chunks), way.invoke(llm, "What is a heat pump?")
    assert len(chunks) > 20
    assert streamed.content == asked.content
    assert streamed.additional_kwargs == asked.additional_kwargs
    assert streamed.usage_metadata["output_tokens"] == asked.usage_metadata["output_tokens"]
    assert set(streamed.response_metadata) == set(asked.response_metadata)
    assert streamed.content_blocks == asked.content_blocks


def test_exactly_one_chunk_carries_the_end(way, chat):
    *body, last = way.stream(chat(preset="speed"), "Hello")
    assert last.chunk_position == "last"
    assert last.usage_metadata
    assert {"finish_reason", "model_name", "id", "request_id", "routing"} <= set(last.response_metadata)
    for chunk in body:
        assert chunk.response_metadata == {"model_provider": "melious"}
        assert chunk.usage_metadata is None
        assert chunk.chunk_position is None


@pytest.mark.parametrize(
    "fault",
    [
        Fault(two_terminals=True),
        Fault(no_done=True),
        Fault(usage="missing"),
        Fault(impact="strange", cost="strange"),
        Fault(impact="partial", cost="number"),
    ],
    ids=["two terminals", "no done", "no usage", "strange", "partial"],
)
def test_odd_ends_add_up_all_the_same(way, chat, whole, start_sandbox, fault):
    there = start_sandbox(stream_impact=True)
    there.faults.add(fault)
    llm = chat(api_key=there.api_key, base_url=there.base_url)
    message = whole(way.stream(llm, "Hello"))
    assert message.response_metadata["finish_reason"] == "stop"
    assert message.response_metadata["model_name"] == "glm-4.7"
    assert message.content


def test_usage_can_be_left_out(way, chat, sandbox, whole):
    assert whole(way.stream(chat(stream_usage=False), "Hello")).usage_metadata is None
    assert whole(way.stream(chat(), "Hello", stream_usage=False)).usage_metadata is None
    assert whole(way.stream(chat(), "Hello")).usage_metadata
    sent = [request.body["stream_options"] for request in sandbox.requests.to("chat")]
    assert [options["include_usage"] for options in sent] == [False, False, True]


@pytest.mark.parametrize("options", [{}, {"stream_usage": False}], ids=["with usage", "without"])
def test_a_server_that_does_not_know_stream_options(way, chat, sandbox, whole, options):
    sandbox.faults.add(Fault(refuse_stream_options=True))
    message = whole(way.stream(chat(**options), "Hello"))
    assert message.text
    assert message.usage_metadata is None
    assert "stream_options" not in sandbox.requests[-1].body


def test_tool_calls_in_pieces(way, chat, sandbox, whole):
    sandbox.replies.add(
        Reply(tool_calls=[("get_weather", {"city": "Paris"}), ("get_time", {"city": "Rome"})])
    )
    llm = chat().bind_tools([get_weather, get_time])
    chunks = way.stream(llm, "What is the weather in Paris, and what is the time in Rome?")
    pieces = [piece for chunk in chunks for piece in chunk.tool_call_chunks]
    assert len(pieces) > 4
    assert sum(piece["name"] is not None for piece in pieces) == 2
    message = whole(chunks)
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [
        ("get_weather", {"city": "Paris"}),
        ("get_time", {"city": "Rome"}),
    ]
    assert message.invalid_tool_calls == []
    assert message.response_metadata["finish_reason"] == "tool_calls"
    assert [block["type"] for block in message.content_blocks][-2:] == ["tool_call", "tool_call"]


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_blocks_of_every_chunk(way, chat, sandbox, whole, version):
    sandbox.replies.add(PARIS, times=2)
    llm = chat(output_version=version).bind_tools([get_weather])
    chunks = way.stream(llm, "What is the weather in Paris?")
    kinds = {block["type"] for chunk in chunks for block in chunk.content_blocks}
    assert {"reasoning", "tool_call_chunk"} <= kinds
    assert "tool_call" not in kinds
    message = whole(chunks)
    blocks = message.content_blocks
    assert [block["type"] for block in blocks] == ["reasoning", "tool_call"]
    assert blocks[1]["args"] == {"city": "Paris"}
    asked = way.invoke(llm, "What is the weather in Paris?")
    assert asked.content_blocks[0]["reasoning"] == blocks[0]["reasoning"]


def test_parallel_calls_under_v1(way, chat, sandbox, whole):
    sandbox.replies.add(PARIS_AND_ROME)
    llm = chat(output_version="v1").bind_tools([get_weather])
    message = whole(way.stream(llm, "What is the weather in Paris and Rome?"))
    assert [call["args"] for call in message.tool_calls] == [{"city": "Paris"}, {"city": "Rome"}]
    calls = [block for block in message.content if block["type"] == "tool_call"]
    assert [call["args"] for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_events_of_version_3(chat, sandbox):
    sandbox.replies.add(PARIS, times=2)
    llm = chat().bind_tools([get_weather])
    assert_valid_event_stream(list(llm.stream_events("What is the weather in Paris?", version="v3")))
    stream = llm.stream_events("What is the weather in Paris?", version="v3")
    message = stream.output
    assert message.tool_calls[0]["args"] == {"city": "Paris"}
    assert message.usage_metadata["total_tokens"] > 0
    assert message.response_metadata["finish_reason"] == "tool_calls"
    assert message.response_metadata["request_id"]


def in_kind(events):
    """Events without what differs from request to request."""
    for event in events:
        if event["event"] == "message-finish":
            event["metadata"] = set(event["metadata"])
        event.get("content", {}).pop("index", None)
        event.pop("id", None)
        event.get("metadata", {}) and event["event"] == "message-start" and event["metadata"].pop("model", 0)
    return events


@pytest.mark.parametrize(
    "reply", [Reply(reasoning="Hm.", text="Hello!"), PARIS_AND_ROME], ids=["text", "calls"]
)
def test_events_of_its_own_are_those_that_langchain_makes_of_chunks(chat, sandbox, reply):
    sandbox.replies.add(reply, times=2)
    llm, messages = chat().bind_tools([get_weather]), [HumanMessage("Hello")]
    own = list(llm.bound._stream_chat_model_events(messages, **llm.kwargs))
    made = list(chunks_to_events(llm.bound._stream(messages, **llm.kwargs)))
    assert in_kind(own) == in_kind(made)


def test_malformed_arguments_are_events_too(chat, sandbox):
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "city = Oslo"}}
    choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}
    sandbox.faults.add(Fault(raw=[f"data: {json.dumps({'choices': [choice]})}\n\n"]))
    *_, block, _ = chat()._stream_chat_model_events([HumanMessage("Hello")])
    assert block["content"]["type"] == "invalid_tool_call"
    assert block["content"]["args"] == "city = Oslo"


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
async def test_events_of_version_3_asynchronously(chat):
    stream = await chat().astream_events("Hello", version="v3")
    assert_valid_event_stream([event async for event in stream])
    names = {event["event"] async for event in chat().astream_events("Hello", version="v2")}
    assert {"on_chat_model_start", "on_chat_model_stream", "on_chat_model_end"} <= names


def test_two_chunks_and_an_error_in_the_middle_of_a_stream(way, chat, sandbox):
    sandbox.faults.add(Fault(error_after_events=30, code="provider_error"))
    got = []
    with pytest.raises(ProviderError) as caught:
        way.stream(chat(), "What is a heat pump?", into=got)
    assert 20 < len(got) < 31
    assert caught.value.partial.reasoning == "".join(
        chunk.additional_kwargs.get("reasoning_content", "") for chunk in got
    )
    assert len(sandbox.requests) == 1


def test_a_cut_stream_is_an_error_and_not_sent_again(way, chat, sandbox):
    sandbox.faults.add(Fault(cut_after_events=5))
    with pytest.raises(ConnectionError):
        way.stream(chat(), "Hello")
    sandbox.faults.add(Fault(raw=['data: {"choices":[{"delta":{"content":"He"}}]}\n\n']))
    with pytest.raises(StreamTruncatedError) as caught:
        way.stream(chat(), "Hello")
    assert caught.value.partial.text == "He"
    assert len(sandbox.requests) == 2


def test_a_stalled_stream_ends_though_comments_go_on(way, chat):
    def stall(peer):
        peer.request()
        peer.events(sent_event("A "), sent_event("light."))
        while True:  # until the client leaves
            peer.send(http_chunk(b": keep-alive\n\n"))
            peer.pause(0.02)

    with RawServer(stall) as server:
        with pytest.raises(APITimeoutError):
            way.stream(chat(base_url=server.base_url, timeout=0.3), "Hello")
        assert eventually(lambda: len(server.requests) == 1)


def test_what_fails_before_the_first_chunk_is_tried_again(way, chat, sandbox, whole):
    sandbox.faults.add(Fault(status=503, times=2))
    llm = chat(max_retries=2)
    assert whole(way.stream(llm, "Hello")).content
    assert len(sandbox.requests) == 3
    sandbox.faults.add(Fault(status=503))
    with pytest.raises(ServerError):
        way.stream(llm, "Hello", max_retries=0)
    assert len(sandbox.requests) == 4


@pytest.mark.parametrize(
    "delta",
    [
        {"tool_calls": [{"index": None, "id": "a", "function": {"name": "f", "arguments": "{}"}}]},
        {"tool_calls": [{"index": "0", "id": "a", "function": {"name": "f", "arguments": {}}}]},
        {"tool_calls": [{"id": "a", "function": {"name": "f"}}]},
    ],
)
def test_odd_pieces_of_calls_come_out_regular(way, chat, sandbox, whole, delta):
    first = {"choices": [{"index": 0, "delta": delta}]}
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    sandbox.faults.add(Fault(raw=[f"data: {json.dumps(part)}\n\n" for part in (first, last)]))
    (call,) = whole(way.stream(chat(), "Hello")).tool_calls
    assert (call["name"], call["args"], call["id"]) == ("f", {}, "a")


def test_chunks_that_say_nothing_are_left_out_and_other_answers_ignored():
    reader = ChunkReader(ReadOptions())
    assert reader.read({"choices": []}) == []
    assert reader.read({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}) == []
    assert reader.read({"choices": [{"index": 1, "delta": {"content": "other"}}]}) == []
    assert reader.read({"choices": [{"index": 0, "delta": {"content": "x"}}]})[0].text == "x"


def test_breaking_off_lets_go_of_the_connection(start_sandbox, chat):
    there = start_sandbox()
    there.faults.add(Fault(stall_after_events=3, stall_seconds=600, times=2))
    llm = chat(api_key=there.api_key, base_url=there.base_url)
    for _ in llm.stream("What is a heat pump?"):
        break

    async def some() -> None:
        async for _ in llm.astream("What is a heat pump?"):
            break
        task = asyncio.create_task(llm.ainvoke("Hello"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await llm.ainvoke("Hello")).content
        await llm.aclose()

    asyncio.run(some())
    llm.close()
    assert eventually(lambda: there.open_connections == 0)


def test_an_error_of_the_stream_shows_in_the_trace(way, chat, sandbox):
    from langchain_core.callbacks import BaseCallbackHandler

    class Failures(BaseCallbackHandler):
        def __init__(self):
            self.seen = []

        def on_llm_error(self, error, *, response=None, **_):
            self.seen.append((type(error), response.generations[0][0].message.response_metadata))

    sandbox.faults.add(Fault(status=404))
    failures = Failures()
    with pytest.raises(APIStatusError):
        way.stream(chat(), "Hello", {"callbacks": [failures]})
    kind, metadata = failures.seen.pop()
    assert issubclass(kind, APIStatusError)
    assert metadata["status_code"] == 404
    assert metadata["body"]["error"]
    assert metadata["headers"]["x-request-id"]


def test_the_sum_of_chunks_is_one_message(way, chat):
    total = None
    for chunk in way.stream(chat(), "Hello"):
        total = chunk if total is None else total + chunk
    assert isinstance(total, AIMessageChunk)
    assert total.response_metadata["finish_reason"] == "stop"
