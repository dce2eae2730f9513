"""Clients that have documents put in order: each operation gives how many came back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module

from benchmarks import contenders as names
from benchmarks.contenders import AUTH, KEY
from benchmarks.core.vectors import texts
from benchmarks.measure import SyncContender

MODEL = "bge-reranker-v2-m3"
QUERY = "Which paragraph names the locks?"


def contenders(count: int, top_n: int | None = None) -> dict[str, SyncContender]:
    """The clients, each about to rank so many documents.

    Args:
        count: How many documents.
        top_n: How many of the best to give; None for all.
    """
    documents = texts(count)

    def raw(library: str) -> SyncContender:
        @contextmanager
        def open_client(url: str) -> Iterator[Callable[[], int]]:
            body = {"model": MODEL, "query": QUERY, "documents": documents, "top_n": top_n}
            with import_module(library).Client(headers=AUTH) as client:
                yield lambda: len(client.post(f"{url}/rerank", json=body).json()["results"])

        return open_client

    @contextmanager
    def core(url: str) -> Iterator[Callable[[], int]]:
        from melious import MeliousClient

        with MeliousClient(api_key=KEY, base_url=url) as client:

            def rank() -> int:
                done = client.rerank.create(model=MODEL, query=QUERY, documents=documents, top_n=top_n)
                return len(done.results)

            yield rank

    return {names.HTTPX: raw("httpx"), names.HTTPX2: raw("httpx2"), names.CORE: core}
