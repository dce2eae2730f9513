"""The adapter for LlamaIndex beside integrations of peers, and LlamaIndex itself."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import server
from benchmarks.contenders import (
    CORE,
    LLAMA_BARE,
    LLAMA_FAKE,
    LLAMA_MELIOUS,
    LLAMA_MISTRAL,
    LLAMA_SUM,
    LLAMA_UNIT,
    present,
    raw,
)
from benchmarks.core import ranking, requests, streams, vectors
from benchmarks.llama_index import models, operations, retrieval, starts
from benchmarks.measure import Table
from benchmarks.run import Run

RERANKS = 32


def measure(run: Run) -> Iterator[Table]:
    """Make the measurements, the fresh interpreters last."""
    everyone = models.everyone(run.effort.words)
    yield from _answers(run, everyone)
    yield from _chunks(run, everyone)
    yield from _growing(run)
    yield from _embeddings(run)
    yield from _rerank(run)
    yield from run.starts("LlamaIndex, ", starts.FLOOR, starts.STARTS)


def _answers(run: Run, everyone: dict[str, models.Make]) -> Iterator[Table]:
    times = run.effort.requests
    blocking = {name: operations.chat(make) for name, make in everyone.items()}
    table = Table("LlamaIndex, chat", "us", LLAMA_BARE)
    yield _with_floor(
        run.blocking(table, {raw(): requests.SYNC[raw()]} | blocking, server.ANSWER, times=times)
    )

    waiting = {name: operations.achat(make) for name, make in (everyone | models.ON_AIOHTTP).items()}
    araw = {raw(): requests.ASYNC[raw()]}
    table = Table("LlamaIndex, achat", "us", LLAMA_BARE)
    yield _with_floor(run.asynchronous(table, araw | waiting, server.ANSWER, times=times))
    table = Table("LlamaIndex, achat x64", "us", LLAMA_BARE)
    yield _with_floor(run.asynchronous(table, araw | waiting, server.ANSWER, times=2 * times, at_a_time=64))


def _chunks(run: Run, everyone: dict[str, models.Make]) -> Iterator[Table]:
    read, chunks = len(server.WORD) * run.effort.words, 1e-6 * run.effort.words
    blocking = {name: operations.stream_chat(make) for name, make in everyone.items()}
    table = Table("LlamaIndex, text chunk, sync", "us", LLAMA_BARE)
    slow = {LLAMA_MISTRAL: blocking.pop(LLAMA_MISTRAL)}
    run.blocking(table, {raw(): streams.SYNC[raw()]} | blocking, read, parts=chunks)
    yield _with_floor(run.blocking(table, slow, read, rounds=1, parts=chunks))

    waiting = {name: operations.astream_chat(make) for name, make in (everyone | models.ON_AIOHTTP).items()}
    table = Table("LlamaIndex, text chunk, async", "us", LLAMA_BARE)
    araw = {raw(): streams.ASYNC[raw()]}
    aslow = {LLAMA_MISTRAL: waiting.pop(LLAMA_MISTRAL)}
    run.asynchronous(table, araw | waiting, read, parts=chunks)
    yield _with_floor(run.asynchronous(table, aslow, read, rounds=1, parts=chunks))


def _growing(run: Run) -> Iterator[Table]:
    """What is read again as it grows, which may cost more with each chunk."""
    read, chunks = len(server.WORD) * run.effort.fragments, 1e-6 * run.effort.fragments
    calls = {name: operations.stream_tool_call(make) for name, make in models.WITH_TOOLS.items()}
    table = Table("LlamaIndex, tool chunk with its calls", "us", LLAMA_MELIOUS)
    yield run.blocking(table, calls, read, parts=chunks)
    objects = {name: operations.stream_object(make) for name, make in models.WITH_TOOLS.items()}
    table = Table("LlamaIndex, structured chunk", "us", LLAMA_MELIOUS)
    yield run.blocking(table, objects, read, parts=chunks)


def _embeddings(run: Run) -> Iterator[Table]:
    texts = run.effort.texts
    shape = (texts, server.DIMENSIONS)
    blocking = {name: retrieval.embed(make, texts) for name, make in retrieval.EMBEDDINGS.items()}
    table = Table("LlamaIndex, get_text_embedding_batch", "ms", LLAMA_SUM)
    blocking[LLAMA_UNIT] = retrieval.embed(retrieval.melious_unit, texts)
    blocking[raw()] = vectors.contenders(texts)[raw()]
    yield _with_floor(run.blocking(table, blocking, shape, parts=1e-3))
    waiting = {name: retrieval.aembed(make, texts) for name, make in retrieval.EMBEDDINGS.items()}
    table = Table("LlamaIndex, aget_text_embedding_batch", "ms", LLAMA_MELIOUS)
    yield run.asynchronous(table, waiting, shape, parts=1e-3)


def _rerank(run: Run) -> Iterator[Table]:
    documents, times = run.effort.documents, run.effort.requests
    best = min(documents, retrieval.TOP)
    several = ranking.contenders(documents, retrieval.TOP)
    clients = {name: several[name] for name in (raw(), CORE)}
    blocking = {name: retrieval.rerank(make, documents) for name, make in retrieval.RERANKERS.items()}
    blocking[LLAMA_BARE] = retrieval.rerank(retrieval.bare_rerank, documents)
    table = Table("LlamaIndex, postprocess_nodes", "us", LLAMA_BARE)
    yield run.blocking(table, clients | blocking, best, times=times)

    waiting = {name: retrieval.arerank(make, documents) for name, make in retrieval.RERANKERS.items()}
    table = Table(f"LlamaIndex, apostprocess_nodes x{RERANKS}", "us", LLAMA_MELIOUS)
    yield run.asynchronous(table, waiting, best, times=times, at_a_time=RERANKS)
    table = Table(f"LlamaIndex, threads of apostprocess_nodes x{RERANKS}", "threads", LLAMA_MELIOUS)
    for name, contender in present(waiting, run.missing).items():
        table.note(name, retrieval.threads(contender, run.url, RERANKS))
    yield table


def _with_floor(table: Table) -> Table:
    """With the sum of the HTTP library's part and the framework's, each alone: less than both in one call."""
    figures = table.figures
    if LLAMA_FAKE in figures:
        table.note(LLAMA_SUM, figures[raw()] + figures[LLAMA_FAKE])
    return table
