"""The least that asks a service: one POST with the HTTP library. It makes the floors of the frameworks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from importlib import import_module
from typing import Any

from pydantic_core import from_json

from benchmarks.contenders import AUTH, raw
from benchmarks.core import ranking, streams
from benchmarks.core.requests import BODY

Messages = list[dict[str, Any]]


class Bare:
    """Asks for whole answers, streams and rankings, and believes all of them."""

    def __init__(self, url: str) -> None:
        """Open a client of each kind."""
        library = import_module(raw())
        self._url = url
        self._client = library.Client(headers=AUTH)
        self._async_client = library.AsyncClient(headers=AUTH)

    def ask(self, messages: Messages) -> str:
        """The text of a whole answer."""
        return _text_of(self._client.post(self._chat, json={**BODY, "messages": messages}))

    async def aask(self, messages: Messages) -> str:
        """The text of a whole answer."""
        return _text_of(await self._async_client.post(self._chat, json={**BODY, "messages": messages}))

    def read(self, messages: Messages) -> Iterator[str]:
        """The texts of a stream's chunks."""
        rest = b""
        with self._client.stream("POST", self._chat, json={**streams.BODY, "messages": messages}) as response:
            for data in response.iter_raw():
                *events, rest = (rest + data).split(b"\n\n")
                yield from _texts_in(events)

    async def aread(self, messages: Messages) -> AsyncIterator[str]:
        """The texts of a stream's chunks."""
        rest, body = b"", {**streams.BODY, "messages": messages}
        async with self._async_client.stream("POST", self._chat, json=body) as response:
            async for data in response.aiter_raw():
                *events, rest = (rest + data).split(b"\n\n")
                for text in _texts_in(events):
                    yield text

    def rank(self, query: str, documents: Sequence[str], top_n: int | None = None) -> list[dict[str, Any]]:
        """The results of a ranking, best first."""
        body = {"model": ranking.MODEL, "query": query, "documents": documents, "top_n": top_n}
        results: list[dict[str, Any]] = self._client.post(f"{self._url}/rerank", json=body).json()["results"]
        return results

    @property
    def _chat(self) -> str:
        return f"{self._url}/chat/completions"


def _text_of(response: Any) -> str:
    text: str = response.json()["choices"][0]["message"]["content"]
    return text


def _texts_in(events: list[bytes]) -> Iterator[str]:
    for event in events:
        if event != b"data: [DONE]":
            for choice in from_json(event[6:])["choices"]:
                yield choice["delta"].get("content") or ""
