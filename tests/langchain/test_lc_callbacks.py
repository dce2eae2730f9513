"""What callbacks hear: what calls cost, of chat, embeddings and rerank alike, and that a call was tried again."""

import asyncio
import subprocess
import sys
import threading
from decimal import Decimal

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_melious import MeliousImpactHandler, get_melious_callback
from langchain_melious.errors import ProviderError
from melious import track_impact
from melious.sandbox import Fault

DOCUMENTS = [Document("A heat pump moves heat.", id="a"), Document("Bread is baked.", id="b")]


class Events(BaseCallbackHandler):
    """Keeps the custom events."""

    def __init__(self):
        self.seen = []

    def on_custom_event(self, name, data, *, run_id, **_):
        self.seen.append((name, data, run_id))


class AsyncEvents(AsyncCallbackHandler):
    """The same, awaited."""

    def __init__(self):
        self.seen = []

    async def on_custom_event(self, name, data, *, run_id, **_):
        await asyncio.sleep(0)
        self.seen.append((name, data, run_id))


@pytest.fixture
def with_impact(start_sandbox, chat):
    """A chat model whose streams report their impact too."""
    there = start_sandbox(stream_impact=True)
    return chat(api_key=there.api_key, base_url=there.base_url)


def test_a_handler_adds_up_what_its_runs_cost(way, with_impact):
    handler, other = MeliousImpactHandler(), MeliousImpactHandler()
    with track_impact() as ledger:
        way.invoke(with_impact, "Hello", {"callbacks": [handler]})
        way.stream(with_impact, "Hello again", {"callbacks": [handler]}, preset="speed")
        way.invoke(with_impact, "Not counted")
    assert handler.total.requests == 2
    assert handler.total.carbon_g_co2 < ledger.total.carbon_g_co2
    assert isinstance(handler.total.eur, Decimal)
    assert handler.ledger.by("model").keys() == {"glm-4.7"}
    assert handler.ledger.by("routing").keys() == {None, "speed"}
    assert other.total.requests == 0
    assert other.total.carbon_g_co2 is None


def test_the_block_sees_chat_embeddings_and_rerank_as_the_ledger_does(way, chat, embeddings, rerank):
    with track_impact() as ledger, get_melious_callback() as callback:
        way.invoke(chat(flavor="eco"), "Hello")
        way.call(embeddings("bge-m3:eco", batch_size=1), "embed_documents", ["heat", "ice"])
        way.call(embeddings(), "embed_query", "heat")
        way.call(rerank(preset="environment"), "compress_documents", DOCUMENTS, "heat")
        way.call(rerank(), "rerank", DOCUMENTS, "heat")
    way.call(embeddings(), "embed_query", "not counted")
    assert callback.ledger.to_dict() == ledger.to_dict()
    assert {name: total.requests for name, total in callback.ledger.by("endpoint").items()} == {
        "chat": 1,
        "embeddings": 3,
        "rerank": 2,
    }


def test_a_block_inside_another_counts_for_both(way, chat):
    with get_melious_callback() as outer:
        way.invoke(chat(), "Hello")
        with get_melious_callback() as inner:
            way.invoke(chat(), "Hello")
    assert (inner.total.requests, outer.total.requests) == (1, 2)


def test_a_block_belongs_to_its_own_thread_and_task(chat, embeddings):
    def in_a_thread():
        embeddings().embed_query("somebody else's")

    async def main():
        all_asked = asyncio.Barrier(4)

        async def one(model):
            with get_melious_callback() as callback:
                await model.aembed_query("heat")
                await all_asked.wait()
            return callback.total.requests

        return await asyncio.gather(*(one(embeddings()) for _ in range(4)))

    with get_melious_callback() as callback:
        thread = threading.Thread(target=in_a_thread)
        thread.start()
        thread.join()
    assert callback.total.requests == 0
    assert asyncio.run(main()) == [1, 1, 1, 1]


def test_answers_out_of_a_cache_and_of_others_cost_nothing(way, chat):
    llm = chat(cache=InMemoryCache())
    with get_melious_callback() as callback:
        way.invoke(llm, "Hello")
        way.invoke(llm, "Hello")
        way.invoke(GenericFakeChatModel(messages=iter([AIMessage("Hi")])), "Hello")
    assert callback.total.requests == 1


def test_what_was_not_reported_is_counted_and_not_taken_for_zero(way, chat, embeddings, sandbox):
    with get_melious_callback() as callback:
        for endpoint in ("chat", "embeddings"):
            sandbox.faults.add(Fault(endpoint=endpoint, impact="missing", cost="missing", usage="missing"))
        way.invoke(chat(), "Hello")
        way.call(embeddings(), "embed_query", "Hello")
    total = callback.total
    assert (total.requests, total.without_impact, total.without_cost, total.with_usage) == (2, 2, 2, 0)
    assert (total.carbon_g_co2, total.eur, total.input_tokens) == (None, None, None)


@pytest.mark.parametrize("kind", [Events, AsyncEvents])
def test_embeddings_in_a_chain_tell_the_callbacks_of_their_run(embeddings, kind):
    """Each request is an event of its own, with the run around it."""
    runs, events = RunCollectorCallbackHandler(), kind()
    model = embeddings(batch_size=1, preset="environment")

    async def embed(texts):
        return await model.aembed_documents(texts)

    asyncio.run(RunnableLambda(embed).ainvoke(["heat", "ice"], {"callbacks": [runs, events]}))
    assert [name for name, _, _ in events.seen] == ["melious_usage", "melious_usage"]
    for _, data, run_id in events.seen:
        assert run_id == runs.traced_runs[0].id
        assert (data["endpoint"], data["model"]) == ("embeddings", "bge-m3")
        assert data["routing"] == {"preset": "environment"}
        assert data["usage"]["prompt_tokens"] > 0
        assert data["environment_impact"]["carbon_g_co2"] > 0
        assert Decimal(data["billing_cost"]["credits"]) > 0
    assert len({data["request_id"] for _, data, _ in events.seen}) == 2


def test_a_chain_with_a_retriever_is_counted_as_a_whole(way, embeddings, chat):
    store = InMemoryVectorStore.from_documents(DOCUMENTS, embeddings())
    retrieve = RunnableLambda(lambda query: store.similarity_search(query, k=1)[0].page_content)
    handler = MeliousImpactHandler()
    assert way.invoke(retrieve | chat(), "heat pump", {"callbacks": [handler]}).text
    assert handler.ledger.by("endpoint").keys() == {"embeddings", "chat"}


def test_a_rerank_is_a_run_that_says_what_it_cost(way, rerank):
    runs = RunCollectorCallbackHandler()
    best = way.call(rerank(), "compress_documents", DOCUMENTS, "heat", [runs])
    (run,) = runs.traced_runs
    assert (run.name, run.run_type, run.inputs["query"]) == ("MeliousRerank", "chain", "heat")
    assert run.outputs["documents"] == best
    assert run.outputs["usage"]["total_tokens"] > 0
    assert run.outputs["environment_impact"]["carbon_g_co2"] > 0
    assert Decimal(run.outputs["billing_cost"]["credits"]) > 0
    assert run.outputs["model"] == "bge-reranker-v2-m3"
    assert run.outputs["request_id"]


def test_a_rerank_that_fails_is_a_run_that_failed(way, rerank, sandbox):
    sandbox.faults.add(Fault(status=503))
    runs = RunCollectorCallbackHandler()
    with pytest.raises(ProviderError):
        way.call(rerank(max_retries=0), "compress_documents", DOCUMENTS, "heat", [runs])
    assert "ProviderError" in runs.traced_runs[0].error


def test_a_rerank_in_a_chain_is_a_child_of_its_run(way, rerank):
    runs = RunCollectorCallbackHandler()
    chain = RunnableLambda(lambda query: {"query": query, "documents": DOCUMENTS}) | rerank().as_runnable()
    way.invoke(chain, "heat", {"callbacks": [runs], "tags": ["mine"]})
    (run,) = runs.traced_runs
    child = run.child_runs[-1]
    assert (child.name, child.parent_run_id) == ("MeliousRerank", run.id)
    assert "mine" in child.tags


class Retries(BaseCallbackHandler):
    def __init__(self):
        self.seen = []

    def on_retry(self, retry_state, *, run_id, **_):
        self.seen.append((retry_state, run_id))


class AsyncRetries(AsyncCallbackHandler):
    def __init__(self):
        self.seen = []

    async def on_retry(self, retry_state, *, run_id, **_):
        self.seen.append((retry_state, run_id))


@pytest.mark.parametrize("streaming", [False, True])
def test_callbacks_hear_that_a_call_is_tried_again(way, chat, sandbox, streaming):
    sandbox.faults.add(Fault(status=503, times=2, headers={"retry-after": "0"}))
    retries = AsyncRetries() if way.asynchronous else Retries()
    runs = RunCollectorCallbackHandler()
    way.invoke(chat(streaming=streaming), "Hello", {"callbacks": [retries, runs]})
    if streaming:  # LangChain calls streams without telling them of their run
        return
    (run,) = runs.traced_runs
    assert [state.attempt_number for state, _ in retries.seen] == [1, 2]
    assert {run_id for _, run_id in retries.seen} == {run.id}
    assert isinstance(retries.seen[0][0].outcome.exception(), ProviderError)
    told = [event["kwargs"] for event in run.events if event["name"] == "retry"]
    assert [(each["attempt"], each["exception_type"]) for each in told] == [
        (1, "ProviderError"),
        (2, "ProviderError"),
    ]


def test_nobody_pays_for_callbacks_that_nobody_uses():
    code = """
import sys
from melious.sandbox import Sandbox
from langchain_melious import MeliousEmbeddings
with Sandbox() as sandbox:
    model = MeliousEmbeddings(model="bge-m3", api_key=sandbox.api_key, base_url=sandbox.base_url)
    assert len(model.embed_query("heat")) == 1024
assert "langsmith" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
