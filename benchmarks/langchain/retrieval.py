"""Embeddings and rerankers of LangChain; embeddings give the shape of their lists."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from copy import deepcopy
from typing import Any

from pydantic import SecretStr

from benchmarks import contenders as names
from benchmarks.bare import Bare
from benchmarks.contenders import KEY
from benchmarks.core import ranking
from benchmarks.core.vectors import MODEL, shape_of, texts
from benchmarks.measure import AsyncContender, SyncContender


def _melious(url: str) -> Any:
    from langchain_melious import MeliousEmbeddings

    return MeliousEmbeddings(model=MODEL, api_key=SecretStr(KEY), base_url=url)


def melious_unit(url: str) -> Any:
    """Ours, with vectors scaled to unit length."""
    return _melious(url).model_copy(update={"normalize": True})


def _openai(url: str) -> Any:
    from langchain_openai import OpenAIEmbeddings

    # Without the check it sends text, as other services than OpenAI need it.
    model: Any = OpenAIEmbeddings
    return model(model=MODEL, api_key=KEY, base_url=url, check_embedding_ctx_length=False)


def _mistral(url: str) -> Any:
    from langchain_mistralai import MistralAIEmbeddings
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    # Without one it would fetch the tokenizer of a model; this one costs it less than that would.
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    model: Any = MistralAIEmbeddings
    return model(model=MODEL, api_key=KEY, endpoint=f"{url}/", tokenizer=tokenizer)


EMBEDDINGS = {
    names.LANGCHAIN_MELIOUS: _melious,
    names.LANGCHAIN_MISTRAL: _mistral,
    names.LANGCHAIN_OPENAI: _openai,
}


def embed(make: Callable[[str], Any], count: int) -> SyncContender:
    """Embed so many texts in one call."""

    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], tuple[int, int]]]:
        model, inputs = make(url), texts(count)
        yield lambda: shape_of(model.embed_documents(inputs))

    return open_model


def aembed(make: Callable[[str], Any], count: int) -> AsyncContender:
    """Embed so many texts in one call."""

    @asynccontextmanager
    async def open_model(url: str) -> AsyncIterator[Callable[[], Any]]:
        model, inputs = make(url), texts(count)

        async def run() -> tuple[int, int]:
            return shape_of(await model.aembed_documents(inputs))

        yield run

    return open_model


def _melious_rerank(url: str) -> Any:
    from langchain_melious import MeliousRerank

    return MeliousRerank(model=ranking.MODEL, api_key=SecretStr(KEY), base_url=url)


def _bare_rerank(url: str) -> Any:
    from langchain_core.documents import BaseDocumentCompressor, Document

    service = Bare(url)

    class BareCompressor(BaseDocumentCompressor):
        """One POST, and LangChain's own copies of the documents, as its partner packages make them."""

        def compress_documents(self, documents: Sequence[Document], query: str, *_: Any) -> list[Document]:
            ranked = []
            for result in service.rank(query, [document.page_content for document in documents]):
                document = documents[result["index"]]
                metadata = {**deepcopy(document.metadata), "relevance_score": result["relevance_score"]}
                ranked.append(Document(document.page_content, metadata=metadata))
            return ranked

    return BareCompressor()


def _cohere_rerank(url: str) -> Any:
    from langchain_cohere import CohereRerank

    return CohereRerank(model=ranking.MODEL, cohere_api_key=SecretStr(KEY), base_url=url, top_n=None)


def _voyage_rerank(url: str) -> Any:
    from langchain_voyageai import VoyageAIRerank

    kind: Any = VoyageAIRerank
    return kind(model=ranking.MODEL, api_key=SecretStr(KEY), base_url=url)


RERANKERS = {
    names.LANGCHAIN_BARE: _bare_rerank,
    names.LANGCHAIN_MELIOUS: _melious_rerank,
    names.LANGCHAIN_COHERE: _cohere_rerank,
    names.LANGCHAIN_VOYAGE: _voyage_rerank,
}


def rerank(make: Callable[[str], Any], count: int) -> SyncContender:
    """Put so many documents in order; gives how many came back."""

    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], int]]:
        from langchain_core.documents import Document

        model = make(url)
        documents = [Document(text, metadata={"page": page}) for page, text in enumerate(texts(count))]
        yield lambda: len(model.compress_documents(documents, ranking.QUERY))

    return open_model
