"""`MeliousBatchEmbedding`: nodes embedded in a batch job, in pipelines and indexes."""

import json
import math

import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.embeddings.loading import load_embed_model
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from pydantic import Field

import llama_index_melious
from llama_index_melious import MeliousUsageEvent
from melious import track_impact
from melious.errors import BadRequestError, DeadlineExceededError, InvalidArgumentError
from melious.sandbox import Fault

TEXTS = ["Lighthouses guide ships.", "Tea is green.", "Lighthouses guide ships.", "Bread is baked."]


@pytest.fixture
def make(place):
    return lambda **arguments: llama_index_melious.MeliousBatchEmbedding(
        **{"model": "bge-m3", "batch_poll": 0.01, **place, **arguments}
    )


def asked(sandbox, endpoint):
    """How many requests an endpoint got, besides the lines of batches."""
    return sum(request.endpoint == endpoint and request.method == "POST" for request in sandbox.requests)


def failing(sandbox, line, **fault):
    sandbox.faults.add(Fault(endpoint="embeddings", **fault), when=lambda request: request.custom_id == line)


def nodes():
    return [TextNode(text=text) for text in TEXTS]


async def test_nodes_get_the_vectors_of_ordinary_requests(way, make, make_embedding, sandbox):
    job = make(text_instruction="passage: ", normalize=True)
    embedded = await call(way, job, nodes())
    assert (asked(sandbox, "batches"), asked(sandbox, "embeddings")) == (1, 0)
    ordinary = make_embedding(text_instruction="passage: ", normalize=True)
    wanted = ordinary.get_text_embedding_batch(TEXTS)
    assert [node.embedding for node in embedded] == [pytest.approx(vector, abs=1e-6) for vector in wanted]
    assert math.hypot(*embedded[0].embedding) == pytest.approx(1.0)


async def call(way, model, given):
    return model(given) if way.name == "sync" else await model.acall(given)


async def test_equal_texts_are_sent_once_and_blank_nodes_not_at_all(way, make, sandbox):
    given = [*nodes(), TextNode(text=" ")]
    with track_impact() as ledger:
        embedded = await call(way, make(), given)
    assert [node.embedding is None for node in embedded] == [False] * 4 + [True]
    assert ledger.total.requests == 3


async def test_blank_texts_can_be_skipped(way, make, sandbox):
    vectors = await way(make(blank_texts="skip"), "get_text_embedding_batch", ["Tea.", " "])
    assert vectors[1] == [0.0] * len(vectors[0])
    with pytest.raises(InvalidArgumentError, match=r"texts\[1\]"):
        await way(make(), "get_text_embedding_batch", ["Tea.", " "])


async def test_failed_lines_are_embedded_by_ordinary_requests(way, make, sandbox):
    failing(sandbox, "request-1", code="provider_error")
    embedded = await call(way, make(), nodes())
    assert all(node.embedding for node in embedded)
    assert (asked(sandbox, "batches"), asked(sandbox, "embeddings")) == (1, 1)


async def test_a_text_that_is_refused_again_is_an_error(way, make, sandbox):
    refused = Fault(endpoint="embeddings", status=400, times=None)
    sandbox.faults.add(refused, when=lambda request: "Tea is green." in request.body["input"])
    with pytest.raises(BadRequestError):
        await call(way, make(), nodes())


async def test_an_expired_job_is_made_up_for(way, make, sandbox):
    sandbox.batches.hold()
    model = make(batch_timeout=0.02)
    with pytest.raises(DeadlineExceededError):
        await call(way, model, nodes())
    sandbox.batches.expire()
    sandbox.batches.release()
    embedded = await call(way, make(), nodes())
    assert all(node.embedding for node in embedded)


async def test_an_ingestion_that_was_ended_finds_its_job(way, make, sandbox):
    sandbox.batches.hold()
    with pytest.raises(DeadlineExceededError):
        await call(way, make(batch_timeout=0.02), nodes())
    sandbox.batches.release()
    await call(way, make(), nodes())
    assert asked(sandbox, "batches") == 1


async def test_queries_and_single_texts_are_ordinary_requests(way, make, sandbox):
    model = make()
    await way(model, "get_query_embedding", "What guides ships?")
    await way(model, "get_text_embedding", "Tea.")
    assert (asked(sandbox, "batches"), asked(sandbox, "embeddings")) == (0, 2)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_a_pipeline_caches_what_a_job_embedded(make, sandbox, asynchronous):
    documents = [Document(text=text, id_=str(place)) for place, text in enumerate(TEXTS)]
    cache = IngestionCache()

    async def run(**settings):
        steps = [SentenceSplitter(chunk_size=64, chunk_overlap=0), make(**settings)]
        pipeline = IngestionPipeline(transformations=steps, cache=cache)
        if asynchronous:
            return await pipeline.arun(documents=documents)
        return pipeline.run(documents=documents)

    first = await run()
    operational = {"batch_timeout": 60, "batch_poll": 0.02, "batch_progress": True, "timeout": 3}
    again = await run(**operational, embed_batch_size=7)
    assert [node.embedding for node in again] == [node.embedding for node in first]
    assert asked(sandbox, "batches") == 1
    await run(text_instruction="passage: ")
    assert asked(sandbox, "batches") == 2


async def test_the_cache_of_vectors_is_asked_first(way, make, sandbox):
    model = make(embeddings_cache=SimpleKVStore())
    first = await way(model, "get_text_embedding_batch", TEXTS)
    assert await way(model, "get_text_embedding_batch", TEXTS) == first
    assert asked(sandbox, "batches") == 1


def test_an_index_embeds_its_nodes_in_a_job_and_its_queries_at_once(make, sandbox):
    index = VectorStoreIndex(nodes(), embed_model=make())
    found = index.as_retriever(similarity_top_k=1).retrieve("What guides ships?")
    assert found[0].text == "Lighthouses guide ships."
    assert (asked(sandbox, "batches"), asked(sandbox, "embeddings")) == (1, 1)


class Usage(BaseEventHandler):
    """Keeps the events of usage."""

    seen: list = Field(default_factory=list)

    def handle(self, event, **_):
        if isinstance(event, MeliousUsageEvent):
            self.seen.append(event)


async def test_each_line_has_an_event(way, make, sandbox):
    dispatcher, usage = get_dispatcher(), Usage()
    dispatcher.add_event_handler(usage)
    try:
        with track_impact() as ledger:
            await call(way, make(), nodes())
    finally:
        dispatcher.event_handlers.remove(usage)
    assert len(usage.seen) == ledger.total.requests == 3
    assert sum(event.billing_cost.eur for event in usage.seen) == ledger.total.eur


def test_it_is_read_back(make):
    model = make(batch_timeout=60)
    written = json.loads(json.dumps(model.to_dict()))
    read = load_embed_model({**written, "api_key": "sk-mel-again"})
    assert type(read) is type(model)
    assert (read.model, read.batch_timeout) == ("bge-m3", 60)


@pytest.mark.parametrize(("name", "value"), [("batch_timeout", 0), ("batch_poll", -1), ("batch_pol", 1)])
def test_wrong_settings_are_named(make, name, value):
    with pytest.raises(InvalidArgumentError, match=name):
        make(**{name: value})
