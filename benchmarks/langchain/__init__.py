"""The adapter for LangChain beside the partner packages of OpenAI and Mistral, and LangChain itself."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import server
from benchmarks.contenders import (
    CORE,
    LANGCHAIN_BARE,
    LANGCHAIN_FAKE,
    LANGCHAIN_MELIOUS,
    LANGCHAIN_SUM,
    LANGCHAIN_UNIT,
    raw,
)
from benchmarks.core import ranking, requests, streams, vectors
from benchmarks.langchain import models, operations, retrieval, starts
from benchmarks.measure import Table
from benchmarks.run import Run


def measure(run: Run) -> Iterator[Table]:
    """Make the measurements, the fresh interpreters last."""
    everyone = models.everyone(run.effort.words)
    yield from _answers(run, everyone)
    yield from _chunks(run, everyone)
    yield from _events(run, everyone)
    yield from _retrieval(run)
    yield from run.starts("LangChain chat, ", starts.CHAT_FLOOR, starts.CHAT)
    yield from run.starts("LangChain embeddings, ", starts.EMBEDDINGS_FLOOR, starts.EMBEDDINGS)
    yield from run.starts("LangChain rerank, ", starts.RERANK_FLOOR, starts.RERANK)


def _answers(run: Run, everyone: dict[str, models.Make]) -> Iterator[Table]:
    times = run.effort.requests
    blocking = {name: operations.invoke(make) for name, make in everyone.items()}
    table = Table("LangChain, invoke", "us", LANGCHAIN_BARE)
    yield _with_floor(
        run.blocking(table, {raw(): requests.SYNC[raw()]} | blocking, server.ANSWER, times=times)
    )

    araw = {raw(): requests.ASYNC[raw()]}
    waiting = {name: operations.ainvoke(make) for name, make in (everyone | models.ON_AIOHTTP).items()}
    table = Table("LangChain, ainvoke", "us", LANGCHAIN_BARE)
    yield _with_floor(run.asynchronous(table, araw | waiting, server.ANSWER, times=times))
    table = Table("LangChain, ainvoke x64", "us", LANGCHAIN_BARE)
    yield _with_floor(run.asynchronous(table, araw | waiting, server.ANSWER, times=2 * times, at_a_time=64))


def _chunks(run: Run, everyone: dict[str, models.Make]) -> Iterator[Table]:
    read, chunks = len(server.WORD) * run.effort.words, 1e-6 * run.effort.words
    blocking = {name: operations.stream(make) for name, make in everyone.items()}
    table = Table("LangChain, streamed chunk, sync", "us", LANGCHAIN_BARE)
    blocking[raw()] = streams.SYNC[raw()]
    yield _with_floor(run.blocking(table, blocking, read, parts=chunks))

    waiting = {name: operations.astream(make) for name, make in (everyone | models.ON_AIOHTTP).items()}
    table = Table("LangChain, streamed chunk, async", "us", LANGCHAIN_BARE)
    waiting[raw()] = streams.ASYNC[raw()]
    yield _with_floor(run.asynchronous(table, waiting, read, parts=chunks))


def _events(run: Run, everyone: dict[str, models.Make]) -> Iterator[Table]:
    read, chunks = len(server.WORD) * run.effort.words, 1e-6 * run.effort.words
    made = {name: operations.make_events(make) for name, make in everyone.items()}
    table = Table("LangChain, v3 events made, per chunk", "us", LANGCHAIN_MELIOUS)
    yield run.blocking(table, made, read, parts=chunks)
    blocking = {name: operations.stream_events(make) for name, make in everyone.items()}
    table = Table("LangChain, v3 stream_events, per chunk", "us", LANGCHAIN_MELIOUS)
    yield run.blocking(table, blocking, read, parts=chunks)
    waiting = {name: operations.astream_events(make) for name, make in everyone.items()}
    table = Table("LangChain, v3 astream_events, per chunk", "us", LANGCHAIN_MELIOUS)
    yield run.asynchronous(table, waiting, read, parts=chunks)


def _retrieval(run: Run) -> Iterator[Table]:
    texts, documents = run.effort.texts, run.effort.documents
    shape = (texts, server.DIMENSIONS)
    blocking = {name: retrieval.embed(make, texts) for name, make in retrieval.EMBEDDINGS.items()}
    blocking[LANGCHAIN_UNIT] = retrieval.embed(retrieval.melious_unit, texts)
    table = Table("LangChain, embed_documents", "ms", raw())
    yield run.blocking(table, {raw(): vectors.contenders(texts)[raw()]} | blocking, shape, parts=1e-3)
    waiting = {name: retrieval.aembed(make, texts) for name, make in retrieval.EMBEDDINGS.items()}
    table = Table("LangChain, aembed_documents", "ms", LANGCHAIN_MELIOUS)
    yield run.asynchronous(table, waiting, shape, parts=1e-3)

    several = ranking.contenders(documents)
    clients = {name: several[name] for name in (raw(), CORE)}
    blocking = {name: retrieval.rerank(make, documents) for name, make in retrieval.RERANKERS.items()}
    table = Table("LangChain, compress_documents", "us", LANGCHAIN_BARE)
    yield run.blocking(table, clients | blocking, documents, times=run.effort.requests)


def _with_floor(table: Table) -> Table:
    """With the sum of the HTTP library's part and the framework's, each alone: less than both in one call."""
    figures = table.figures
    if LANGCHAIN_FAKE in figures:
        table.note(LANGCHAIN_SUM, figures[raw()] + figures[LANGCHAIN_FAKE])
    return table
