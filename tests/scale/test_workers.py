"""Workers that share nothing but the account: real processes on one rate limit."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pandas as pd
import pytest

from melious.sandbox import Sandbox
from melious.scale import Embedder, ledger_of

from .conftest import MODEL

WORKERS = 3


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessPoolExecutor]:
    """Processes that begin anew and have the key in their environment."""
    monkeypatch.setenv("MELIOUS_API_KEY", "sk-mel-sandbox")
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as executor:
        yield executor


@pytest.mark.exhaustive
def test_workers_on_one_rate_limit_all_succeed(
    pool: ProcessPoolExecutor, start_sandbox: Callable[..., Sandbox]
) -> None:
    sandbox = start_sandbox(rate_limit=25, rate_window=1.0)
    embed = Embedder(MODEL, base_url=sandbox.base_url, batch_size=1, report_column="spent")
    frames = [
        pd.DataFrame({"text": [f"lighthouse {part}.{number}" for number in range(20)]}) for part in range(4)
    ]
    done = pd.concat(pool.map(embed, frames))
    assert done["error"].tolist() == [None] * 80
    assert ledger_of(done["spent"]).total.requests == 80
    refused = len(sandbox.requests) - 80
    assert refused < 30, "they slow down instead of asking again and again"


def test_a_worker_that_is_refused_for_good_says_so(
    pool: ProcessPoolExecutor, start_sandbox: Callable[..., Sandbox]
) -> None:
    sandbox = start_sandbox(rate_limit=1, rate_window=3600.0)
    embed = Embedder(MODEL, base_url=sandbox.base_url, batch_size=1, max_rate_limit_wait=0.2, max_retries=0)
    done = list(pool.map(embed, [{"text": ["a kettle"]}, {"text": ["a pot"]}]))
    errors = [error for frame in done for error in frame["error"]]
    assert sum(error is None for error in errors) == 1
    assert sum(error is not None and error.startswith("RateLimitError") for error in errors) == 1
