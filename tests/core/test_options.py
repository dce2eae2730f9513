"""The options of a client: what is misspelt or wrong shows when the client is made."""

import logging
from typing import Any

import httpx
import pytest

from melious import AsyncMeliousClient, InvalidArgumentError, MeliousClient
from melious.config import Timeout, timeout_for
from melious.sandbox import Fault, Sandbox

from .clients import CHAT, QUESTION, Clients

KEY = "sk-mel-" + "a1b2" * 8


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("api_keys", "api_key"),
        ("max_retry", "max_retries"),
        ("baseurl", "base_url"),
        ("filter", "filters"),
        ("time_out", "timeout"),
        ("default_header", "default_headers"),
        ("allow_insecure", "allow_insecure_http"),
    ],
)
@pytest.mark.parametrize("kind", [MeliousClient, AsyncMeliousClient])
def test_a_misspelt_option_is_an_error_that_names_the_right_one(kind: Any, misspelt: str, meant: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"{misspelt}.*did you mean '{meant}'"):
        kind(**{"api_key": KEY, misspelt: 1})


def test_an_option_unlike_any_other_is_an_error_without_a_guess() -> None:
    with pytest.raises(InvalidArgumentError, match=r"unknown argument 'zzz'$"):
        MeliousClient(api_key=KEY, zzz=1)  # type: ignore[call-arg]


NAN, INF = float("nan"), float("inf")
WRONG = {
    "auth": ["basic", None],
    "max_retries": [-1, 1.5, True, "2", None],
    "timeout": [0, -1, "10", True, NAN, INF],
    "deadline": [0, -1, "10", True, NAN, INF],
    "max_connections": [0, -1, "8", 1.5, True],
    "max_rate_limit_wait": [-1, "60", NAN, True],
    "async_transport": ["trio", None],
    "embedding_cache_size": [-1, "8", 1.5, True],
    "embedding_cache_ttl": [0, -1, "60", NAN],
    "flavor": ["fast", 3],
    "filters": [{"max_carbon_intensity": "low"}, {"countries": "DE"}, 5, ["DE"], []],
    "extra_body": [5, "x", ["a"]],
    "default_headers": [5, "x", {"x-team": None}, {5: "x"}],
    "verify": ["/no/such/ca.pem", None, 5],
    "preset": [5],
}


@pytest.mark.parametrize(
    ("option", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_option_shows_when_the_client_is_made(option: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=option):
        MeliousClient(**{"api_key": KEY, option: value})
    client = MeliousClient(api_key=KEY)
    with pytest.raises(InvalidArgumentError, match=option):
        client.with_options(**{option: value})


@pytest.mark.parametrize(
    ("kind", "other"), [(MeliousClient, httpx.AsyncClient), (AsyncMeliousClient, httpx.Client)]
)
def test_a_client_that_cannot_be_sent_through_shows_when_it_is_brought(kind: Any, other: Any) -> None:
    for wrong in (5, object(), other.__new__(other)):
        with pytest.raises(InvalidArgumentError, match=f"http_client.*{type(wrong).__name__}"):
            kind(api_key=KEY, http_client=wrong)


def test_with_options_changes_what_is_named_and_nothing_else() -> None:
    client = MeliousClient(api_key=KEY, preset="environment", default_headers={"X-Team": "search"})
    other = client.with_options(max_retries=5, deadline=None)
    assert (other.config.max_retries, other.config.deadline, other.config.preset) == (5, None, "environment")
    assert other.config.default_headers == client.config.default_headers
    assert (client.config.max_retries, client.config.deadline) == (2, 600.0)
    with pytest.raises(InvalidArgumentError, match="api_key"):
        client.with_options(api_key="another")


@pytest.mark.parametrize(
    ("endpoint", "seconds"),
    [("chat", 300), ("embeddings", 60), ("rerank", 60), ("images", 180), ("audio", 900), ("models", 15)],
)
def test_timeouts(endpoint: str, seconds: float) -> None:
    assert timeout_for(endpoint, None) == Timeout(5.0, 60.0, seconds, 60.0, 300.0)
    assert timeout_for(endpoint, 20) == Timeout(5.0, 20.0, 20.0, 20.0, 20.0)
    assert timeout_for(endpoint, 2.5).connect == 2.5
    own = Timeout(connect=1.0, answer=None)
    assert timeout_for(endpoint, own) is own


@pytest.mark.parametrize("field", ["connect", "write", "answer", "silence", "event"])
@pytest.mark.parametrize("value", [0, -1, "5", True, NAN, INF])
def test_a_wrong_timeout_shows_when_it_is_made(field: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"timeout: {field}"):
        Timeout(**{field: value})
    assert getattr(Timeout(**{field: None}), field) is None


def test_every_attempt_is_one_line_of_the_log(
    clients: Clients, client: Any, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "melious")
    sandbox.faults.add(Fault(status=503, headers={"retry-after-ms": "1"}))
    clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    records = [record for record in caplog.records if record.name == "melious"]
    lines = [record.getMessage() for record in records if record.levelno == logging.DEBUG]
    for line, request, status, attempt in zip(lines, sandbox.requests, (503, 200), (1, 2), strict=True):
        assert line.startswith(f"POST /chat/completions {status} attempt={attempt} ")
        assert line.endswith(f"id={request.request_id}")
        assert "lighthouse" not in line
