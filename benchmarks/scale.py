"""`python -m benchmarks.scale`: rows per second as Ray workers grow, until the account's rate limit ends it.

Needs the dependency group `scale` (`make .venv/scale/.made`). The service is
the sandbox, in a process of its own, and answers every request after a fixed
latency; every worker has one request under way at a time, so that what grows
is the number of workers and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

KEY = "sk-mel-sandbox"
MODEL = "bge-m3"
WORKERS = (1, 2, 4, 8)
ROWS_A_REQUEST = 4


class Measured(NamedTuple):
    """One run.

    Attributes:
        workers: How many there were.
        seconds: How long they took.
        rows: How many rows got a vector.
        sent: How many requests the service saw.
        needed: How many of them were answered with vectors.
    """

    workers: int
    seconds: float
    rows: int
    sent: int
    needed: int


class Service:
    """The sandbox of another process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.base_url = self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def seen(self) -> int:
        """How many requests came since the last time; a new window begins."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._line())


@contextmanager
def service(**settings: Any) -> Iterator[Service]:
    """Run a sandbox in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale", "--serve", json.dumps(settings)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Service(process)
        assert process.stdin is not None
        process.stdin.close()


def serve(settings: dict[str, Any]) -> None:
    """Be that process, until nobody writes to it any more."""
    from melious.sandbox import Sandbox

    with Sandbox(api_key=KEY, **settings) as sandbox:
        print(sandbox.base_url, flush=True)
        for _ in sys.stdin:
            print(len(sandbox.requests), flush=True)
            sandbox.reset()


def measure(at: Service, workers: int, requests: int) -> Measured:
    """Embed a corpus with so many workers."""
    import ray

    from melious.scale import Embedder, ledger_of

    embed = Embedder(
        MODEL,
        base_url=at.base_url,
        report_column="spent",
        batch_size=ROWS_A_REQUEST,
        max_concurrency=1,
    )

    def run(count: int) -> Any:
        rows = [{"text": f"{time.time()} lighthouse {number}"} for number in range(count * ROWS_A_REQUEST)]
        corpus = ray.data.from_items(rows, override_num_blocks=2 * workers).materialize()
        pool = ray.data.TaskPoolStrategy(size=workers)
        return corpus.map_batches(embed, batch_size=None, compute=pool, num_cpus=0.5)

    run(4 * workers).materialize()  # starts the processes of the workers
    at.seen()
    began = time.perf_counter()
    done = run(requests).take_all()
    seconds = time.perf_counter() - began
    ledger = ledger_of(row["spent"] for row in done)
    rows = sum(row["error"] is None for row in done)
    return Measured(workers, seconds, rows, at.seen(), ledger.total.requests)


def table(title: str, runs: list[Measured]) -> str:
    """The runs as a table for people."""
    lines = [title, f"{'workers':>8} {'seconds':>8} {'rows/s':>8} {'speed-up':>9} {'refused':>8}"]
    first = runs[0].rows / runs[0].seconds
    for run in runs:
        speed = run.rows / run.seconds
        refused = run.sent - run.needed
        lines.append(f"{run.workers:>8} {run.seconds:>8.1f} {speed:>8.1f} {speed / first:>9.2f} {refused:>8}")
    return "\n".join(lines)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--requests", type=int, default=96, help="requests of each run (%(default)s)")
    parser.add_argument("--latency", type=float, default=0.5, help="seconds of each answer (%(default)s)")
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS, help="how many (1 2 4 8)")
    parser.add_argument("--limit", type=int, default=60, help="requests in 10 s, for the second table")
    options = parser.parse_args()
    if options.serve:
        serve(json.loads(options.serve))
        return
    import ray

    os.environ["MELIOUS_API_KEY"] = KEY
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        num_cpus=max(options.workers), include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    each = f"{ROWS_A_REQUEST} rows a request, one request of each worker at a time, {options.latency} s each"
    with service(latency=options.latency) as at:
        runs = [measure(at, workers, options.requests) for workers in options.workers]
    print(table(f"No limit: {each}", runs), end="\n\n", flush=True)
    with service(latency=options.latency, rate_limit=options.limit, rate_window=10.0) as at:
        runs = [measure(at, workers, options.requests) for workers in options.workers]
    most = options.limit / 10 * ROWS_A_REQUEST
    print(table(f"{options.limit} requests in 10 s ({most:g} rows/s over a long run): {each}", runs))
    ray.shutdown()


if __name__ == "__main__":
    main()
