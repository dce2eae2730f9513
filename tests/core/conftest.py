"""Clients for the tests of the core; every test runs free of what earlier ones told the rate gates.

The transport is imported in the fixtures and not before: `--http-library` must take effect first.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from melious.sandbox import Sandbox

if TYPE_CHECKING:
    from .batches import Watched
    from .clients import Clients
    from .held_server import HeldServer, Script


@pytest.fixture(params=["sync", "async"])
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    """Both kinds of clients in turn."""
    from .clients import AsyncClients, SyncClients

    made: Any = SyncClients() if request.param == "sync" else AsyncClients()
    yield made
    made.close()


@pytest.fixture
def client(clients: Clients, sandbox: Sandbox) -> Any:
    """A client of the session's sandbox with everything at its default."""
    return clients.client(sandbox)


@pytest.fixture
def embed(clients: Clients, client: Any) -> Callable[..., Any]:
    """Embed texts with the client of the session's sandbox."""
    from .clients import EMBEDDINGS

    def run(texts: Any, **params: Any) -> Any:
        return clients.call(client, "embeddings.create", model=EMBEDDINGS, input=texts, **params)

    return run


@pytest.fixture(scope="session")
def wav() -> bytes:
    """A second of silence."""
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000))
    return held.getvalue()


@pytest.fixture
def serve() -> Iterator[Callable[[Script], HeldServer]]:
    """Start servers that answer when a script says so; they stop after the test."""
    from .held_server import HeldServer

    with ExitStack() as stack:
        yield lambda script: stack.enter_context(HeldServer(script))


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """Hold a test against one promise: what begins is reported once, and as what it was."""
    from melious.clients import outcomes

    from .batches import Watched

    seen = Watched()
    monkeypatch.setattr(outcomes, "observers", (seen,))
    yield seen
    assert [len(ends) for ends in seen.ends] == [1] * len(seen.ends)


@pytest.fixture(params=["sync", "async", "aiohttp"])
def every_client(request: pytest.FixtureRequest) -> Iterator[Clients]:
    """Both kinds of clients, and asyncio clients on aiohttp's connections."""
    from .clients import AiohttpClients, AsyncClients, SyncClients

    if request.param == "aiohttp":
        pytest.importorskip("aiohttp")
    made: Any = {"sync": SyncClients, "async": AsyncClients, "aiohttp": AiohttpClients}[request.param]()
    yield made
    made.close()
