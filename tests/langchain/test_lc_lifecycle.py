"""What models live through: dumps, pickles, copies, threads, forks, event loops, closing."""

import asyncio
import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from faults.faults_kit import eventually
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumpd, dumps, loads
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField

import langchain_melious
from langchain_melious import ChatMelious, MeliousEmbeddings, MeliousRerank
from melious import Timeout

SECRET = "sk-mel-very-secret-key"


@pytest.fixture(params=["chat", "embeddings", "rerank"])
def used(request, chat, embeddings, rerank):
    """One of each class, and a call of it that must work."""
    return {
        "chat": (chat, lambda made: made.invoke("Hello").content),
        "embeddings": (embeddings, lambda made: made.embed_query("Hello")),
        "rerank": (rerank, lambda made: made.rerank(["a", "b"], "a")),
    }[request.param]


def test_the_key_is_nowhere(used):
    make, _ = used
    made = make(api_key=SECRET, default_headers={"x-token": "hush-hush"})
    shown = f"{made!r} {made} {made.__dict__!r}"
    assert "very-secret" not in shown
    if isinstance(made, ChatMelious):
        shown = dumps(made) + str(dumpd(made)) + str(made._identifying_params) + str(made._serialized)
        assert "very-secret" not in shown
        assert "hush-hush" not in shown


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_a_dump_and_back(chat, monkeypatch):
    llm = chat(
        temperature=0.3,
        preset="environment",
        filters={"countries": ["DE"], "min_speed_tps": 10.5},
        timeout=Timeout(connect=2.0, answer=30.0),
        stop=["x"],
    )
    text = dumps(llm)
    monkeypatch.setenv("MELIOUS_API_KEY", llm.api_key.get_secret_value())
    again = loads(
        text,
        valid_namespaces=["langchain_melious"],
        allowed_objects=[ChatMelious],
        secrets_from_env=True,
    )
    assert isinstance(again, ChatMelious)
    assert again._identifying_params == llm._identifying_params
    assert again.timeout == llm.timeout
    assert dumps(again) == text
    assert again.invoke("Hello").content


def test_pickles_and_copies_work_before_and_after_use(used):
    make, call = used
    made = make()
    for _ in range(2):
        for other in (
            pickle.loads(pickle.dumps(made)),
            copy.copy(made),
            copy.deepcopy(made),
            made.model_copy(update={"max_retries": 1}),
            made.model_copy(deep=True),
        ):
            assert call(other)
            assert other.model == made.model
        assert call(made)


def test_an_injected_client_is_used_kept_in_copies_and_left_out_of_pickles(chat, sandbox):
    with httpx.Client(headers={"x-mine": "yes"}) as mine:
        llm = chat(http_client=mine)
        llm.invoke("Hello")
        copy.deepcopy(llm).invoke("Hello")
        pickle.loads(pickle.dumps(llm)).invoke("Hello")
        llm.close()
        assert not mine.is_closed
    seen = [request.headers.get("x-mine") for request in sandbox.requests]
    assert seen == ["yes", "yes", None]


def test_an_injected_async_client(chat, sandbox):
    async def run() -> None:
        async with httpx.AsyncClient(headers={"x-mine": "yes"}) as mine:
            llm = chat(async_http_client=mine)
            assert (await llm.ainvoke("Hello")).content
            await llm.aclose()
            assert not mine.is_closed

    asyncio.run(run())
    assert sandbox.requests[0].headers["x-mine"] == "yes"


def test_a_field_that_changes_is_obeyed(chat, start_sandbox):
    llm = chat()
    llm.invoke("Hello")
    other = start_sandbox()
    llm.base_url, llm.preset = other.base_url, "speed"
    llm.invoke("Hello")
    assert other.requests[0].body["preset"] == "speed"


def test_instances_share_their_connections(chat, sandbox):
    for _ in range(4):
        chat().invoke("Hello")
    assert len({request.connection for request in sandbox.requests}) == 1


def test_several_event_loops_and_threads(chat):
    llm = chat()
    for _ in range(3):
        assert asyncio.run(llm.ainvoke("Hello")).content
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: llm.invoke("Hello").content, range(24)))
    assert len(set(answers)) == 1
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: asyncio.run(llm.ainvoke("Hello")).content, range(8)))
    assert len(set(answers)) == 1


def _in_child(llm, out) -> None:
    out.send(llm.invoke("Hello").content)
    out.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_uses_connections_of_its_own(chat):
    llm = chat()
    expected = llm.invoke("Hello").content
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_in_child, args=(llm, sender))
    child.start()
    sender.close()
    try:
        assert receiver.poll(60)
        assert receiver.recv() == expected
    finally:
        child.join(60)
        receiver.close()
    assert llm.invoke("Hello").content == expected


def test_closing(used, start_sandbox):
    make, call = used
    there = start_sandbox()
    with make(api_key=there.api_key, base_url=there.base_url) as made:
        call(made)
        assert there.open_connections == 1
    assert eventually(lambda: there.open_connections == 0)
    assert call(made)
    made.verify_location = "raise"  # without countries no client can be made
    made.close()
    assert eventually(lambda: there.open_connections == 0)


def test_closing_asynchronously(start_sandbox, chat):
    there = start_sandbox()

    async def run() -> None:
        async with chat(api_key=there.api_key, base_url=there.base_url) as llm:
            await llm.ainvoke("Hello")
            assert there.open_connections == 1
        assert await asyncio.to_thread(eventually, lambda: there.open_connections == 0)
        assert (await llm.ainvoke("Hello")).content
        llm.verify_location = "raise"  # without countries no client can be made
        await llm.aclose()
        assert await asyncio.to_thread(eventually, lambda: there.open_connections == 0)

    asyncio.run(run())


def test_closing_before_use(used):
    make, call = used
    made = make()
    made.close()
    asyncio.run(made.aclose())
    assert call(made)


def test_many_calls_at_once(chat):
    llm = chat()

    async def run() -> list:
        return await llm.abatch([f"Hello {i}" for i in range(40)])

    assert [f"Hello {i}" in message.text for i, message in enumerate(asyncio.run(run()))] == [True] * 40


def test_langchains_own_switches(way, chat, sandbox):
    cached = chat(cache=InMemoryCache())
    first, second = way.invoke(cached, "Hello"), way.invoke(cached, "Hello")
    assert first.content == second.content
    assert len(sandbox.requests) == 1
    assert len(way.stream(chat(disable_streaming=True), "Hello")) == 1
    limited = chat(rate_limiter=InMemoryRateLimiter(requests_per_second=100, check_every_n_seconds=0.01))
    assert way.invoke(limited, "Hello").content
    retried = chat().with_retry(stop_after_attempt=2)
    assert way.invoke(retried, "Hello").content
    chosen = chat().configurable_fields(model=ConfigurableField(id="model"), preset=ConfigurableField(id="p"))
    config = {"configurable": {"model": "llama-3.3-70b-instruct", "p": "speed"}}
    assert way.invoke(chosen, "Hello", config).response_metadata["model_name"] == "llama-3.3-70b-instruct"
    assert sandbox.requests[-1].body["preset"] == "speed"


def test_aiohttp_underneath(chat):
    pytest.importorskip("httpx_aiohttp")

    async def run() -> None:
        async with chat(async_transport="aiohttp") as llm:
            assert (await llm.ainvoke("Hello")).content
            assert [chunk async for chunk in llm.astream("Hello")]

    asyncio.run(run())


# --- the package --------------------------------------------------------------------------------------


def test_the_package_loads_nothing_heavy_and_says_what_is_missing():
    probe = """
import sys
import langchain_melious
heavy = {"langchain_core", "pydantic", "httpx", "httpx2"} & set(sys.modules)
assert not heavy, heavy
assert {"ChatMelious", "MeliousEmbeddings", "MeliousRerank"} <= set(dir(langchain_melious))
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "langchain_core":
            raise ModuleNotFoundError("No module named 'langchain_core'", name="langchain_core")
sys.meta_path.insert(0, Missing())
def unload():
    del sys.modules["langchain_melious"]
    import langchain_melious
for use in (lambda: langchain_melious.ChatMelious, unload):
    try:
        use()
    except ImportError as error:
        assert "pip install 'melious[langchain]'" in str(error), error
    else:
        raise AssertionError("imported all the same")
"""
    subprocess.run([sys.executable, "-W", "error", "-c", probe], check=True)


def test_no_other_name():
    with pytest.raises(AttributeError, match="ChatMelios"):
        langchain_melious.ChatMelios  # noqa: B018
    assert MeliousEmbeddings.__module__ == "langchain_melious.embeddings"
    assert MeliousRerank.__module__ == "langchain_melious.rerank.compressor"


def test_equal_arguments_make_equal_models_whether_used_or_not(chat, embeddings):
    for make in (chat, embeddings):
        used, unused = make(), make()
        assert used == unused
        _ = used.invoke("Hello") if make is chat else used.embed_query("Hello")
        assert used == unused
        assert used != make(preset="speed")
