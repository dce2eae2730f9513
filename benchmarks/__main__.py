"""`python -m benchmarks`: one run, everything side by side, the limits at the end."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import contenders as names
from benchmarks import core, langchain, limits, llama_index, report, server
from benchmarks.limits import Limit
from benchmarks.measure import FULL, QUICK, Table
from benchmarks.run import Run


@dataclass(frozen=True)
class Part:
    """A part of the suite.

    Attributes:
        measure: Makes its measurements.
        limits: Holds its limits beside them.
        needs: The contender without which it makes no sense.
        contenders: By name, what they need to run.
        peers: The same of those that a quick run leaves out.
    """

    measure: Callable[[Run], Iterator[Table]]
    limits: Callable[[Mapping[str, Table]], list[Limit]]
    needs: str
    contenders: Mapping[str, str]
    peers: Mapping[str, str]


PARTS = {
    "core": Part(core.measure, limits.of_core, names.CORE, {}, {}),
    "langchain": Part(
        langchain.measure,
        limits.of_langchain,
        names.LANGCHAIN_MELIOUS,
        names.IN_LANGCHAIN,
        names.PEERS_IN_LANGCHAIN,
    ),
    "llama_index": Part(
        llama_index.measure,
        limits.of_llama_index,
        names.LLAMA_MELIOUS,
        names.IN_LLAMA_INDEX,
        names.PEERS_IN_LLAMA_INDEX,
    ),
}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, metavar="PART", help=f"some of the parts: {', '.join(PARTS)}"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only see that it runs, without the peers in frameworks; the figures mean nothing",
    )
    parser.add_argument(
        "--library",
        choices=[names.HTTPX, names.HTTPX2],
        default=names.HTTPX2,
        help="the HTTP library under the client: httpx2, the default, or httpx as where there is no httpx2",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]

    if options.library == names.HTTPX:
        names.choose_httpx()
    parts = [PARTS[name] for name in options.only or PARTS]
    missing = _missing(parts, quick=options.quick)
    if names.CORE in missing or names.HTTPX2 in missing:
        parser.error(f"needs melious and httpx2: {missing}")
    effort = QUICK if options.quick else FULL
    print(report.heading())
    tables = {}
    with server.running(effort.words, effort.fragments) as url, asyncio.Runner() as runner:
        run = Run(url, effort, missing, runner.run)
        for part in parts:
            if part.needs not in missing:
                for table in part.measure(run):
                    print(report.rows(table), flush=True)
                    tables[table.title] = table
    reached = [limit for part in parts for limit in part.limits(tables)]
    print("limits", *map(report.verdict, reached), sep="\n")
    for name, reason in missing.items():
        print(f"left out: {name} ({reason})")
    if options.json:
        written = json.dumps(report.as_json(list(tables.values()), reached, missing, names.raw()), indent=2)
        options.json.write_text(written, encoding="utf-8")


def _missing(parts: list[Part], *, quick: bool) -> dict[str, str]:
    missing = names.find_missing(names.CLIENTS)
    for part in parts:
        missing |= names.find_missing(part.contenders)
        missing |= dict.fromkeys(part.peers, "not wanted") if quick else names.find_missing(part.peers)
    return missing


if __name__ == "__main__":
    main()
