"""Errors about a text name its place in the caller's list, or its node, whatever the batches."""

import asyncio
from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.core.vector_stores import SimpleVectorStore

from llama_index_melious import MeliousEmbedding
from melious import InvalidArgumentError, ResponseDecodeError
from melious.sandbox import Fault, Sandbox

TEXTS = [f"Dune number {number}" for number in range(25)]
BROKEN = 3  # in its batch


def one_broken_vector(count, after):
    """The answer to a later request: all vectors are sound but one."""
    data = [{"index": index, "embedding": [0.6, 0.8]} for index in range(count)]
    data[BROKEN]["embedding"] = "AAAA"
    return Fault(endpoint="embeddings", after=after, body={"object": "list", "model": "m", "data": data})


def place_of_the_broken(sandbox, after):
    """Where the text is whose vector was broken; concurrent requests arrive in any order."""
    return TEXTS.index(sandbox.requests[after].body["input"][BROKEN].removeprefix("passage: "))


@pytest.mark.parametrize("workers", [1, 4, None])
@pytest.mark.parametrize("cached", [False, True])
async def test_a_broken_vector_is_named_by_its_place_in_the_whole_list(
    make_embedding, way, sandbox, workers, cached
):
    model = make_embedding(
        embed_batch_size=5,
        num_workers=workers,
        text_instruction="passage: ",
        embeddings_cache=SimpleKVStore() if cached else None,
    )
    sandbox.faults.add(one_broken_vector(5, after=4))
    with pytest.raises(ResponseDecodeError) as caught:
        await way(model, "get_text_embedding_batch", TEXTS)
    place = place_of_the_broken(sandbox, after=4)
    assert f"the vector of texts[{place}] is broken: 3 bytes" in str(caught.value)
    assert caught.value.request_id


async def test_equal_texts_are_sent_once_and_the_first_is_named(make_embedding, way, sandbox):
    texts = ["same", "same", "same", *TEXTS[:3]]
    sandbox.faults.add(one_broken_vector(4, after=0))
    with pytest.raises(ResponseDecodeError, match=r"texts\[5\] is broken"):
        await way(make_embedding(), "get_text_embedding_batch", texts)
    assert len(sandbox.requests[0].body["input"]) == 4


@pytest.mark.parametrize("wrong", ["", " \n", None, 5])
async def test_a_bad_text_is_named_by_its_place_before_anything_is_sent(make_embedding, way, sandbox, wrong):
    model = make_embedding(embed_batch_size=5, text_instruction="passage: ", query_instruction="query: ")
    texts = [*TEXTS]
    texts[20] = wrong
    with pytest.raises(InvalidArgumentError, match=r"texts\[20\]: must be a string that is not blank"):
        await way(model, "get_text_embedding_batch", texts)
    with pytest.raises(InvalidArgumentError, match="text: must be a string that is not blank"):
        await way(model, "get_text_embedding", wrong)
    with pytest.raises(InvalidArgumentError, match="query: must be a string that is not blank"):
        await way(model, "get_query_embedding", wrong)
    assert not sandbox.requests


# --- nodes --------------------------------------------------------------------------------------------------


async def test_a_broken_vector_is_named_by_its_node(make_embedding, way, sandbox):
    nodes = [TextNode(text=text, id_=f"node-{number}") for number, text in enumerate(["", *TEXTS])]
    pipeline = IngestionPipeline(transformations=[make_embedding(embed_batch_size=5, num_workers=1)])
    sandbox.faults.add(one_broken_vector(5, after=4))
    with pytest.raises(ResponseDecodeError) as caught:
        await way(pipeline, "run", nodes=nodes)
    place = place_of_the_broken(sandbox, after=4)
    assert f"the vector of node 'node-{place + 1}' is broken" in str(caught.value)


async def test_nodes_without_text_are_skipped_as_an_index_skips_them(make_embedding, way, sandbox):
    nodes = [TextNode(text=text, id_=text or "empty") for text in ("Dunes", "", "Tides", " \n")]
    store = SimpleVectorStore()
    pipeline = IngestionPipeline(transformations=[make_embedding()], vector_store=store)
    given = await way(pipeline, "run", nodes=nodes)
    assert [node.embedding is not None for node in given] == [True, False, True, False]
    assert [request.body["input"] for request in sandbox.requests] == [["Dunes", "Tides"]]
    assert set(store.data.embedding_dict) == {"Dunes", "Tides"}
    index = VectorStoreIndex(nodes[:3], embed_model=make_embedding())
    assert len(index.vector_store.data.embedding_dict) == 2


async def test_a_step_without_any_text_sends_nothing(make_embedding, way, sandbox):
    pipeline = IngestionPipeline(transformations=[make_embedding()])
    (node,) = await way(pipeline, "run", nodes=[TextNode(text="")])
    assert node.embedding is None
    assert not sandbox.requests


async def test_a_node_with_metadata_alone_is_embedded(make_embedding, way, sandbox):
    node = TextNode(text="", metadata={"title": "Dunes"})
    (given,) = await way(IngestionPipeline(transformations=[make_embedding()]), "run", nodes=[node])
    assert given.embedding is not None
    assert sandbox.requests[0].body["input"] == [node.get_content(MetadataMode.EMBED)]


# --- reranking ----------------------------------------------------------------------------------------------


async def test_scores_reach_their_nodes_past_blank_ones(make_rerank, way, sandbox):
    nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in ("", "Dunes", " \n", "Tides")]
    body = {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]}
    sandbox.faults.add(Fault(endpoint="rerank", body=body))
    ranked = await way(make_rerank(), "postprocess_nodes", nodes, query_str="What turns?")
    assert sandbox.requests[0].body["documents"] == ["Dunes", "Tides"]
    assert [(item.text, item.score) for item in ranked] == [
        ("Tides", 0.9),
        ("Dunes", 0.1),
        ("", None),
        (" \n", None),
    ]


@pytest.mark.parametrize(
    ("places", "wrong"),
    [((0, 0), "0 came twice"), ((0, 7), "7 does not exist"), ((-1, 0), "-1 does not exist")],
)
async def test_a_wrong_place_in_a_ranking_is_named_as_the_service_gave_it(
    make_rerank, way, sandbox, places, wrong
):
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in ("", "Dunes", "Tides")]
    results = [{"index": place, "relevance_score": 0.5} for place in places]
    sandbox.faults.add(Fault(endpoint="rerank", body={"results": results}))
    with pytest.raises(ResponseDecodeError, match=f"index {wrong} in the answer to 2 documents"):
        await way(make_rerank(), "postprocess_nodes", nodes, query_str="What turns?")


@pytest.mark.parametrize(
    ("texts", "kind"), [("a single text", "str"), (None, "NoneType"), (5, "int"), (b"bytes", "bytes")]
)
def test_what_is_no_list_of_texts_is_refused_before_it_costs_anything(
    sandbox: Sandbox, texts: Any, kind: str
) -> None:
    model = MeliousEmbedding("bge-m3", api_key=sandbox.api_key, base_url=sandbox.base_url)
    refused = pytest.raises(InvalidArgumentError, match=f"texts: must be a list of texts, not {kind}")
    with refused:
        model.get_text_embedding_batch(texts)
    with refused:
        asyncio.run(model.aget_text_embedding_batch(texts))
    assert not sandbox.requests


@pytest.mark.parametrize("blank_texts", ["refuse", "skip"])
def test_texts_may_come_from_a_generator(sandbox: Sandbox, blank_texts: Any) -> None:
    model = MeliousEmbedding(
        "bge-m3", api_key=sandbox.api_key, base_url=sandbox.base_url, blank_texts=blank_texts
    )
    texts = ["one", "two"]
    expected = model.get_text_embedding_batch(texts)
    assert model.get_text_embedding_batch(text for text in texts) == expected  # type: ignore[arg-type]
    assert asyncio.run(model.aget_text_embedding_batch(text for text in texts)) == expected  # type: ignore[arg-type]
