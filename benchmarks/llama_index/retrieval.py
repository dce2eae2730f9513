"""Embeddings and rerankers of LlamaIndex."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from benchmarks import contenders as names
from benchmarks.bare import Bare
from benchmarks.contenders import KEY
from benchmarks.core import ranking
from benchmarks.core.vectors import MODEL, shape_of, texts
from benchmarks.measure import AsyncContender, SyncContender
from benchmarks.server import DIMENSIONS

BATCH = 512
TOP = 10


def _fake(_: str) -> Any:
    from llama_index.core.embeddings import MockEmbedding

    return MockEmbedding(embed_dim=DIMENSIONS, embed_batch_size=BATCH)


def _melious(url: str) -> Any:
    from llama_index_melious import MeliousEmbedding

    kind: Any = MeliousEmbedding
    return kind(model=MODEL, api_key=KEY, api_base=url, embed_batch_size=BATCH)


def melious_unit(url: str) -> Any:
    """Ours, with vectors scaled to unit length."""
    return _melious(url).with_options(normalize=True)


def _openai_like(url: str) -> Any:
    from llama_index.embeddings.openai_like import OpenAILikeEmbedding

    return OpenAILikeEmbedding(model_name=MODEL, api_key=KEY, api_base=url, embed_batch_size=BATCH)


def _openai(url: str) -> Any:
    from llama_index.embeddings.openai import OpenAIEmbedding

    return OpenAIEmbedding(model_name=MODEL, api_key=KEY, api_base=url, embed_batch_size=BATCH)


EMBEDDINGS = {
    names.LLAMA_FAKE: _fake,
    names.LLAMA_MELIOUS: _melious,
    names.LLAMA_OPENAI_EMBEDDING: _openai_like,
    names.LLAMA_OPENAI_EMBEDDING_ITSELF: _openai,
}


def embed(make: Callable[[str], Any], count: int) -> SyncContender:
    """Embed so many texts in one call; gives the shape of the lists."""

    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], tuple[int, int]]]:
        model, inputs = make(url), texts(count)
        yield lambda: shape_of(model.get_text_embedding_batch(inputs))

    return open_model


def aembed(make: Callable[[str], Any], count: int) -> AsyncContender:
    """Embed so many texts in one call; gives the shape of the lists."""

    @asynccontextmanager
    async def open_model(url: str) -> AsyncIterator[Callable[[], Any]]:
        model, inputs = make(url), texts(count)

        async def run() -> tuple[int, int]:
            return shape_of(await model.aget_text_embedding_batch(inputs))

        yield run

    return open_model


def _melious_rerank(url: str) -> Any:
    from llama_index_melious import MeliousRerank

    kind: Any = MeliousRerank
    return kind(model=ranking.MODEL, api_key=KEY, api_base=url, top_n=TOP)


def _cohere_rerank(url: str) -> Any:
    from llama_index.postprocessor.cohere_rerank import CohereRerank

    return CohereRerank(model=ranking.MODEL, api_key=KEY, base_url=url, top_n=TOP)


def _jina_rerank(url: str) -> Any:
    from llama_index.postprocessor.jinaai_rerank import JinaRerank

    return JinaRerank(model=ranking.MODEL, api_key=KEY, base_url=url, top_n=TOP)


def bare_rerank(url: str) -> Any:
    """One POST, with the texts that LlamaIndex makes of nodes."""
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

    service = Bare(url)

    class BarePostprocessor(BaseNodePostprocessor):
        def _postprocess_nodes(
            self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
        ) -> list[NodeWithScore]:
            texts = [each.node.get_content(MetadataMode.EMBED) for each in nodes]
            query = query_bundle.query_str if query_bundle else ""
            results = service.rank(query, texts, min(TOP, len(texts)))
            return [
                NodeWithScore(node=nodes[result["index"]].node, score=result["relevance_score"])
                for result in results
            ]

    return BarePostprocessor()


RERANKERS = {
    names.LLAMA_MELIOUS: _melious_rerank,
    names.LLAMA_COHERE: _cohere_rerank,
    names.LLAMA_JINA: _jina_rerank,
}


def _nodes(count: int) -> Any:
    from llama_index.core.schema import NodeWithScore, TextNode

    return [NodeWithScore(node=TextNode(text=text), score=0.5) for text in texts(count)]


def rerank(make: Callable[[str], Any], count: int) -> SyncContender:
    """Put so many nodes in order; gives how many of the best came back."""

    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], int]]:
        model, nodes = make(url), _nodes(count)
        yield lambda: len(model.postprocess_nodes(nodes, query_str=ranking.QUERY))

    return open_model


def arerank(make: Callable[[str], Any], count: int) -> AsyncContender:
    """Put so many nodes in order; gives how many of the best came back."""

    @asynccontextmanager
    async def open_model(url: str) -> AsyncIterator[Callable[[], Any]]:
        model, nodes = make(url), _nodes(count)

        async def run() -> int:
            return len(await model.apostprocess_nodes(nodes, query_str=ranking.QUERY))

        yield run

    return open_model


def threads(contender: AsyncContender, url: str, at_a_time: int) -> int:
    """How many threads so many operations at a time take, the caller's included."""

    async def count() -> int:
        async with contender(url) as operation:
            await asyncio.gather(*(operation() for _ in range(at_a_time)))
            return 1 + len(set(threading.enumerate()) - before)

    before = set(threading.enumerate())
    return asyncio.run(count())
