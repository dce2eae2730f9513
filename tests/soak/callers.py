"""The callers of the soak: tasks and threads that call, look at what they get, and say how it ended."""

import asyncio
import gc
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import melious

from .answers import CALL_HEADER, ENDPOINTS, number_of

ASK: dict[str, Any] = {"model": "glm-4.7", "messages": [{"role": "user", "content": "What is a lighthouse?"}]}
KEYS = ("sk-mel-soak-one", "sk-mel-soak-two")
WEIGHTS = (8, 6, 3, 1, 2)
MEGABYTE = 1 << 20
TURNS = 100


@dataclass
class Sizes:
    """How large the process is."""

    rss: float
    files: int
    threads: int
    tasks: int

    @classmethod
    def now(cls) -> "Sizes":
        """Look, on the event loop; threads of asyncio's own executor do not count."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        threads = [one for one in threading.enumerate() if not one.name.startswith("asyncio_")]
        files = len(list(Path("/proc/self/fd").iterdir()))
        return cls(pages * 4096 / MEGABYTE, files, len(threads), len(asyncio.all_tasks()))


@dataclass
class Tally:
    """What the callers counted."""

    calls: int = 0
    ok: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    raw: Counter[str] = field(default_factory=Counter)
    foreign: list[str] = field(default_factory=list)


@dataclass
class Clients:
    """One of each key for threads, and one for the event loop."""

    blocking: list[Any]
    looping: list[Any]


class Soak:
    """The calls of one run, until its time or its number of calls is up."""

    def __init__(self, port: int, server: "subprocess.Popen[bytes]", *, seed: int, max_retries: int) -> None:
        self.tally = Tally()
        self._url = f"http://127.0.0.1:{port}/v1"
        self._server = server
        self._seed = seed
        self._max_retries = max_retries
        self._lock = threading.Lock()
        self._until = 0.0
        self._most = 0

    def _more(self) -> bool:
        with self._lock:
            self.tally.calls += 1
            if self.tally.calls <= self._most and time.monotonic() < self._until:
                return True
            self.tally.calls -= 1
            return False

    def _settle(self, call: str, got: Any, endpoint: str, error: BaseException | None) -> None:
        """Count how a call ended, and tell the server."""
        attempts = getattr(error if error is not None else got, "attempts", 0)
        with self._lock:
            tally = self.tally
            if error is None:
                tally.ok += 1
                if not _own(endpoint, got, call):
                    tally.foreign.append(f"{endpoint} {call}: {got!r:.200}")
            elif isinstance(error, melious.MeliousError):
                tally.errors[type(error).__name__] += 1
            else:
                tally.raw[f"{type(error).__name__}: {error}"[:200]] += 1
            pipe = self._server.stdin
            assert pipe is not None
            pipe.write(f"{call} {'error' if error else 'ok'} {attempts}\n".encode())
            pipe.flush()

    def _options(self, key: str, **options: Any) -> dict[str, Any]:
        retries = self._max_retries
        return {"base_url": self._url, "api_key": key, "timeout": 600.0, "max_retries": retries, **options}

    def _calls(self, name: str) -> Iterator[tuple[str, str]]:
        """The calls of one caller: the id and the endpoint."""
        chance = random.Random(f"{self._seed}{name}")
        number = 0
        while self._more():
            number += 1
            yield f"{name}-{number}", chance.choices(ENDPOINTS, WEIGHTS)[0]

    async def _task(self, name: str, client: Any) -> None:
        for call, endpoint in self._calls(name):
            try:
                asked = _ask(client, endpoint, call)
                got = [chunk async for chunk in asked] if endpoint == "stream" else await asked
            except Exception as error:
                self._settle(call, None, endpoint, error)
            else:
                self._settle(call, got, endpoint, None)

    def _thread(self, name: str, client: Any) -> None:
        for call, endpoint in self._calls(name):
            try:
                asked = _ask(client, endpoint, call)
                got = list(asked) if endpoint == "stream" else asked
            except Exception as error:
                self._settle(call, None, endpoint, error)
            else:
                self._settle(call, got, endpoint, None)

    async def _phase(self, name: str, clients: Clients, tasks: int, threads: int) -> None:
        """Let everyone call until the time or the number of calls is up."""
        workers = [
            threading.Thread(target=self._thread, args=(f"b{name}{place}", clients.blocking[place % 2]))
            for place in range(threads)
        ]
        for worker in workers:
            worker.start()
        looping = clients.looping
        await asyncio.gather(*(self._task(f"a{name}{place}", looping[place % 2]) for place in range(tasks)))
        for worker in workers:
            await asyncio.to_thread(worker.join)

    async def run(
        self, transport: str, tasks: int, threads: int, seconds: float, most: int, say: Callable[[str], None]
    ) -> tuple[Sizes, Sizes, Sizes, Sizes]:
        """Make the calls; gives the sizes at the start, after a warm-up, at the end, and with all closed."""
        start = Sizes.now()
        clients = Clients(
            [melious.MeliousClient(**self._options(key)) for key in KEYS],
            [melious.AsyncMeliousClient(**self._options(key, async_transport=transport)) for key in KEYS],
        )
        begun = time.monotonic()
        self._until, self._most = begun + seconds / 4, most // 4
        await self._phase("w", clients, tasks, threads)
        warm = Sizes.now()
        say(f"warm after {self.tally.calls:,} calls")
        self._until, self._most = begun + seconds, most
        await self._phase("m", clients, tasks, threads)
        end = Sizes.now()
        for client in clients.looping:
            await client.aclose()
        for client in clients.blocking:
            client.close()
        closed = Sizes.now()
        for _ in range(TURNS):  # asyncio closes its sockets in the next turns of the loop
            if closed.files <= start.files:
                break
            await asyncio.sleep(0)
            closed = Sizes.now()
        return start, warm, end, closed


def _ask(client: Any, endpoint: str, call: str) -> Any:
    options = {"extra_headers": {CALL_HEADER: call}}
    if endpoint == "chat":
        return client.chat.create(**ASK, **options)
    if endpoint == "stream":
        return client.chat.stream(**ASK, **options)
    if endpoint == "embeddings":
        return client.embeddings.create(model="bge-m3", input=["a lighthouse"], **options)
    if endpoint == "rerank":
        return client.rerank.create(
            model="bge-reranker-v2-m3", query="light", documents=["a tower"], **options
        )
    return client.models.list(**options)


def _own(endpoint: str, got: Any, call: str) -> bool:
    """Whether an answer is the one to this call, and whole."""
    if endpoint == "chat":
        return bool(got.id == got.text == call)
    if endpoint == "stream":
        text = "".join(choice["delta"].get("content") or "" for part in got for choice in part["choices"])
        return text == call and {part["id"] for part in got} == {call}
    if endpoint == "embeddings":
        return bool(got.embeddings[0][0] == number_of(call))
    return bool((got.batches[0].id if endpoint == "rerank" else got.data[0].id) == call)
