"""Servers that do not know `stream_options`: streams come all the same, only without their usage."""

import logging
from typing import Any

import pytest

from melious import BadRequestError, InvalidArgumentError, MeliousError, track_impact
from melious.sandbox import Fault, Sandbox

from .clients import CHAT, QUESTION, Clients

ASK: dict[str, Any] = {"model": CHAT, "messages": QUESTION}
REFUSING = Fault(endpoint="chat", refuse_stream_options=True, times=None)
IN_WORDS = {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}
INSIDE = 'data: {"error": {"message": "unknown field stream_options", "code": "invalid_request_error"}}\n\n'


@pytest.mark.parametrize(
    "refusal",
    [
        Fault(refuse_stream_options=True),
        Fault(status=422, body=IN_WORDS),
        Fault(status=400, body={"error": {"message": "Unrecognized request argument: stream_options"}}),
        Fault(raw=[INSIDE]),
    ],
    ids=["by its field", "422 with the place", "in words", "inside the stream"],
)
def test_a_stream_is_asked_for_once_more_without(
    clients: Clients, client: Any, sandbox: Sandbox, refusal: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.faults.add(refusal)
    caplog.set_level(logging.INFO, logger="melious")
    with track_impact() as ledger:
        got = clients.stream(client, **ASK, temperature=0.5, max_retries=0)
    assert got.error is None
    assert got.text
    assert got.stream.partial.usage is None
    refused, answered = (request.body for request in sandbox.requests)
    assert answered == {name: value for name, value in refused.items() if name != "stream_options"}
    keys = [request.headers["idempotency-key"] for request in sandbox.requests]
    assert keys[0] != keys[1], (
        "another body under the same key is another request to a server that keeps them"
    )
    assert (got.stream.attempts, ledger.total.requests, ledger.total.with_usage) == (2, 1, 0)
    assert "retrying without it" in caplog.text


def test_every_stream_of_such_a_server_comes(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sandbox.faults.add(REFUSING)
    assert [bool(clients.stream(client, **ASK).text) for _ in range(2)] == [True, True]
    assert clients.call(client, "chat.create", **ASK).text


def test_what_was_asked_for_is_not_dropped(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sandbox.faults.add(REFUSING)
    with pytest.raises(BadRequestError, match="stream_options"):
        clients.stream(client, **ASK, stream_options={"include_usage": True})
    assert len(sandbox.requests) == 1
    for nothing in ({"include_usage": False}, {}):
        assert clients.stream(client, **ASK, stream_options=nothing).text


@pytest.mark.parametrize(
    "other",
    [
        Fault(status=400, body={"error": {"message": "temperature: out of range"}}, times=None),
        Fault(status=401, body={"error": {"message": "no key, stream_options or not"}}, times=None),
        Fault(status=400, body={"error": {"message": "stream_options, again and again"}}, times=None),
    ],
    ids=["another field", "another status", "for ever"],
)
def test_other_refusals_stay_what_they_are(
    clients: Clients, client: Any, sandbox: Sandbox, other: Fault
) -> None:
    sandbox.faults.add(other)
    with pytest.raises(MeliousError) as caught:
        clients.stream(client, **ASK)
    again = "again" in caught.value.message
    assert (caught.value.attempts, len(sandbox.requests)) == ((2, 2) if again else (1, 1))


def test_together_with_passing_troubles_and_filters(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sandbox.faults.add(
        Fault(status=503, headers={"retry-after": "0"}),
        Fault(refuse_stream_options=True),
        Fault(code="no_providers"),
    )
    got = clients.stream(
        client, **ASK, filters={"countries": ["DE"]}, routing_fallbacks=["countries"], max_retries=1
    )
    assert got.text
    assert (got.stream.attempts, got.stream.relaxed) == (4, ("countries",)), "what was refused once stays out"
    assert not {"filters", "stream_options"} & sandbox.requests[-1].body.keys()


def test_a_stream_is_asked_for_by_its_own_method(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"stream: is not an argument of chat\.create; use chat\.stream"
    ):
        clients.call(client, "chat.create", **ASK, stream=True)
    with pytest.raises(
        InvalidArgumentError, match=r"extra_body: must not ask for a stream here; use chat\.stream"
    ):
        clients.call(client, "chat.create", **ASK, extra_body={"stream": True})
    with pytest.raises(InvalidArgumentError, match=r"chat\.stream, which always streams; leave it out"):
        clients.stream(client, **ASK, stream=True)
    assert not sandbox.requests
