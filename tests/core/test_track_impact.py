"""Who is told what a request cost: every endpoint, streams, blocks inside blocks, threads and tasks."""

import asyncio
import contextvars
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from melious import AsyncMeliousClient, MeliousClient, MeliousError, track_impact
from melious.sandbox import Fault, Sandbox

from .clients import AUDIO, CHAT, EMBEDDINGS, IMAGES, QUESTION, RERANK, Clients

EVERY = [
    ("chat", "chat.create", {"model": f"{CHAT}:eco", "messages": QUESTION}),
    ("embeddings", "embeddings.create", {"model": EMBEDDINGS, "input": ["a", "b"]}),
    ("rerank", "rerank.create", {"model": RERANK, "query": "q", "documents": ["a"]}),
    ("images", "images.generate", {"model": IMAGES, "prompt": "p", "size": "64x64"}),
]


@pytest.mark.filterwarnings("ignore:preset.*has no effect:UserWarning")
@pytest.mark.parametrize("profile", ["live", "g1", "g2"])
def test_every_endpoint_reports(clients: Clients, start_sandbox: Any, profile: str) -> None:
    client = clients.client(start_sandbox(profile), preset="balanced")
    with track_impact() as ledger:
        results = {endpoint: clients.call(client, name, **params) for endpoint, name, params in EVERY}
    assert {name: part.requests for name, part in ledger.by("endpoint").items()} == dict.fromkeys(results, 1)
    for endpoint, part in ledger.by("endpoint").items():
        result = results[str(endpoint)]
        assert part.carbon_g_co2 == result.environment_impact.carbon_g_co2
        assert part.eur == (result.billing_cost.eur if result.billing_cost else None)
    assert ledger.total.with_cost == (0 if profile == "g1" else 4)
    assert CHAT in ledger.by("model"), "without the flavor"
    assert set(ledger.by("routing")) == {"eco", "balanced"}, "a flavor wins over the preset"


def test_models_and_text_forms_count_as_unreported(clients: Clients, client: Any, wav: bytes) -> None:
    with track_impact() as ledger:
        clients.call(client, "models.list")
        clients.call(client, "audio.transcribe", model=AUDIO, file=("a.wav", wav), response_format="text")
    assert (ledger.total.requests, ledger.total.with_impact, ledger.total.carbon_g_co2) == (2, 0, None)


@pytest.mark.parametrize(("profile", "reported"), [("live", 0), ("g1", 1), ("g2", 1)])
def test_a_stream_counts_and_reports_what_it_carried(
    clients: Clients, start_sandbox: Any, profile: str, reported: int
) -> None:
    client = clients.client(start_sandbox(profile))
    with track_impact() as ledger:
        got = clients.stream(client, model=CHAT, messages=QUESTION)
    total = ledger.total
    assert (total.requests, total.with_impact, total.with_usage) == (1, reported, 1)
    assert (total.carbon_g_co2 is not None) == bool(reported)
    assert total.output_tokens == got.stream.completion().usage.completion_tokens


def test_a_stream_that_fails_counts_as_unreported(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(error_after_events=3))
    with track_impact() as ledger:
        assert clients.stream(client, model=CHAT, messages=QUESTION).error is not None
    assert (ledger.total.requests, ledger.total.with_usage, ledger.total.input_tokens) == (1, 0, None)


def test_batches_report_one_by_one_and_the_cache_not_at_all(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, embedding_cache_size=16)
    with track_impact() as ledger:
        for _ in range(2):
            clients.call(client, "embeddings.create", model=EMBEDDINGS, input=list("abcdef"), batch_size=2)
    assert ledger.total.requests == 3


def test_a_call_that_fails_is_not_counted(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(status=400))
    with track_impact() as ledger, pytest.raises(MeliousError):
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    assert ledger.total.requests == 0


@pytest.mark.parametrize("impact", ["missing", "partial", "strange"])
@pytest.mark.parametrize("cost", ["missing", "partial", "strange", "string", "number", "zero"])
def test_odd_reports_never_hurt_an_answer(
    clients: Clients, client: Any, sandbox: Sandbox, impact: Any, cost: Any
) -> None:
    sandbox.faults.add(Fault(impact=impact, cost=cost, usage="missing"))
    with track_impact() as ledger:
        result = clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    assert result.text
    assert (result.usage, ledger.total.with_usage) == (None, 0)
    total = ledger.total
    assert total.carbon_g_co2 is None
    assert (total.energy_kwh is None) == (impact == "missing")
    assert (total.eur is None) == (cost in ("missing", "strange"))
    if cost == "zero":
        assert total.eur == 0
    if cost in ("string", "number"):
        assert total.eur == result.billing_cost.credits > 0


STRANGE_USAGE = [
    {"prompt_tokens": "many"},
    {"prompt_tokens": 1.5, "completion_tokens": 2},
    {"prompt_tokens": -1},
    {"prompt_tokens_details": "x", "completion_tokens_details": [1]},
    [],
    "x",
    7,
]


@pytest.mark.parametrize("usage", STRANGE_USAGE, ids=repr)
def test_a_strange_usage_never_hurts_an_answer(
    clients: Clients, client: Any, sandbox: Sandbox, usage: Any
) -> None:
    answer = {"id": 7, "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": usage}
    sandbox.faults.add(Fault(body=answer))
    chunk = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}], "usage": usage}
    with track_impact() as ledger:
        result = clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
        sandbox.faults.add(Fault(raw=[f"data: {json.dumps(chunk)}\n\n", "data: [DONE]\n\n"]))
        got = clients.stream(client, model=CHAT, messages=QUESTION)
    assert (result.text, got.text, got.error) == ("Hi", "Hi", None)
    assert result.id == "7"
    assert result.raw["usage"] == usage
    assert got.stream.completion().text == "Hi"
    assert ledger.total.requests == 2
    assert ledger.total.input_tokens is None


def test_blocks_nest(clients: Clients, client: Any) -> None:
    def ask() -> None:
        clients.call(client, "rerank.create", model=RERANK, query="q", documents=["a"])

    with track_impact() as outer:
        ask()
        with track_impact() as inner:
            ask()
            with track_impact() as innermost:
                pass
        ask()
    ask()
    assert [ledger.total.requests for ledger in (outer, inner, innermost)] == [3, 1, 0]


def test_an_error_ends_its_block(clients: Clients, client: Any) -> None:
    with pytest.raises(ZeroDivisionError), track_impact() as ledger:  # noqa: PT012 - the block is what is tested
        clients.call(client, "models.list")
        raise ZeroDivisionError
    clients.call(client, "models.list")
    assert ledger.total.requests == 1


def test_a_thread_reports_if_it_has_the_context(sandbox: Sandbox) -> None:
    with (
        MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        with track_impact() as ledger:
            calls = [pool.submit(contextvars.copy_context().run, client.models.list) for _ in range(8)]
            other = pool.submit(client.models.list)
        for call in [*calls, other]:
            call.result()
    assert ledger.total.requests == 8


async def test_tasks_belong_to_the_block_they_were_begun_in(sandbox: Sandbox) -> None:
    async with AsyncMeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
        begun = asyncio.Event()

        async def wait_and_ask() -> None:
            await begun.wait()
            await client.models.list()

        async def ask_twice() -> int:
            with track_impact() as own:
                await client.models.list()
                await asyncio.gather(client.models.list(), client.models.list())
            return own.total.requests

        before = asyncio.create_task(wait_and_ask())
        with track_impact() as ledger:
            begun.set()
            late = asyncio.create_task(wait_and_ask())
            counts = await asyncio.gather(*(ask_twice() for _ in range(4)))
        await asyncio.gather(before, late)
    assert counts == [3] * 4, "blocks of tasks side by side do not see each other"
    assert ledger.total.requests == 13


async def test_a_stream_reports_to_the_block_it_was_asked_for_in(sandbox: Sandbox) -> None:
    async with AsyncMeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
        with track_impact() as ledger:
            stream = client.chat.stream(model=CHAT, messages=QUESTION)
        async for _ in stream:
            pass
    assert (ledger.total.requests, ledger.total.with_usage) == (1, 1)
