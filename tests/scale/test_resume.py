"""A run goes on where an earlier one stopped, and what both cost is added up."""

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from melious import InvalidArgumentError, track_impact
from melious.sandbox import Fault, Sandbox
from melious.scale import Embedder, ledger_of

from .conftest import texts_sent

Make = Callable[..., Embedder]
TEXTS = [f"lighthouse {number}" for number in range(6)]


# --- rows that are done ----------------------------------------------------------------------------------


def test_rows_with_vectors_are_not_sent_again(sandbox: Sandbox, embedder: Make) -> None:
    vector = [0.25] * 1024
    done = embedder()({"text": TEXTS[:4], "embedding": [vector, None, [], float("nan")]})
    assert texts_sent(sandbox) == TEXTS[1:4]
    assert done["embedding"][0] == vector
    assert [len(vector) for vector in done["embedding"]] == [1024] * 4


def test_a_second_run_asks_only_for_what_failed(sandbox: Sandbox, embedder: Make) -> None:
    embed = embedder(batch_size=2, max_concurrency=1, max_retries=0)
    sandbox.faults.add(Fault(code="provider_error", endpoint="embeddings", after=1))
    first = embed(pd.DataFrame({"id": range(6), "text": TEXTS}))
    assert [error is None for error in first["error"]] == [True, True, False, False, True, True]
    sandbox.reset()
    second = embed(first)
    assert texts_sent(sandbox) == TEXTS[2:4]
    assert second["error"].tolist() == [None] * 6
    assert np.array_equal(second["embedding"][0], first["embedding"][0])
    sandbox.reset()
    third = embed(second)
    assert not sandbox.requests
    assert list(third.columns) == ["id", "text", "embedding", "error"]


def test_a_corpus_joined_with_what_was_written_resumes(sandbox: Sandbox, embedder: Make) -> None:
    corpus = pd.DataFrame({"id": range(6), "text": TEXTS})
    written = embedder()(corpus.iloc[:4])[["id", "embedding"]]
    sandbox.reset()
    done = embedder()(corpus.merge(written, on="id", how="left"))
    assert texts_sent(sandbox) == TEXTS[4:]
    assert [len(vector) for vector in done["embedding"]] == [1024] * 6


def test_a_finished_batch_needs_no_key(sandbox: Sandbox) -> None:
    done = Embedder("bge-m3", base_url=sandbox.base_url)({"text": ["a pot"], "embedding": [[0.5]]})
    assert done == {"text": ["a pot"], "embedding": [[0.5]], "error": [None]}


# --- what it cost ----------------------------------------------------------------------------------------


def test_reports_add_up_to_what_a_ledger_sees(sandbox: Sandbox, embedder: Make) -> None:
    embed = embedder(report_column="spent", batch_size=2, preset="environment")
    with track_impact() as seen:
        batches = [embed({"text": TEXTS}), embed({"text": ["a kettle", ""]})]
    spent = [report for batch in batches for report in batch["spent"]]
    assert sum(report is not None for report in spent) == 2, "one a batch"
    ledger = ledger_of(spent)
    assert ledger.total.requests == 4
    told, known = ledger.total.to_dict(), seen.total.to_dict()
    assert told.pop("carbon_g_co2") == pytest.approx(known.pop("carbon_g_co2"))
    assert told.pop("energy_kwh") == pytest.approx(known.pop("energy_kwh"))
    assert told.pop("water_liters") == pytest.approx(known.pop("water_liters"))
    assert told == known
    assert isinstance(ledger.total.eur, Decimal)
    assert ledger.by("country").keys() == seen.by("country").keys()
    assert set(ledger.by("routing")) == {"environment"}
    assert ledger.summary().startswith("4 requests")


def test_what_was_not_reported_is_counted_and_not_zero(sandbox: Sandbox, embedder: Make) -> None:
    sandbox.faults.add(Fault(impact="missing", cost="missing", usage="missing", times=None))
    done = embedder(report_column="spent")({"text": TEXTS})
    total = ledger_of(done["spent"]).total
    assert (total.requests, total.without_impact, total.without_cost) == (1, 1, 1)
    assert (total.carbon_g_co2, total.eur, total.input_tokens) == (None, None, None)


def test_requests_that_failed_are_in_the_report(sandbox: Sandbox, embedder: Make) -> None:
    sandbox.faults.add(Fault(code="provider_error", endpoint="embeddings", times=None))
    done = embedder(report_column="spent", max_retries=0)({"text": TEXTS})
    total = ledger_of(done["spent"]).total
    assert (total.requests, total.failed) == (0, 1)


def test_a_second_run_adds_to_the_report_of_the_first(sandbox: Sandbox, embedder: Make) -> None:
    embed = embedder(report_column="spent", max_retries=0, batch_size=3, max_concurrency=1)
    sandbox.faults.add(Fault(code="provider_error", endpoint="embeddings"))
    first = embed(pd.DataFrame({"text": TEXTS}))
    second = embed(first)
    total = ledger_of(second["spent"]).total
    assert (total.requests, total.failed) == (2, 1)
    assert total.input_tokens is not None
    sandbox.reset()
    assert ledger_of(embed(second)["spent"]).total == total


def test_missing_reports_are_passed_over_and_others_refused() -> None:
    assert ledger_of([None, float("nan")]).total.requests == 0  # type: ignore[list-item]
    for report in ("no json", "[1]", '[[["a"],{}]]'):
        with pytest.raises(InvalidArgumentError, match="is not a report"):
            ledger_of([report])
