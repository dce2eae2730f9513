"""A process that submits a batch, for tests of its memory and of its death: `python batch_worker.py KIND COUNT`."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from typing import Any

from melious import MeliousClient, track_impact

ENDPOINTS = {"chat": "/v1/chat/completions", "embeddings": "/v1/embeddings"}


def requests(kind: str, count: int) -> Iterator[dict[str, Any]]:
    """As many different requests of a kind."""
    for number in range(count):
        text = f"What is lighthouse number {number}?"
        if kind == "chat":
            yield {"model": "gemma-4-31b", "messages": [{"role": "user", "content": text}]}
        else:
            yield {"model": "bge-m3", "input": text}


def main(kind: str, count: int) -> None:
    """Submit, say the id, wait, read; say how many answers there were, and the most memory in KiB."""
    with MeliousClient() as client, track_impact() as ledger:
        job = client.batches.submit(requests(kind, count), endpoint=ENDPOINTS[kind])
        sys.stdout.write(f"{job.id}\n")
        sys.stdout.flush()
        job.wait(poll=0.2)
        answers = sum(result.answer is not None for result in job)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(f"{answers} {ledger.total.requests} {peak}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
