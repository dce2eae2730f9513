"""Large batches in flat memory, and jobs that outlive the process that submitted them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from melious import track_impact
from melious.sandbox import Sandbox

from .held_server import until

WORKER = Path(__file__).with_name("batch_worker.py")
SPARE_KIB = 24 * 1024
"""How much more memory a large batch may take than a small one: the ids of its requests, and no results."""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(sandbox: Sandbox):
    """Start the worker in a process of its own; whatever is left of it ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(kind: str, count: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(WORKER), kind, str(count)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "MELIOUS_API_KEY": sandbox.api_key, "MELIOUS_BASE_URL": sandbox.base_url},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def peak_of(start: Start, kind: str, count: int) -> int:
    """The most memory of a worker, in KiB."""
    out, _ = start(kind, count).communicate()
    answers, counted, peak = map(int, out.split()[1:])
    assert (answers, counted) == (count, count)
    return peak


@pytest.mark.exhaustive
@pytest.mark.parametrize(("kind", "count"), [("chat", 10_000), ("embeddings", 50_000)])
def test_memory_is_flat(start: Start, kind: str, count: int) -> None:
    assert peak_of(start, kind, count) - peak_of(start, kind, 100) < SPARE_KIB


def test_memory_is_flat_in_a_small_one_too(start: Start) -> None:
    """Four thousand vectors are 80 MB of result file."""
    assert peak_of(start, "embeddings", 4_000) - peak_of(start, "embeddings", 100) < SPARE_KIB


def test_a_job_outlives_its_process(start: Start, clients, sandbox: Sandbox) -> None:
    sandbox.batches.hold()
    process = start("chat", 50)
    name = process.stdout.readline().strip()
    sandbox.batches.step(20)
    until(lambda: sandbox.batches.get(name).succeeded == 20)
    process.kill()
    process.wait()
    sandbox.batches.release()
    job = clients.call(clients.client(sandbox), "batches.resume", name)
    with track_impact() as ledger:
        found = clients.call(clients.call(job, "wait", poll=0.002), "results")
    assert list(found) == [f"request-{number}" for number in range(50)]
    assert all(answer.text for answer in found.values())
    assert ledger.total.requests == 50


def test_a_process_that_died_before_it_said_the_id_pays_nothing_twice(
    start: Start, clients, sandbox: Sandbox
) -> None:
    from .batch_worker import requests

    sandbox.batches.hold()
    process = start("chat", 5)
    until(lambda: len(sandbox.batches.all()) == 1)
    process.kill()
    process.wait()
    job = clients.call(clients.client(sandbox), "batches.submit", requests("chat", 5))
    assert [batch.id for batch in sandbox.batches.all()] == [job.id]
