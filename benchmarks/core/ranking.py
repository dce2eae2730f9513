"""Clients that have documents put in order: each operation gives how many there were."""

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


def contenders(count: int) -> dict[str, SyncContender]:
    """The clients, each about to rank so many documents."""
    documents = texts(count)

    def raw(library: str) -> SyncContender:
        @contextmanager
        def open_client(url: str) -> Iterator[Callable[[], int]]:
            body = {"model": MODEL, "query": QUERY, "documents": documents}
            with import_module(library).Client(headers=AUTH) as client:
                yield lambda: len(client.post(f"{url}/rerank", json=body).json()["results"])

        return open_client

    @contextmanager
    def core(url: str) -> Iterator[Callable[[], int]]:
        from melious import MeliousClient

        with MeliousClient(api_key=KEY, base_url=url) as client:
            create = client.rerank.create
            yield lambda: len(create(model=MODEL, query=QUERY, documents=documents).results)

    return {names.HTTPX: raw("httpx"), names.HTTPX2: raw("httpx2"), names.CORE: core}
