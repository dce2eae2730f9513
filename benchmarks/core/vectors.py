"""Clients that embed many texts in one call: each operation gives the shape of the lists that it made."""

from __future__ import annotations

import binascii
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from pydantic_core import from_json

from benchmarks import contenders as names
from benchmarks.contenders import AUTH, KEY
from benchmarks.measure import SyncContender

MODEL = "bge-m3"

Embed = Callable[[], tuple[int, int]]


def texts(count: int) -> list[str]:
    """The texts to embed, no two alike."""
    return [f"Paragraph {number} of a report on inland shipping." for number in range(count)]


def shape_of(vectors: list[list[float]]) -> tuple[int, int]:
    """How many vectors there are, and how long they are."""
    return len(vectors), len(vectors[0])


def contenders(count: int) -> dict[str, SyncContender]:
    """The clients, each about to embed so many texts."""
    inputs = texts(count)

    def raw(library: str, encoding: str) -> SyncContender:
        @contextmanager
        def open_client(url: str) -> Iterator[Embed]:
            body = {"model": MODEL, "input": inputs, "encoding_format": encoding}
            with import_module(library).Client(headers=AUTH, timeout=60) as client:

                def embed() -> tuple[int, int]:
                    items = from_json(client.post(f"{url}/embeddings", json=body).content)["data"]
                    if encoding == "float":
                        return shape_of([item["embedding"] for item in items])
                    packed = (binascii.a2b_base64(item["embedding"]) for item in items)
                    return shape_of([array("f", data).tolist() for data in packed])

                yield embed

        return open_client

    @contextmanager
    def core(url: str) -> Iterator[Embed]:
        from melious import MeliousClient

        with MeliousClient(api_key=KEY, base_url=url) as client:
            yield lambda: shape_of(client.embeddings.create(model=MODEL, input=inputs).embeddings)

    def openai(**options: Any) -> SyncContender:
        @contextmanager
        def open_client(url: str) -> Iterator[Embed]:
            from openai import OpenAI

            with OpenAI(api_key=KEY, base_url=url) as client:
                create: Any = client.embeddings.create

                def embed() -> tuple[int, int]:
                    data = create(model=MODEL, input=inputs, **options).data
                    return shape_of([item.embedding for item in data])

                yield embed

        return open_client

    return {
        f"{names.HTTPX}, floats": raw("httpx", "float"),
        f"{names.HTTPX2}, floats": raw("httpx2", "float"),
        names.HTTPX: raw("httpx", "base64"),
        names.HTTPX2: raw("httpx2", "base64"),
        names.CORE: core,
        names.OPENAI: openai(),
        names.OPENAI_FLOAT: openai(encoding_format="float"),
    }
