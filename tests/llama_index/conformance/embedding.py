"""What is expected of an embedding model: order, untouched texts, batches, and bounded concurrency."""

import asyncio
import threading
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import TextNode
from llama_index.core.storage.kvstore import SimpleKVStore

from conformance.component import ComponentConformance
from conformance.kit import leaves_the_loop_free, observed
from conformance.service import Answer, Service

TEXTS = ["Dunes  move\nwith the wind.", "Trains run on hydropower. ", "Ein Schloß am Meer"]
FORMS = ("get_query_embedding", "get_text_embedding", "get_text_embedding_batch")


def asked(form: str) -> Any:
    """What a form of the call takes."""
    return TEXTS if "batch" in form else TEXTS[0]


def inputs(service: Service) -> list[list[str]]:
    """The texts of each request."""
    found = [request.body["input"] for request in service.requests]
    return [[one] if isinstance(one, str) else one for one in found]


class EmbeddingConformance(ComponentConformance):
    """Checks a `BaseEmbedding`.

    Attributes:
        vector_size: The length of the model's vectors.
        dimensions_argument: The constructor's word for shorter vectors; None if there is none.
        dimensions_arguments: The arguments for a model whose vectors can be shorter.
        instructions: The constructor's words for what goes before queries and before texts; None if
            there are none.
        most_at_once: The most requests at a time in a batch of async calls, by default; None if there is
            no bound.
    """

    vector_size: int = 1024
    dimensions_argument: str | None = "dimensions"
    dimensions_arguments: dict[str, Any] = {}  # noqa: RUF012 - a switch
    instructions: tuple[str, str] | None = ("query_instruction", "text_instruction")
    most_at_once: int | None = 8

    def use(self, component: Any) -> Any:
        """Make one request."""
        return component.get_query_embedding("dunes")

    async def ause(self, component: Any) -> Any:
        """Make one request, for asyncio."""
        return await component.aget_query_embedding("dunes")

    @pytest.mark.parametrize("form", FORMS)
    async def test_vectors_are_lists_of_floats(self, service, way, form):
        result = await way(self.make(service), form, asked(form))
        vectors = result if "batch" in form else [result]
        assert [len(vector) for vector in vectors] == [self.vector_size] * len(vectors)
        assert all(type(vector) is list and type(vector[0]) is float for vector in vectors)

    @pytest.mark.parametrize("form", FORMS)
    async def test_texts_are_sent_as_they_are(self, service, way, form):
        await way(self.make(service), form, asked(form))
        sent = [text for batch in inputs(service) for text in batch]
        assert sent == (TEXTS if "batch" in form else TEXTS[:1]), "the text was changed on its way"

    @pytest.mark.parametrize("form", FORMS)
    async def test_both_ways_send_the_same_in_every_form(self, service, form):
        more = dict(self.dimensions_arguments)
        if self.dimensions_argument:
            more[self.dimensions_argument] = 64
        component = self.make(service, **more)
        getattr(component, form)(asked(form))
        await getattr(component, f"a{form}")(asked(form))
        first, second = service.requests
        assert first.body == second.body, "the blocking and the async call send different bodies"
        if self.dimensions_argument:
            assert first.body["dimensions"] == 64

    async def test_vectors_come_in_the_order_of_their_texts(self, service, way):
        order = [2, 0, 1]
        data = [{"object": "embedding", "index": at, "embedding": [float(at), 1.0]} for at in order]
        usage = {"prompt_tokens": 3, "total_tokens": 3}
        service.answer(Answer(body={"object": "list", "model": "m", "data": data, "usage": usage}))
        vectors = await way(self.make(service), "get_text_embedding_batch", TEXTS)
        assert [vector[0] for vector in vectors] == [0.0, 1.0, 2.0], "vectors belong to other texts"

    async def test_batches(self, service, way):
        component = self.make(service, embed_batch_size=3)
        texts = [f"text {number}" for number in range(8)]
        vectors = await way(component, "get_text_embedding_batch", texts)
        assert sorted(len(batch) for batch in inputs(service)) == [2, 3, 3]
        assert vectors[5] == await way(component, "get_text_embedding", texts[5])

    async def test_no_texts_no_request(self, service, way):
        assert await way(self.make(service), "get_text_embedding_batch", []) == []
        assert not service.requests

    async def test_async_batches_are_bounded(self, service):
        self.offered(self.most_at_once, "a bound for concurrent requests")
        service.answer(Answer(delay=1.0, times=self.most_at_once))
        component = self.make(service, embed_batch_size=1)
        running = asyncio.create_task(component.aget_text_embedding_batch([f"t{at}" for at in range(12)]))
        most = 0
        while not running.done():
            await asyncio.sleep(0.01)
            most = max(most, service.open_connections)
        assert len(await running) == 12
        assert 1 < most <= self.most_at_once, f"{most} requests at once"

    async def test_async_calls_leave_the_loop_free(self, service):
        component = self.make(service)
        await component.aget_query_embedding(asked("get_query_embedding"))  # which may import modules
        service.answer(Answer(delay=30, times=None))
        before = threading.active_count()
        for form in FORMS:
            call = getattr(component, f"a{form}")(asked(form))
            assert await leaves_the_loop_free(call, service), f"a{form} holds the event loop"
            assert threading.active_count() <= before, f"a{form} waits in a thread"

    async def test_instructions_tell_queries_from_texts(self, service, way):
        self.offered(self.instructions, "instructions")
        query, text = self.instructions
        component = self.make(service, **{query: "query: ", text: "passage: "})
        await way(component, "get_query_embedding", "dunes")
        await way(component, "get_text_embedding", "dunes")
        await way(component, "get_text_embedding_batch", ["dunes"])
        assert inputs(service) == [["query: dunes"], ["passage: dunes"], ["passage: dunes"]]

    async def test_cache_does_not_mix_queries_and_texts(self, service, way):
        self.offered(self.instructions, "instructions")
        query, text = self.instructions
        arguments = {query: "query: ", text: "passage: "}
        cached = self.make(service, embeddings_cache=SimpleKVStore(), **arguments)
        plain = self.make(service, **arguments)
        for form in ("get_text_embedding", "get_query_embedding"):
            expected = await way(plain, form, "dunes")
            assert await way(cached, form, "dunes") == expected, "the cache gave the vector of the other kind"

    async def test_cache_saves_requests(self, service, way):
        component = self.make(service, embeddings_cache=SimpleKVStore())
        first = await way(component, "get_text_embedding_batch", TEXTS)
        done = len(service.requests)
        assert await way(component, "get_text_embedding_batch", TEXTS) == first
        assert len(service.requests) == done, "cached texts were asked for again"

    async def test_events_are_paired(self, service, way):
        debug = LlamaDebugHandler(print_trace_on_end=False)
        component = self.make(service, callback_manager=CallbackManager([debug]), embed_batch_size=2)
        with observed() as events:
            await way(component, "get_text_embedding_batch", TEXTS)
        names = [type(event).__name__ for event in events]
        assert names.count("EmbeddingStartEvent") == names.count("EmbeddingEndEvent") == 2
        pairs = debug.get_event_pairs(CBEventType.EMBEDDING)
        chunks = [text for _, end in pairs for text in end.payload[EventPayload.CHUNKS]]
        assert sorted(chunks) == sorted(TEXTS)

    @pytest.mark.exhaustive  # two processes import the framework
    def test_nodes_are_embedded_in_workers(self, service):
        pipeline = IngestionPipeline(transformations=[self.make(service)], disable_cache=True)
        nodes = [TextNode(text=f"text {at}") for at in range(4)]
        done = pipeline.run(nodes=nodes, num_workers=2)
        assert [len(node.embedding) for node in done] == [self.vector_size] * 4

    def test_many_loops_at_once(self, service):
        component = self.make(service)
        found: list[Any] = []
        threads = [
            threading.Thread(target=lambda: found.append(asyncio.run(self.ause(component)))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        assert all(vector == found[0] for vector in found)

    async def test_servers_that_speak_floats_alone(self, service, way):
        service.answer(
            Answer(
                body={
                    "object": "list",
                    "model": "m",
                    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -1.0]}],
                    "usage": {"prompt_tokens": 1, "total_tokens": 1},
                }
            )
        )
        assert await way(self.make(service), "get_query_embedding", "dunes") == [0.5, -1.0]
