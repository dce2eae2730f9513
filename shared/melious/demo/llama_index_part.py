"""The LlamaIndex part: a query engine over a vector index, with a reranker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.schema import NodeWithScore, TextNode

from llama_index_melious import Melious, MeliousEmbedding, MeliousRerank
from melious.demo.corpus import Passage
from melious.demo.models import CHAT_MODEL, EMBEDDING_MODEL, MIN_RELEVANCE, RERANK_MODEL
from melious.demo.screen import Screen


class Engine:
    """A query engine: retrieve 20, rerank to the best 4 that are relevant at all, answer."""

    def __init__(self, access: dict[str, Any]) -> None:
        self._access = access
        self._index = VectorStoreIndex(
            nodes=[], embed_model=MeliousEmbedding(model_name=EMBEDDING_MODEL, **access)
        )

    def index(self, passages: Sequence[Passage], screen: Screen) -> None:
        """Embed and store the passages."""
        for portion in screen.progress("indexing", passages, 64):
            self._index.insert_nodes(
                [TextNode(text=passage.text, metadata={"topic": passage.topic}) for passage in portion]
            )

    def query(self, question: str) -> tuple[str, list[NodeWithScore]]:
        """Answer a question; returns the answer and its sources."""
        engine = self._index.as_query_engine(
            llm=Melious(model=CHAT_MODEL, flavor="eco", **self._access),
            similarity_top_k=20,
            node_postprocessors=[
                MeliousRerank(model=RERANK_MODEL, top_n=4, **self._access),
                SimilarityPostprocessor(similarity_cutoff=MIN_RELEVANCE),
            ],
        )
        response = engine.query(question)
        return str(response), response.source_nodes
