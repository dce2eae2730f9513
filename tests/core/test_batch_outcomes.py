"""What the batches of a call come to: blocking and asyncio clients decide alike, and count alike."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from melious import (
    AuthenticationError,
    BadRequestError,
    BudgetExceededError,
    ImpactBudget,
    MeliousError,
    ResponseDecodeError,
    ServerError,
    track_impact,
)

from .batches import ENDPOINTS, each_endpoint

if TYPE_CHECKING:
    from .batches import Watched
    from .clients import Clients
    from .held_server import HeldServer

pytestmark = pytest.mark.usefixtures("watched")


# --- one batch that fails for good ------------------------------------------------------------------------

FAILURES: dict[str, tuple[Any, type[MeliousError]]] = {
    "400": ((400, {"error": {"message": "c is not wanted"}}), BadRequestError),
    "401": ((401, {"error": {"message": "no such key"}}), AuthenticationError),
    "500": ((500, {"error": {"message": "out of order"}}), ServerError),
    "400 in a 200": ({"error": {"message": "c is not wanted", "code": 400}}, BadRequestError),
    "error in a 200": ({"error": {"message": "out of order"}}, ServerError),
    "nothing in it": ({"object": "list"}, ResponseDecodeError),
}


@each_endpoint
@pytest.mark.parametrize("how", FAILURES)
def test_what_is_under_way_ends_and_is_counted_and_nothing_further_is_sent(
    every_client: Clients,
    serve: Callable[..., HeldServer],
    endpoint: str,
    how: str,
) -> None:
    answer, kind = FAILURES[how]
    budget = ImpactBudget(max_requests=100)
    with track_impact(budget) as ledger:

        def script(asked: Any) -> Any:
            asked.once_asked(4)
            if asked.texts == ["c"]:
                return answer
            return asked.once(lambda: ledger.total.failed >= 1)

        server = serve(script)
        client = every_client.client(server, max_retries=0)  # type: ignore[arg-type]
        told: list[Any] = []
        steps: list[Any] = []
        with pytest.raises(kind) as caught:
            every_client.call(
                client,
                endpoint,
                **ENDPOINTS[endpoint],
                batch_size=1,
                on_answer=told.append,
                on_progress=lambda *step: steps.append(step),
            )
    assert sorted(map(tuple, server.texts)) == [("a",), ("b",), ("c",), ("d",)]
    assert (ledger.total.requests, ledger.total.failed, ledger.total.input_tokens) == (3, 1, 3)
    assert (budget.requests, budget.spent.requests) == (4, 3)
    assert {item.request_id for item in told} | {caught.value.request_id} == {f"req_{n}" for n in range(4)}
    assert (caught.value.attempts, caught.value.history) == (1, ())
    assert steps == [], "a call that has failed gets no further"


@each_endpoint
@pytest.mark.parametrize("callback", ["on_answer", "on_progress"])
@pytest.mark.parametrize("raised", [KeyError("stop"), ServerError("stop")], ids=["foreign", "own"])
def test_what_a_callback_raises_ends_the_call_by_the_same_rule(
    clients: Clients,
    serve: Callable[..., HeldServer],
    endpoint: str,
    callback: str,
    raised: Exception,
) -> None:
    stopped = threading.Event()
    told: list[Any] = []

    def stop(*_: Any) -> None:
        stopped.set()
        raise raised

    def script(asked: Any) -> Any:
        asked.once_asked(4)
        return None if asked.texts == ["c"] else asked.once(stopped.is_set)

    server = serve(script)
    client = clients.client(server)  # type: ignore[arg-type]
    callbacks: dict[str, Any] = {"on_answer": told.append} | {callback: stop}
    with track_impact() as ledger, pytest.raises(type(raised), match="stop"):
        clients.call(client, endpoint, **ENDPOINTS[endpoint], batch_size=1, **callbacks)
    assert (len(server.asked), ledger.total.requests, ledger.total.failed) == (4, 4, 0)
    assert len(told) == (4 if callback == "on_progress" else 0)


@each_endpoint
def test_what_on_retry_raises_ends_the_call_by_the_same_rule(
    clients: Clients, serve: Callable[..., HeldServer], endpoint: str
) -> None:
    def stop(_: Any) -> None:
        raise KeyError("stop")

    with track_impact() as ledger:

        def script(asked: Any) -> Any:
            asked.once_asked(4)
            return (503, {}) if asked.texts == ["c"] else asked.once(lambda: ledger.total.failed >= 1)

        server = serve(script)
        client = clients.client(server)  # type: ignore[arg-type]
        with pytest.raises(KeyError, match="stop"):
            clients.call(client, endpoint, **ENDPOINTS[endpoint], batch_size=1, on_retry=stop)
    assert (len(server.asked), ledger.total.requests, ledger.total.failed) == (4, 3, 1)


@each_endpoint
def test_what_is_under_way_is_not_tried_again_once_the_call_has_failed(
    every_client: Clients, serve: Callable[..., HeldServer], endpoint: str
) -> None:
    with track_impact() as ledger:

        def script(asked: Any) -> Any:
            asked.once_asked(4)
            if asked.texts == ["c"]:
                return (400, {"error": {"message": "c is not wanted"}})
            asked.once(lambda: ledger.total.failed >= 1)
            return 503, {"error": {"message": "out of order"}}

        server = serve(script)
        client = every_client.client(server, max_retries=5)  # type: ignore[arg-type]
        retried: list[Any] = []
        with pytest.raises(BadRequestError, match="c is not wanted"):
            every_client.call(client, endpoint, **ENDPOINTS[endpoint], batch_size=1, on_retry=retried.append)
    assert (len(server.asked), ledger.total.requests, ledger.total.failed) == (4, 0, 4)
    assert retried == []


@each_endpoint
@pytest.mark.parametrize("status", [503, 429], ids=["before a retry", "at the gate too"])
def test_what_waits_is_not_sent_once_the_call_has_failed(
    every_client: Clients, serve: Callable[..., HeldServer], endpoint: str, status: int
) -> None:
    retried: list[Any] = []
    told: list[Any] = []

    def script(asked: Any) -> Any:
        asked.once_asked(4)
        if asked.texts == ["a"]:
            return status, {"error": {"message": "later"}}, ("retry-after", "20")
        asked.once(lambda: bool(retried))
        if status == 429 and asked.texts == ["b"]:
            return None  # and the batch after it finds the gate closed
        asked.once(lambda: status == 503 or bool(told))
        return 400, {"error": {"message": "not wanted"}}

    server = serve(script)
    client = every_client.client(server)  # type: ignore[arg-type]
    with track_impact() as ledger, pytest.raises(BadRequestError, match="not wanted"):
        every_client.call(
            client,
            endpoint,
            **ENDPOINTS[endpoint],
            batch_size=1,
            on_retry=retried.append,
            on_answer=told.append,
        )
    assert sorted(server.texts) == [["a"], ["b"], ["c"], ["d"]]
    assert len(retried) == 1
    assert (ledger.total.requests, ledger.total.failed) == ((0, 4) if status == 503 else (1, 3)), (
        "what was never sent is not counted"
    )


@each_endpoint
def test_retries_of_a_call_that_goes_on_are_made_and_told_of(
    clients: Clients, serve: Callable[..., HeldServer], endpoint: str
) -> None:
    server = serve(lambda asked: (503, {}) if asked.number < 3 else None)
    client = clients.client(server, max_retries=5)  # type: ignore[arg-type]
    retried: list[Any] = []
    with track_impact() as ledger:
        clients.call(client, endpoint, **ENDPOINTS[endpoint], batch_size=1, on_retry=retried.append)
    assert (len(server.asked), len(retried)) == (11, 3)
    assert (ledger.total.requests, ledger.total.failed) == (8, 0)


@each_endpoint
def test_of_several_that_fail_the_first_is_raised(
    every_client: Clients, serve: Callable[..., HeldServer], endpoint: str
) -> None:
    order = ["d", "a", "c", "b"]
    with track_impact() as ledger:

        def script(asked: Any) -> Any:
            asked.once_asked(4)
            (text,) = asked.texts
            asked.once(lambda: ledger.total.failed >= order.index(text))
            return 400, {"error": {"message": f"{text} is not wanted"}}

        server = serve(script)
        client = every_client.client(server)  # type: ignore[arg-type]
        with pytest.raises(BadRequestError, match="d is not wanted"):
            every_client.call(client, endpoint, **ENDPOINTS[endpoint], batch_size=1)
    assert (len(server.asked), ledger.total.failed) == (4, 4)


@each_endpoint
@pytest.mark.parametrize("at_a_time", [1, 4])
def test_a_budget_ends_the_call_by_the_same_rule(
    clients: Clients, serve: Callable[..., HeldServer], endpoint: str, at_a_time: int
) -> None:
    server = serve(lambda _: None)
    budget = ImpactBudget(max_requests=3)
    client = clients.client(server, budget=budget)  # type: ignore[arg-type]
    told: list[Any] = []
    with track_impact() as ledger, pytest.raises(BudgetExceededError):
        clients.call(
            client,
            endpoint,
            **ENDPOINTS[endpoint],
            batch_size=1,
            max_concurrency=at_a_time,
            on_answer=told.append,
        )
    assert (len(server.asked), len(told), budget.spent.requests) == (3, 3, 3)
    assert (ledger.total.requests, ledger.total.failed) == (3, 0)


@each_endpoint
def test_batches_one_after_the_other_stop_at_the_first_that_fails(
    clients: Clients, serve: Callable[..., HeldServer], endpoint: str
) -> None:
    server = serve(lambda asked: (400, {}) if asked.number == 2 else None)
    client = clients.client(server)  # type: ignore[arg-type]
    with track_impact() as ledger, pytest.raises(BadRequestError):
        clients.call(client, endpoint, **ENDPOINTS[endpoint], batch_size=1, max_concurrency=1)
    assert (len(server.asked), ledger.total.requests, ledger.total.failed) == (3, 2, 1)


def test_answers_that_came_after_the_failure_are_in_the_cache(
    clients: Clients, serve: Callable[..., HeldServer]
) -> None:
    with track_impact() as ledger:

        def script(asked: Any) -> Any:
            if asked.number > 3:
                return None
            asked.once_asked(4)
            return (400, {}) if asked.texts == ["c"] else asked.once(lambda: ledger.total.failed >= 1)

        server = serve(script)
        client = clients.client(server, embedding_cache_size=100)  # type: ignore[arg-type]
        with pytest.raises(BadRequestError):
            clients.call(client, "embeddings.create", **ENDPOINTS["embeddings.create"], batch_size=1)
    result = clients.call(client, "embeddings.create", **ENDPOINTS["embeddings.create"])
    assert result.cached == 3
    assert server.texts[4:] == [["c", "e", "f", "g", "h"]]


def test_a_call_that_waits_for_the_texts_of_one_that_fails_sends_only_what_is_missing(
    clients: Clients, serve: Callable[..., HeldServer], watched: Watched
) -> None:
    def script(asked: Any) -> Any:
        if asked.number > 7:
            return None
        asked.once_asked(8)
        return (400, {}) if asked.texts == ["a"] else asked.once(watched.saw_failure)

    server = serve(script)
    client = clients.client(server, embedding_cache_size=100)  # type: ignore[arg-type]
    call = {**ENDPOINTS["embeddings.create"], "batch_size": 1, "max_concurrency": 8}
    results = clients.together(client, "embeddings.create", [call, call])
    (failed,) = (result for result in results if isinstance(result, Exception))
    (done,) = (result for result in results if not isinstance(result, Exception))
    assert isinstance(failed, BadRequestError)
    assert len(done.embeddings) == 8
    assert server.texts[8:] == [["a"]]
