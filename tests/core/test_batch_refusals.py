"""Batches that the service refuses as they are: the same is done about it with every client and status."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from melious import MeliousError, track_impact

from .clients import EMBEDDINGS, RERANK
from .held_server import HeldServer

if TYPE_CHECKING:
    from .clients import Clients

TEXTS = list("abcdefgh")
ENDPOINTS: dict[str, dict[str, Any]] = {
    "embeddings.create": {"model": EMBEDDINGS, "input": TEXTS},
    "rerank.create": {"model": RERANK, "query": "q", "documents": TEXTS},
}
each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS)


TOO_LARGE: dict[str, Any] = {
    "413": (413, {"error": {"message": "no"}}),
    "400": (400, {"error": {"message": "batch size 4 exceeds the limit", "type": "invalid_request_error"}}),
    "200": {"error": {"message": "batch size 4 exceeds the limit", "type": "invalid_request_error"}},
    "200 with 400 as code": {"error": {"message": "too many inputs", "code": 400}},
    "200 with 413 as code": {"error": {"message": "no", "code": "413"}},
    "200 without a code": {"error": {"message": "batch too large"}},
    "200 with only words": {"error": "too many inputs: at most 2"},
    "200 with a message": {"error": {"message": "too many inputs in one batch"}},
    "200 with an error as object": {
        "object": "error",
        "message": "at most 2 items",
        "type": "BadRequestError",
    },
}


@each_endpoint
@pytest.mark.parametrize("how", TOO_LARGE)
@pytest.mark.parametrize("batch_size", [4, 8], ids=["two batches", "one batch"])
def test_what_is_too_large_is_halved_whatever_the_status(
    every_client: Clients,
    serve: Callable[..., HeldServer],
    endpoint: str,
    how: str,
    batch_size: int,
) -> None:
    server = serve(lambda asked: TOO_LARGE[how] if len(asked.texts) > 2 else None)
    client = every_client.client(server, max_retries=2)  # type: ignore[arg-type]
    with track_impact() as ledger:
        result = every_client.call(client, endpoint, **ENDPOINTS[endpoint], batch_size=batch_size)
    halved = 2 if batch_size == 4 else 3
    assert sorted(text for texts in server.texts if len(texts) == 2 for text in texts) == TEXTS
    assert (len(server.asked), len(result.batches)) == (halved + 4, 4)
    assert (ledger.total.requests, ledger.total.failed) == (4, halved)
    assert ledger.total.input_tokens == 8


BASE64_REFUSED: dict[str, Any] = {
    "400": (400, {"error": {"message": "encoding_format base64 is not supported"}}),
    "422": (422, {"error": {"message": "not supported", "param": "encoding_format"}}),
    "200": {"error": {"message": "base64 is not supported", "type": "invalid_request_error"}},
    "200 with a code": {"error": {"message": "no base64 here", "code": 400}},
    "200 without a code": {"error": {"message": "encoding_format: base64 is not supported"}},
    "200 with only words": {"error": "base64 is not supported"},
}


@pytest.mark.parametrize("how", BASE64_REFUSED)
@pytest.mark.parametrize("batch_size", [2, 8], ids=["four batches", "one batch"])
def test_base64_refused_is_asked_for_as_floats_whatever_the_status(
    every_client: Clients, serve: Callable[..., HeldServer], how: str, batch_size: int
) -> None:
    def script(asked: Any) -> Any:
        return BASE64_REFUSED[how] if asked.body.get("encoding_format") == "base64" else None

    server = serve(script)
    client = every_client.client(server, max_retries=2)  # type: ignore[arg-type]
    result = every_client.call(
        client, "embeddings.create", **ENDPOINTS["embeddings.create"], batch_size=batch_size
    )
    assert len(result.embeddings) == 8
    assert len(server.asked) == 8 // batch_size * 2
    before = len(server.asked)
    every_client.call(client, "embeddings.create", **ENDPOINTS["embeddings.create"])
    assert [asked.body["encoding_format"] for asked in server.asked[before:]] == ["float"]


@each_endpoint
@pytest.mark.parametrize(
    "refusal",
    [
        {"error": {"message": "too many requests"}},
        {"error": {"message": "the model is overloaded"}},
        {"error": {"message": "too many requests", "code": "rate_limit_exceeded"}},
    ],
    ids=["too many requests", "overloaded", "with a code"],
)
def test_other_errors_in_a_200_are_raised_and_nothing_is_halved(
    clients: Clients, serve: Callable[..., HeldServer], endpoint: str, refusal: dict[str, Any]
) -> None:
    server = serve(lambda _: refusal)
    client = clients.client(server, max_retries=0)  # type: ignore[arg-type]
    with pytest.raises(MeliousError, match=refusal["error"]["message"]) as caught:
        clients.call(client, endpoint, **ENDPOINTS[endpoint])
    assert len(server.asked) == caught.value.attempts == 1
    assert caught.value.request_id == "req_0"


@each_endpoint
def test_halves_run_no_more_at_a_time_than_the_batches_did(
    clients: Clients, serve: Callable[..., HeldServer], endpoint: str
) -> None:
    def script(asked: Any) -> Any:
        asked.once_asked(2)
        return (413, {}) if len(asked.texts) > 1 else None

    server = serve(script)
    client = clients.client(server)  # type: ignore[arg-type]
    clients.call(client, endpoint, **ENDPOINTS[endpoint], batch_size=4, max_concurrency=8)
    assert (len(server.asked), server.at_once) == (14, 2)
