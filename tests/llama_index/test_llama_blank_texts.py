"""Blank texts that `MeliousEmbedding` skips: zeros in their places, and nothing sent for them."""

import pytest
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import TextNode
from llama_index.core.storage.kvstore import SimpleKVStore

from melious.errors import InvalidArgumentError

ZEROS = [0.0] * 1024


@pytest.mark.parametrize("how", ["plain", "cached", "normalize"])
async def test_blank_texts_get_zeros(make_embedding, way, sandbox, how):
    options = {
        "normalize": how == "normalize",
        "embeddings_cache": SimpleKVStore() if how == "cached" else None,
    }
    model = make_embedding(blank_texts="skip", text_instruction="passage: ", embed_batch_size=2, **options)
    texts = ["", "dunes", " \n", "", "", "wind", "sand"]
    vectors = await way(model, "get_text_embedding_batch", texts)
    assert [vector == ZEROS for vector in vectors] == [True, False, True, True, True, False, False]
    assert [len(vector) for vector in vectors] == [1024] * 7
    assert sorted(text for request in sandbox.requests for text in request.body["input"]) == [
        "passage: dunes",
        "passage: sand",
        "passage: wind",
    ]
    assert vectors[5] == await way(model, "get_text_embedding", "wind")


async def test_a_call_may_say_it_and_one_text_too(make_embedding, way, sandbox):
    model = make_embedding()
    assert (await way(model, "get_text_embedding_batch", ["", "a"], blank_texts="skip"))[0] == ZEROS
    assert await way(model, "get_text_embedding", " ", blank_texts="skip") == ZEROS
    assert await way(model, "get_text_embedding_batch", [" "], blank_texts="skip") == [ZEROS]
    assert len(sandbox.requests) == 1
    with pytest.raises(InvalidArgumentError, match="every text is blank"):
        await way(make_embedding(model="mine", blank_texts="skip"), "get_text_embedding_batch", ["", " "])
    assert len(sandbox.requests) == 1


async def test_a_blank_query_is_refused_always(make_embedding, way, sandbox):
    model = make_embedding(blank_texts="skip", query_instruction="query: ")
    for query in ("", " \n"):
        with pytest.raises(InvalidArgumentError, match="must be a string that is not blank"):
            await way(model, "get_query_embedding", query)
    assert not sandbox.requests


@pytest.mark.parametrize("text", ["", " \n"])
async def test_a_text_that_is_blank_is_refused_alone_as_among_others(make_embedding, way, sandbox, text):
    with pytest.raises(InvalidArgumentError, match="must be a string that is not blank"):
        await way(make_embedding(text_instruction="passage: "), "get_text_embedding", text)
    assert not sandbox.requests


@pytest.mark.parametrize("blank_texts", ["refuse", "skip"])
def test_a_pipeline_leaves_blank_nodes_without_a_vector(make_embedding, sandbox, blank_texts):
    pipeline = IngestionPipeline(transformations=[make_embedding(blank_texts=blank_texts)])
    nodes = pipeline.run(nodes=[TextNode(text=""), TextNode(text="dunes")])
    assert [node.embedding is None for node in nodes] == [True, False]
    assert sandbox.requests[-1].body["input"] == ["dunes"]
