"""MeliousRerank: order, bounds, what observers see, and nodes that stay as they were."""

import asyncio
import threading

import pytest
from conformance.kit import arrive, end
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode
from pydantic import Field

from melious import AuthenticationError, BadRequestError, InvalidArgumentError, ServerError
from melious.sandbox import Fault

QUERY = "What do trains in Austria run on?"
TEXTS = [
    "Cats sleep for most of the day.",
    "Trains in Austria run on hydropower.",
    "The sea is deep.",
    "Austria has many trains.",
]


@pytest.fixture
def nodes():
    return [
        NodeWithScore(node=TextNode(text=text, id_=str(place), metadata={"page": place}), score=0.5)
        for place, text in enumerate(TEXTS)
    ]


@pytest.fixture
def events():
    class Keeper(BaseEventHandler):
        seen: list = Field(default_factory=list)

        def handle(self, event, **_):
            if event.class_name().startswith("ReRank"):
                self.seen.append(event)

    keeper, root = Keeper(), get_dispatcher()
    root.add_event_handler(keeper)
    yield keeper.seen
    root.event_handlers.remove(keeper)


async def rank(way, rerank, nodes, query=QUERY):
    return await way(rerank, "postprocess_nodes", nodes, query_str=query)


async def test_best_first_and_nothing_lost(make_rerank, way, nodes, sandbox):
    ranked = await rank(way, make_rerank(), nodes)
    assert [item.node.node_id for item in ranked][:2] == ["1", "3"]
    assert {item.node.node_id for item in ranked} == {"0", "1", "2", "3"}
    scores = [item.score for item in ranked]
    assert scores == sorted(scores, reverse=True)
    assert all(type(score) is float for score in scores)
    body = sandbox.requests[-1].body
    assert body["query"] == QUERY
    assert body["documents"] == [item.node.get_content(MetadataMode.EMBED) for item in nodes]


async def test_shuffled_answers_reach_their_nodes(make_rerank, way, nodes, sandbox):
    straight = await rank(way, make_rerank(), nodes)
    sandbox.faults.add(Fault(endpoint="rerank", shuffle_indices=True))
    shuffled = await rank(way, make_rerank(), nodes)
    assert shuffled[:2] == straight[:2]
    scores = {item.node.node_id: item.score for item in straight}
    assert {item.node.node_id: item.score for item in shuffled} == scores


async def test_nodes_stay_as_they_were(make_rerank, way, nodes):
    before = [item.model_copy(deep=True) for item in nodes]
    ranked = await rank(way, make_rerank(keep_retrieval_score=True), nodes)
    assert nodes == before
    assert ranked[0].node.metadata["retrieval_score"] == 0.5
    assert "retrieval_score" not in ranked[0].node.get_content(MetadataMode.LLM)
    assert "retrieval_score" not in nodes[1].node.metadata


@pytest.mark.parametrize(("top_n", "kept"), [(None, 4), (0, 0), (1, 1), (4, 4), (9, 4)])
async def test_top_n(make_rerank, way, nodes, sandbox, top_n, kept):
    ranked = await rank(way, make_rerank(top_n=top_n), nodes)
    assert len(ranked) == kept
    assert [request.body.get("top_n") for request in sandbox.requests] == {
        None: [None],
        0: [],
        1: [1],
        4: [4],
        9: [4],
    }[top_n]


def test_top_n_is_checked_also_when_it_is_set_later(make_rerank):
    with pytest.raises(ValueError, match="top_n"):
        make_rerank(top_n=-1)
    rerank = make_rerank(top_n=2)
    with pytest.raises(ValueError, match="top_n"):
        rerank.top_n = -1
    rerank.top_n = 1
    assert rerank.top_n == 1


async def test_score_threshold(make_rerank, way, nodes):
    everything = await rank(way, make_rerank(), nodes)
    threshold = everything[1].score
    kept = await rank(way, make_rerank(score_threshold=threshold), nodes)
    assert kept == [item for item in everything if item.score >= threshold]
    assert 0 < len(kept) < 4


async def test_metadata_mode(make_rerank, way, nodes, sandbox):
    await rank(way, make_rerank(metadata_mode=MetadataMode.NONE), nodes)
    assert sandbox.requests[-1].body["documents"] == TEXTS


async def test_nodes_without_text_come_last_without_a_score(make_rerank, way, nodes, sandbox):
    empty = NodeWithScore(node=TextNode(text="", id_="empty"), score=0.9)
    ranked = await rank(way, make_rerank(), [empty, *nodes])
    assert ranked[-1].node.node_id == "empty"
    assert ranked[-1].score is None
    assert ranked[0].node.node_id == "1"
    assert len(sandbox.requests[-1].body["documents"]) == 4


async def test_nothing_to_rank(make_rerank, way, sandbox, events):
    assert await rank(way, make_rerank(), []) == []
    assert not sandbox.requests
    assert [event.class_name() for event in events] == ["ReRankStartEvent", "ReRankEndEvent"]


async def test_a_query_is_needed(make_rerank, way, nodes):
    with pytest.raises(InvalidArgumentError, match="query"):
        await way(make_rerank(), "postprocess_nodes", nodes)


async def test_routing(make_rerank, way, nodes, sandbox):
    rerank = make_rerank(
        preset="environment",
        filters={"countries": ["DE", "FR", "SE", "FI"]},
        mode="balanced",
        additional_kwargs={"max_chunks_per_doc": 3, "unheard_of": 1},
    )
    await rank(way, rerank, nodes)
    body = sandbox.requests[-1].body
    assert body["preset"] == "environment"
    assert body["filters"] == {"countries": ["DE", "FR", "SE", "FI"]}
    assert (body["mode"], body["max_chunks_per_doc"], body["unheard_of"]) == ("balanced", 3, 1)


# --- errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "error"), [(503, ServerError), (401, AuthenticationError)])
async def test_on_error(make_rerank, way, nodes, sandbox, caplog, fault, error):
    sandbox.faults.add(Fault(endpoint="rerank", status=fault, times=2))
    with pytest.raises(error):
        await rank(way, make_rerank(max_retries=0), nodes)
    passed = await rank(way, make_rerank(max_retries=0, on_error="passthrough", top_n=3), nodes)
    assert passed == nodes[:3]
    assert str(fault) in caplog.text


async def test_mistakes_are_not_passed_over(make_rerank, way, nodes):
    with pytest.raises(InvalidArgumentError, match="query"):
        await rank(way, make_rerank(on_error="passthrough"), nodes, query=" ")


# --- observers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("top_n", [None, 2])
async def test_events_and_callbacks(make_rerank, way, nodes, events, top_n):
    handler = LlamaDebugHandler(print_trace_on_end=False)
    rerank = make_rerank(top_n=top_n, callback_manager=CallbackManager([handler]))
    ranked = await rank(way, rerank, nodes)
    start, end = events
    assert (start.top_n, start.model_name) == (top_n or 4, "bge-reranker-v2-m3")
    assert start.query == QueryBundle(QUERY)
    assert start.nodes == nodes
    assert end.nodes == ranked
    ((begun, ended),) = handler.get_event_pairs(CBEventType.RERANKING)
    assert begun.payload == {
        EventPayload.NODES: nodes,
        EventPayload.MODEL_NAME: "bge-reranker-v2-m3",
        EventPayload.QUERY_STR: QUERY,
        EventPayload.TOP_K: top_n or 4,
    }
    assert ended.payload[EventPayload.NODES] == ranked


async def test_events_are_paired_when_it_fails(make_rerank, way, nodes, sandbox, events):
    sandbox.faults.add(Fault(endpoint="rerank", status=400))
    handler = LlamaDebugHandler(print_trace_on_end=False)
    with pytest.raises(BadRequestError):
        await rank(way, make_rerank(callback_manager=CallbackManager([handler])), nodes)
    assert [event.class_name() for event in events] == ["ReRankStartEvent", "ReRankEndEvent"]
    assert events[1].nodes == []
    ((_, ended),) = handler.get_event_pairs(CBEventType.RERANKING)
    assert EventPayload.EXCEPTION in ended.payload


async def test_both_ways_are_spans(make_rerank, way, nodes):
    spans, root = SimpleSpanHandler(), get_dispatcher()
    root.add_span_handler(spans)
    try:
        await rank(way, make_rerank(), nodes)
    finally:
        root.span_handlers.remove(spans)
    names = [span.id_.partition("-")[0] for span in spans.completed_spans]
    assert names == [
        "MeliousRerank._postprocess_nodes" if way.name == "sync" else "MeliousRerank._apostprocess_nodes"
    ]


async def test_async_needs_no_thread(make_rerank, nodes, sandbox):
    sandbox.faults.add(Fault(delay=600, times=None))
    rerank = make_rerank()
    before = threading.active_count()
    calls = [asyncio.create_task(rerank.apostprocess_nodes(nodes, query_str=QUERY)) for _ in range(32)]
    assert await arrive(sandbox, 32, *calls)
    assert threading.active_count() <= before
    await end(*calls)
