"""What is expected of a reranker: order, bounds, events, and nodes that stay as they were."""

import asyncio
import threading
from contextlib import nullcontext
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode

from conformance.component import ComponentConformance
from conformance.kit import arrive, end, observed
from conformance.service import Answer

QUERY = "What do trains in Austria run on?"
TEXTS = [
    "Cats sleep for most of the day.",
    "Trains in Austria run on hydropower.",
    "The sea is deep.",
    "Austria has many trains.",
]


def nodes(amount: int = 4) -> list[NodeWithScore]:
    """Nodes as a retriever gives them."""
    texts = [TEXTS[at] if at < len(TEXTS) else f"Number {at}." for at in range(amount)]
    return [
        NodeWithScore(node=TextNode(text=text, id_=str(at), metadata={"page": at}), score=0.5)
        for at, text in enumerate(texts)
    ]


def scores(*pairs: tuple[int, float]) -> Answer:
    """An answer with these places and scores, in this order."""
    results = [{"index": index, "relevance_score": score} for index, score in pairs]
    return Answer(body={"model": "m", "results": results, "usage": {"total_tokens": 9}})


class RerankConformance(ComponentConformance):
    """Checks a reranker that is a `BaseNodePostprocessor` and gets `results` with `index` and `relevance_score`.

    Attributes:
        model_argument: The constructor's word for the model.
        waits_without_threads: Whether async calls wait on the event loop, with a span of their own.
        takes_all: Whether `top_n=None` keeps every node.
        takes_none: Whether `top_n=0` is allowed and keeps no node.
    """

    model_argument: str = "model"
    waits_without_threads: bool = True
    takes_all: bool = True
    takes_none: bool = True

    def use(self, component: Any) -> Any:
        """Make one request."""
        return component.postprocess_nodes(nodes(), query_str=QUERY)

    async def ause(self, component: Any) -> Any:
        """Make one request, for asyncio."""
        return await component.apostprocess_nodes(nodes(), query_str=QUERY)

    async def ranked(self, way: Any, component: Any, given: list[NodeWithScore]) -> list[NodeWithScore]:
        """The nodes that a reranker gives back."""
        return await way(component, "postprocess_nodes", given, query_str=QUERY)

    async def test_best_first(self, service, way):
        found = await self.ranked(way, self.make(service, top_n=4), nodes())
        assert {item.node.node_id for item in found} == {"0", "1", "2", "3"}
        got = [item.score for item in found]
        assert all(type(score) is float for score in got)
        assert got == sorted(got, reverse=True), "the best are not first"

    async def test_model_reads_query_and_texts_with_their_metadata(self, service, way):
        given = nodes()
        await self.ranked(way, self.make(service, top_n=4), given)
        body = service.requests[-1].body
        assert body["query"] == QUERY
        texts = [one if isinstance(one, str) else one["text"] for one in body["documents"]]
        assert texts == [item.node.get_content(MetadataMode.EMBED) for item in given]

    async def test_scores_reach_their_nodes_in_any_order(self, service, way):
        service.answer(scores((2, 0.1), (0, 0.9), (3, 0.2), (1, 0.5)))
        found = await self.ranked(way, self.make(service, top_n=4), nodes())
        assert [(item.node.node_id, item.score) for item in found] == [
            ("0", 0.9),
            ("1", 0.5),
            ("3", 0.2),
            ("2", 0.1),
        ], "scores were given to the wrong nodes, or the order of the answer was trusted"

    async def test_place_that_no_node_has_is_no_accident(self, service, way):
        service.answer(scores((7, 0.9), (0, 0.1)))
        try:
            found = await self.ranked(way, self.make(service, top_n=4), nodes())
        except LookupError as accident:
            pytest.fail(f"an accident instead of an error: {accident!r}")
        except Exception:  # one that the integration raises on purpose
            return
        assert "0" in {item.node.node_id for item in found}

    async def test_given_nodes_are_not_changed(self, service, way):
        given = nodes()
        before = [item.model_copy(deep=True) for item in given]
        await self.ranked(way, self.make(service, top_n=2), given)
        assert given == before, "the caller's nodes were changed"

    async def test_nothing_to_rank(self, service, way):
        assert await self.ranked(way, self.make(service, top_n=2), []) == []
        assert not service.requests

    @pytest.mark.parametrize(
        ("amount", "top_n"), [(4, 1), (4, 2), (4, 4), (4, 9), (1, 1), (30, 5), (4, 0), (4, None)]
    )
    async def test_top_n(self, service, way, amount, top_n):
        if top_n is None:
            self.offered(self.takes_all, "top_n=None")
        if top_n == 0:
            self.offered(self.takes_none, "top_n=0")
        found = await self.ranked(way, self.make(service, top_n=top_n), nodes(amount))
        assert len(found) == (amount if top_n is None else min(amount, top_n))
        got = [item.score for item in found]
        assert got == sorted(got, reverse=True)

    def test_top_n_is_checked(self, service):
        with pytest.raises(ValueError, match="top_n"):
            self.make(service, top_n=-1)
        rerank = self.make(service, top_n=2)
        with pytest.raises(ValueError, match="top_n"):
            rerank.top_n = -1
        assert rerank.top_n == 2

    # --- observers -----------------------------------------------------------------------------------

    @pytest.mark.parametrize("outcome", ["ranked", "empty", "failed"])
    async def test_events_are_always_paired(self, service, way, outcome):
        debug = LlamaDebugHandler(print_trace_on_end=False)
        rerank = self.make(service, top_n=2, callback_manager=CallbackManager([debug]))
        if outcome == "failed":
            service.answer(Answer(status=400, body={"error": {"message": "never"}}))
        refused = pytest.raises(Exception, match="never") if outcome == "failed" else nullcontext()
        with observed() as events, refused:
            await self.ranked(way, rerank, [] if outcome == "empty" else nodes())
        names = [name for event in events if (name := type(event).__name__).startswith("ReRank")]
        assert names == ["ReRankStartEvent", "ReRankEndEvent"], f"an event without its other half: {names}"
        assert len(debug.get_event_pairs(CBEventType.RERANKING)) == 1

    async def test_what_observers_are_told(self, service, way):
        debug = LlamaDebugHandler(print_trace_on_end=False)
        rerank = self.make(service, top_n=2, callback_manager=CallbackManager([debug]))
        with observed() as events:
            found = await self.ranked(way, rerank, nodes())
        start, end = (event for event in events if type(event).__name__.startswith("ReRank"))
        model = self.arguments[self.model_argument]
        assert (start.top_n, start.model_name, len(start.nodes)) == (2, model, 4)
        assert end.nodes == found
        ((begun, ended),) = debug.get_event_pairs(CBEventType.RERANKING)
        assert begun.payload[EventPayload.MODEL_NAME] == model
        assert begun.payload[EventPayload.TOP_K] == 2
        assert begun.payload[EventPayload.NODES] == nodes()
        assert ended.payload[EventPayload.NODES] == found

    # --- async ---------------------------------------------------------------------------------------

    async def test_both_ways_are_spans(self, service, way):
        self.offered(self.waits_without_threads, "native async calls")
        spans, root = SimpleSpanHandler(), get_dispatcher()
        root.add_span_handler(spans)
        try:
            await self.ranked(way, self.make(service, top_n=2), nodes())
        finally:
            root.span_handlers.remove(spans)
        name = "_postprocess_nodes" if way.name == "sync" else "_apostprocess_nodes"
        assert [span.id_ for span in spans.completed_spans if f".{name}-" in span.id_], f"{name} is no span"

    async def test_async_calls_wait_without_threads(self, service):
        self.offered(self.waits_without_threads, "native async calls")
        service.answer(Answer(delay=600, times=None))
        rerank = self.make(service, top_n=2)
        before = threading.active_count()
        running = [asyncio.create_task(self.ause(rerank)) for _ in range(32)]
        assert await arrive(service, 32, *running)
        started = threading.active_count() - before
        assert started <= 0, f"32 async calls started {started} threads"
        await end(*running)
