"""Answers from a real vector store: Qdrant in this process, embeddings, rerank and chat of the sandbox."""

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_classic.chains import create_retrieval_chain
from langchain_classic.chains.combine_documents import create_stuff_documents_chain
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_classic.retrievers import (
    ContextualCompressionRetriever,
    EnsembleRetriever,
    MultiQueryRetriever,
)
from langchain_classic.storage import LocalFileStore
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_core.stores import InMemoryByteStore
from langchain_qdrant import QdrantVectorStore
from langchain_text_splitters import RecursiveCharacterTextSplitter
from qdrant_client import QdrantClient, models

from melious import track_impact
from melious.sandbox import Fault

GUIDE = """\
The lighthouse of Brask was built in 1871 by Ida Holm. Its lamp burns rapeseed oil and shines 22 miles far.

The harbour of Brask holds forty boats. The harbour master is Jon Ness, who rings the bell at noon.

Bread in Brask is baked from rye. The bakery opens at five in the morning and closes when it is sold out.

The ferry to Brask leaves from Tarn every two hours. A ticket costs nine crowns, and bicycles travel free.

In winter the sea of Brask freezes. Then the ferry stays in Tarn, and a sledge brings the mail.
"""
PROMPT = ChatPromptTemplate.from_messages(
    [("system", "Answer from the context.\n\nContext:\n{context}"), ("human", "{input}")]
)
QUESTIONS = {
    "Who built the lighthouse of Brask?": "Ida Holm",
    "What does a ticket of the ferry cost?": "nine crowns",
    "When does the bakery open?": "five in the morning",
}


def joined(documents: list[Document]) -> str:
    return "\n\n".join(document.page_content for document in documents)


@pytest.fixture
def passages() -> list[Document]:
    splitter = RecursiveCharacterTextSplitter(chunk_size=120, chunk_overlap=0, add_start_index=True)
    return splitter.create_documents([GUIDE], [{"source": "guide", "tags": ["brask"]}])


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    made = QdrantClient(location=":memory:")
    yield made
    made.close()


@pytest.fixture
def store(client, passages, embeddings) -> QdrantVectorStore:
    embed = embeddings(normalize=True)
    size = len(embed.embed_query("size"))
    client.create_collection(
        "guide", vectors_config=models.VectorParams(size=size, distance=models.Distance.COSINE)
    )
    made = QdrantVectorStore(client=client, collection_name="guide", embedding=embed)
    made.add_documents(passages)
    return made


@pytest.fixture
def rag(store, chat, rerank) -> SimpleNamespace:
    """The parts of a chain: a wide search, a narrow choice by the reranker, an answer from what is left."""
    search = store.as_retriever(search_kwargs={"k": 5})
    narrow = ContextualCompressionRetriever(base_retriever=search, base_compressor=rerank(top_n=2))
    llm = chat("llama-3.3-70b-instruct")
    answer = create_stuff_documents_chain(llm, PROMPT)
    return SimpleNamespace(
        search=search, narrow=narrow, llm=llm, answer=answer, chain=create_retrieval_chain(narrow, answer)
    )


# --- search ------------------------------------------------------------------------------------------


def test_a_search_finds_the_passage(way, store, passages):
    for question, fact in QUESTIONS.items():
        found = way.call(store, "similarity_search", question, k=3)
        assert fact in joined(found)
        assert len(found) == 3
    (best, score), *_ = way.call(store, "similarity_search_with_score", passages[0].page_content, k=2)
    assert best.page_content == passages[0].page_content
    assert score == pytest.approx(1.0, abs=1e-5)


def test_documents_are_added_and_deleted_on_either_way(way, store):
    more = [Document("The museum of Brask shows nets and knots.", metadata={"n": 1})]
    ids = way.call(store, "add_documents", more)
    assert "nets" in way.call(store, "similarity_search", "What does the museum show?", k=1)[0].page_content
    way.call(store, "delete", ids)
    assert "nets" not in joined(way.call(store, "similarity_search", "What does the museum show?", k=5))


def test_the_reranker_narrows_a_search(way, rag, sandbox):
    wide = way.invoke(rag.search, "Who built the lighthouse of Brask?")
    narrow = way.invoke(rag.narrow, "Who built the lighthouse of Brask?")
    assert (len(wide), len(narrow)) == (5, 2)
    assert "Ida Holm" in narrow[0].page_content
    scores = [document.metadata["relevance_score"] for document in narrow]
    assert scores == sorted(scores, reverse=True)
    assert narrow[0].metadata["source"] == "guide"
    assert "relevance_score" not in wide[0].metadata
    assert sandbox.requests.to("rerank")[0].body["documents"] == [document.page_content for document in wide]


def test_other_retrievers_of_langchain(way, rag, store, sandbox):
    both = EnsembleRetriever(retrievers=[rag.search, rag.narrow], weights=[0.5, 0.5])
    found = way.invoke(both, "Who is the harbour master?")
    assert len(found) == len({document.page_content for document in found}) == 5
    assert "Jon Ness" in joined(found[:2])
    said = "Who rings the bell?\nWho leads the harbour?\nWhen is the bell rung?"
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    sandbox.faults.add(Fault(endpoint="chat", status=200, body={"model": "m", "choices": [choice]}))
    several = MultiQueryRetriever.from_llm(store.as_retriever(search_kwargs={"k": 2}), rag.llm)
    before = len(sandbox.requests.to("embeddings"))
    assert "Jon Ness" in joined(way.invoke(several, "Who is the harbour master?"))
    assert len(sandbox.requests.to("embeddings")) == before + 3


# --- chains ------------------------------------------------------------------------------------------


def test_the_answer_comes_from_what_was_found(way, rag):
    for question, fact in QUESTIONS.items():
        made = way.invoke(rag.chain, {"input": question})
        assert fact in made["answer"]
        assert fact in joined(made["context"])
        assert len(made["context"]) == 2


def test_other_documents_make_another_answer(way, rag):
    question = {"input": "Who built the lighthouse of Brask?"}
    told = way.invoke(
        rag.answer, {**question, "context": [Document("Olga Ries built the lighthouse of Brask.")]}
    )
    assert "Olga Ries" in told
    without = way.invoke(rag.answer, {**question, "context": [Document("Rye is a cereal.")]})
    assert "Ida Holm" not in without


def test_a_chain_is_streamed(way, rag):
    parts = way.stream(rag.chain, {"input": "Who built the lighthouse of Brask?"})
    pieces = [part["answer"] for part in parts if "answer" in part]
    assert len(pieces) > 3
    assert "Ida Holm" in "".join(pieces)
    assert next(position for position, part in enumerate(parts) if "context" in part) < parts.index(
        {"answer": next(piece for piece in pieces if piece)}
    )


def test_a_chain_takes_many_questions_at_once(way, rag):
    given = [{"input": question} for question in QUESTIONS]
    answers = way.call(rag.chain, "batch", given)
    for made, fact in zip(answers, QUESTIONS.values(), strict=True):
        assert fact in made["answer"]


def test_a_chain_of_ones_own_and_its_cost(way, rag, rerank):
    chain = (
        {"input": RunnablePassthrough(), "context": rag.narrow | joined}
        | PROMPT
        | rag.llm
        | StrOutputParser()
    )
    with track_impact() as ledger:
        assert "nine crowns" in way.invoke(chain, "What does a ticket of the ferry cost?")
    assert set(ledger.by("endpoint")) == {"embeddings", "rerank", "chat"}
    for totals in ledger.by("endpoint").values():
        assert totals.carbon_g_co2 > 0


def test_the_steps_of_a_chain_are_events(rag):
    async def run() -> list[Any]:
        given = {"input": "When does the bakery open?"}
        return [event async for event in rag.chain.astream_events(given, version="v2")]

    events = asyncio.run(run())
    kinds = [event["event"] for event in events]
    assert kinds.count("on_chat_model_end") == 1
    assert kinds.count("on_chat_model_stream") > 3
    reranked = [event for event in events if event["name"] == "MeliousRerank"]
    assert [event["event"] for event in reranked if not event["event"].endswith("stream")] == [
        *("on_chain_start", "on_chain_end")
    ]


# --- embeddings that are kept ------------------------------------------------------------------------


@pytest.fixture(params=["memory", "files"])
def cache(request, tmp_path):
    return InMemoryByteStore() if request.param == "memory" else LocalFileStore(tmp_path)


def test_what_was_embedded_once_is_not_sent_again(way, embeddings, sandbox, cache):
    def kept() -> CacheBackedEmbeddings:
        made = embeddings()
        return CacheBackedEmbeddings.from_bytes_store(
            made, cache, namespace=made.model, query_embedding_cache=True, key_encoder="sha256"
        )

    texts = ["a lighthouse", "a harbour", "a lighthouse"]
    first = way.call(kept(), "embed_documents", texts)
    query = way.call(kept(), "embed_query", "what shines?")
    assert len(sandbox.requests) == 2
    assert way.call(kept(), "embed_documents", texts) == first
    assert way.call(kept(), "embed_query", "what shines?") == query
    assert len(sandbox.requests) == 2
    assert first == way.call(embeddings(), "embed_documents", texts)
    more = way.call(kept(), "embed_documents", ["a harbour", "a ferry"])
    assert sandbox.requests[-1].body["input"] == ["a ferry"]
    assert more[0] == first[1]


def test_a_store_on_kept_embeddings(way, client, passages, embeddings, sandbox):
    cache = InMemoryByteStore()
    counts = []
    for name in ("first", "second"):
        kept = CacheBackedEmbeddings.from_bytes_store(
            embeddings(), cache, namespace="bge-m3", key_encoder="sha256"
        )
        client.create_collection(
            name, vectors_config=models.VectorParams(size=1024, distance=models.Distance.COSINE)
        )
        store = QdrantVectorStore(client=client, collection_name=name, embedding=kept)
        before = len(sandbox.requests)
        way.call(store, "add_documents", passages)
        counts.append(len(sandbox.requests) - before)
        found = way.call(store, "similarity_search", "Who built the lighthouse?", k=1)
        assert "Ida Holm" in found[0].page_content
    assert counts[1] < counts[0]
