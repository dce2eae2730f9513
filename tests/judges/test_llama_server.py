"""llama.cpp's own server with SmolLM2: chat, tools, schemas, limits, and what is left before its end.

Everything is asked twice: of the server itself, and of the sandbox in front of it.
"""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessageChunk
from llama_index.core.llms import ChatMessage
from pydantic import BaseModel, Field

from langchain_melious import ChatMelious
from llama_index_melious import Melious
from melious import APIConnectionError, MeliousError, ProviderError, StreamTruncatedError
from melious.sandbox import Sandbox

from .llama_process import LlamaServer, start_llama_server

QUESTION = "Weather in Oslo?"
FOREVER = {"ignore_eos": True}
"""For the server: go on to `max_tokens`."""

LONG = 1800
"""More tokens than a client waits for here."""


class Place:
    """Where a test asks: the address and key for clients, and the server that answers in the end."""

    def __init__(self, base_url: str, api_key: str, server: LlamaServer) -> None:
        self.base_url = base_url
        self.api_key = api_key
        self.server = server

    def langchain(self, **options: object) -> ChatMelious:
        return ChatMelious("smollm2", **self._options(options))

    def llama_index(self, **options: object) -> Melious:
        return Melious("smollm2", **self._options(options))

    def _options(self, options: dict[str, object]) -> dict[str, object]:
        ours = {"base_url": self.base_url, "api_key": self.api_key, "temperature": 0.0, "timeout": 500.0}
        return ours | {"max_tokens": 8, "max_retries": 0} | options


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    with start_llama_server("chat", tmp_path_factory.mktemp("llama")) as server:
        yield server


@pytest.fixture(scope="module", params=["direct", "through the sandbox"])
def place(request: pytest.FixtureRequest, server: LlamaServer) -> Iterator[Place]:
    if request.param == "direct":
        yield Place(server.base_url, "sk-none", server)
        return
    with Sandbox(upstream=server.base_url) as sandbox:
        yield Place(sandbox.base_url, sandbox.api_key, server)


class Person(BaseModel):
    """A person."""

    name: str = Field(max_length=12)
    age: int = Field(ge=0, le=99)


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 12}},
            "required": ["city"],
        },
    },
}


# --- chat ------------------------------------------------------------------------------------------------


def test_an_answer_has_text_usage_and_a_reason(place: Place) -> None:
    answer = place.langchain().invoke("Say hi")
    assert answer.text
    assert answer.usage_metadata["output_tokens"] == 8
    assert answer.response_metadata["finish_reason"] == "length"


def test_a_stream_has_the_text_of_the_whole_answer_and_its_usage(place: Place) -> None:
    llm = place.langchain()
    whole = llm.invoke("Name a river.")
    chunks = list(llm.stream("Name a river."))
    assert "".join(chunk.text for chunk in chunks) == whole.text
    assert sum(bool(chunk.text) for chunk in chunks) > 1
    usages = [chunk.usage_metadata["output_tokens"] for chunk in chunks if chunk.usage_metadata]
    assert usages == [whole.usage_metadata["output_tokens"]]


async def test_async_answers_and_streams_are_the_same(place: Place) -> None:
    llm = place.langchain()
    whole = await llm.ainvoke("Name a river.")
    assert "".join([chunk.text async for chunk in llm.astream("Name a river.")]) == whole.text


def test_llama_index_chats_completes_and_streams(place: Place) -> None:
    llm = place.llama_index()
    messages = [ChatMessage(role="user", content="Name a river.")]
    whole = llm.chat(messages)
    assert whole.message.content
    assert [*llm.stream_chat(messages)][-1].message.content == whole.message.content
    assert llm.complete("Name a river.").text == whole.message.content


def test_log_probabilities_and_stop_words_pass(place: Place) -> None:
    answer = place.langchain(logprobs=True).invoke("Say hi")
    assert len(answer.response_metadata["logprobs"]["content"]) == 8
    first_word = answer.text.split()[0]
    stopped = place.langchain().invoke("Say hi", stop=[first_word])
    assert stopped.text == ""
    assert stopped.response_metadata["finish_reason"] == "stop"


# --- tools -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def call(server: LlamaServer) -> tuple[str, dict[str, Any]]:
    """The call that the model makes, by what the server itself answers."""
    body = {
        "messages": [{"role": "user", "content": QUESTION}],
        "tools": [WEATHER],
        "temperature": 0,
        "max_tokens": 64,
    }
    url = f"{server.base_url}/chat/completions"
    answer = httpx.post(url, json=body, timeout=500.0, trust_env=False).raise_for_status().json()
    calls = answer["choices"][0]["message"].get("tool_calls")
    if not calls:
        # llama-server does not hold `tool_choice="required"` for every model.
        pytest.skip("the model called no tool")
    return calls[0]["function"]["name"], json.loads(calls[0]["function"]["arguments"])


def _joined(chunks: Iterator[AIMessageChunk]) -> AIMessageChunk:
    message = next(chunks)
    for chunk in chunks:
        message += chunk
    return message


def test_a_tool_is_called_whole_and_in_a_stream(place: Place, call: tuple[str, dict[str, Any]]) -> None:
    llm = place.langchain(max_tokens=64).bind_tools([WEATHER])
    for message in (llm.invoke(QUESTION), _joined(llm.stream(QUESTION))):
        assert [(found["name"], found["args"]) for found in message.tool_calls] == [call]
        assert message.tool_calls[0]["id"]
        assert message.response_metadata["finish_reason"] == "tool_calls"


def test_a_call_that_is_cut_off_runs_nothing(place: Place, call: tuple[str, dict[str, Any]]) -> None:
    llm = place.langchain(max_tokens=26).bind_tools([WEATHER])
    for message in (llm.invoke(QUESTION), _joined(llm.stream(QUESTION))):
        assert message.tool_calls == []
        assert [found["name"] for found in message.invalid_tool_calls] == [call[0]]
        assert message.response_metadata["finish_reason"] == "length"


def test_a_tools_result_goes_back(place: Place, call: tuple[str, dict[str, Any]]) -> None:
    llm = place.langchain(max_tokens=64).bind_tools([WEATHER])
    asked = llm.invoke(QUESTION)
    result = {"role": "tool", "content": "Rain", "tool_call_id": asked.tool_calls[0]["id"]}
    answer = llm.invoke([("user", QUESTION), asked, result], max_tokens=8)
    assert answer.usage_metadata["input_tokens"] > asked.usage_metadata["input_tokens"]


def test_llama_index_reads_the_call(place: Place, call: tuple[str, dict[str, Any]]) -> None:
    llm = place.llama_index(max_tokens=64)
    messages = [ChatMessage(role="user", content=QUESTION)]
    for answer in (llm.chat(messages, tools=[WEATHER]), [*llm.stream_chat(messages, tools=[WEATHER])][-1]):
        (found,) = llm.get_tool_calls_from_response(answer)
        assert (found.tool_name, found.tool_kwargs) == call


# --- structured output -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_structured_output_arrives(method: str, place: Place) -> None:
    """llama-server ignores a tool forced by its name, so function calling goes on to another way."""
    llm = place.langchain(max_tokens=96).with_structured_output(Person, method=method)
    person = llm.invoke("Anna is 31 years old. Answer in JSON with name and age.")
    assert isinstance(person, Person)


def test_llama_index_gets_structured_output(place: Place) -> None:
    person = place.llama_index(max_tokens=96).as_structured_llm(Person).complete("Anna is 31 years old.").raw
    assert isinstance(person, Person)


def test_a_grammar_in_the_extra_body_holds(place: Place) -> None:
    llm = place.langchain(extra_body={"grammar": 'root ::= "north" | "south"'})
    assert llm.invoke("Which way?").text in {"north", "south"}


# --- limits ----------------------------------------------------------------------------------------------


def test_a_prompt_beyond_the_window_is_a_context_overflow(place: Place) -> None:
    llm = place.langchain()
    with pytest.raises(ContextOverflowError):
        llm.invoke("word " * 3000)
    with pytest.raises(ContextOverflowError):
        list(llm.stream("word " * 3000))


# --- what is left before its end -------------------------------------------------------------------------


def test_a_stream_that_is_left_ends_at_the_server(place: Place) -> None:
    before = place.server.tokens_predicted()
    stream = place.langchain(max_tokens=LONG, extra_body=FOREVER).stream("Tell me a story.")
    for _ in range(5):
        next(stream)
    stream.close()
    assert place.server.tokens_once_idle() - before < LONG


async def test_an_async_stream_that_is_left_ends_at_the_server(place: Place) -> None:
    before = place.server.tokens_predicted()
    stream = place.langchain(max_tokens=LONG, extra_body=FOREVER).astream("Tell me a story.")
    for _ in range(5):
        await anext(stream)
    await stream.aclose()
    assert place.server.tokens_once_idle() - before < LONG


def hears_who_leaves(server: LlamaServer) -> bool:
    """Whether the server itself stops when the client of a request that is not streamed leaves."""
    before = server.tokens_predicted()
    body = {
        "model": "smollm2",
        "messages": [{"role": "user", "content": "Tell me a story."}],
        "max_tokens": LONG,
    }
    with contextlib.suppress(httpx.ReadTimeout):
        httpx.post(f"{server.base_url}/chat/completions", json=body | FOREVER, timeout=1.0, trust_env=False)
    return server.tokens_once_idle() - before < LONG


async def test_a_call_that_is_cancelled_ends_at_the_server(place: Place) -> None:
    if not await asyncio.to_thread(hears_who_leaves, place.server):
        pytest.skip("this llama-server finishes what is not streamed, whoever leaves")
    before = place.server.tokens_predicted()
    llm = place.langchain(max_tokens=LONG, extra_body=FOREVER)
    call = asyncio.create_task(llm.ainvoke("Tell me a story."))
    await asyncio.to_thread(place.server.until_busy)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(place.server.tokens_once_idle) - before < LONG


@pytest.mark.parametrize("way", ["direct", "through the sandbox"])
def test_a_server_that_dies_in_a_stream_is_an_error(
    way: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        start_llama_server("chat", tmp_path_factory.mktemp("killed")) as server,
        Sandbox(upstream=server.base_url) as sandbox,
    ):
        place = (
            Place(server.base_url, "sk-none", server)
            if way == "direct"
            else Place(sandbox.base_url, sandbox.api_key, server)
        )
        stream = place.langchain(max_tokens=LONG, extra_body=FOREVER).stream("Tell me a story.")
        for _ in range(3):
            next(stream)
        server.kill()
        with pytest.raises(StreamTruncatedError if way == "direct" else MeliousError):
            list(stream)
        with pytest.raises(APIConnectionError if way == "direct" else ProviderError):
            place.langchain().invoke("Say hi")
