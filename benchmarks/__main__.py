"""`python -m benchmarks`: one run, everything side by side, the limits at the end."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import contenders as names
from benchmarks import core, langchain, limits, llama_index, report, server
from benchmarks.limits import Limit
from benchmarks.measure import FULL, QUICK, Effort, Table
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
    parser.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="how many processes measure, one after the other; the least figure counts (3; 1 with --quick)",
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
    processes = options.processes or (1 if options.quick else 3)
    print(report.heading())
    if processes == 1:
        tables = _measured(parts, missing, QUICK if options.quick else FULL)
    else:
        tables = _least(_child(options, number, processes) for number in range(1, processes + 1))
    print(*map(report.rows, tables.values()), sep="\n")
    reached = [limit for part in parts for limit in part.limits(tables)]
    print("limits", *map(report.verdict, reached), sep="\n")
    for name, reason in missing.items():
        print(f"left out: {name} ({reason})")
    if options.json:
        written = json.dumps(report.as_json(list(tables.values()), reached, missing, names.raw()), indent=2)
        options.json.write_text(written, encoding="utf-8")


def _measured(parts: list[Part], missing: dict[str, str], effort: Effort) -> dict[str, Table]:
    """What this process measures, by title."""
    with server.running(effort.words, effort.fragments) as url, asyncio.Runner() as runner:
        run = Run(url, effort, missing, runner.run)
        present = [part for part in parts if part.needs not in missing]
        return {table.title: table for part in present for table in part.measure(run)}


def _child(options: argparse.Namespace, number: int, processes: int) -> list[Table]:
    """What another process measures."""
    print(f"process {number} of {processes}", flush=True)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "benchmarks", "--processes", "1", "--json", str(file)]
        command += ["--library", options.library, "--only", *(options.only or PARTS)]
        subprocess.run(
            [*command, "--quick"] if options.quick else command, check=True, stdout=subprocess.DEVNULL
        )
        return report.tables_of(json.loads(file.read_text(encoding="utf-8")))


def _least(runs: Iterable[list[Table]]) -> dict[str, Table]:
    """The least figures of several processes, by title."""
    found: dict[str, Table] = {}
    for table in chain.from_iterable(runs):
        least = found.setdefault(table.title, table)
        for name, figure in table.figures.items():
            least.note(name, figure)
    return found


def _missing(parts: list[Part], *, quick: bool) -> dict[str, str]:
    missing = names.find_missing(names.CLIENTS)
    for part in parts:
        missing |= names.find_missing(part.contenders)
        missing |= dict.fromkeys(part.peers, "not wanted") if quick else names.find_missing(part.peers)
    return missing


if __name__ == "__main__":
    main()
