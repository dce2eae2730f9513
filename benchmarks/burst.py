"""`python -m benchmarks.burst`: many calls at once against a rate limit, with real sockets and real seconds.

A server on loopback lets some requests through in each second and refuses the
rest with 429. Every call should succeed, with no more requests than its retries
allow, in little more time than the limit makes necessary.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

MODEL = "bge-reranker-v2-m3"
_PASSED = json.dumps({"results": [{"index": 0, "relevance_score": 0.5}]}).encode()
_REFUSED = json.dumps({"error": {"code": "rate_limit_exceeded", "message": "Too many requests."}}).encode()


@dataclass
class Limit:
    """Requests a second, in windows that begin with their first request.

    Attributes:
        headers: Answers tell what remains, as an epoch in whole seconds.
        requests: How many came, by their idempotency key: one for each call.
        began: When the first one came.
    """

    per_second: int
    headers: bool
    requests: Counter[str] = field(default_factory=Counter)
    used: int = 0
    end: float = 0.0
    began: float = 0.0

    def answer(self, call: str) -> bytes:
        """Count a request and give the whole answer."""
        self.requests[call] += 1
        now = time.time()
        self.began = self.began or now
        if now >= self.end:
            self.used, self.end = 0, now + 1.0
        passes = self.used < self.per_second
        self.used += passes
        lines = ["HTTP/1.1 200 OK" if passes else "HTTP/1.1 429 Too Many Requests"]
        if not passes:
            lines.append(f"retry-after: {max(1, math.ceil(self.end - now))}")
        if self.headers:
            lines += [
                f"x-ratelimit-limit: {self.per_second}",
                f"x-ratelimit-remaining: {self.per_second - self.used}",
                f"x-ratelimit-reset: {math.ceil(self.end)}",
            ]
        body = _PASSED if passes else _REFUSED
        lines += ["content-type: application/json", f"content-length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode() + body


async def _serve(limit: Limit, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            await reader.readexactly(int(fields.get(b"content-length", b"0")))
            writer.write(limit.answer(fields[b"idempotency-key"].decode()))
    except (asyncio.IncompleteReadError, ConnectionError):
        return  # the client is done with this connection
    finally:
        writer.close()


async def _ended(loop: asyncio.AbstractEventLoop) -> None:
    """Wait for the ends of connections: the clients have closed theirs."""
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    if tasks:
        await asyncio.wait(tasks, timeout=5.0)


@contextmanager
def _running(limit: Limit) -> Iterator[str]:
    """Run the server in a thread of its own; gives its base URL."""
    loop = asyncio.new_event_loop()
    ready: asyncio.Future[asyncio.Server] = loop.create_future()

    async def start() -> None:
        ready.set_result(
            await asyncio.start_server(lambda r, w: _serve(limit, r, w), "127.0.0.1", 0, backlog=1024)
        )

    loop.run_until_complete(start())
    server = ready.result()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(_ended(loop))
        loop.close()


def _in_tasks(transport: str) -> Callable[[str, int], int]:
    def run(url: str, callers: int) -> int:
        from melious import AsyncMeliousClient, MeliousError

        async def main() -> int:
            client = AsyncMeliousClient(api_key="sk-mel-burst", base_url=url, async_transport=transport)  # type: ignore[arg-type]
            calls = (client.rerank.create(model=MODEL, query="a", documents=["b"]) for _ in range(callers))
            results = await asyncio.gather(*calls, return_exceptions=True)
            await client.aclose()
            for result in results:
                if isinstance(result, BaseException) and not isinstance(result, MeliousError):
                    raise result
            return sum(not isinstance(result, BaseException) for result in results)

        return asyncio.run(main())

    return run


def _in_threads(url: str, callers: int) -> int:
    from melious import MeliousClient, MeliousError

    with (
        MeliousClient(api_key="sk-mel-burst", base_url=url) as client,
        ThreadPoolExecutor(callers) as threads,
    ):

        def call(_: int) -> bool:
            try:
                client.rerank.create(model=MODEL, query="a", documents=["b"])
            except MeliousError:
                return False
            return True

        return sum(threads.map(call, range(callers)))


def _measure(name: str, run: Callable[[str, int], int], limit: Limit, callers: int) -> bool:
    """Run one burst and print its row; gives whether it went well."""
    with _running(limit) as url:
        served = run(url, callers)
        seconds = time.time() - limit.began
    ideal = max(0, math.ceil(callers / limit.per_second) - 1)
    most = max(limit.requests.values())
    print(
        f"{name:<9} {'x-ratelimit' if limit.headers else 'retry-after':<12} {limit.per_second:>3}/s"
        f" {callers:>7} {served:>5} {callers - served:>5} {sum(limit.requests.values()):>9} {most:>5}"
        f" {seconds:>8.2f} {ideal:>6} {seconds / ideal:>6.2f}",
        flush=True,
    )
    return served == callers and most <= 3 and seconds <= 1.5 * ideal


def main() -> None:
    """Run and print; the exit code says whether every burst went well."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.burst", description=__doc__)
    parser.add_argument("--http-library", choices=("httpx", "httpx2"), default="httpx2")
    parser.add_argument("--transport", choices=("httpx", "aiohttp"), default="httpx", help="of async calls")
    options = parser.parse_args()
    if options.http_library == "httpx":
        sys.modules["httpx2"] = None  # type: ignore[assignment]
    print(
        f"{'calls in':<9} {'told by':<12} {'limit':>5} {'callers':>7} {'ok':>5} {'lost':>5} {'requests':>9}"
        f" {'most':>5} {'seconds':>8} {'ideal':>6} {'ratio':>6}"
    )
    tasks = _in_tasks(options.transport)
    well = [
        _measure(name, run, Limit(per_second, headers), callers)
        for headers in (True, False)
        for name, run, per_second, callers in (
            ("tasks", tasks, 10, 100),
            ("tasks", tasks, 20, 100),
            ("tasks", tasks, 20, 200),
            ("tasks", tasks, 20, 400),
            ("threads", _in_threads, 10, 100),
        )
    ]
    if not all(well):
        sys.exit(1)


if __name__ == "__main__":
    main()
