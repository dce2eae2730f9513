"""The options of a client: what is misspelt or wrong shows when the client is made."""

import logging
import pickle
from typing import Any

import httpx
import pytest

from melious import APITimeoutError, AsyncMeliousClient, InvalidArgumentError, MeliousClient
from melious.sandbox import Fault, Sandbox
from melious.settings.config import Timeout, timeout_for

from .clients import CHAT, EMBEDDINGS, QUESTION, RERANK, Clients

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
        ("request_timeout", "timeout"),
        ("url", "base_url"),
        ("api_yek", "api_key"),
    ],
)
@pytest.mark.parametrize("kind", [MeliousClient, AsyncMeliousClient])
def test_a_misspelt_option_is_an_error_that_names_the_right_one(kind: Any, misspelt: str, meant: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"{misspelt}.*did you mean '{meant}'"):
        kind(**{"api_key": KEY, misspelt: 1})


def test_an_option_unlike_any_other_is_an_error_without_a_guess() -> None:
    with pytest.raises(InvalidArgumentError, match=r"unknown argument 'zzz' \(other fields .* extra_body\)$"):
        MeliousClient(api_key=KEY, zzz=1)  # type: ignore[call-arg]


NAN, INF = float("nan"), float("inf")
WRONG = {
    "auth": ["basic", None],
    "max_retries": [-1, 1.5, True, "2", None],
    "retry_timeouts": [1, "yes"],
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
def test_a_client_that_cannot_be_sent_through_shows_when_it_is_injected(kind: Any, other: Any) -> None:
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


# --- timeouts in the words of other libraries ---------------------------------------------------------------------


ANY_CLIENT = httpx.Timeout(10.0, connect=3.0, write=4.0)


@pytest.mark.parametrize(
    ("given", "means"),
    [
        (ANY_CLIENT, Timeout(3.0, 4.0, 10.0, 10.0, 10.0)),
        (httpx.Timeout(None), Timeout(None, None, None, None, None)),
        (httpx.Timeout(5.0), Timeout(5.0, 5.0, 5.0, 5.0, 5.0)),
        ((3.05, 27), Timeout(3.05, 27, 27, 27, 27)),
        ((None, 27.0), Timeout(None, 27.0, 27.0, 27.0, 27.0)),
        ((3.0, 10.0, 4.0, None), Timeout(3.0, 4.0, 10.0, 10.0, 10.0)),
        (7, Timeout(5.0, 7.0, 7.0, 7.0, 7.0)),
        (2.0, Timeout(2.0, 2.0, 2.0, 2.0, 2.0)),
    ],
)
def test_a_timeout_in_any_words(given: Any, means: Timeout) -> None:
    assert timeout_for("chat", given) == means
    client = MeliousClient(api_key=KEY, timeout=given)
    assert timeout_for("chat", client.config.timeout) == means
    assert client.with_options(timeout=given).config == client.config
    assert client.config.timeout is None or isinstance(client.config.timeout, float | Timeout)


@pytest.mark.parametrize(
    "given",
    [
        (),
        (1.0,),
        (1.0, 2.0, 3.0),
        (0, 1),
        (1, "2"),
        (True, 1),
        [1.0, 2.0],
        {"read": 1},
        object,
        httpx.Timeout(-1),
    ],
    ids=repr,
)
def test_a_timeout_in_no_words(clients: Clients, client: Any, sandbox: Sandbox, given: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="timeout"):
        MeliousClient(api_key=KEY, timeout=given)
    with pytest.raises(InvalidArgumentError, match="timeout"):
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION, timeout=given)
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize("given", [httpx.Timeout(30.0, read=0.15), (30.0, 0.15)], ids=["httpx", "tuple"])
@pytest.mark.parametrize("where", ["client", "call"])
def test_a_timeout_of_httpx_ends_an_attempt(
    clients: Clients, sandbox: Sandbox, given: Any, where: str
) -> None:
    sandbox.faults.add(Fault(delay=3600.0))
    options = {"timeout": given}
    client = clients.client(sandbox, **(options if where == "client" else {}))
    with pytest.raises(APITimeoutError):
        clients.call(
            client, "chat.create", model=CHAT, messages=QUESTION, **(options if where == "call" else {})
        )


# --- headers of answers ----------------------------------------------------------------------------------------------

SAID = {"X-Region": "FI", "set-cookie": "session=secret"}


@pytest.mark.parametrize("name", ["chat.create", "embeddings.create", "rerank.create", "models.list"])
def test_an_answer_keeps_its_headers(clients: Clients, client: Any, sandbox: Sandbox, name: str) -> None:
    params: dict[str, Any] = {
        "chat.create": {"model": CHAT, "messages": QUESTION},
        "embeddings.create": {"model": EMBEDDINGS, "input": "a"},
        "rerank.create": {"model": RERANK, "query": "q", "documents": ["a"]},
        "models.list": {},
    }[name]
    sandbox.faults.add(Fault(headers=SAID))
    result = clients.call(client, name, **params)
    assert result.headers["x-region"] == "FI"
    assert result.headers["x-request-id"] == result.request_id == sandbox.requests[0].request_id
    assert all(header == header.lower() for header in result.headers)
    assert "session" not in repr(result.headers)
    assert pickle.loads(pickle.dumps(result)).headers == result.headers


def test_a_stream_has_its_headers(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(headers=SAID))
    stream = clients.stream(client, model=CHAT, messages=QUESTION).stream
    assert stream.headers["x-region"] == "FI"
    assert "set-cookie" not in stream.headers
    assert stream.completion().headers == stream.headers


def test_headers_of_several_requests_are_those_of_the_last(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, embedding_cache_size=8)
    call = {"model": EMBEDDINGS, "input": ["a", "b"], "batch_size": 1, "max_concurrency": 1}
    sandbox.faults.add(Fault(headers={"x-region": "FI"}), Fault(headers={"x-region": "FR"}))
    result = clients.call(client, "embeddings.create", **call)
    assert result.headers["x-region"] == "FR"
    assert [batch.headers["x-region"] for batch in result.batches] == ["FI", "FR"]
    assert dict(clients.call(client, "embeddings.create", **call).headers) == {}, "nothing was asked"
