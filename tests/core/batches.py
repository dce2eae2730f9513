"""Calls of many batches, and an observer of each of their requests."""

from __future__ import annotations

from typing import Any

import pytest

from .clients import EMBEDDINGS, RERANK

TEXTS = list("abcdefgh")
ENDPOINTS: dict[str, dict[str, Any]] = {
    "embeddings.create": {"model": EMBEDDINGS, "input": TEXTS},
    "rerank.create": {"model": RERANK, "query": "q", "documents": TEXTS},
}
each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS)


class Watched:
    """Observes every request of the process: how often each began and ended."""

    def __init__(self) -> None:
        self.ends: list[list[Any]] = []

    def __call__(self, _request: Any) -> Any:
        ends: list[Any] = []
        self.ends.append(ends)

        class One:
            def opened(self) -> None:
                raise AssertionError("nothing streams here")

            def ended(self, outcome: Any) -> None:
                ends.append(outcome)

        return One()

    def saw_failure(self) -> bool:
        return any(outcome.error is not None for ends in list(self.ends) for outcome in ends)
