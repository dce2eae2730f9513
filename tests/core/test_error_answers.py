"""Errors over the wire: every reason in every profile, odd answers, and what a call had been through."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from melious import (
    AuthenticationError,
    BadRequestError,
    ContextLengthExceededError,
    InsufficientBalanceError,
    MeliousError,
    ModelNotFoundError,
    NoProvidersAvailableError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ResponseDecodeError,
    ServerError,
)
from melious.sandbox import Fault, Sandbox
from melious_sandbox.service.profiles import PROFILES, Reason

from .clients import CHAT, QUESTION, Clients

EXPECTED: dict[Reason, type[MeliousError]] = {
    "no_key": AuthenticationError,
    "auth": AuthenticationError,
    "scope": PermissionDeniedError,
    "rate_limit": RateLimitError,
    "insufficient_quota": InsufficientBalanceError,
    "invalid_value": BadRequestError,
    "missing_field": BadRequestError,
    "empty_input": BadRequestError,
    "malformed": BadRequestError,
    "no_vision": BadRequestError,
    "model_not_found": ModelNotFoundError,
    "payload_too_large": BadRequestError,
    "not_found": NotFoundError,
    "provider_error": ProviderError,
    "provider_rate_limit": RateLimitError,
    "no_providers": NoProvidersAvailableError,
    "upstream_timeout": ProviderError,
    "internal": ServerError,
}


@pytest.fixture(scope="module", params=list(PROFILES))
def _profile_sandbox(request: pytest.FixtureRequest) -> Any:
    with Sandbox(request.param) as sandbox:
        yield sandbox


@pytest.fixture
def profiled(_profile_sandbox: Sandbox) -> Sandbox:
    """A sandbox of each profile in turn, with nothing left of the test before."""
    _profile_sandbox.reset()
    return _profile_sandbox


@pytest.mark.parametrize(("reason", "kind"), EXPECTED.items(), ids=list(EXPECTED))
def test_every_reason_in_every_profile(
    clients: Clients, profiled: Sandbox, reason: Reason, kind: type[MeliousError]
) -> None:
    profiled.faults.add(Fault(code=reason, times=None))
    client = clients.client(profiled, max_retries=0)
    word = PROFILES[profiled.profile].error_codes[reason]
    calls: list[Callable[..., Any]] = [
        partial(clients.call, client, "chat.create"),
        partial(clients.stream, client),
    ]
    for call in calls:
        with pytest.raises(kind) as caught:
            call(model=CHAT, messages=QUESTION)
        error = caught.value
        assert type(error) is kind
        assert (error.status_code, error.code) == (word.status, word.code)
        assert error.request_id == profiled.requests[-1].request_id
        assert (error.attempts, len(error.history)) == (1, 0)


@pytest.mark.parametrize("reason", ["provider_error", "rate_limit", "insufficient_quota"])
def test_an_error_inside_a_stream_in_every_profile(
    clients: Clients, profiled: Sandbox, reason: Reason
) -> None:
    profiled.faults.add(Fault(code=reason, error_after_events=3))
    got = clients.stream(clients.client(profiled), model=CHAT, messages=QUESTION)
    assert type(got.error) is EXPECTED[reason]
    assert got.error.status_code is None, "the answer's own status was 200"
    assert got.error.partial.text == got.text != ""
    assert len(profiled.requests) == 1, "nothing is sent again once something was handed over"


def test_too_long_an_input_in_every_profile(clients: Clients, profiled: Sandbox) -> None:
    messages = [{"role": "user", "content": "word " * 140_000}]
    with pytest.raises(ContextLengthExceededError) as caught:
        clients.call(clients.client(profiled), "chat.create", model=CHAT, messages=messages)
    assert caught.value.attempts == 1
    if profiled.profile == "g2":
        assert caught.value.details["context_length"] == 131_072


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (Fault(status=500, body="<html>oh no</html>", content_type="text/html"), ServerError, "oh no"),
        (Fault(status=502, body=b"\xff\xfe\x00"), ProviderError, ""),
        (Fault(status=503, body=""), ServerError, "chat answered 503"),
        (Fault(status=400, body={"error": "the text alone"}), BadRequestError, "the text alone"),
        (Fault(status=500, body=b"x" * 300_000), ServerError, "xxxx"),
        (
            Fault(status=200, body="<html>log in</html>", content_type="text/html"),
            ResponseDecodeError,
            "log in",
        ),
        (Fault(status=200, body=""), ResponseDecodeError, "not a JSON object"),
        (Fault(status=200, body="[1]"), ResponseDecodeError, "not a JSON object"),
        (Fault(status=200, body='{"choices": []}'), ResponseDecodeError, "no choice"),
        (Fault(status=200, body='{"choices": [{"index": 0}]}'), ResponseDecodeError, "choices.0.message"),
        (
            Fault(status=200, body='{"error": {"message": "boom", "code": "provider_error"}}'),
            ProviderError,
            "boom",
        ),
        (Fault(status=204, body=""), ResponseDecodeError, "not a JSON object"),
    ],
)
def test_odd_answers(
    clients: Clients, sandbox: Sandbox, fault: Fault, kind: type[MeliousError], said: str
) -> None:
    sandbox.faults.add(fault)
    client = clients.client(sandbox, max_retries=0)
    with pytest.raises(kind) as caught:
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    assert type(caught.value) is kind
    assert said in str(caught.value)
    assert caught.value.request_id == sandbox.requests[-1].request_id
    assert len(str(caught.value)) < 1000
    assert clients.call(client, "chat.create", model=CHAT, messages=QUESTION).text, "the next one works"


def test_history_tells_of_every_attempt(clients: Clients, sandbox: Sandbox) -> None:
    soon = {"retry-after-ms": "1"}
    sandbox.faults.add(
        Fault(status=503, headers=soon),
        Fault(code="rate_limit", headers=soon),
        Fault(status=500, headers=soon),
    )
    with pytest.raises(ServerError) as caught:
        clients.call(clients.client(sandbox), "chat.create", model=CHAT, messages=QUESTION)
    error = caught.value
    assert (error.status_code, error.attempts) == (500, 3)
    assert [attempt.request_id for attempt in error.history] == [r.request_id for r in sandbox.requests[:2]]
    assert "503" in error.history[0].outcome
    assert "RateLimitError" in error.history[1].outcome
    assert 0 <= error.history[0].at <= error.history[1].at <= error.elapsed
    assert len(error.__notes__) == 2
    assert "3 attempts" in str(error)
