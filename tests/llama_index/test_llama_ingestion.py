"""What an ingestion pipeline with a cache asks for again, and what it does not."""

import json

import pytest
from llama_index.core.extractors import TitleExtractor
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.node_parser import SemanticSplitterNodeParser
from llama_index.core.schema import TextNode
from llama_kit import Way

from llama_index_melious import MeliousEmbedding
from melious import Timeout
from melious.sandbox import Reply

OPERATIONAL = {
    "api_key": "sk-mel-other",
    "timeout": 99.0,
    "deadline": None,
    "max_retries": 7,
    "retry_timeouts": True,
    "max_connections": 3,
    "max_rate_limit_wait": 0.0,
    "async_transport": "aiohttp",
    "auth": "x-api-key",
    "verify": False,
    "allow_insecure_http": True,
    "default_headers": {"x-team": "blue"},
}
OF_EMBEDDINGS = {
    "embed_batch_size": 1,
    "num_workers": None,
    "encoding_format": "float",
    "embedding_cache_size": 10,
    "embedding_cache_ttl": 5.0,
}
CHANGES_VECTORS = {
    "model": "qwen3-embedding-8b",
    "text_instruction": "passage: ",
    "normalize": True,
    "extra_body": {"truncate": True},
    "additional_kwargs": {"user": "anna"},
    # A component that is read back must not run elsewhere, so the routing is written, and counts.
    "preset": "environment",
    "filters": {"countries": ["DE"]},
}


def nodes():
    return [TextNode(text=text, id_=text) for text in ("Dunes move.", "Tides turn.")]


async def asked(sandbox, way, cache, step):
    """How many requests a run of the pipeline sends."""
    before = len(sandbox.requests)
    await way(IngestionPipeline(transformations=[step], cache=cache), "run", nodes=nodes())
    return len(sandbox.requests) - before


@pytest.mark.parametrize("name", OPERATIONAL | OF_EMBEDDINGS)
async def test_how_requests_are_made_embeds_nothing_anew(make_embedding, way, sandbox, name):
    cache = IngestionCache()
    assert await asked(sandbox, way, cache, make_embedding()) == 1
    changed = make_embedding(**{name: (OPERATIONAL | OF_EMBEDDINGS)[name]})
    assert await asked(sandbox, way, cache, changed) == 0


@pytest.mark.parametrize("name", CHANGES_VECTORS)
async def test_what_is_asked_and_where_embeds_anew(make_embedding, way, sandbox, name):
    cache = IngestionCache()
    assert await asked(sandbox, way, cache, make_embedding()) == 1
    changed = make_embedding(**{name: CHANGES_VECTORS[name]})
    assert await asked(sandbox, way, cache, changed) == 1
    assert await asked(sandbox, way, cache, changed) == 0


async def test_other_dimensions_embed_anew(make_embedding, way, sandbox):
    cache = IngestionCache()
    for dimensions in (None, 64, 128):
        step = make_embedding(model="qwen3-embedding-8b", dimensions=dimensions)
        assert await asked(sandbox, way, cache, step) == 1


@pytest.mark.parametrize("name", ["api_key", "timeout", "deadline", "max_retries", "stream_impact"])
async def test_a_step_with_an_llm_is_not_run_anew(make_llm, sandbox, name):
    way = Way("async")  # a blocking extractor inside a loop leaves asyncio's transports open
    changed = {**OPERATIONAL, "stream_impact": "buffer"}[name]
    sandbox.replies.add(Reply(text="A title"), times=None)
    cache = IngestionCache()
    assert await asked(sandbox, way, cache, TitleExtractor(llm=make_llm())) > 0
    assert await asked(sandbox, way, cache, TitleExtractor(llm=make_llm(**{name: changed}))) == 0
    assert await asked(sandbox, way, cache, TitleExtractor(llm=make_llm(temperature=0.5))) > 0


async def test_a_splitter_by_meaning_is_not_run_anew(make_embedding, way, sandbox):
    cache = IngestionCache()
    split = SemanticSplitterNodeParser(embed_model=make_embedding())
    assert await asked(sandbox, way, cache, split) > 0
    split = SemanticSplitterNodeParser(embed_model=make_embedding(timeout=99, embed_batch_size=5))
    assert await asked(sandbox, way, cache, split) == 0
    split = SemanticSplitterNodeParser(embed_model=make_embedding(text_instruction="passage: "))
    assert await asked(sandbox, way, cache, split) > 0


def test_what_is_not_in_the_key_comes_back_all_the_same(make_embedding, sandbox):
    model = make_embedding(timeout=(2.0, 9.0), max_retries=0, num_workers=2, encoding_format="float")
    for kept in (model.to_dict(), json.loads(model.to_json()), json.loads(model.model_dump_json())):
        again = MeliousEmbedding.from_dict(kept, api_key=sandbox.api_key)
        assert again.timeout == Timeout(2.0, 9.0, 9.0, 9.0, 9.0)
        assert (again.max_retries, again.num_workers, again.encoding_format) == (0, 2, "float")
