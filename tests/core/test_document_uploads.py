"""Documents on their way to the service: streamed from the disk, whole for every attempt, and stopped."""

import asyncio
import tracemalloc
from pathlib import Path
from typing import Any

import document_files as made
import pytest

from melious import (
    AsyncMeliousClient,
    DeadlineExceededError,
    InvalidArgumentError,
    MeliousClient,
    track_impact,
)
from melious.sandbox import Fault, Sandbox

from .clients import Clients
from .counting_server import Counting

pytestmark = pytest.mark.http_library

MB = 1_000_000
ANSWER = b'{"results": [{"pages": [{"content": "one"}]}, {"pages": [{"content": "two"}]}]}'


@pytest.mark.parametrize("kind", ["sync", "async", "async aiohttp"])
async def test_several_large_files_are_never_in_memory(kind: str, tmp_path: Path) -> None:
    counting = Counting(ANSWER)
    server = await asyncio.start_server(counting, "127.0.0.1", 0)
    place = {
        "api_key": "sk-mel-x",
        "base_url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1",
    }
    files = [tmp_path / "one.pdf", tmp_path / "two.pdf"]

    async def send() -> Any:
        if kind == "sync":
            with MeliousClient(**place) as blocking:
                return await asyncio.to_thread(blocking.documents.convert, files)
        transport: Any = "aiohttp" if "aiohttp" in kind else "httpx"
        async with AsyncMeliousClient(async_transport=transport, **place) as client:
            return await client.documents.convert(files)

    for number, file in enumerate(files):
        file.write_bytes(b"%PDF-" + bytes([number]))
    await send()  # what the first request imports is not the upload's
    for file in files:
        with file.open("ab") as grown:
            grown.truncate(20 * MB)
    tracemalloc.start()
    result = await send()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    server.close()
    await server.wait_closed()
    assert [document.text for document in result.results] == ["one", "two"]
    assert 0 < counting.lengths[-1] - 40 * MB < 1000
    assert peak < 5 * MB, f"{peak / MB:.1f} MB for files of 40"


def test_what_is_sent_again_is_sent_whole(clients: Clients, sandbox: Sandbox, tmp_path: Path) -> None:
    (path := tmp_path / "a.pdf").write_bytes(made.pdf("one" * 30_000))
    sandbox.faults.add(Fault(status=503, headers={"retry-after-ms": "1"}, times=2))
    client = clients.client(sandbox)
    with path.open("rb") as opened:
        result = clients.call(
            client, "documents.convert", [path, ("b.pdf", opened), ("c.pdf", made.pdf("two"))]
        )
    assert result.attempts == 3
    assert [document.text[:3] for document in result.results] == ["one", "one", "two"]
    sizes = [[file["size"] for file in request.body["data"]] for request in sandbox.requests]
    assert sizes == [[path.stat().st_size] * 2 + [len(made.pdf("two"))]] * 3


def test_a_file_that_changes_meanwhile_is_named_by_its_place(
    clients: Clients, sandbox: Sandbox, tmp_path: Path
) -> None:
    (path := tmp_path / "a.pdf").write_bytes(made.pdf("one"))
    sandbox.faults.add(Fault(status=503, headers={"retry-after-ms": "1"}))
    with pytest.raises(InvalidArgumentError, match=r"files\[1\]: 'a\.pdf' cannot be read: it was changed"):
        clients.call(
            clients.client(sandbox),
            "documents.convert",
            [("b.pdf", made.pdf("two")), path],
            on_retry=lambda _: path.write_bytes(made.pdf("another")),
        )


def test_the_deadline_ends_a_conversion(clients: Clients, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(delay=600.0))
    with track_impact() as ledger, pytest.raises(DeadlineExceededError):
        clients.call(clients.client(sandbox), "documents.convert", [("a.pdf", made.pdf("one"))], deadline=0.5)
    assert (ledger.total.failed, ledger.total.pages) == (1, None)


async def test_a_cancelled_conversion_is_counted_and_sent_no_more(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(delay=600.0))
    async with AsyncMeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
        with track_impact() as ledger:
            task = asyncio.create_task(client.documents.convert([("a.pdf", made.pdf("one"))]))
            while not sandbox.requests:  # noqa: ASYNC110 - the server is in another thread
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert ledger.total.failed == 1
    assert len(sandbox.requests) == 1
