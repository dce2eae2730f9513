"""MeliousRerank: options of a call, long lists, what observers hear of cost, and that both ways are one."""

import asyncio

import httpx
import pytest
from core.held_server import HeldServer
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode
from llama_kit import Way, eventually
from pydantic import Field

from llama_index_melious import MeliousRerank
from melious import InvalidArgumentError, ServerError, Timeout
from melious.sandbox import Fault

QUERY = "What do trains in Austria run on?"


@pytest.fixture
def nodes():
    texts = ["Cats sleep for most of the day.", "Trains in Austria run on hydropower.", "The sea is deep."]
    return [
        NodeWithScore(node=TextNode(text=text, id_=str(place), metadata={"page": place}), score=0.5)
        for place, text in enumerate(texts)
    ]


@pytest.fixture
def many():
    texts = [
        f"Report {place} about {'trains and hydropower' * (place % 7)} in Austria" for place in range(50)
    ]
    return [NodeWithScore(node=TextNode(text=text, id_=str(place))) for place, text in enumerate(texts)]


@pytest.fixture
def events():
    class Keeper(BaseEventHandler):
        seen: list = Field(default_factory=list)

        def handle(self, event, **_):
            self.seen.append(event)

    keeper, root = Keeper(), get_dispatcher()
    root.add_event_handler(keeper)
    yield keeper.seen
    root.event_handlers.remove(keeper)


def named(events, name):
    return [event for event in events if event.class_name() == name]


async def rank(way, rerank, nodes, query=QUERY, **options):
    return await way(rerank, "postprocess_nodes", nodes, query_str=query, **options)


# --- what goes over the wire -------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:preset.*has no effect:UserWarning")
async def test_sync_and_async_send_the_same(make_rerank, nodes, sandbox):
    rerank = make_rerank(preset="environment", flavor="eco", top_n=2, metadata_mode=MetadataMode.NONE)
    results = [await rank(Way(name), rerank, nodes) for name in ("sync", "async")]
    assert results[0] == results[1]
    first, second = sandbox.requests
    assert first.body == second.body
    assert first.body == {
        "model": "bge-reranker-v2-m3:eco",
        "query": QUERY,
        "documents": [item.node.text for item in nodes],
        "top_n": 2,
        "return_documents": False,
        "preset": "environment",
    }


@pytest.mark.parametrize("most", [1, 12])
async def test_long_texts_are_cut(make_rerank, way, nodes, sandbox, most):
    await rank(way, make_rerank(max_document_chars=most), nodes)
    whole = [item.node.get_content(MetadataMode.EMBED) for item in nodes]
    assert sandbox.requests[-1].body["documents"] == [text[:most] for text in whole]
    with pytest.raises(ValueError, match="max_document_chars"):
        make_rerank(max_document_chars=0)


@pytest.mark.parametrize(("batch", "top_n"), [(7, None), (7, 1), (20, 20), (49, 50), (1, 3), (50, 60)])
async def test_batches_are_merged_by_score(make_rerank, way, many, sandbox, batch, top_n):
    pieces = [many[start : start + batch] for start in range(0, 50, batch)]
    apart = [item for piece in pieces for item in await rank(way, make_rerank(), piece)]
    sandbox.requests.clear()
    ranked = await rank(way, make_rerank(max_batch_size=batch, top_n=top_n), many)
    assert sorted(len(request.body["documents"]) for request in sandbox.requests) == sorted(map(len, pieces))
    assert ranked == sorted(apart, key=lambda item: (-item.score, int(item.node.node_id)))[:top_n]


@pytest.mark.parametrize(("workers", "most"), [(None, 4), (1, 1), (2, 2)])
async def test_batches_run_so_many_at_a_time(way, many, workers, most):
    with HeldServer(lambda asked: asked.once_asked(most)) as server:
        rerank = MeliousRerank(
            model="bge-reranker-v2-m3",
            api_key=server.api_key,
            base_url=server.base_url,
            max_batch_size=13,
            num_workers=workers,
        )
        await rank(way, rerank, many)
        assert (len(server.asked), server.at_once) == (4, most)


async def test_a_failing_batch_fails_the_call(make_rerank, way, many, sandbox, events):
    sandbox.faults.add(Fault(endpoint="rerank", status=503, times=None, after=2))
    with pytest.raises(ServerError):
        await rank(way, make_rerank(max_batch_size=10, num_workers=1, max_retries=0), many)
    assert named(events, "ReRankEndEvent")[0].nodes == []
    passed = await rank(
        way, make_rerank(max_batch_size=10, max_retries=0, on_error="passthrough", top_n=5), many
    )
    assert passed == many[:5]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_passing_troubles_are_tried_again(make_rerank, way, nodes, sandbox, status):
    sandbox.faults.add(Fault(endpoint="rerank", status=status, times=2, headers={"retry-after": "0"}))
    assert len(await rank(way, make_rerank(max_retries=2), nodes)) == 3
    assert [request.status for request in sandbox.requests] == [status, status, 200]


@pytest.mark.parametrize("where", ["constructor", "call"])
@pytest.mark.parametrize("limit", [0.1, (5, 0.1), httpx.Timeout(0.1), Timeout(answer=0.1)], ids=str)
async def test_timeouts(make_rerank, way, nodes, sandbox, limit, where):
    sandbox.faults.add(Fault(endpoint="rerank", delay=600, times=2))
    at_first, later = ({"timeout": limit}, {}) if where == "constructor" else ({}, {"timeout": limit})
    with pytest.raises(TimeoutError):
        await rank(way, make_rerank(max_retries=0, **at_first), nodes, **later)
    passed = await rank(way, make_rerank(max_retries=0, on_error="passthrough", **at_first), nodes, **later)
    assert passed == nodes


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_attempts_are_one_more_than_retries(make_rerank, way, nodes, sandbox, retries):
    sandbox.faults.add(Fault(endpoint="rerank", status=503, times=None, headers={"retry-after": "0"}))
    with pytest.raises(ServerError):
        await rank(way, make_rerank(max_retries=retries), nodes)
    assert len(sandbox.requests) == 1 + retries


# --- options of a call -------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:preset.*has no effect:UserWarning")
async def test_settings_of_one_call(make_rerank, way, nodes, sandbox, events):
    rerank = make_rerank(top_n=1, preset="speed")
    ranked = await rank(
        way,
        rerank,
        nodes,
        top_n=2,
        model="bge-reranker-v2-m3:eco",
        keep_retrieval_score=True,
        metadata_mode=MetadataMode.NONE,
        preset="environment",
        filters={"countries": ["DE", "FR", "SE", "FI"]},
        extra_headers={"x-team": "blue"},
        user="me",
    )
    assert len(ranked) == 2
    assert ranked[0].node.metadata["retrieval_score"] == 0.5
    request = sandbox.requests[-1]
    assert request.headers["x-team"] == "blue"
    assert (request.body["model"], request.body["preset"], request.body["user"]) == (
        "bge-reranker-v2-m3:eco",
        "environment",
        "me",
    )
    assert request.body["documents"][0] == "Cats sleep for most of the day."
    assert request.body["filters"] == {"countries": ["DE", "FR", "SE", "FI"]}
    (start,) = named(events, "ReRankStartEvent")
    assert (start.top_n, start.model_name) == (2, "bge-reranker-v2-m3:eco")
    assert len(await rank(way, rerank, nodes)) == 1
    assert sandbox.requests[-1].body["preset"] == "speed"
    assert rerank.keep_retrieval_score is False


async def test_failures_of_one_call(make_rerank, way, nodes, sandbox):
    sandbox.faults.add(Fault(endpoint="rerank", status=503))
    passed = await rank(way, make_rerank(), nodes, on_error="passthrough", max_retries=0)
    assert passed == nodes
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"top_n": -1}, "top_n"),
        ({"presett": "speed"}, "did you mean 'preset'"),
        ({"on_error": "ignore"}, "on_error"),
        ({"query_bundle": QueryBundle(QUERY)}, "both"),
    ],
)
async def test_wrong_options_of_a_call(make_rerank, way, nodes, sandbox, option, said):
    with pytest.raises(ValueError, match=said):
        await rank(way, make_rerank(), nodes, **option)
    assert not sandbox.requests


async def test_other_settings_are_checked_as_at_the_beginning(make_rerank, nodes, sandbox):
    rerank = make_rerank(top_n=1)
    other = rerank.with_options(top_n=2, preset="price", api_base=rerank.base_url)
    assert (rerank.top_n, rerank.preset, other.top_n, other.preset) == (1, None, 2, "price")
    assert len(other.postprocess_nodes(nodes, query_str=QUERY)) == 2
    with pytest.raises(InvalidArgumentError, match="did you mean 'preset'"):
        rerank.with_options(presett="speed")


# --- observers ---------------------------------------------------------------------------------------


async def test_each_request_tells_what_it_cost(make_rerank, way, many, sandbox, events):
    spans, root = SimpleSpanHandler(), get_dispatcher()
    root.add_span_handler(spans)
    try:
        await rank(way, make_rerank(max_batch_size=30), many)
    finally:
        root.span_handlers.remove(spans)
    told = named(events, "MeliousUsageEvent")
    assert len(told) == 2
    assert {event.request_id for event in told} == {request.request_id for request in sandbox.requests}
    (span,) = spans.completed_spans
    for event in told:
        assert (event.endpoint, event.model) == ("rerank", "bge-reranker-v2-m3")
        assert event.span_id == span.id_
        assert event.usage.prompt_tokens > 0
        assert event.environment_impact.carbon_g_co2 > 0
        assert event.billing_cost.eur > 0
    order = [event.class_name() for event in events]
    assert order == ["ReRankStartEvent", "MeliousUsageEvent", "MeliousUsageEvent", "ReRankEndEvent"]


async def test_what_is_not_reported_is_not_told(make_rerank, way, nodes, sandbox, events):
    sandbox.faults.add(Fault(endpoint="rerank", usage="missing", impact="missing", cost="missing"))
    await rank(way, make_rerank(), nodes)
    (event,) = named(events, "MeliousUsageEvent")
    assert event.usage is event.environment_impact is event.billing_cost is None
    assert event.model == "bge-reranker-v2-m3"


@pytest.mark.parametrize("query", [None, "", " \n"])
async def test_nobody_hears_of_calls_that_never_begin(make_rerank, way, nodes, events, query):
    with pytest.raises(InvalidArgumentError, match="query"):
        await rank(way, make_rerank(on_error="passthrough"), nodes, query=query)
    assert not [event for event in events if event.class_name().startswith("ReRank")]


async def test_pairs_when_nothing_is_asked(make_rerank, way, nodes, events):
    handler = LlamaDebugHandler(print_trace_on_end=False)
    rerank = make_rerank(top_n=0, callback_manager=CallbackManager([handler]))
    assert await rank(way, rerank, nodes) == []
    start, end = events
    assert (start.top_n, end.nodes) == (0, [])
    ((begun, ended),) = handler.get_event_pairs(CBEventType.RERANKING)
    assert (begun.payload[EventPayload.TOP_K], ended.payload[EventPayload.NODES]) == (0, [])


async def test_pairs_when_it_is_cancelled(make_rerank, sandbox, nodes, events):
    sandbox.faults.add(Fault(delay=600))
    handler = LlamaDebugHandler(print_trace_on_end=False)
    rerank = make_rerank(on_error="passthrough", callback_manager=CallbackManager([handler]))
    task = asyncio.create_task(rerank.apostprocess_nodes(nodes, query_str=QUERY))
    assert await eventually(lambda: len(sandbox.requests) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [event.class_name() for event in events if "ReRank" in event.class_name()] == [
        "ReRankStartEvent",
        "ReRankEndEvent",
    ]
    assert len(handler.get_event_pairs(CBEventType.RERANKING)[0]) == 2


@pytest.mark.parametrize("answer", ["not JSON", '{"results": [{"index": 9, "relevance_score": 1}]}', "{}"])
async def test_unreadable_answers_can_be_passed_over(make_rerank, way, nodes, sandbox, answer):
    sandbox.faults.add(Fault(endpoint="rerank", body=answer))
    assert await rank(way, make_rerank(on_error="passthrough"), nodes) == nodes
