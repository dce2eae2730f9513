"""The API streams, keeps a bill for each user, and refuses who has spent the budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.fastapi_bill.__main__ import events, main, running
from examples.fastapi_bill.app import create_app
from melious.sandbox import Fault, Reply, Sandbox

USERS = {"token-of-anna": "anna", "token-of-ben": "ben"}
ANNA, BEN = ({"authorization": f"Bearer {token}"} for token in USERS)


@pytest.fixture
def client(tmp_path: Path, melious_key: str) -> Iterator[httpx.Client]:
    with running(create_app(USERS, tmp_path)) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def answer(client: httpx.Client, headers: dict[str, str], question: str = "Hello?") -> list[tuple[str, Any]]:
    with client.stream("POST", "/chat", json={"question": question}, headers=headers) as response:
        assert response.status_code == 200
        return list(events(response))


@pytest.mark.usefixtures("no_key")
def test_it_runs_without_a_key_and_says_that_figures_are_simulated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], missing_from: Callable[[str, str], list[str]]
):
    main([])
    shown = capsys.readouterr().out
    assert missing_from(shown, "fastapi_bill") == []
    assert "answers and figures are simulated" in shown
    assert "anna: Which rivers flow through Hamburg?\n  The Elbe, the Alster and the Bille" in shown
    assert "[2 so far, 75.4 µ€ reported, 79.2 µ€ estimated, simulated]" in shown
    assert "402: Your budget of 0.00015 EUR is used up." in shown
    assert "made up by the sandbox" in (tmp_path / "receipt.html").read_text()


@pytest.mark.usefixtures("no_key")
def test_with_a_key_the_service_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sandbox: Sandbox
):
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    monkeypatch.setenv("MELIOUS_BASE_URL", sandbox.base_url)
    main([])
    assert sandbox.requests[0].body["messages"][-1]["content"] == "Which rivers flow through Hamburg?"
    assert "No MELIOUS_API_KEY" not in capsys.readouterr().out


def test_the_first_answer_is_whole_and_the_others_stream(client: httpx.Client, sandbox: Sandbox):
    sandbox.replies.add(Reply(text="Hello, Anna."), Reply(chunks=["Hello ", "again."]))
    answer(client, ANNA)
    told = answer(client, ANNA)
    assert [data for name, data in told if name == "token"] == ["Hello ", "again."]
    assert [request.body.get("stream", False) for request in sandbox.requests] == [False, True]
    name, bill = told[-1]
    assert (name, bill["requests"]) == ("bill", 2)
    assert float(bill["eur"]) > 0
    assert float(bill["estimated_eur"]) > 0


def test_each_user_has_a_bill_of_their_own(client: httpx.Client):
    for headers in (ANNA, ANNA, BEN):
        answer(client, headers)
    bills = [client.get("/bill", headers=headers).json() for headers in (ANNA, BEN)]
    assert [bill["requests"] for bill in bills] == [2, 1]
    assert "<h1>Your bill</h1>" in client.get("/bill.html", headers=ANNA).text


def test_who_has_spent_the_budget_is_refused_after_a_restart_too(
    tmp_path: Path, melious_key: str, sandbox: Sandbox
):
    def served() -> list[int]:
        app = create_app(USERS, tmp_path, max_cost_eur="0.000001")
        with running(app) as url, httpx.Client(base_url=url, timeout=60) as client:
            return [
                client.post("/chat", json={"question": "Hello?"}, headers=headers).status_code
                for headers in (ANNA, ANNA)
            ]

    assert served() == [200, 402]
    assert served() == [402, 402]
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(("headers", "status"), [({"authorization": "Bearer nobody"}, 401), ({}, 401)])
def test_strangers_are_refused(client: httpx.Client, sandbox: Sandbox, headers: dict[str, str], status: int):
    assert client.post("/chat", json={"question": "Hello?"}, headers=headers).status_code == status
    assert not sandbox.requests


def test_an_error_ends_the_stream_with_an_event(client: httpx.Client, sandbox: Sandbox):
    answer(client, ANNA)
    sandbox.replies.add(Reply(text="x" * 100))
    sandbox.faults.add(Fault(cut_after_events=2))
    names = [name for name, _ in answer(client, ANNA)]
    assert names[-2:] == ["error", "bill"]


def test_a_reader_who_leaves_pays_for_the_request(
    tmp_path: Path, start_sandbox: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
):
    slow = start_sandbox(stream_delay=0.1)
    monkeypatch.setenv("MELIOUS_API_KEY", slow.api_key)
    monkeypatch.setenv("MELIOUS_BASE_URL", slow.base_url)
    with running(create_app(USERS, tmp_path)) as url, httpx.Client(base_url=url, timeout=60) as client:
        answer(client, ANNA)
        slow.replies.add(Reply(chunks=["word "] * 1000))
        body = {"question": "Tell me everything."}
        with client.stream("POST", "/chat", json=body, headers=ANNA) as response:
            next(events(response))
        while client.get("/bill", headers=ANNA).json()["requests"] < 2:
            pass  # the test's time-out ends it
    assert len(slow.requests) == 2
