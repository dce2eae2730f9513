"""The impact handler: what each run and each tag cost, failed calls, blocks inside runs, bounds."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from decimal import Decimal
from uuid import uuid4

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_core.tools import tool
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_melious import MeliousImpactHandler, get_melious_callback
from langchain_melious.callbacks.run_totals import MAX_RUNS, MAX_TAGS, RunTracker
from melious import MeliousError, track_impact
from melious.impact import Entry
from melious.sandbox import Fault

TEXTS = ["A heat pump moves heat.", "Bread is baked."]


def _rag(way, chat, embeddings, rerank):
    """A chain that embeds, reranks and answers: three requests."""
    store = InMemoryVectorStore(embeddings())
    way.call(store, "add_texts", TEXTS)
    ranked = rerank().as_runnable()
    return (
        {"query": RunnablePassthrough(), "documents": store.as_retriever(k=2)}
        | ranked
        | RunnableLambda(lambda found: f"Say: {found[0].page_content}")
        | chat()
    )


def test_each_run_has_its_own_sums(way, chat, embeddings, rerank):
    chain = _rag(way, chat, embeddings, rerank)
    handler = MeliousImpactHandler()
    with track_impact() as ledger:
        for name in ("first", "second"):
            way.invoke(chain, "heat", {"callbacks": [handler], "run_name": name})
        way.invoke(chat(), "Hello", {"callbacks": [handler]})
    runs = list(handler.by_run().values())
    assert [(run.name, run.totals.requests) for run in runs] == [
        ("first", 3),
        ("second", 3),
        ("ChatMelious", 1),
    ]
    assert sum(run.totals.carbon_g_co2 for run in runs) == pytest.approx(ledger.total.carbon_g_co2)
    assert sum(run.totals.eur for run in runs) == ledger.total.eur
    assert isinstance(runs[0].totals.eur, Decimal)


def test_run_ids_are_those_of_the_run_trees(way, chat, embeddings, rerank):
    chain = _rag(way, chat, embeddings, rerank)
    handler, collector = MeliousImpactHandler(), RunCollectorCallbackHandler()
    way.invoke(chain, "heat", {"callbacks": [handler, collector]})
    assert list(handler.by_run()) == [collector.traced_runs[0].id]


def test_each_tag_has_its_own_sums(way, chat, embeddings, rerank):
    chain = _rag(way, chat, embeddings, rerank)
    handler = MeliousImpactHandler()
    way.invoke(chain, "heat", {"callbacks": [handler], "tags": ["rag", "team-a"]})
    way.invoke(chat(), "Hello", {"callbacks": [handler], "tags": ["team-a"]})
    way.invoke(chat(), "Hello", {"callbacks": [handler]})
    tags = handler.by_tag()
    assert (tags["rag"].requests, tags["team-a"].requests, handler.total.requests) == (3, 4, 5)
    assert tags["rag"].carbon_g_co2 == next(iter(handler.by_run().values())).totals.carbon_g_co2
    assert next(iter(handler.by_run().values())).tags == ("rag", "team-a")


def test_calls_of_models_by_tools_belong_to_the_run_around(way, chat):
    model = chat()

    @tool
    def ask(question: str) -> str:
        """Ask."""
        return model.invoke(question).text

    @tool
    async def aask(question: str) -> str:
        """Ask."""
        return (await model.ainvoke(question)).text

    chain = RunnableLambda(lambda question: {"question": question}) | (aask if way.asynchronous else ask)
    handler = MeliousImpactHandler()
    way.invoke(chain, "Hello", {"callbacks": [handler], "run_name": "outer"})
    assert [(run.name, run.totals.requests) for run in handler.by_run().values()] == [("outer", 1)]


def test_a_stream_belongs_to_its_run(way, chat):
    handler = MeliousImpactHandler()
    way.stream(
        chat() | RunnableLambda(lambda message: message), "Hello", {"callbacks": [handler], "tags": ["t"]}
    )
    (run,) = handler.by_run().values()
    assert (run.name, run.totals.requests, run.totals.without_impact) == ("RunnableSequence", 1, 1)
    assert run.totals.carbon_g_co2 is None
    assert handler.by_tag()["t"].output_tokens > 0


def test_a_block_in_a_run_of_another_block_counts_once_for_each(way, chat):
    model, inner_totals = chat(), []

    def nested(question):
        with get_melious_callback() as inner:
            answer = model.invoke(question)
        inner_totals.append(inner.total.requests)
        return answer

    async def anested(question, config):
        with get_melious_callback() as inner:
            answer = await model.ainvoke(question, config)
        inner_totals.append(inner.total.requests)
        return answer

    with get_melious_callback() as outer:
        way.invoke(RunnableLambda(nested, anested), "Hello", {"tags": ["t"]})
    assert (inner_totals, outer.total.requests, outer.by_tag()["t"].requests) == ([1], 1, 1)
    assert [run.totals.requests for run in outer.by_run().values()] == [1]


def test_a_failed_call_has_a_column_of_its_own(way, chat, sandbox):
    sandbox.faults.add(Fault(status=400))
    handler = MeliousImpactHandler()
    with track_impact() as ledger, pytest.raises(MeliousError):
        way.invoke(chat(), "Hello", {"callbacks": [handler], "tags": ["t"]})
    assert (handler.total.requests, handler.total.failed, handler.total.eur) == (0, 1, None)
    assert handler.ledger.by("model")["glm-4.7"].failed == 1
    assert handler.by_tag()["t"].failed == 1
    assert handler.ledger.to_dict() == ledger.to_dict()


@pytest.mark.parametrize("method", ["embed_documents", "rerank"])
@pytest.mark.parametrize("at_a_time", [1, 4])
def test_what_was_answered_before_a_batch_failed_is_counted(
    way, embeddings, rerank, sandbox, method, at_a_time
):
    sandbox.faults.add(Fault(status=400, after=2))
    told = []
    options = {"batch_size": 1, "max_concurrency": at_a_time, "on_answer": told.append}
    texts = [*TEXTS, "One", "Two"]
    model, asked = (rerank(), [texts, "heat"]) if method == "rerank" else (embeddings(), [texts])
    with track_impact() as ledger, get_melious_callback() as callback, pytest.raises(MeliousError):
        way.call(model, method, *asked, **options)
    answered = sum(request.status == 200 for request in sandbox.requests)
    assert callback.total.requests == ledger.total.requests == len(told) == answered >= 2
    assert callback.total.eur == ledger.total.eur > 0


def test_a_stream_that_breaks_was_answered_and_failed(way, chat, sandbox):
    sandbox.faults.add(Fault(error_after_events=4))
    handler = MeliousImpactHandler()
    with track_impact() as ledger, pytest.raises(MeliousError):
        way.stream(chat("llama-3.1-8b-instruct"), "Hello", {"callbacks": [handler]})
    assert (handler.total.requests, handler.total.failed) == (1, 1)
    assert handler.ledger.by("model")["llama-3.1-8b-instruct"].failed == 1
    assert (ledger.total.requests, ledger.total.failed) == (1, 1)


IDLE = pytest.mark.filterwarnings("ignore:preset. .* has no effect with the flavor:UserWarning")


@pytest.mark.sampled(3)
@IDLE
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("failed", [False, True])
@pytest.mark.parametrize(
    ("settings", "options", "held"),
    [
        ({}, {}, None),
        ({"preset": "speed"}, {}, "speed"),
        ({"preset": "speed"}, {"preset": "price"}, "price"),
        ({"model": "glm-4.7:eco", "preset": "speed"}, {}, "eco"),
        ({"preset": "speed"}, {"flavor": "batch"}, "batch"),
        ({"preset": "speed", "extra_body": {"preset": "newer"}}, {}, "newer"),
    ],
)
def test_the_routing_that_held_is_told(way, chat, sandbox, streamed, failed, settings, options, held):
    if failed:
        sandbox.faults.add(Fault(status=400))
    handler = MeliousImpactHandler()
    ask = way.stream if streamed else way.invoke
    with track_impact() as ledger, pytest.raises(MeliousError) if failed else nullcontext():
        ask(chat(**settings), "Hello", {"callbacks": [handler]}, **options)
    assert list(handler.ledger.by("routing")) == list(ledger.by("routing")) == [held]
    assert handler.total.failed == failed


@IDLE
def test_embeddings_and_rerank_tell_the_routing_that_held(way, embeddings, rerank):
    with track_impact() as ledger, get_melious_callback() as callback:
        way.call(embeddings(model="bge-m3:price", preset="speed"), "embed_documents", TEXTS)
        way.call(rerank(preset="speed"), "rerank", TEXTS, "heat")
    assert set(callback.ledger.by("routing")) == set(ledger.by("routing")) == {"price", "speed"}


@pytest.mark.parametrize("streamed", [False, True])
def test_filters_that_were_given_up_are_counted(way, chat, embeddings, streamed):
    strict = {"filters": {"countries": ["LU"]}, "routing_fallbacks": ["countries"]}
    with track_impact() as ledger, get_melious_callback() as callback:
        (way.stream if streamed else way.invoke)(chat(**strict), "Hello")
        way.call(embeddings(**strict), "embed_query", "heat")
    assert callback.total.relaxed == ledger.total.relaxed == 2


def test_an_agent_is_one_run(way, chat, embeddings):
    index = embeddings()

    @tool
    def get_weather(city: str) -> str:
        """Get the weather of a city."""
        return f"Sunny, {len(index.embed_query(city))}"

    handler = MeliousImpactHandler()
    agent = create_agent(chat(), [get_weather], name="forecaster")
    question = {"messages": [("user", "What is the weather in Oslo? Use the tool.")]}
    with track_impact() as ledger:
        way.invoke(agent, question, {"callbacks": [handler], "tags": ["agents"]})
    (run,) = handler.by_run().values()
    assert (run.name, run.totals.requests) == ("forecaster", ledger.total.requests)
    assert ledger.by("endpoint")["embeddings"].requests == 1
    assert handler.by_tag()["agents"].to_dict() == run.totals.to_dict()
    assert run.totals.carbon_g_co2 == pytest.approx(ledger.total.carbon_g_co2)


def test_threads_share_a_handler(chat):
    handler, model = MeliousImpactHandler(), chat()
    barrier = threading.Barrier(8)

    def ask(number):
        barrier.wait()
        for _ in range(3):
            model.invoke("Hello", {"callbacks": [handler], "tags": [f"thread-{number}"]})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert handler.total.requests == 24
    assert {tag: sums.requests for tag, sums in handler.by_tag().items()} == {
        f"thread-{n}": 3 for n in range(8)
    }
    assert [run.totals.requests for run in handler.by_run().values()] == [1] * 24


async def test_tasks_share_a_handler_and_need_no_threads(chat):
    handler, model = MeliousImpactHandler(), chat()
    before = threading.active_count()
    await asyncio.gather(*(model.ainvoke("Hello", {"callbacks": [handler]}) for _ in range(8)))
    assert handler.total.requests == 8
    assert len(handler.by_run()) == 8
    assert threading.active_count() == before


def test_memory_is_bounded_by_the_latest_runs_and_the_first_tags():
    book = RunTracker()
    for number in range(3 * MAX_RUNS):
        run = uuid4()
        book.begin(run, None, f"run {number}", [f"tag {number}"])
        book.count(run, [f"tag {number}"], Entry("chat", "m"))
    runs, tags = book.by_run(), book.by_tag()
    assert len(runs) == MAX_RUNS
    assert list(runs.values())[-1].name == f"run {3 * MAX_RUNS - 1}"
    assert len(tags) == MAX_TAGS + 1
    assert sum(totals.requests for totals in tags.values()) == 3 * MAX_RUNS


def test_a_long_run_keeps_its_children():
    book, root = RunTracker(), uuid4()
    book.begin(root, None, "agent", None)
    for _ in range(12_000):
        child = uuid4()
        book.begin(child, root, "step", None)
    book.count(child, None, Entry("chat", "m"))
    assert list(book.by_run()) == [root]


def test_run_trees_carry_what_each_call_cost(way, chat, rerank):
    collector = RunCollectorCallbackHandler()
    answer = way.invoke(chat(), "Hello", {"callbacks": [collector]})
    way.call(rerank(), "compress_documents", [Document(text) for text in TEXTS], "heat", [collector])
    chat_run, rerank_run = collector.traced_runs
    message = chat_run.outputs["generations"][0][0]["message"]["kwargs"]
    assert (
        message["response_metadata"]["environment_impact"] == answer.response_metadata["environment_impact"]
    )
    assert Decimal(message["response_metadata"]["billing_cost"]["credits"]) > 0
    assert message["usage_metadata"]["input_tokens"] == answer.usage_metadata["input_tokens"]
    assert rerank_run.outputs["environment_impact"]["carbon_g_co2"] > 0
