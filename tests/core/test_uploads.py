"""Recordings on their way to the service: in pieces from the disk, whole for every attempt, checked before."""

import asyncio
import io
import os
import threading
import tracemalloc
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import recordings

from melious import AsyncMeliousClient, InvalidArgumentError, MeliousClient
from melious.sandbox import Fault, Sandbox

from .clients import AUDIO, Clients
from .counting_server import Counting
from .held_server import PATIENCE

pytestmark = pytest.mark.http_library

MB = 1_000_000
LARGE = 20 * MB + 44
ANSWER = b'{"text": "heard"}'


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of 20 MB."""
    path = tmp_path_factory.mktemp("recordings") / "large.wav"
    path.write_bytes(recordings.wav(1250.0))
    assert path.stat().st_size == LARGE
    return path


async def send(
    kind: str, base_url: str, file: Any, *, api_key: str = "sk-mel-x", on_retry: Any = None
) -> Any:
    """Send a file by one of the ways that there are."""
    options: dict[str, Any] = {"api_key": api_key, "base_url": base_url}
    params: dict[str, Any] = {"model": AUDIO, "file": file, "on_retry": on_retry}
    async with AsyncExitStack() as stack:
        if kind.startswith("sync"):
            if "injected" in kind:
                options["http_client"] = stack.enter_context(httpx.Client(trust_env=False))
            blocking = stack.enter_context(MeliousClient(**options))
            return await asyncio.to_thread(blocking.audio.transcribe, **params)
        if "injected" in kind:
            transport = pytest.importorskip("httpx_aiohttp").AiohttpTransport() if "aiohttp" in kind else None
            own = httpx.AsyncClient(trust_env=False, transport=transport)
            options["http_client"] = await stack.enter_async_context(own)
        else:
            options["async_transport"] = "aiohttp" if "aiohttp" in kind else "httpx"
        client = await stack.enter_async_context(AsyncMeliousClient(**options))
        return await client.audio.transcribe(**params)


WAYS = ["sync", "sync injected", "async", "async injected", "async aiohttp", "async injected aiohttp"]


each_way = pytest.mark.parametrize("kind", WAYS)


@each_way
async def test_a_large_file_is_never_in_memory(kind: str, large: Path, tmp_path: Path) -> None:
    counting = Counting(ANSWER)
    server = await asyncio.start_server(counting, "127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    (small := tmp_path / "small.wav").write_bytes(recordings.wav(1.0))
    await send(kind, base_url, small)  # what the first request imports is not the upload's
    tracemalloc.start()
    result = await send(kind, base_url, large)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    server.close()
    await server.wait_closed()
    assert result.text == "heard"
    assert b"transfer-encoding" not in counting.heads[-1].lower()
    assert 0 < counting.lengths[-1] - LARGE < 1000
    assert peak < 5 * MB, f"{peak / MB:.1f} MB for a file of 20"


@each_way
@pytest.mark.parametrize("how", ["path", "open", "named"])
async def test_what_is_sent_again_is_sent_whole(
    kind: str, how: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Several pieces, read anew for every attempt; an open file from where it stood, and it stays open."""
    path = tmp_path / 'ein "Vortrag" ü.mp3'
    data = recordings.mp3(40.0)
    path.write_bytes(data if how == "path" else b"before" + data)
    sandbox.faults.add(Fault(status=503, headers={"retry-after-ms": "1"}, times=2))
    with path.open("rb") as opened:
        opened.seek(6)
        file: Any = {"path": path, "open": opened, "named": ("talk.mp3", opened)}[how]
        result = await send(kind, sandbox.base_url, file, api_key=sandbox.api_key)
        assert not opened.closed
    assert result.attempts == 3
    assert result.duration == pytest.approx(40.0, abs=0.1), "the sandbox counts the frames that came"
    sent = [request.body["file"] for request in sandbox.requests]
    name = "talk.mp3" if how == "named" else path.name.replace('"', "%22")
    assert sent == [{"filename": name, "content_type": "audio/mpeg", "size": len(data)}] * 3


@each_way
async def test_a_file_that_changes_meanwhile_is_an_error_and_no_second_attempt(
    kind: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(recordings.wav(2.0))
    seen: list[Any] = []

    def shorten(event: Any) -> None:
        seen.append(event)
        path.write_bytes(recordings.wav(1.0))

    sandbox.faults.add(Fault(status=503, headers={"retry-after-ms": "1"}, times=1))
    with pytest.raises(InvalidArgumentError, match=r"'talk\.wav' cannot be read: it was changed") as caught:
        await send(kind, sandbox.base_url, path, api_key=sandbox.api_key, on_retry=shorten)
    assert "melious" in type(caught.value).__module__
    assert len(seen) == 1


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not list open files")
@pytest.mark.parametrize("kind", ["sync", "async", "async aiohttp"])
async def test_a_file_is_not_held_open_between_attempts(kind: str, sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(recordings.wav(1.0))
    held: list[bool] = []

    def look(event: Any) -> None:
        descriptors = Path("/proc/self/fd").iterdir()
        held.append(str(path) in {str(each.readlink()) for each in descriptors if each.is_symlink()})

    sandbox.faults.add(Fault(status=503, headers={"retry-after-ms": "1"}, times=2))
    await send(kind, sandbox.base_url, path, api_key=sandbox.api_key, on_retry=look)
    assert held == [False, False]


@pytest.mark.parametrize("kind", ["async", "async aiohttp", "async injected"])
async def test_a_slow_disk_holds_nothing_up(kind: str, sandbox: Sandbox, tmp_path: Path) -> None:
    """A file whose every read lasts until the event loop has done something else."""
    (tmp_path / "talk.wav").write_bytes(recordings.wav(30.0))
    loop = asyncio.get_running_loop()
    reads = 0

    class Slow(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal reads
            reads += 1
            went_on = threading.Event()
            loop.call_soon_threadsafe(went_on.set)
            assert went_on.wait(PATIENCE), "the loop waits for the disk"
            return super().read(size)

    with Slow(tmp_path / "talk.wav") as slow:
        result = await send(kind, sandbox.base_url, slow, api_key=sandbox.api_key)
    assert result.duration == pytest.approx(30.0)
    assert reads > 1


@pytest.mark.parametrize(
    ("name", "data", "sent"),
    [
        ("recording", recordings.wav(1.0), ("recording.wav", "audio/wav")),
        ("recording", recordings.mp3(1.0), ("recording.mp3", "audio/mpeg")),
        ("recording.bin", recordings.mp3(1.0)[20:], ("recording.bin.mp3", "audio/mpeg")),
        ("RECORDING.MP3", recordings.mp3(1.0), ("RECORDING.MP3", "audio/mpeg")),
    ],
)
def test_what_a_name_does_not_tell_the_bytes_do(
    clients: Clients, client: Any, sandbox: Sandbox, name: str, data: bytes, sent: tuple[str, str]
) -> None:
    clients.call(client, "audio.transcribe", model=AUDIO, file=(name, data))
    file = sandbox.requests[-1].body["file"]
    assert (file["filename"], file["content_type"]) == sent


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("talk.flac", b"fLaC" + bytes(99)),
        ("talk", b"%PDF-1.7"),
        ("talk.txt", b"hello"),
        ("notes.docx", b"PK"),
    ],
)
def test_other_kinds_are_refused_before_they_are_sent(
    clients: Clients, client: Any, sandbox: Sandbox, tmp_path: Path, name: str, data: bytes
) -> None:
    (path := tmp_path / name).write_bytes(data)
    for file in (path, (name, data)):
        with pytest.raises(
            InvalidArgumentError, match=f"'{name}' must end in one of mp3, .*wav.*ffmpeg -i {name}"
        ):
            clients.call(client, "audio.transcribe", model=AUDIO, file=file)
    assert not sandbox.requests


@pytest.mark.parametrize(
    "path",
    ["a\0b.wav", "a" * 300 + ".wav", "a/" * 5000, "\ud800.wav", "missing.wav", "."],
    ids=lambda path: ascii(path)[:12],
)
def test_a_path_that_cannot_be_a_file_is_an_argument_error(
    clients: Clients, client: Any, sandbox: Sandbox, path: str
) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"file: (there is no file|.* cannot be opened|.* is a folder)"
    ):
        clients.call(client, "audio.transcribe", model=AUDIO, file=path)
    assert not sandbox.requests


def test_a_closed_file_is_an_argument_error(
    clients: Clients, client: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(b"RIFF")
    with path.open("rb") as closed:
        pass
    for file in (closed, ("talk.wav", closed)):
        with pytest.raises(InvalidArgumentError, match=r"^file: 'talk\.wav' cannot be read: .*closed file"):
            clients.call(client, "audio.transcribe", model=AUDIO, file=file)
    assert not sandbox.requests


def test_what_is_too_large_is_refused_with_how_to_split_it(
    clients: Clients, client: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "a long talk.wav"
    with path.open("wb") as file:
        file.write(recordings.wav(1.0)[:44])
        file.truncate(25 * MB + 1)
    words = r"25,000,001|more than 25,000,000"
    with path.open("rb") as opened, open(os.open(path, os.O_RDONLY), "rb", buffering=0) as raw:  # noqa: PTH123
        for given in (path, str(path), opened, raw):
            with pytest.raises(InvalidArgumentError, match=words) as caught:
                clients.call(client, "audio.transcribe", model=AUDIO, file=given)
            assert "-f segment -segment_time 3600 part%03d.mp3" in str(caught.value)
    assert not sandbox.requests


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_exactly_25_mb_are_sent(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    with path.open("wb") as file:
        file.write(recordings.wav(1.0))
        file.truncate(25 * MB)
    counting = Counting(ANSWER)
    server = await asyncio.start_server(counting, "127.0.0.1", 0)
    await send(kind, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", path)
    server.close()
    await server.wait_closed()
    assert 0 < counting.lengths[-1] - 25 * MB < 1000


def test_pipes_are_read_and_texts_refused(
    clients: Clients, client: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    data = recordings.wav(1.0)
    end, start = os.pipe()
    with os.fdopen(start, "wb") as writer:
        writer.write(data)
    with os.fdopen(end, "rb") as reader:
        clients.call(client, "audio.transcribe", model=AUDIO, file=("talk.wav", reader))
    assert sandbox.requests[-1].body["file"]["size"] == len(data)
    (tmp_path / "talk.wav").write_text("RIFF")
    with (tmp_path / "talk.wav").open() as text, pytest.raises(InvalidArgumentError, match="'rb'"):
        clients.call(client, "audio.transcribe", model=AUDIO, file=text)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"n": 0}, "n: .*, not 0"),
        ({"n": 11}, "n: .*1 to 10, not 11"),
        ({"n": True}, "n: .*, not True"),
        ({"n": 2.0}, r"n: .*, not 2\.0"),
        ({"size": "1024"}, "size: .*1024x1024', not '1024'"),
        ({"size": (1, 2)}, "size"),
        ({"width": 0}, "width"),
        ({"height": -1}, "height.*at least 1"),
        ({"quality": "ultra"}, "quality: must be one of standard, hd, not 'ultra'"),
        ({"response_format": "png"}, "response_format.*b64_json, url"),
        ({"output_quality": 101}, "output_quality.*0 to 100"),
    ],
)
def test_pictures_that_no_service_makes(
    clients: Clients, client: Any, sandbox: Sandbox, params: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=named):
        clients.call(client, "images.generate", model="flux-schnell", prompt="a lighthouse", **params)
    assert not sandbox.requests


@pytest.mark.parametrize("kind", ["async", "async injected", "async aiohttp", "async injected aiohttp"])
async def test_a_cancelled_upload_leaves_nothing_behind(kind: str, large: Path, tmp_path: Path) -> None:
    """A service that stops reading, a caller who stops waiting; the next upload goes through."""
    counting, begun, over = Counting(ANSWER), asyncio.Event(), asyncio.Event()
    serving: list[Any] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        if len(serving) > 1:
            await counting(reader, writer)
            return
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(MB)
        begun.set()
        await over.wait()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    stopped = asyncio.create_task(send(kind, base_url, large))
    await begun.wait()
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    (small := tmp_path / "small.wav").write_bytes(recordings.wav(1.0))
    assert (await send(kind, base_url, small)).text == "heard"
    over.set()
    server.close()
    await asyncio.gather(*serving)
