"""A run as text for people, or as JSON to compare runs by."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.limits import Limit
from benchmarks.measure import Table

_VERSIONS = (
    "melious",
    "httpx",
    "httpx2",
    "pydantic",
    "aiohttp",
    "openai",
    "langchain-core",
    "langchain-mistralai",
    "langchain-openai",
    "llama-index-core",
    "llama-index-llms-mistralai",
    "llama-index-llms-openai-like",
)


def heading() -> str:
    """What ran where."""
    return f"{_machine()}\n{_versions()}\n"


def machine() -> dict[str, Any]:
    """What ran where and when, for programs."""
    return {"date": time.strftime("%Y-%m-%d"), "machine": _machine(), "versions": _versions()}


def as_json(
    tables: list[Table], limits: list[Limit], missing: dict[str, str], library: str
) -> dict[str, Any]:
    """The whole run, for programs."""
    return {
        **machine(),
        "library": library,
        "tables": {
            table.title: {"unit": table.unit, "baseline": table.baseline, "figures": table.figures}
            for table in tables
        },
        "limits": [
            {"what": limit.what, "bound": limit.bound, "reached": limit.reached, "holds": limit.holds}
            for limit in limits
        ],
        "missing": missing,
    }


def tables_of(run: Mapping[str, Any]) -> list[Table]:
    """The measurements in what `as_json` gave."""
    return [Table(title, **table) for title, table in run["tables"].items()]


def rows(table: Table) -> str:
    """A measurement, ready to print."""
    of = "" if table.unit == "threads" else " of the client's CPU"
    lines = [f"{table.title}  ({table.unit}{of})"]
    for name, figure in table.figures.items():
        ratio = table.ratio(name, table.baseline)
        beside = "" if ratio is None else f"{ratio:8.2f}x"
        mark = "  <- baseline" if name == table.baseline else ""
        lines.append(f"  {name:<34}{figure:>12,.2f}{beside}{mark}")
    return "\n".join(lines) + "\n"


def verdict(limit: Limit) -> str:
    """A limit and what was reached, ready to print."""
    sign = "<=" if limit.at_most else ">="
    reached = "-" if limit.reached is None else f"{limit.reached:.2f}"
    mark = {True: "pass", False: "MISS", None: "not run"}[limit.holds]
    return f"  {mark:<8}{limit.what:<88}{reached:>8} {sign} {limit.bound:g} {limit.unit}"


@cache
def _machine() -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    pace = f"{_pace():.0f} ms for a million turns of a loop"
    return f"{python} on {sys.platform}, {os.cpu_count()} cores, {_processor()}, {pace}"


def _pace() -> float:
    """What a million turns of a loop take, in milliseconds: by this the figures of two machines compare."""
    best = float("inf")
    for _ in range(10):
        began, total = time.process_time(), 0
        for number in range(1_000_000):
            total += number
        best = min(best, time.process_time() - began)
    return 1000 * best


def _processor() -> str:
    try:
        facts = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in facts if line.startswith("model name"))
    return next(names, platform.machine())


def _versions() -> str:
    found = []
    for name in _VERSIONS:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} -")
    return ", ".join(found)
