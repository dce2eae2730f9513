"""`python -m benchmarks.growth`: cost as work grows, each curve linear or flat."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import report
from benchmarks.growth import chunks, crowds, documents, history, server, tables
from benchmarks.growth.curves import Panel
from benchmarks.growth.lab import Lab, allow_files

PARTS: dict[str, Callable[[Lab], Iterator[Panel]]] = {
    "chunks": chunks.measure,
    "history": history.measure,
    "crowds": crowds.measure,
    "documents": documents.measure,
}


def main() -> None:
    """Run and print; the exit code says whether every curve is linear or flat."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, metavar="PART", help=f"some of the parts: {', '.join(PARTS)}"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only see that it runs; the figures mean nothing, and are not judged",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too, as they come")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves there: .svg or .png")
    options = parser.parse_args()
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]

    print(report.heading())
    files = allow_files()
    panels: list[Panel] = []
    facts = report.machine() | {"quick": options.quick}
    with server.running() as address, asyncio.Runner() as runner:
        lab = Lab(address, runner, files=files, quick=options.quick)
        for part in options.only or PARTS:
            for panel in PARTS[part](lab):
                print(tables.text(panel), flush=True)
                panels.append(panel)
                if options.json:
                    written = facts | {"panels": [panel.as_json() for panel in panels]}
                    options.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        from benchmarks.growth.plot import draw

        draw([panel.as_json() for panel in panels], options.plot)
    growing = [
        f"{panel.title}: {name}" for panel in panels for name in panel.curves if panel.holds(name) is False
    ]
    if growing and not options.quick:
        sys.exit("\n".join(["neither linear nor flat:", *growing]))


if __name__ == "__main__":
    main()
