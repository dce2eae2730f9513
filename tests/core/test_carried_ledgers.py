"""Ledgers that are pickled and copied, and how the answers of the sandbox are known."""

import copy
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest

from melious import EnvironmentImpact, ImpactLedger, track_impact
from melious.impact import Entry
from melious.sandbox import Fault, Sandbox

from .clients import CHAT, EMBEDDINGS, QUESTION, Clients

KNOWN = Entry(
    "chat",
    "glm-4.7",
    usage={"prompt_tokens": 10},
    impact=EnvironmentImpact(carbon_g_co2=0.5, provider_id="ionos", location="DE"),
    tags=(("project", "website"),),
)


@pytest.mark.parametrize(
    "carry", [lambda ledger: pickle.loads(pickle.dumps(ledger)), copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
)  # fmt: skip
def test_a_carried_ledger_has_everything_and_goes_its_own_way(carry: Any, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    ledger = ImpactLedger(estimate=True, keep_rows=2, rows_file=file)
    for _ in range(3):
        ledger.record(KNOWN)
    carried = carry(ledger)
    assert carried.to_dict() == ledger.to_dict()
    assert (carried.rows, carried.first, carried.last) == (ledger.rows, ledger.first, ledger.last)
    carried.record(Entry("chat", "glm-4.7", usage={"prompt_tokens": 20}))
    assert carried.total.estimated_carbon_g_co2 == 1.0, "it still knows what to estimate from"
    assert (carried.total.requests, len(carried.rows)) == (4, 2)
    assert (ledger.total.requests, ledger.total.estimated) == (3, 0)
    assert len(file.read_text("utf-8").splitlines()) == 3, "a copy writes to no file"


def test_a_ledger_can_be_pickled_while_another_thread_records() -> None:
    ledger = ImpactLedger(keep_rows=50)
    done = threading.Event()

    def record() -> None:
        while not done.is_set():
            ledger.record(KNOWN)

    thread = threading.Thread(target=record)
    thread.start()
    try:
        carried = [pickle.loads(pickle.dumps(ledger)) for _ in range(50)]
    finally:
        done.set()
        thread.join()
    assert all(
        each.total.requests == each.by_tag("project").get("website", each.total).requests for each in carried
    )


# --- the mark of the sandbox -----------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["live", "g1", "g2"])
def test_every_answer_of_the_sandbox_is_known_as_simulated(
    clients: Clients, start_sandbox: Any, profile: str
) -> None:
    client = clients.client(start_sandbox(profile), max_retries=0)
    with track_impact(keep_rows=9) as ledger:
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
        clients.stream(client, model=CHAT, messages=QUESTION)
        clients.call(client, "embeddings.create", model=EMBEDDINGS, input=["a", "b"], batch_size=1)
    assert (ledger.total.requests, ledger.total.simulated) == (4, 4)
    assert [row.entry.from_sandbox for row in ledger.rows] == [True] * 4
    assert ImpactLedger.from_rows(ledger.rows).total.simulated == 4


def test_an_answer_without_figures_is_simulated_too(
    clients: Clients, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.faults.add(Fault(impact="missing", cost="missing"))
    with track_impact(rows_file=tmp_path / "rows.jsonl") as ledger:
        clients.call(clients.client(sandbox), "chat.create", model=CHAT, messages=QUESTION)
    assert (ledger.total.with_impact, ledger.total.simulated) == (0, 1)
    assert ImpactLedger.from_rows(tmp_path / "rows.jsonl").total.simulated == 1


def test_figures_that_are_marked_are_simulated_behind_any_server() -> None:
    marked = EnvironmentImpact(carbon_g_co2=0.5, simulated=True)
    assert Entry("chat", "glm-4.7", impact=marked).simulated
    assert not KNOWN.simulated
