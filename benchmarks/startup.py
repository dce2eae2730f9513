"""What it costs to begin: each contender imports, constructs and asks once in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Container
from dataclasses import dataclass

from benchmarks import contenders as names
from benchmarks.contenders import KEY, present
from benchmarks.measure import Table
from benchmarks.server import MODEL

FLOOR = "httpx2 + pydantic"
NAME_ONLY = "melious, the name alone"

_PROBE = """
import json, sys, time
url, key, model = sys.argv[1:]
figures = []
def lap():
    figures.append((time.process_time() - began) * 1000)
began = time.process_time()
{imports}
lap()
if {construct!r}:
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
print(json.dumps(figures))
"""


@dataclass(frozen=True)
class _Start:
    """What a contender does, as code."""

    imports: str
    construct: str = ""
    ask: str = "pass"


def _raw(library: str) -> _Start:
    post = "first.post(url + '/chat/completions', json={'messages': [], 'model': model})"
    return _Start(f"import {library}", f"{library}.Client()", f"{post}.json()['choices']")


_MESSAGES = "[{'role': 'user', 'content': 'Hello'}]"
_LANGCHAIN = "(model=model, api_key=key, base_url=url)"
_STARTS = {
    names.HTTPX: _raw("httpx"),
    names.HTTPX2: _raw("httpx2"),
    FLOOR: _Start(
        "import httpx2; from pydantic import BaseModel",
        "httpx2.Client(verify=False)",
        "class Answer(BaseModel):\n"
        "        choices: list[dict]\n"
        "    answer = first.post(url + '/chat/completions', json={'model': model}).content\n"
        "    Answer.model_validate_json(answer)",
    ),
    NAME_ONLY: _Start("import melious"),
    names.CORE: _Start(
        "from melious import MeliousClient",
        "MeliousClient(api_key=key, base_url=url)",
        f"first.chat.create(model=model, messages={_MESSAGES}).text",
    ),
    names.OPENAI: _Start(
        "from openai import OpenAI",
        "OpenAI(api_key=key, base_url=url)",
        f"first.chat.completions.create(model=model, messages={_MESSAGES}).choices",
    ),
    names.LANGCHAIN_OPENAI: _Start(
        "from langchain_openai import ChatOpenAI", f"ChatOpenAI{_LANGCHAIN}", "first.invoke('Hello').content"
    ),
    names.LANGCHAIN_MELIOUS: _Start(
        "from langchain_melious import ChatMelious",
        f"ChatMelious{_LANGCHAIN}",
        "first.invoke('Hello').content",
    ),
    names.LLAMA_INDEX_OPENAI: _Start(
        "from llama_index.llms.openai_like import OpenAILike",
        "OpenAILike(model=model, api_key=key, api_base=url, is_chat_model=True)",
        "first.complete('Hello').text",
    ),
    names.LLAMA_INDEX_MELIOUS: _Start(
        "from llama_index_melious import Melious",
        "Melious(model=model, api_key=key, api_base=url)",
        "first.complete('Hello').text",
    ),
}


def measure(url: str, missing: Container[str], starts: int) -> list[Table]:
    """Measure imports, and what follows them up to the first answer, in fresh interpreters.

    Args:
        url: The server's base URL.
        missing: The contenders that cannot run here.
        starts: Interpreters for each contender.
    """
    imported = Table("import", "ms", FLOOR)
    answered = Table("import, construction and first answer", "ms", FLOOR)
    first = Table("construction, the first of a process", "ms", names.HTTPX2)
    later = Table("construction, after the first", "ms", names.HTTPX2)
    for _ in range(starts):
        for name, start in present(_STARTS, missing).items():
            figures = _probe(start, url)
            imported.note(name, figures[0])
            if start.construct:
                begun, constructed, whole, again = figures
                first.note(name, constructed - begun)
                answered.note(name, whole)
                later.note(name, again)
    return [imported, answered, first, later]


def _probe(start: _Start, url: str) -> list[float]:
    code = _PROBE.format(imports=start.imports, construct=start.construct or "None", ask=start.ask)
    command = [sys.executable, "-c", code, url, KEY, MODEL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{start.imports}: {done.stderr.strip().splitlines()[-1]}")
    figures: list[float] = json.loads(done.stdout)
    return figures
