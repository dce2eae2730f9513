"""The impact handler: the events of LLM, embeddings and reranker add up to what the core's own ledger says."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.schema import TextNode
from llama_index_instrumentation.dispatcher import instrument_tags
from llama_index_instrumentation.event_handlers import BaseEventHandler
from pydantic import Field

import llama_index_melious
from llama_index_melious.handlers import MAX_TAGS
from melious import BillingCost, EnvironmentImpact, ImpactLedger, track_impact

HELLO = [ChatMessage("Hello, you!")]
TEXTS = ["A heat pump moves heat.", "Bread is baked.", "Trains in Austria run on hydropower."]


@pytest.fixture
def listening():
    """Adds handlers to the root dispatcher for the length of a test."""
    root, added = get_dispatcher(), []

    def listen(**arguments):
        handler = llama_index_melious.MeliousImpactEventHandler(**arguments)
        root.add_event_handler(handler)
        added.append(handler)
        return handler

    yield listen
    for handler in added:
        root.event_handlers.remove(handler)


async def test_an_engine_costs_what_the_ledger_of_the_core_says(
    way, listening, make_llm, make_embedding, make_rerank
):
    handler = listening()
    with track_impact() as ledger:
        nodes = [TextNode(text=text) for text in TEXTS]
        index = VectorStoreIndex(nodes, embed_model=make_embedding())
        engine = index.as_query_engine(
            llm=make_llm(), node_postprocessors=[make_rerank(top_n=1)], similarity_top_k=2
        )
        await way(engine, "query", "What do Austrian trains run on?")
    assert ledger.by("endpoint").keys() == {"chat", "embeddings", "rerank"}
    told = {name: part.to_dict() for name, part in handler.ledger.by("endpoint").items()}
    assert told == {name: part.to_dict() for name, part in ledger.by("endpoint").items()}
    assert handler.ledger.by("country").keys() == ledger.by("country").keys()
    assert isinstance(handler.total.eur, Decimal)


async def test_a_stream_without_a_report_counts_as_unreported(way, listening, make_llm):
    handler = listening()
    await way(make_llm(), "chat", HELLO)
    await way(make_llm(), "stream_chat", HELLO)
    assert (handler.total.requests, handler.total.without_impact, handler.total.without_cost) == (2, 1, 1)
    assert handler.total.output_tokens > 0


def test_each_tag_has_its_own_sums(listening, make_llm):
    handler, llm = listening(), make_llm()
    with instrument_tags({"team": "search", "user": 7}):
        llm.chat(HELLO)
    with instrument_tags({"team": "search"}):
        llm.chat(HELLO)
    llm.chat(HELLO)
    tags = handler.by_tag()
    assert {tag: totals.requests for tag, totals in tags.items()} == {("team", "search"): 2, ("user", "7"): 1}
    assert handler.total.requests == 3
    assert tags["team", "search"].carbon_g_co2 < handler.total.carbon_g_co2


def test_a_stream_has_the_tags_of_its_call_whoever_reads_it(listening, make_llm):
    handler = listening()
    with instrument_tags({"user": "anna"}):
        stream = make_llm().stream_chat(HELLO)
    with instrument_tags({"user": "reader"}):
        list(stream)
    assert {tag: totals.requests for tag, totals in handler.by_tag().items()} == {("user", "anna"): 1}


async def test_nor_do_tags_of_asyncio_streams_change(listening, make_llm):
    handler = listening()
    with instrument_tags({"user": "anna"}):
        stream = await make_llm().astream_chat(HELLO)
    _ = [response async for response in stream]
    assert {tag: totals.requests for tag, totals in handler.by_tag().items()} == {("user", "anna"): 1}


def test_tags_of_the_framework_and_its_prompts_are_left_out(listening, make_llm):
    handler = listening()
    with instrument_tags(
        {"llamaindex.run_id": "1", "llamaindex.step.input_summary": "Hello", "user": "anna"}
    ):
        make_llm().chat(HELLO)
    assert list(handler.by_tag()) == [("user", "anna")]


def test_handlers_that_only_warn_of_it_do_not_get_the_event(listening, make_llm):
    class Closed(BaseEventHandler):
        seen: list[str] = Field(default_factory=list)

        def handle(self, event, **_):
            self.seen.append(event.class_name())

    Closed.__module__ = "openinference.instrumentation.llama_index._handler"
    closed, handler = Closed(), listening()
    root = get_dispatcher()
    root.add_event_handler(closed)
    try:
        with instrument_tags({"user": "anna"}):
            make_llm().chat(HELLO)
    finally:
        root.event_handlers.remove(closed)
    assert "LLMChatEndEvent" in closed.seen
    assert "MeliousUsageEvent" not in closed.seen
    assert handler.by_tag()["user", "anna"].requests == 1


def test_a_ledger_can_be_brought_and_shared(listening, make_llm):
    ledger = ImpactLedger(estimate=True)
    handler = listening(ledger=ledger)
    llm = make_llm()
    llm.chat(HELLO)
    list(llm.stream_chat(HELLO))
    assert handler.ledger is ledger
    assert (ledger.total.estimated, ledger.total.requests) == (1, 2)
    assert ledger.total.estimated_carbon_g_co2 > 0


def test_threads_share_a_handler(listening, make_embedding):
    handler, model = listening(), make_embedding()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: model.get_text_embedding(f"text {number}"), range(12)))
    assert handler.total.requests == 12


def test_tags_are_bounded():
    handler = llama_index_melious.MeliousImpactEventHandler()
    for number in range(2 * MAX_TAGS):
        event = llama_index_melious.MeliousUsageEvent(
            endpoint="chat",
            model="m",
            environment_impact=EnvironmentImpact(carbon_g_co2=1),
            billing_cost=BillingCost(credits="0.1", paid_with="credits"),
            tags={"user": number},
        )
        handler.handle(event)
    tags = handler.by_tag()
    assert len(tags) == MAX_TAGS + 1
    assert tags["other", "other"].requests == MAX_TAGS
    assert sum(totals.carbon_g_co2 for totals in tags.values()) == 2 * MAX_TAGS
