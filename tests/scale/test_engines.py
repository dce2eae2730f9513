"""Rows embedded in a batch job of the service, and when `auto` makes one."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from melious import AuthenticationError, BadRequestError, DeadlineExceededError, InvalidArgumentError
from melious.exchange.ratelimit import RateLimit
from melious.sandbox import Fault, RecordedRequest, Sandbox
from melious.scale import Embedder, ledger_of
from melious.scale.engines import engine_for, minutes_at_the_limit

from .conftest import texts_sent

Make = Callable[..., Embedder]
TEXTS = ["a heat pump", "a kettle", "a heat pump", "", "a pot"]
LIMIT = {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "50", "x-ratelimit-reset": "60"}


def jobs(sandbox: Sandbox) -> int:
    """How many batches were made."""
    return sum(request.method == "POST" for request in sandbox.requests.to("batches"))


def failing(sandbox: Sandbox, line: str, **fault: Any) -> None:
    """Let a line of a batch fail."""

    def is_line(request: RecordedRequest) -> bool:
        return request.custom_id == line

    sandbox.faults.add(Fault(endpoint="embeddings", **fault), when=is_line)


# --- in a job --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [pd.DataFrame, dict], ids=["frame", "dict"])
def test_rows_get_the_vectors_of_requests(sandbox: Sandbox, embedder: Make, kind: Any) -> None:
    rows = kind({"text": TEXTS})
    done = embedder(engine="batch", prefix="passage: ", normalize=True, report_column="spent")(rows)
    assert (jobs(sandbox), texts_sent(sandbox)) == (1, [])
    wanted = embedder(prefix="passage: ", normalize=True)(rows)
    assert [error is None for error in done["error"]] == [True, True, True, False, True]
    for place in (0, 1, 2, 4):
        assert type(done["embedding"][place]) is type(wanted["embedding"][place])
        assert np.allclose(done["embedding"][place], wanted["embedding"][place], atol=1e-6)
    assert ledger_of(done["spent"]).total.requests == 3
    assert ledger_of(done["spent"]).total.eur


def test_a_failed_line_is_the_error_of_its_rows(sandbox: Sandbox, embedder: Make) -> None:
    failing(sandbox, "request-0", code="provider_error")
    embed = embedder(engine="batch")
    done = embed(pd.DataFrame({"text": TEXTS}))
    assert [error is None for error in done["error"]] == [False, True, False, False, True]
    assert done["error"][0].startswith("ProviderError: ")
    again = embed(done)
    assert [error is None for error in again["error"]] == [True, True, True, False, True]
    assert np.array_equal(again["embedding"][1], done["embedding"][1])
    assert jobs(sandbox) == 2


def test_the_first_error_is_raised_where_wanted(sandbox: Sandbox, embedder: Make) -> None:
    failing(sandbox, "request-1", status=400)
    with pytest.raises(BadRequestError):
        embedder(engine="batch", on_error="raise")(["a heat pump", "a kettle"])


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"code": "auth"}, AuthenticationError),
        ({"status": 400, "body": {"error": {"message": "no", "param": "dimensions"}}}, BadRequestError),
    ],
    ids=["key", "option"],
)
def test_errors_that_every_row_would_get_are_raised(
    sandbox: Sandbox, embedder: Make, fault: dict[str, Any], kind: type[Exception]
) -> None:
    failing(sandbox, "request-1", **fault)
    with pytest.raises(kind):
        embedder(engine="batch")(["a heat pump", "a kettle"])


def test_a_worker_that_was_ended_finds_its_job(sandbox: Sandbox, embedder: Make) -> None:
    sandbox.batches.hold()
    with pytest.raises(DeadlineExceededError):
        embedder(engine="batch", batch_timeout=0.01)(TEXTS)
    sandbox.batches.release()
    done = embedder(engine="batch")(TEXTS)
    assert [row["error"] is None for row in done] == [True, True, True, False, True]
    assert jobs(sandbox) == 1


def test_rows_of_an_expired_job_are_embedded_by_the_next_run(sandbox: Sandbox, embedder: Make) -> None:
    sandbox.batches.hold()
    embed = embedder(engine="batch")
    with pytest.raises(DeadlineExceededError):
        embedder(engine="batch", batch_timeout=0.01)(TEXTS)
    client = embed._connected()
    job = client.batches.resume(client.batches.list().data[0].id)
    sandbox.batches.expire()
    job.wait(poll=0.01)
    assert job.status == "expired"
    sandbox.batches.release()
    done = embed(TEXTS)
    assert [row["error"] is None for row in done] == [True, True, True, False, True]
    assert jobs(sandbox) == 2


def test_an_embedder_travels_with_its_engine(sandbox: Sandbox, embedder: Make) -> None:
    embed = pickle.loads(pickle.dumps(embedder(engine="batch", pickle_key=True)))
    assert embed(["a kettle"])[0]["error"] is None
    assert jobs(sandbox) == 1


# --- requests or a job -----------------------------------------------------------------------------------


def test_auto_makes_a_job_where_the_limit_would_take_too_long(sandbox: Sandbox, embedder: Make) -> None:
    sandbox.faults.add(Fault(endpoint="embeddings", headers=LIMIT))
    texts = [f"lighthouse {number}" for number in range(100)]
    done = embedder(engine="auto", batch_size=1, batch_after=0.5)(texts)
    assert all(row["error"] is None for row in done)
    assert (jobs(sandbox), texts_sent(sandbox)) == (1, texts[:1])


@pytest.mark.parametrize("headers", [LIMIT, {}], ids=["within the limit", "no limit"])
def test_auto_stays_with_requests_otherwise(
    sandbox: Sandbox, embedder: Make, headers: dict[str, str]
) -> None:
    sandbox.faults.add(Fault(endpoint="embeddings", headers=headers, times=None))
    texts = [f"lighthouse {number}" for number in range(20)]
    done = embedder(engine="auto", batch_size=1, batch_after=0.5)(texts)
    assert all(row["error"] is None for row in done)
    assert (jobs(sandbox), len(texts_sent(sandbox))) == (0, 20)


@pytest.mark.parametrize(
    ("requests", "limit", "minutes"),
    [
        (600, None, 0.0),
        (600, RateLimit(), 0.0),
        (600, RateLimit(limit=60), 10.0),
        (600, RateLimit(limit=60, remaining=60), 9.0),
        (30, RateLimit(limit=60, remaining=60), 0.0),
        (600, RateLimit(limit=60, remaining=0, reset_after=3600.0), 600.0),
        (0, RateLimit(limit=60, remaining=0), 0.0),
    ],
)
def test_what_the_limit_takes(requests: int, limit: RateLimit | None, minutes: float) -> None:
    assert minutes_at_the_limit(requests, limit) == pytest.approx(minutes)
    assert engine_for(requests, limit) == ("batch" if minutes > 10.0 else "requests")
    assert engine_for(requests, limit, batch_after=0.0) == ("batch" if minutes else "requests")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "job"}, "engine: must be one of"),
        ({"batch_after": -1}, "batch_after: must be a number of at least 0"),
        ({"batch_timeout": 0}, "batch_timeout: must be a positive number of seconds"),
        ({"batch_timout": 3}, "batch_timout"),
    ],
)
def test_wrong_options_are_named(embedder: Make, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        embedder(**options)
