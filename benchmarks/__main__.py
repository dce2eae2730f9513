"""`python -m benchmarks`: one run, everything side by side, the limits at the end."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from benchmarks import chat, report, server, startup, streams, vectors
from benchmarks.contenders import (
    CORE,
    FRAMEWORKS,
    HTTPX2,
    OPENAI_FLOAT,
    PEERS_IN_FRAMEWORKS,
    find_missing,
    present,
)
from benchmarks.limits import check
from benchmarks.measure import FULL, QUICK, Effort, Table, compare, compare_async


def _measure(
    url: str, effort: Effort, missing: dict[str, str], run: Callable[[Coroutine[Any, Any, Table]], Table]
) -> Iterator[Table]:
    """Make every measurement, the fresh interpreters last.

    Args:
        url: The server's base URL.
        effort: How thoroughly.
        missing: The contenders that cannot run here.
        run: Runs a coroutine, always on the same event loop: some peers do not work on a second one.
    """
    times, rounds = effort.requests, effort.rounds
    sync, both = present(chat.SYNC, missing), present(chat.ASYNC, missing)

    table = Table("request, sync", "us", HTTPX2)
    yield compare(table, sync, url, server.ANSWER, times=times, rounds=rounds)

    table = Table("request, async", "us", HTTPX2)
    yield run(compare_async(table, both, url, server.ANSWER, times=times, rounds=rounds))

    table = Table("request, async x64", "us", HTTPX2)
    yield run(compare_async(table, both, url, server.ANSWER, times=2 * times, rounds=rounds, at_a_time=64))

    read = len(server.WORD) * effort.words
    chunk = 1e-6 * effort.words
    table = Table("streamed chunk, sync", "us", HTTPX2)
    sync = present(streams.SYNC, missing)
    yield compare(table, sync, url, read, times=1, rounds=rounds, parts=chunk)

    table = Table("streamed chunk, async", "us", HTTPX2)
    both = present(streams.ASYNC, missing)
    yield run(compare_async(table, both, url, read, times=1, rounds=rounds, parts=chunk))

    table = Table("embeddings", "ms", HTTPX2)
    shape = (effort.texts, server.DIMENSIONS)
    several = present(vectors.contenders(effort.texts), missing)
    slow = {OPENAI_FLOAT: several.pop(OPENAI_FLOAT)} if OPENAI_FLOAT in several else {}
    compare(table, several, url, shape, times=1, rounds=rounds, parts=1e-3)
    yield compare(table, slow, url, shape, times=1, rounds=1, parts=1e-3)

    unwanted = missing if effort.frameworks else {*missing, *FRAMEWORKS}
    yield from startup.measure(url, unwanted, effort.starts)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only see that it runs, without the peers in frameworks; the figures mean nothing",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    effort = QUICK if options.quick else FULL
    missing = find_missing(frozenset() if effort.frameworks else PEERS_IN_FRAMEWORKS)
    if CORE in missing or HTTPX2 in missing:
        parser.error(f"needs melious and httpx2: {missing}")
    print(report.heading())
    tables = []
    with server.running(effort.words) as url, asyncio.Runner() as runner:
        for table in _measure(url, effort, missing, runner.run):
            print(report.rows(table), flush=True)
            tables.append(table)
    limits = check({table.title: table for table in tables})
    print("limits", *map(report.verdict, limits), sep="\n")
    for name, reason in missing.items():
        print(f"left out: {name} ({reason})")
    if options.json:
        options.json.write_text(
            json.dumps(report.as_json(tables, limits, missing), indent=2), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
