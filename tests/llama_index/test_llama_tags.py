"""LlamaIndex's instrument tags, as tags in the rows and sums of ledgers."""

from llama_index.core import VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.schema import TextNode
from llama_index_instrumentation.dispatcher import instrument_tags

from llama_index_melious import MeliousImpactEventHandler
from melious import track_impact

HELLO = [ChatMessage("Hello, you!")]
TAGS = {"project": "website", "user": 7, "notes": ["no"]}
SHOWN = {"project": "website", "user": "7"}


def _tags(ledger):
    return [dict(row.entry.tags) for row in ledger.rows]


async def test_calls_and_streams_have_the_instrument_tags(way, make_llm):
    llm = make_llm()
    with track_impact(keep_rows=9) as ledger:
        with instrument_tags(TAGS):
            await way(llm, "chat", HELLO)
            await way(llm, "stream_chat", HELLO)
            await way(llm, "complete", "Hello")
        await way(llm, "chat", HELLO)
    assert _tags(ledger) == [SHOWN, SHOWN, SHOWN, {}]


async def test_every_request_of_an_engine_has_the_instrument_tags(way, make_llm, make_embedding, make_rerank):
    index = VectorStoreIndex([TextNode(text="Bread is baked.")], embed_model=make_embedding())
    engine = index.as_query_engine(llm=make_llm(), node_postprocessors=[make_rerank(top_n=1)])
    with track_impact(keep_rows=9) as ledger, instrument_tags(TAGS):
        await way(engine, "query", "What is baked?")
    assert {row.entry.endpoint for row in ledger.rows} == {"chat", "embeddings", "rerank"}
    assert _tags(ledger) == [SHOWN] * len(ledger.rows), "without those that LlamaIndex sets itself"


async def test_instrument_tags_win_over_those_of_a_block(way, make_llm):
    with (
        track_impact(keep_rows=9, tags={"project": "block", "team": "north"}) as ledger,
        instrument_tags({"project": "website"}),
    ):
        await way(make_llm(), "chat", HELLO)
    assert _tags(ledger) == [{"project": "website", "team": "north"}]


async def test_the_handler_has_the_same_tags(way, make_llm):
    handler = MeliousImpactEventHandler()
    root = get_dispatcher()
    root.add_event_handler(handler)
    try:
        with instrument_tags(TAGS):
            await way(make_llm(), "chat", HELLO)
            await way(make_llm(), "stream_chat", HELLO)
    finally:
        root.event_handlers.remove(handler)
    (sums,) = handler.ledger.by_tag("project").values()
    assert sums.requests == 2
    assert handler.ledger.tag_names == ("project", "user")
