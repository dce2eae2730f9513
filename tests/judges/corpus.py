"""The corpus that the engines embed, and what must hold of the outcome on every one of them."""

import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from melious import MeliousClient
from melious.sandbox import Sandbox

MODEL = "qwen3-embedding-8b"
ROWS = 2000
DIMENSIONS = 64
EMPTY = frozenset({0, 333, 1000, 1999})
"""Rows without a text."""

IDS = list(range(ROWS))
TEXTS = ["" if number in EMPTY else f"lighthouse {number}" for number in IDS]


@contextmanager
def environment_of_workers() -> Iterator[None]:
    """Workers that start in it find the key and these modules, also one that replaces another."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MELIOUS_API_KEY", "sk-mel-sandbox")
        environment.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
        yield


class KillsItsWorkerOnce:
    """Ends the process that it runs in when it meets a row, the first time only, wherever it runs.

    Args:
        folder: A folder that all workers see.
        row: The id of the row.
    """

    def __init__(self, folder: Path, row: int) -> None:
        self._mark = str(folder / "killed")
        self._row = row

    def meet(self, ids: Iterable[int]) -> None:
        """Look at the rows of a batch."""
        if self._row not in set(ids):
            return
        try:
            os.close(os.open(self._mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    @property
    def happened(self) -> bool:
        """Whether a worker was ended."""
        return Path(self._mark).exists()


def check_rows(rows: Iterable[Mapping[str, Any]], sandbox: Sandbox) -> None:
    """Every row is there once, and has its own vector or the reason why it has none."""
    by_id = {row["id"]: row for row in rows}
    assert sorted(by_id) == IDS
    missing = {number for number, row in by_id.items() if row["embedding"] is None}
    assert missing == {number for number, row in by_id.items() if row["error"] is not None} == EMPTY
    assert {by_id[number]["error"] for number in EMPTY} == {"InvalidArgumentError: the text is empty"}
    assert all(by_id[number]["text"] == TEXTS[number] for number in IDS)
    some = [number for number in range(1, ROWS, 97) if number not in EMPTY]
    with MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
        wanted = client.embeddings.create(
            model=MODEL, input=[TEXTS[number] for number in some], dimensions=DIMENSIONS
        )
    for number, vector in zip(some, wanted.embeddings, strict=True):
        assert list(by_id[number]["embedding"]) == pytest.approx(vector, abs=1e-6)


def texts_sent(sandbox: Sandbox) -> list[str]:
    """The texts of all requests so far."""
    return [text for request in sandbox.requests.to("embeddings") for text in request.body["input"]]


def texts_of(ids: Iterable[int]) -> list[str]:
    """The texts of some rows that have one, sorted."""
    return sorted(TEXTS[number] for number in ids if number not in EMPTY)
