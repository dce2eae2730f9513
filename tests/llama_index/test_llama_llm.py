"""Melious as an LLM: all forms of chat and completion, what responses carry, where requests go."""

import asyncio
import gc
from itertools import pairwise

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ThinkingBlock
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_kit import MODEL, REASONER, Way, eventually, piece, sse, usage, whole

from llama_index_melious import Melious
from melious import (
    BadRequestError,
    InvalidArgumentError,
    ProviderError,
    StreamTruncatedError,
    track_impact,
)
from melious.sandbox import Fault

QUESTION = "What is a lighthouse?"
HELLO = [ChatMessage("Hello, you!")]


# --- the four forms, sync and async ---------------------------------------------------------------


async def test_chat(make_llm, way, sandbox):
    response = await way(make_llm(), "chat", [ChatMessage(QUESTION)])
    assert response.message.role is MessageRole.ASSISTANT
    assert "lighthouse" in response.message.content
    assert sandbox.requests[-1].body == {
        "model": MODEL,
        "messages": [{"role": "user", "content": QUESTION}],
    }


async def test_complete_is_a_chat_of_one_message(make_llm, way, sandbox):
    llm = make_llm()
    response = await way(llm, "complete", prompt=QUESTION)
    assert response.text == (await way(llm, "chat", [ChatMessage(QUESTION)])).message.content
    assert sandbox.requests[0].body == sandbox.requests[1].body
    assert response.additional_kwargs["total_tokens"] == response.raw["usage"]["total_tokens"] > 0


async def test_completion_to_prompt_unless_formatted(make_llm, way, sandbox):
    llm = make_llm(completion_to_prompt=lambda text: f"<<{text}>>")
    await way(llm, "complete", "one")
    await way(llm, "complete", "two", formatted=True)
    assert [request.body["messages"][0]["content"] for request in sandbox.requests] == ["<<one>>", "two"]


async def test_stream_chat_is_cumulative(make_llm, way):
    llm = make_llm()
    responses = await way(llm, "stream_chat", [ChatMessage(QUESTION)])
    assert len(responses) > 5
    text = ""
    for response in responses:
        text += response.delta
        assert response.message.content == text
    assert text == (await way(llm, "chat", [ChatMessage(QUESTION)])).message.content


async def test_last_response_of_a_stream_knows_everything(make_llm, way):
    *_, last = await way(make_llm(), "stream_chat", [ChatMessage(QUESTION)])
    assert type(last.raw) is dict
    assert last.raw["choices"][0]["message"]["content"] == last.message.content
    assert last.additional_kwargs["finish_reason"] == last.raw["choices"][0]["finish_reason"] == "stop"
    counts = last.raw["usage"]
    assert counts["prompt_tokens"] + counts["completion_tokens"] == counts["total_tokens"]
    assert last.additional_kwargs["total_tokens"] == counts["total_tokens"]


async def test_stream_complete(make_llm, way):
    responses = await way(make_llm(), "stream_complete", QUESTION)
    assert "".join(response.delta for response in responses) == responses[-1].text
    assert all(later.text.startswith(one.text) for one, later in pairwise(responses))
    assert responses[-1].additional_kwargs["total_tokens"] > 0


async def test_what_a_response_carries(make_llm, way, sandbox):
    response = await way(make_llm(model="glm-4.7:eco"), "chat", HELLO)
    said = response.additional_kwargs
    assert said["model"] == "glm-4.7"
    assert said["request_id"] == sandbox.requests[-1].request_id
    assert said["environment_impact"] == response.raw["environment_impact"]
    assert said["environment_impact"]["carbon_g_co2"] > 0
    assert said["billing_cost"]["paid_with"] in ("energy", "credits")
    assert said["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0


async def test_missing_is_absent(make_llm, way, sandbox):
    sandbox.faults.add(Fault(endpoint="chat", impact="missing", cost="missing", usage="missing"))
    response = await way(make_llm(), "chat", HELLO)
    assert not {"environment_impact", "billing_cost", "usage", "total_tokens"} & set(
        response.additional_kwargs
    )


async def test_impact_of_a_stream_where_it_is_sent(start_sandbox, way):
    other = start_sandbox(stream_impact=True)
    llm = Melious(model=MODEL, api_key=other.api_key, base_url=other.base_url)
    with track_impact() as ledger:
        *_, last = await way(llm, "stream_chat", HELLO)
    assert last.additional_kwargs["environment_impact"]["location"]
    assert last.additional_kwargs["billing_cost"]["credits"]
    assert ledger.total.requests == ledger.total.with_impact == 1


# --- reasoning -------------------------------------------------------------------------------------


async def test_reasoning_is_a_block_with_its_tokens(make_llm, way):
    response = await way(make_llm(model=REASONER), "chat", HELLO)
    thought, text = response.message.blocks
    assert isinstance(thought, ThinkingBlock)
    assert isinstance(text, TextBlock)
    tokens = response.raw["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert thought.num_tokens == tokens > 0


async def test_reasoning_streams_as_thinking_delta(make_llm, way):
    responses = await way(make_llm(model=REASONER), "stream_chat", HELLO)
    thoughts = [response.additional_kwargs.get("thinking_delta") for response in responses]
    last = responses[-1].message
    assert [type(block) for block in last.blocks] == [ThinkingBlock, TextBlock]
    assert "".join(filter(None, thoughts)) == last.blocks[0].content
    assert last.blocks[0].num_tokens > 0
    assert all(not response.delta for response, thought in zip(responses, thoughts, strict=True) if thought)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_reasoning_in_the_very_first_chunk(make_llm, way, sandbox, name):
    chunks = [
        piece({"role": "assistant", name: "Hm", "content": None}),
        piece({name: "m."}),
        piece({"content": "\n\n"}),
        piece({"content": "Yes."}),
        piece({}, "stop"),
        usage(prompt_tokens=1, completion_tokens=2, total_tokens=3),
    ]
    sandbox.faults.add(Fault(raw=sse(*chunks)))
    responses = await way(make_llm(), "stream_chat", HELLO)
    assert [r.additional_kwargs.get("thinking_delta") for r in responses] == ["Hm", "m.", None, None, None]
    assert [r.delta for r in responses] == ["", "", "\n\n", "Yes.", ""]
    assert [block.model_dump()["block_type"] for block in responses[-1].message.blocks] == [
        "thinking",
        "text",
    ]
    assert responses[-1].message.blocks[0].content == "Hmm."
    assert responses[-1].message.content == "\n\nYes."


# --- parameters and routing ------------------------------------------------------------------------


async def test_fields_go_into_the_body_and_calls_win(make_llm, way, sandbox):
    llm = make_llm(
        temperature=0.3,
        max_tokens=40,
        top_p=0.9,
        stop=["END"],
        seed=7,
        preset="environment",
        filters={"countries": ["DE", "FR", "SE"]},
        extra_body={"novel": 1},
        additional_kwargs={"presence_penalty": 0.5, "unheard_of": True, "seed": 8},
    )
    await way(llm, "chat", HELLO)
    await way(llm, "chat", HELLO, temperature=0.0, seed=9, preset="speed", extra_body={"novel": 2})
    first, second = (request.body for request in sandbox.requests)
    expected = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hello, you!"}],
        "temperature": 0.3,
        "max_tokens": 40,
        "top_p": 0.9,
        "stop": ["END"],
        "seed": 8,
        "preset": "environment",
        "filters": {"countries": ["DE", "FR", "SE"]},
        "presence_penalty": 0.5,
        "unheard_of": True,
        "novel": 1,
    }
    assert first == expected
    assert second == expected | {"temperature": 0.0, "seed": 9, "preset": "speed", "novel": 2}


@pytest.mark.parametrize("method", ["chat", "stream_chat"])
async def test_routing_per_call(make_llm, way, sandbox, method):
    filters = {"countries": ["SE"]}
    await way(make_llm(), method, HELLO, flavor="eco", filters=filters, extra_headers={"x-test": "1"})
    request = sandbox.requests[-1]
    assert request.body["model"] == f"{MODEL}:eco"
    assert request.body["filters"] == filters
    assert request.headers["x-test"] == "1"


async def test_another_model_for_one_call(make_llm, way, sandbox):
    await way(make_llm(), "complete", "Hello", model=REASONER)
    assert sandbox.requests[-1].body["model"] == REASONER


@pytest.mark.parametrize("method", ["chat", "stream_chat", "complete", "stream_complete"])
async def test_sync_and_async_send_the_same(make_llm, sandbox, method):
    llm = make_llm(temperature=0.1, preset="price")
    argument = "Hi" if "complete" in method else HELLO
    for name in ("sync", "async"):
        await Way(name)(llm, method, argument, top_p=0.5)
    first, second = sandbox.requests
    assert first.body == second.body
    unlike = {name for name in first.headers if first.headers[name] != second.headers.get(name)}
    assert not unlike & {"authorization", "content-type", "accept", "user-agent"}


@pytest.mark.parametrize("wrong", [1, None])
async def test_misspelt_parameter_of_a_call(make_llm, way, sandbox, wrong):
    with pytest.raises(InvalidArgumentError, match="did you mean 'temperature'"):
        await way(make_llm(), "chat", HELLO, temprature=wrong)
    assert not sandbox.requests


async def test_logprobs_are_kept(make_llm, way):
    llm = make_llm(logprobs=True, top_logprobs=2)
    chat = await way(llm, "chat", HELLO)
    complete = await way(llm, "complete", "Hello, you!")
    *chunks, last = await way(llm, "stream_chat", HELLO)
    assert chat.logprobs
    assert all(len(alternatives) == 2 for alternatives in chat.logprobs)
    assert complete.logprobs == chat.logprobs == last.logprobs
    assert [one for chunk in chunks for one in chunk.logprobs or []] == last.logprobs


# --- errors, retries, and ends of streams ------------------------------------------------------------


async def test_stream_request_is_made_when_called(make_llm, sandbox):
    sandbox.faults.add(Fault(status=400, times=2))
    with pytest.raises(BadRequestError, match="400"):
        make_llm().stream_chat(HELLO)
    with pytest.raises(BadRequestError, match="400"):
        await make_llm().astream_chat(HELLO)


async def test_cut_stream_raises_with_what_came(make_llm, way, sandbox):
    sandbox.faults.add(Fault(raw=sse(piece({"content": "Half an "}), piece({"content": "ans"}), done=False)))
    with pytest.raises(StreamTruncatedError) as caught:
        await way(make_llm(), "stream_chat", HELLO)
    assert caught.value.partial.text == "Half an ans"


async def test_error_inside_a_stream(make_llm, way, sandbox):
    sandbox.faults.add(Fault(code="provider_error", error_after_events=3))
    with pytest.raises(ProviderError) as caught:
        await way(make_llm(), "stream_chat", [ChatMessage(QUESTION)])
    assert caught.value.partial.text


async def test_empty_answer(make_llm, way, sandbox):
    sandbox.faults.add(Fault(body=whole({"content": None}, "length")))
    response = await way(make_llm(), "chat", HELLO)
    assert response.message.content == ""
    assert response.additional_kwargs["finish_reason"] == "length"


@pytest.mark.parametrize("how", ["break", "close", "never iterated"])
def test_leaving_a_stream_closes_its_connection(start_sandbox, how):
    sandbox = start_sandbox()
    sandbox.faults.add(Fault(stall_after_events=3, stall_seconds=600))
    stream = Melious(model=MODEL, api_key=sandbox.api_key, base_url=sandbox.base_url).stream_chat(HELLO)
    if how == "break":
        for _ in stream:
            break
        assert sandbox.open_connections == 1
    elif how == "close":
        next(stream)
        stream.close()
    del stream
    _await_no_connection(sandbox)


@pytest.mark.parametrize("how", ["break", "aclose"])
def test_leaving_an_async_stream_closes_its_connection(start_sandbox, how):
    sandbox = start_sandbox()
    llm = Melious(model=MODEL, api_key=sandbox.api_key, base_url=sandbox.base_url)
    sandbox.faults.add(Fault(stall_after_events=3, stall_seconds=600))

    async def main():
        stream = await llm.astream_chat(HELLO)
        async for _ in stream:
            break
        assert sandbox.open_connections == 1
        if how == "aclose":
            await stream.aclose()
        del stream
        gc.collect()
        assert await eventually(lambda: not sandbox.open_connections)

    asyncio.run(main())


def _await_no_connection(sandbox):
    assert asyncio.run(eventually(lambda: not sandbox.open_connections))


@pytest.mark.parametrize("when", ["before the first chunk", "between chunks"])
def test_cancelling_closes_the_connection(start_sandbox, when):
    sandbox = start_sandbox()
    llm = Melious(model=MODEL, api_key=sandbox.api_key, base_url=sandbox.base_url)
    fault = (
        {"delay": 600}
        if when == "before the first chunk"
        else {"stall_after_events": 3, "stall_seconds": 600}
    )
    sandbox.faults.add(Fault(**fault))
    begun = []

    async def read():
        async for response in await llm.astream_chat(HELLO):
            begun.append(response)

    async def main():
        task = asyncio.create_task(read())
        assert await eventually(lambda: bool(sandbox.requests and (begun or "delay" in fault)))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await eventually(lambda: not sandbox.open_connections)
        sandbox.faults.clear()
        assert (await llm.achat(HELLO)).message.content

    asyncio.run(main())


async def test_streams_that_bring_nothing(make_llm, way, sandbox):
    handler = LlamaDebugHandler(print_trace_on_end=False)
    llm = make_llm(callback_manager=CallbackManager([handler]))
    sandbox.faults.add(Fault(raw=sse(piece({"role": "assistant", "content": ""}), piece({}, "stop"))))
    (only,) = await way(llm, "stream_chat", HELLO)
    assert (only.message.content, only.delta) == ("", "")
    sandbox.faults.add(Fault(raw=sse(piece({}, "length"))))
    (only,) = await way(llm, "stream_complete", "Hello")
    assert (only.text, only.delta) == ("", "")
    assert len(handler.get_llm_inputs_outputs()) == 2


async def test_chunks_without_a_choice(make_llm, way, sandbox):
    first = {"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": []}
    chunks = [
        first,
        piece({"role": "assistant", "content": ""}),
        piece({"content": "\n\n"}),
        piece({"content": "Hi"}),
    ]
    counts = usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    sandbox.faults.add(Fault(raw=sse(*chunks, piece({"content": ""}, "stop"), counts)))
    responses = await way(make_llm(), "stream_chat", HELLO)
    assert "".join(response.delta for response in responses) == "\n\nHi"
    assert responses[-1].message.content == "\n\nHi"
    assert responses[-1].message.role is MessageRole.ASSISTANT
    assert responses[-1].additional_kwargs["total_tokens"] == 3


async def test_further_choices_stay_in_raw(make_llm, way, sandbox):
    answer = whole({"content": "One"})
    answer["choices"].append(
        {"index": 1, "message": {"role": "assistant", "content": "Two"}, "finish_reason": "stop"}
    )
    sandbox.faults.add(Fault(body=answer))
    response = await way(make_llm(), "chat", HELLO, n=2)
    assert response.message.content == "One"
    assert [choice["message"]["content"] for choice in response.raw["choices"]] == ["One", "Two"]
    second = {"index": 1, "delta": {"content": "Two"}, "finish_reason": "stop"}
    other = piece({}) | {"choices": [second]}
    sandbox.faults.add(Fault(raw=sse(piece({"content": "One"}), other, piece({}, "stop"))))
    responses = await way(make_llm(), "stream_chat", HELLO, n=2)
    assert [response.delta for response in responses] == ["One", ""]
    assert [choice["message"]["content"] for choice in responses[-1].raw["choices"]] == ["One", "Two"]
