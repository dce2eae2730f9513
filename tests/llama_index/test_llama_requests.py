"""Calls of several requests: how many at a time, what is told of those that were answered, what is remembered."""

import asyncio
import gc
import logging
import weakref

import pytest
from core.held_server import HeldServer
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document, ImageNode, NodeWithScore, TextNode
from llama_index.core.storage.kvstore import SimpleKVStore

from llama_index_melious import MeliousImpactEventHandler
from melious import BadRequestError, InvalidArgumentError, ServerError, track_impact
from melious.sandbox import Fault

QUERY = "What do trains in Austria run on?"
LONG = [f"{number} " + "dune " * 3000 for number in range(120)]  # of which fifty fit into a request


@pytest.fixture
def bill():
    handler, root = MeliousImpactEventHandler(), get_dispatcher()
    root.add_event_handler(handler)
    yield handler
    root.event_handlers.remove(handler)


def scored(*texts):
    return [NodeWithScore(node=TextNode(text=text, id_=text or "-"), score=0.5) for text in texts]


# --- how many at a time ---------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
async def test_requests_keep_to_num_workers_however_long_the_texts(make_embedding, workers):
    with HeldServer(lambda asked: None) as server:
        model = make_embedding(
            base_url=server.base_url, api_key=server.api_key, embed_batch_size=60, num_workers=workers
        )
        assert len(await model.aget_text_embedding_batch(LONG)) == len(LONG)
        assert len(server.asked) > 2, "the texts were to be too long for two requests"
        assert server.at_once <= workers


def test_no_closed_loop_is_kept(make_embedding):
    model = make_embedding(embed_batch_size=1, num_workers=1)
    loops = []

    async def main():
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await asyncio.gather(*(model.aget_text_embedding_batch(list("abc")) for _ in range(3)))

    for _ in range(3):
        asyncio.run(main())
    gc.collect()
    assert [loop() for loop in loops[:-1]] == [None, None], "the pool knows the last one until the next call"


# --- what is told ---------------------------------------------------------------------------------------


async def test_what_was_answered_is_told_even_if_the_rest_fails(
    make_embedding, make_rerank, way, sandbox, bill
):
    sandbox.faults.add(Fault(endpoint="rerank", status=400, after=2, times=None))
    rerank = make_rerank(max_batch_size=2, num_workers=1, max_retries=0)
    nodes = scored(*"abcdef")
    with track_impact() as ledger:
        with pytest.raises(BadRequestError):
            await way(rerank, "postprocess_nodes", nodes, query_str=QUERY)
        assert bill.total.requests == ledger.total.requests == 2
        sandbox.faults.clear()
        sandbox.faults.add(Fault(endpoint="embeddings", status=400, after=1))
        with pytest.raises(BadRequestError):
            await way(make_embedding(), "get_text_embedding_batch", LONG[:60])
        assert bill.total.requests == ledger.total.requests == 3


async def test_what_was_answered_is_told_where_failures_pass(make_rerank, way, sandbox, bill):
    sandbox.faults.add(Fault(endpoint="rerank", status=503, after=1, times=None))
    rerank = make_rerank(max_batch_size=2, num_workers=1, max_retries=0, on_error="passthrough")
    nodes = scored(*"abcd")
    assert await way(rerank, "postprocess_nodes", nodes, query_str=QUERY) == nodes
    assert bill.total.requests == 1


# --- what is remembered ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cache", [False, True], ids=["without a cache", "with a cache"])
async def test_an_outage_is_not_made_worse_with_a_cache_either(make_embedding, way, sandbox, cache):
    sandbox.faults.add(Fault(endpoint="embeddings", status=503, headers={"retry-after": "0"}, times=None))
    model = make_embedding(embeddings_cache=SimpleKVStore() if cache else None, max_retries=2)
    for number in range(60):
        with pytest.raises(ServerError):
            await way(model, "get_text_embedding", f"text {number}")
    assert len(sandbox.requests) < 120, "the budget for retries of a client did not hold"


@pytest.mark.parametrize("options", [{}, {"preset": "speed"}], ids=str)
async def test_a_server_without_base64_is_asked_for_it_once(make_embedding, way, sandbox, options):
    sandbox.faults.add(Fault(endpoint="embeddings", refuse_base64=True, times=None))
    model = make_embedding(embeddings_cache=SimpleKVStore())
    for text in "abc":
        await way(model, "get_text_embedding", text, **options)
    formats = [request.body["encoding_format"] for request in sandbox.requests]
    assert formats == ["base64", "float", "float", "float"]


# --- options of a call ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get_query_embedding", "get_text_embedding", "get_text_embedding_batch"])
@pytest.mark.filterwarnings("ignore:preset.*has no effect:UserWarning")
async def test_options_hold_for_a_call(make_embedding, way, sandbox, method):
    model = make_embedding(model="qwen3-embedding-8b", preset="environment", query_instruction="q: ")
    given = ["dunes"] if method.endswith("batch") else "dunes"
    options = {"preset": "speed", "dimensions": 64, "flavor": "eco", "query_instruction": "", "timeout": 9}
    vectors = await way(model, method, given, **options)
    body = sandbox.requests[-1].body
    assert (body["preset"], body["dimensions"], body["model"]) == ("speed", 64, "qwen3-embedding-8b:eco")
    assert body["input"] == ["dunes"]
    assert len(vectors[0] if method.endswith("batch") else vectors) == 64
    await way(model, method, given)
    assert sandbox.requests[-1].body["preset"] == "environment"


async def test_options_tell_cached_vectors_apart(make_embedding, way, sandbox):
    model = make_embedding(model="qwen3-embedding-8b", embeddings_cache=SimpleKVStore())
    lengths = [len(await way(model, "get_text_embedding", "a", dimensions=size)) for size in (64, 32, 64)]
    assert (lengths, len(sandbox.requests)) == ([64, 32, 64], 2)


@pytest.mark.parametrize("method", ["get_query_embedding", "get_text_embedding"])
async def test_options_that_are_none_are_refused(make_embedding, way, sandbox, method):
    with pytest.raises(InvalidArgumentError, match="'pre_set'; did you mean 'preset'"):
        await way(make_embedding(), method, "dunes", pre_set="speed")
    with pytest.raises(InvalidArgumentError, match="dimensions"):
        await way(make_embedding(), method, "dunes", dimensions=0)
    assert not sandbox.requests


def test_pipelines_may_hand_on_what_is_not_for_us(make_embedding, sandbox):
    pipeline = IngestionPipeline(transformations=[make_embedding()])
    nodes = pipeline.run(nodes=[TextNode(text="dunes")], for_another_step=1, preset="speed")
    assert len(nodes[0].embedding) == 1024
    assert sandbox.requests[-1].body["preset"] == "speed"


async def test_a_text_that_is_empty_is_refused_whatever_goes_before_it(make_embedding, way, sandbox):
    model = make_embedding(text_instruction="passage: ")
    with pytest.raises(
        InvalidArgumentError, match=r"(input|texts)\[1\]: must (not be empty|be a string that is not blank)"
    ):
        await way(model, "get_text_embedding_batch", ["dunes", ""])
    assert not sandbox.requests


@pytest.mark.exhaustive  # always run: `test_ingestion_in_several_processes`
def test_a_whole_pipeline_in_workers(make_embedding, monkeypatch):
    from llama_index.core import _static

    # A splitter that is unpickled looks for its tokenizer, which LlamaIndex brings along, on the internet.
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", f"{next(iter(_static.__path__))}/tiktoken_cache")
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=64, chunk_overlap=0), make_embedding()]
    )
    nodes = pipeline.run(documents=[Document(text="Dunes move with the wind. " * 40)], num_workers=2)
    assert len(nodes) > 2
    assert {len(node.embedding) for node in nodes} == {1024}


# --- nodes that are not ranked --------------------------------------------------------------------------


@pytest.mark.parametrize("left", [[], [2], [2, 0]], ids=str)
@pytest.mark.parametrize("top_n", [None, 2])
async def test_nodes_that_the_service_leaves_out_come_last(make_rerank, way, sandbox, caplog, left, top_n):
    results = [{"index": index, "relevance_score": 0.9 - place / 10} for place, index in enumerate(left)]
    sandbox.faults.add(Fault(endpoint="rerank", body={"results": results}))
    with caplog.at_level(logging.WARNING):
        ranked = await way(make_rerank(top_n=top_n), "postprocess_nodes", scored(*"abc"), query_str=QUERY)
    order = [
        *("abc"[index] for index in left),
        *(text for place, text in enumerate("abc") if place not in left),
    ]
    assert [item.node.text for item in ranked] == order[:top_n]
    assert [item.score is None for item in ranked] == [place >= len(left) for place in range(len(ranked))]
    short = len(left) < (top_n or 3)
    assert (f"the service ranked only {len(left)} of 3 nodes" in caplog.text) is short


@pytest.mark.parametrize("beside", [[], ["Trains run on hydropower."]], ids=["alone", "beside a text"])
@pytest.mark.parametrize("threshold", [None, 0.0])
async def test_nodes_without_text_have_no_score(make_rerank, way, beside, threshold):
    silent = [
        NodeWithScore(node=ImageNode(image_url="http://127.0.0.1/a.png"), score=0.9),
        NodeWithScore(node=TextNode(text=""), score=0.1),
    ]
    rerank = make_rerank(score_threshold=threshold, keep_retrieval_score=True)
    ranked = await way(rerank, "postprocess_nodes", [*silent, *scored(*beside)], query_str=QUERY)
    assert [item.score is not None for item in ranked[: len(beside)]] == [True] * len(beside)
    rest = ranked[len(beside) :]
    assert [item.score for item in rest] == ([None, None] if threshold is None else [])
    assert [item.node.metadata["retrieval_score"] for item in rest] == ([0.9, 0.1] if rest else [])
    assert [item.score for item in silent] == [0.9, 0.1]


async def test_a_query_as_text_in_the_place_of_a_bundle(make_rerank, way, sandbox):
    with pytest.raises(
        InvalidArgumentError, match=r"query_bundle: must be a QueryBundle, not str; .* query_str"
    ):
        await way(make_rerank(), "postprocess_nodes", scored("a"), QUERY)
    assert not sandbox.requests
