"""MeliousEmbedding: six methods, instructions, batches, and what is never done to a text."""

import asyncio
import math

import numpy as np
import pytest
from core.held_server import HeldServer
from llama_index.core.base.embeddings.base import SimilarityMode, similarity
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import TextNode
from llama_kit import Way

from llama_index_melious import MeliousEmbedding
from melious import InvalidArgumentError, RateLimitError
from melious.sandbox import Fault

TEXTS = ["Dunes  move\nwith the wind.", "Trains in Austria\trun on hydropower. ", "Ein Schloß am Meer 🌊"]


def inputs(sandbox):
    return [request.body["input"] for request in sandbox.requests]


async def test_texts_arrive_untouched_and_vectors_in_order(make_embedding, way, sandbox):
    model = make_embedding()
    vectors = await way(model, "get_text_embedding_batch", TEXTS)
    assert inputs(sandbox) == [TEXTS]
    assert [len(vector) for vector in vectors] == [1024] * 3
    assert all(type(value) is float for value in vectors[0])
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert await way(model, "get_text_embedding", text) == vector


async def test_shuffled_answers_are_put_in_order(make_embedding, way, sandbox):
    straight = await way(make_embedding(), "get_text_embedding_batch", TEXTS)
    sandbox.faults.add(Fault(endpoint="embeddings", shuffle_indices=True))
    assert await way(make_embedding(), "get_text_embedding_batch", TEXTS) == straight


async def test_instructions_tell_queries_from_texts(make_embedding, way, sandbox):
    model = make_embedding(query_instruction="query: ", text_instruction="passage: ")
    await way(model, "get_query_embedding", "dunes")
    await way(model, "get_text_embedding", "dunes")
    await way(model, "get_text_embedding_batch", ["dunes", "trains"])
    assert inputs(sandbox) == [["query: dunes"], ["passage: dunes"], ["passage: dunes", "passage: trains"]]


@pytest.mark.parametrize("method", ["get_query_embedding", "get_text_embedding", "get_text_embedding_batch"])
async def test_sync_and_async_send_the_same(make_embedding, sandbox, method):
    model = make_embedding(
        model="qwen3-embedding-8b", dimensions=64, preset="environment", query_instruction="q "
    )
    for name in ("sync", "async"):
        await Way(name)(model, method, ["dunes"] if "batch" in method else "dunes")
    first, second = sandbox.requests
    assert first.body == second.body
    assert first.body["dimensions"] == 64
    assert first.body["preset"] == "environment"


async def test_normalize(make_embedding, way):
    plain = await way(make_embedding(), "get_query_embedding", "dunes")
    unit = await way(make_embedding(normalize=True), "get_query_embedding", "dunes")
    assert not math.isclose(np.linalg.norm(plain), 1, rel_tol=1e-3)
    assert math.isclose(np.linalg.norm(unit), 1, rel_tol=1e-6)
    assert math.isclose(similarity(plain, unit, SimilarityMode.DEFAULT), 1, rel_tol=1e-6)
    assert all(type(value) is float for value in unit)


async def test_near_texts_are_near(make_embedding, way):
    model = make_embedding()
    query = await way(model, "get_query_embedding", "hydropower for trains")
    vectors = await way(model, "get_text_embedding_batch", TEXTS)
    scores = [model.similarity(query, vector) for vector in vectors]
    assert scores.index(max(scores)) == 1


async def test_batches(make_embedding, way, sandbox):
    texts = [f"text {number}" for number in range(250)]
    vectors = await way(make_embedding(), "get_text_embedding_batch", texts)
    assert sorted(len(batch) for batch in inputs(sandbox)) == [50, 100, 100]
    assert len(vectors) == 250
    assert vectors[137] == await way(make_embedding(), "get_text_embedding", "text 137")


@pytest.mark.parametrize(("workers", "most"), [(4, 4), (1, 1), (2, 2), (None, 12)])
async def test_async_batches_are_bounded(workers, most):
    """So many are under way at once and no more: no answer is given before they have all come."""
    arguments = {} if workers == 4 else {"num_workers": workers}
    with HeldServer(lambda asked: asked.once_asked(most)) as server:
        model = MeliousEmbedding(
            model="bge-m3", api_key=server.api_key, base_url=server.base_url, embed_batch_size=1, **arguments
        )
        await model.aget_text_embedding_batch([f"text {number}" for number in range(12)])
        assert (len(server.asked), server.at_once) == (12, most)


async def test_a_batch_that_is_too_large_is_halved(make_embedding, way, sandbox):
    sandbox.faults.add(Fault(endpoint="embeddings", status=413))
    vectors = await way(make_embedding(), "get_text_embedding_batch", TEXTS)
    assert len(vectors) == 3
    assert [len(batch) for batch in inputs(sandbox)] == [3, 1, 2]


async def test_empty_text_is_refused_with_its_place(make_embedding, way, sandbox):
    with pytest.raises(InvalidArgumentError, match=r"texts\[1\]"):
        await way(make_embedding(), "get_text_embedding_batch", ["a", ""])
    assert not sandbox.requests


async def test_errors_and_attempts(make_embedding, way, sandbox):
    sandbox.faults.add(Fault(code="rate_limit", times=None, headers={"retry-after": "0"}))
    with pytest.raises(RateLimitError):
        await way(make_embedding(max_retries=1), "get_query_embedding", "dunes")
    assert len(sandbox.requests) == 2


async def test_body_of_everything_given(make_embedding, way, sandbox):
    model = make_embedding(
        model_name="bge-m3",
        flavor="eco",
        filters={"countries": ["DE", "FR", "SE", "FI"]},
        encoding_format="float",
        mode="balanced",
        extra_body={"novel": 1},
        additional_kwargs={"user": "me", "unheard_of": 2},
    )
    await way(model, "get_text_embedding", "dunes")
    assert sandbox.requests[-1].body == {
        "model": "bge-m3:eco",
        "input": ["dunes"],
        "encoding_format": "float",
        "filters": {"countries": ["DE", "FR", "SE", "FI"]},
        "mode": "balanced",
        "user": "me",
        "unheard_of": 2,
        "novel": 1,
    }


async def test_events_are_paired(make_embedding, way):
    handler = LlamaDebugHandler(print_trace_on_end=False)
    model = make_embedding(callback_manager=CallbackManager([handler]), embed_batch_size=2)
    await way(model, "get_text_embedding_batch", TEXTS)
    pairs = handler.get_event_pairs(CBEventType.EMBEDDING)
    assert [len(pair) for pair in pairs] == [2, 2]
    assert pairs[0][1].payload[EventPayload.CHUNKS] == TEXTS[:2]


def test_transform_of_nodes(make_embedding):
    nodes = make_embedding()([TextNode(text=text) for text in TEXTS])
    assert [len(node.embedding) for node in nodes] == [1024] * 3


def test_several_loops_at_once(make_embedding):
    model = make_embedding(num_workers=1, embed_batch_size=1)
    first = asyncio.run(model.aget_text_embedding_batch(TEXTS))
    assert asyncio.run(model.aget_text_embedding_batch(TEXTS)) == first


def test_ingestion_keeps_its_cache_when_the_key_changes(make_embedding, sandbox, start_sandbox):
    other = start_sandbox(keys={"sk-mel-other": []})
    models = [
        MeliousEmbedding(model="bge-m3", api_key=key, base_url=other.base_url)
        for key in (other.api_key, "sk-mel-other")
    ]
    nodes = [TextNode(text=text, id_=str(place)) for place, text in enumerate(TEXTS)]
    first = IngestionPipeline(transformations=[models[0]])
    first.run(nodes=nodes)
    second = IngestionPipeline(transformations=[models[1]], cache=first.cache)
    second.run(nodes=nodes)
    assert len(other.requests) == 1
