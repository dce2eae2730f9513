"""What it costs to begin: each contender imports, constructs and asks once in a fresh interpreter.

Modules are compiled by the first of a contender's interpreters and kept for the
others in a cache of the measurement's own, whatever the environment says about bytecode.
The collector is off, as everywhere in the suite: a pass over all that a framework has
brought costs more than many a module, and falls on whoever is there when it is due.

Each interpreter begins at another depth of the stack, for the reason that `measure` gives: there it
changes an import by up to 100 ms.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from benchmarks.contenders import KEY
from benchmarks.measure import Table, depth
from benchmarks.server import MODEL

_PROBE = """
import gc, json, sys, time
gc.disable()
url, key, model = sys.argv[1:]
figures = []
{floor}
def lap():
    figures.append((time.process_time() - began) * 1000)
def begin(frames):
    global began
    if frames:
        return begin(frames - 1)
    began = time.process_time()
    {imports}
    lap()
    if not {construct!r}:
        return
    first = {construct}
    lap()
    {ask}
    lap()
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        again = {construct}
        best = min(best, time.process_time() - began)
    figures.append(best * 1000)
begin({frames})
print(json.dumps(figures))
"""


@dataclass(frozen=True)
class Start:
    """What a contender does, as code; `url`, `key` and `model` are there, and what it made is `first`.

    Attributes:
        imports: What it imports.
        construct: What it constructs, if that is measured.
        ask: What it asks.
        floor: What it cannot do without; its import is also measured where that is there already.
    """

    imports: str
    construct: str = ""
    ask: str = "pass"
    floor: str = ""


def raw(library: str, imports: str = "", ask: str = "") -> Start:
    """The least of all clients: a library of httpx's kind, and what else is to be imported and asked."""
    post = "first.post(url + '/chat/completions', json={'messages': [], 'model': model})"
    whole = f"import {library}; {imports}".rstrip("; ")
    return Start(whole, f"{library}.Client()", f"{post}.json()['choices']; {ask}".rstrip("; "))


def measure(what: str, floor: str, starts: Mapping[str, Start], url: str, times: int) -> list[Table]:
    """Measure imports, and what follows them up to the first answer, in fresh interpreters.

    Args:
        what: Whose beginnings, for the titles; may be empty.
        floor: The contender that ratios refer to.
        starts: By contender.
        url: The server's base URL.
        times: Interpreters for each contender.
    """
    imported, added, answered, first, later = tables = [
        Table(f"{what}{title}", "ms", floor)
        for title in (
            "import",
            "import, over its floor",
            "import, construction and first answer",
            "construction, the first of a process",
            "construction, after the first",
        )
    ]
    with TemporaryDirectory() as cache:
        # One interpreter alone would compile everything for nobody.
        environment = {"PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""} if times > 1 else {}
        for number in range(times):
            for name, start in starts.items():
                frames = depth(number)
                figures = _probe(start, url, environment, frames)
                imported.note(name, figures[0])
                if start.floor:
                    added.note(name, _probe(Start(start.imports), url, environment, frames, start.floor)[0])
                if start.construct:
                    begun, constructed, whole, again = figures
                    first.note(name, constructed - begun)
                    answered.note(name, whole)
                    later.note(name, again)
    return [table for table in tables if table.figures]


def _probe(
    start: Start, url: str, environment: Mapping[str, str], frames: int, floor: str = ""
) -> list[float]:
    construct = start.construct or "None"
    code = _PROBE.format(
        imports=start.imports, construct=construct, ask=start.ask, frames=frames, floor=floor
    )
    command = [sys.executable, "-c", code, url, KEY, MODEL]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    if done.returncode:
        raise RuntimeError(f"{start.imports}: {done.stderr.strip().splitlines()[-1]}")
    figures: list[float] = json.loads(done.stdout)
    return figures
