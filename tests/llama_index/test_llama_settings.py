"""Settings of the LLM that decide how a request is sent: clients, waits, attempts, and what goes along."""

import asyncio
import json

import httpx
import pytest
from faults.faults_kit import RawServer
from llama_index.core.base.llms.types import ChatMessage
from llama_kit import MODEL, Way, eventually

from llama_index_melious import Melious
from melious import (
    APITimeoutError,
    InsufficientBalanceError,
    InvalidArgumentError,
    RateLimitError,
    ServerError,
    Timeout,
)
from melious.sandbox import Fault

HELLO = [ChatMessage("Hello, you!")]
FORMS = {
    "chat": HELLO,
    "stream_chat": HELLO,
    "complete": "Hello, you!",
    "stream_complete": "Hello, you!",
}
LIBRARIES = [httpx]
try:
    import httpx2
except ImportError:
    pass
else:
    LIBRARIES.append(httpx2)


# --- clients of HTTP -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.__name__)
@pytest.mark.parametrize("method", FORMS)
def test_injected_clients_carry_every_form(make_llm, sandbox, library, method):
    with library.Client(headers={"x-mine": "sync"}, trust_env=False) as client:
        llm = make_llm(http_client=client)
        asyncio.run(Way("sync")(llm, method, FORMS[method]))
        assert sandbox.requests[-1].headers["x-mine"] == "sync"
        assert not client.is_closed

    async def main():
        async with library.AsyncClient(headers={"x-mine": "async"}, trust_env=False) as client:
            await Way("async")(make_llm(async_http_client=client), method, FORMS[method])
            assert sandbox.requests[-1].headers["x-mine"] == "async"
            assert not client.is_closed

    asyncio.run(main())


# --- waits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (7, 7.0),
        (Timeout(answer=9.0), Timeout(answer=9.0)),
        ((2.0, 9.0), Timeout(2.0, 9.0, 9.0, 9.0, 9.0)),
        (httpx.Timeout(9.0, connect=2.0), Timeout(2.0, 9.0, 9.0, 9.0, 9.0)),
    ],
)
def test_timeouts_in_every_shape(make_llm, sandbox, given, read):
    llm = make_llm(timeout=given)
    assert llm.timeout == read
    again = Melious.from_dict(json.loads(llm.to_json()) | {"api_key": sandbox.api_key})
    assert again.timeout == read
    llm.chat(HELLO)
    llm.chat(HELLO, timeout=given)
    assert [request.status for request in sandbox.requests] == [200, 200]


@pytest.mark.parametrize("wrong", [0, -1, "soon", (1.0,), (1.0, 0), object()])
def test_timeouts_that_are_none(make_llm, wrong):
    with pytest.raises(InvalidArgumentError, match="timeout"):
        make_llm(timeout=wrong)


@pytest.mark.parametrize("where", ["constructor", "call"])
@pytest.mark.parametrize(("again", "requests"), [(None, 1), (False, 1), (True, 2)])
async def test_what_timed_out_is_sent_again_only_on_request(make_llm, way, where, again, requests):
    def never_answer(peer):
        if peer.request() is not None:
            peer.left()

    with RawServer(never_answer) as server:
        settings = {"timeout": 0.2, "max_retries": 1, "retry_timeouts": again}
        llm = make_llm(base_url=server.base_url, **(settings if where == "constructor" else {}))
        with pytest.raises(APITimeoutError) as caught:
            await way(llm, "chat", HELLO, **(settings if where == "call" else {}))
        assert isinstance(caught.value, TimeoutError)
        assert await eventually(lambda: len(server.requests) == requests)


# --- attempts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", FORMS)
@pytest.mark.parametrize("retries", [0, 2])
async def test_attempts_are_one_plus_max_retries(make_llm, way, sandbox, method, retries):
    sandbox.faults.add(Fault(status=503, times=None, headers={"retry-after": "0"}))
    with pytest.raises(ServerError) as caught:
        await way(make_llm(max_retries=retries), method, FORMS[method])
    assert len(sandbox.requests) == caught.value.attempts == 1 + retries
    assert caught.value.status_code == 503


@pytest.mark.parametrize("code", ["rate_limit", "provider_error"])
async def test_a_passing_trouble_passes(make_llm, way, sandbox, code):
    sandbox.faults.add(Fault(code=code, headers={"retry-after": "0"}))
    assert (await way(make_llm(), "chat", HELLO)).message.content
    assert len(sandbox.requests) == 2


async def test_the_service_says_how_long_to_wait(make_llm, way, sandbox):
    sandbox.faults.add(Fault(code="rate_limit", headers={"retry-after": "0.3"}))
    seen = []
    await way(make_llm(), "chat", HELLO, on_retry=seen.append)
    (event,) = seen
    assert (event.attempt, event.delay >= 0.3) == (1, True)
    assert isinstance(event.error, RateLimitError)


async def test_money_is_not_asked_for_twice(make_llm, way, sandbox):
    sandbox.faults.add(Fault(code="insufficient_quota"))
    with pytest.raises(InsufficientBalanceError):
        await way(make_llm(), "chat", HELLO)
    assert len(sandbox.requests) == 1


# --- what goes along ---------------------------------------------------------------------------------------------


async def test_extra_body_from_everywhere_is_merged(make_llm, way, sandbox):
    llm = make_llm(
        additional_kwargs={"extra_body": {"one": 1, "all": 1}, "novel": True},
        extra_body={"two": 2, "all": 2},
    )
    await way(llm, "chat", HELLO, extra_body={"three": 3, "all": 3})
    await way(llm, "chat", HELLO)
    first, second = (request.body for request in sandbox.requests)
    assert first == {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hello, you!"}],
        "novel": True,
        "one": 1,
        "two": 2,
        "three": 3,
        "all": 3,
    }
    assert second["all"] == 2
    assert "three" not in second


@pytest.mark.parametrize("temperature", [0, 0.0, 1.0, 2])
async def test_temperature_is_sent_as_it_was_set(make_llm, way, sandbox, temperature):
    await way(make_llm(temperature=temperature, model="glm-4.7"), "chat", HELLO)
    await way(make_llm(model="glm-4.7"), "chat", HELLO, temperature=temperature)
    await way(make_llm(model="glm-4.7"), "chat", HELLO)
    assert [request.body.get("temperature") for request in sandbox.requests] == [temperature] * 2 + [None]


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "of another kind"])
async def test_reasoning_effort_of_any_word(make_llm, way, sandbox, effort):
    await way(make_llm(model="glm-4.7", reasoning_effort=effort), "chat", HELLO)
    assert sandbox.requests[-1].body["reasoning_effort"] == effort


@pytest.mark.parametrize("method", FORMS)
async def test_nothing_is_sent_that_was_not_set(make_llm, way, sandbox, method):
    await way(make_llm(), method, FORMS[method])
    streams = {"stream", "stream_options"} if "stream" in method else set()
    assert set(sandbox.requests[-1].body) == {"model", "messages"} | streams


async def test_callers_arguments_stay_as_they_are(make_llm, way, sandbox):
    filters, extra, stop = {"countries": ["SE"]}, {"a": {"b": 1}}, ["END"]
    llm = make_llm(filters=filters, extra_body=extra, stop=stop, additional_kwargs={"extra_body": {"c": 1}})
    before = llm.to_dict()
    given = {"extra_body": {"d": 1}, "stop": ["X"], "logit_bias": {"1": 1}}
    kept = json.loads(json.dumps(given))
    await way(llm, "chat", HELLO, **given)
    assert given == kept
    assert (filters, extra, stop) == ({"countries": ["SE"]}, {"a": {"b": 1}}, ["END"])
    assert llm.to_dict() == before


async def test_messages_are_only_read(make_llm, way, sandbox):
    message = ChatMessage("Hello", additional_kwargs={"name": "me", "other": object()})
    before = message.additional_kwargs.copy()
    await way(make_llm(), "chat", [message])
    assert message.additional_kwargs == before
    assert sandbox.requests[-1].body["messages"] == [{"role": "user", "content": "Hello", "name": "me"}]


async def test_texts_are_kept_in_memory_where_that_is_asked_for(make_embedding, way, sandbox):
    model = make_embedding(embedding_cache_size=10)
    first = await way(model, "get_text_embedding", "dunes")
    assert await way(model, "get_text_embedding", "dunes") == first
    assert len(sandbox.requests) == 1
    again = model.with_options(embedding_cache_size=0)
    assert await way(again, "get_text_embedding", "dunes") == first
    assert len(sandbox.requests) == 2


def test_connections_and_waits_are_those_of_the_client(make_llm, make_embedding, make_rerank):
    for make in (make_llm, make_embedding, make_rerank):
        component = make(max_connections=3, max_rate_limit_wait=0, verify=False)
        for client in (component._client(), component._aclient()):
            config = client.config
            assert (config.max_connections, config.max_rate_limit_wait, config.verify) == (3, 0, False)
