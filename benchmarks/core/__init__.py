"""The client alone, beside raw HTTP libraries and the SDK of OpenAI."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import contenders as names
from benchmarks import server
from benchmarks.contenders import CORE, HTTPX, HTTPX2, OPENAI, OPENAI_FLOAT
from benchmarks.core import ranking, requests, streams, vectors
from benchmarks.measure import Table
from benchmarks.run import Run
from benchmarks.startup import Start, raw

FLOOR = "httpx2 + pydantic"
NAME_ONLY = "melious, the name alone"

_MESSAGES = "[{'role': 'user', 'content': 'Hello'}]"
STARTS = {
    HTTPX: raw("httpx"),
    HTTPX2: raw("httpx2"),
    FLOOR: Start(
        "import httpx2; from pydantic import BaseModel, Field",
        "httpx2.Client(verify=False)",
        "class Answer(BaseModel):\n"
        "        choices: list[dict]\n"
        "    answer = first.post(url + '/chat/completions', json={'model': model}).content\n"
        "    Answer.model_validate_json(answer)",
    ),
    NAME_ONLY: Start("import melious"),
    CORE: Start(
        "from melious import MeliousClient",
        "MeliousClient(api_key=key, base_url=url)",
        f"first.chat.create(model=model, messages={_MESSAGES}).text",
    ),
    OPENAI: Start(
        "from openai import OpenAI",
        "OpenAI(api_key=key, base_url=url)",
        f"first.chat.completions.create(model=model, messages={_MESSAGES}).choices",
    ),
}


def measure(run: Run) -> Iterator[Table]:
    """Make the measurements, the fresh interpreters last."""
    effort = run.effort
    times, chunks = effort.requests, 1e-6 * effort.words

    table = Table("request, sync", "us", names.raw())
    yield run.blocking(table, requests.SYNC, server.ANSWER, times=times)
    table = Table("request, async", "us", names.raw())
    yield run.asynchronous(table, requests.ASYNC, server.ANSWER, times=times)
    table = Table("request, async x64", "us", names.raw())
    yield run.asynchronous(table, requests.ASYNC, server.ANSWER, times=2 * times, at_a_time=64)

    read = len(server.WORD) * effort.words
    table = Table("streamed chunk, sync", "us", names.raw())
    yield run.blocking(table, streams.SYNC, read, parts=chunks)
    table = Table("streamed chunk, async", "us", names.raw())
    yield run.asynchronous(table, streams.ASYNC, read, parts=chunks)

    table = Table("embeddings", "ms", names.raw())
    shape = (effort.texts, server.DIMENSIONS)
    several = vectors.contenders(effort.texts)
    slow = {OPENAI_FLOAT: several.pop(OPENAI_FLOAT)}
    run.blocking(table, several, shape, parts=1e-3)
    yield run.blocking(table, slow, shape, rounds=1, parts=1e-3)

    table = Table("rerank", "us", names.raw())
    yield run.blocking(table, ranking.contenders(effort.documents), effort.documents, times=times)

    yield from run.starts("", FLOOR, STARTS)
