"""Where answers were made, held against where they may be: every endpoint, streams, batches, the cache."""

import json
import pickle
import warnings
from typing import Any

import pytest

from melious import InvalidArgumentError, MeliousClient, ResidencyError, ResidencyWarning, track_impact
from melious.routing.residency import ResidencyRule
from melious.sandbox import Fault, Sandbox

from .clients import AUDIO, CHAT, EMBEDDINGS, IMAGES, QUESTION, RERANK, Clients

ASK: dict[str, Any] = {"model": CHAT, "messages": QUESTION}
FRANCE = {"countries": ["fr"]}
STRICT: dict[str, Any] = {"filters": FRANCE, "verify_location": "raise"}
WAV = "recording"
EVERY: list[tuple[str, dict[str, Any]]] = [
    ("chat.create", ASK),
    ("embeddings.create", {"model": EMBEDDINGS, "input": "a"}),
    ("rerank.create", {"model": RERANK, "query": "q", "documents": ["a"]}),
    ("images.generate", {"model": IMAGES, "prompt": "p", "size": "64x64"}),
    ("audio.transcribe", {"model": AUDIO, "file": WAV}),
]
each_endpoint = pytest.mark.parametrize(("name", "params"), EVERY, ids=[name for name, _ in EVERY])


def _from(answer: Any, location: str | None) -> bytes:
    """The body of an answer again, made elsewhere."""
    body = json.loads(json.dumps(answer))
    if location is None:
        del body["environment_impact"]
    else:
        body["environment_impact"]["location"] = location
    return json.dumps(body).encode()


@pytest.fixture
def asked(clients: Clients, sandbox: Sandbox, wav: bytes) -> Any:
    """Makes a call with the arguments of a table, on a client of its own."""
    client = clients.client(sandbox)

    def ask(name: str, params: dict[str, Any], **more: Any) -> Any:
        given = params | more
        if given.get("file") == WAV:
            given["file"] = ("a.wav", wav)
        return clients.call(client, name, **given)

    return ask


def _raw(answer: Any) -> Any:
    """An answer as the sandbox sent it, vectors included."""
    if hasattr(answer, "embeddings"):
        data = [{"index": place, "embedding": vector} for place, vector in enumerate(answer.embeddings)]
        return answer.raw | {"data": data}
    return answer.raw


# --- values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "filters", "countries"),
    [
        ("raise", {"countries": ["DE", "FR"]}, ("DE", "FR")),
        ("warn", {"countries": "DE"}, ("DE",)),
        ("off", {"countries": ["DE"]}, None),
        ("raise", {"countries": []}, None),
        ("raise", {"countries": [7]}, None),
        ("raise", {"countries": 7}, None),
        ("raise", {"min_speed_tps": 7}, None),
        ("raise", "no mapping", None),
        ("raise", None, None),
    ],
)
def test_without_countries_there_is_nothing_to_verify(mode: str, filters: Any, countries: Any) -> None:
    asked = ResidencyRule.of(mode, filters)
    assert (asked and asked.countries) == countries


def test_a_mode_that_is_none_is_refused(clients: Clients, client: Any) -> None:
    for wrong in ("strict", True, 1):
        with pytest.raises(InvalidArgumentError, match=f"verify_location: must be one of .*, not {wrong!r}"):
            MeliousClient(api_key="k", verify_location=wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidArgumentError, match=f"verify_location: must be one of .*, not {wrong!r}"):
            clients.call(client, "chat.create", **ASK, verify_location=wrong)


# --- whole answers -----------------------------------------------------------------------------------------


@each_endpoint
def test_an_answer_from_where_it_may_be_passes(name: str, params: Any, asked: Any) -> None:
    with track_impact() as ledger:
        answer = asked(name, params, **STRICT)
    assert answer.environment_impact.location == "FR"
    total = ledger.total
    assert (total.verified, total.unverified, total.outside) == (1, 0, 0)


@each_endpoint
@pytest.mark.parametrize("location", ["IT", None])
def test_an_answer_from_elsewhere_raises_with_the_answer(
    name: str, params: Any, asked: Any, sandbox: Sandbox, location: str | None
) -> None:
    body = _from(_raw(asked(name, params, **STRICT)), location)
    sandbox.faults.add(Fault(body=body, headers={"x-request-id": "req-7"}))
    with track_impact() as ledger, pytest.raises(ResidencyError) as caught:
        asked(name, params, **STRICT)
    error = caught.value
    assert (error.locations, error.countries, error.is_retryable) == ((location,), ("FR",), False)
    assert ("made in IT" if location else "does not report where") in str(error)
    assert error.request_id == "req-7"
    assert (error.answer.environment_impact is None) == (location is None)
    assert error.answer.billing_cost is not None, "the answer is there, and was billed"
    total = ledger.total
    assert (total.requests, total.failed, total.verified) == (1, 0, 0)
    assert (total.outside, total.unverified) == ((1, 0) if location else (0, 1))
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.answer.billing_cost) == (str(error), error.answer.billing_cost)


def test_a_warning_points_at_the_caller_and_gives_the_answer(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, filters=FRANCE, verify_location="warn")
    answer = clients.call(client, "chat.create", **ASK)
    sandbox.faults.add(Fault(body=_from(answer.raw, "IT")))
    with pytest.warns(ResidencyWarning, match=r"made in IT; only FR is allowed") as caught:
        again = clients.call(client, "chat.create", **ASK)
    assert again.text == answer.text
    (warning,) = caught
    assert "melious/" not in warning.filename
    sandbox.faults.add(Fault(impact="missing"))
    with pytest.warns(ResidencyWarning, match="does not report where"):
        clients.call(client, "chat.create", **ASK)


def test_nothing_is_verified_when_switched_off(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, filters=FRANCE, verify_location="raise")
    sandbox.faults.add(Fault(impact="missing", times=3))
    with warnings.catch_warnings(), track_impact() as ledger:
        warnings.simplefilter("error")
        clients.call(client, "chat.create", **ASK, verify_location="off")
        clients.call(client, "chat.create", **ASK, filters={"min_speed_tps": 1}, verify_location="off")
        clients.call(client, "models.list")
    assert (ledger.total.verified, ledger.total.unverified) == (0, 0)


NO_COUNTRIES: list[dict[str, Any]] = [
    {},
    {"filters": {}},
    {"filters": {"countries": None}},
    {"filters": {"min_speed_tps": 1}},
    {"filters": FRANCE, "extra_body": {"filters": {"min_speed_tps": 1}}},
    {"filters": FRANCE, "extra_body": {"filters": {"countries": []}}},
    {"filters": FRANCE, "extra_body": {"filters": None}},
    {"filters": FRANCE, "extra_body": {"filters": "{no JSON"}},
    {"routing_fallbacks": [{"countries": ["FR"]}]},
]


@pytest.mark.parametrize("mode", ["warn", "raise"])
@pytest.mark.parametrize("given", NO_COUNTRIES, ids=str)
def test_a_client_cannot_verify_without_countries(mode: str, given: dict[str, Any]) -> None:
    options: dict[str, Any] = {"verify_location": mode, **given}
    with pytest.raises(InvalidArgumentError, match=f"verify_location: '{mode}' needs countries"):
        MeliousClient(api_key="k", **options)
    client = MeliousClient(api_key="k")
    with pytest.raises(InvalidArgumentError, match=f"verify_location: '{mode}' needs countries"):
        client.with_options(**options)
    strict = MeliousClient(api_key="k", filters={"countries": ["FR"]}, verify_location="raise")
    with pytest.raises(InvalidArgumentError, match="verify_location"):
        strict.with_options(filters=None)


@each_endpoint
def test_a_call_cannot_verify_without_countries(
    name: str, params: Any, asked: Any, clients: Clients, sandbox: Sandbox, wav: bytes
) -> None:
    for given in NO_COUNTRIES:
        with pytest.raises(InvalidArgumentError, match="verify_location: 'warn' needs countries"):
            asked(name, params, verify_location="warn", **given)
    strict = clients.client(sandbox, filters=FRANCE, verify_location="raise")
    with pytest.raises(InvalidArgumentError, match="verify_location: 'raise' needs countries"):
        clients.call(
            strict, name, **(params | ({"file": ("a.wav", wav)} if "file" in params else {})), filters={}
        )
    assert len(sandbox.requests) == 0


def test_countries_of_extra_body_are_enough(clients: Clients, sandbox: Sandbox, wav: bytes) -> None:
    client = clients.client(
        sandbox, verify_location="raise", extra_body={"filters": {"countries": ["SE"], "new": 1}}
    )
    with track_impact() as ledger:
        assert clients.call(client, "chat.create", **ASK).environment_impact.location == "SE"
        clients.call(client, "audio.transcribe", model=AUDIO, file=("a.wav", wav))
    assert ledger.total.verified == 2
    assert clients.call(client, "models.list").data, "a request without a body has no filters"


def test_cached_vectors_do_not_hide_that_nothing_is_verified(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, embedding_cache_size=8)
    texts: dict[str, Any] = {"model": EMBEDDINGS, "input": "a"}
    clients.call(client, "embeddings.create", **texts)
    with pytest.raises(InvalidArgumentError, match="needs countries"):
        clients.call(client, "embeddings.create", **texts, verify_location="warn")


def test_the_countries_are_those_that_were_sent(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, verify_location="raise", filters=FRANCE)
    sent = {"filters": {"countries": ["SE"]}}
    with track_impact() as ledger:
        answer = clients.call(client, "chat.create", **ASK, extra_body=sent)
        assert clients.call(client, "chat.create", **ASK, filters={"countries": ["DE"]}).text
    assert answer.environment_impact.location == "SE"
    assert ledger.total.verified == 2


def test_a_plain_transcription_cannot_be_verified(clients: Clients, client: Any, wav: bytes) -> None:
    with pytest.raises(ResidencyError, match="does not report where") as caught:
        clients.call(
            client, "audio.transcribe", model=AUDIO, file=("a.wav", wav), response_format="text", **STRICT
        )
    assert caught.value.answer.text


# --- streams -----------------------------------------------------------------------------------------------


def test_a_stream_is_verified_at_its_end(clients: Clients, start_sandbox: Any) -> None:
    sandbox = start_sandbox("g2")
    client = clients.client(sandbox)
    with track_impact() as ledger:
        got = clients.stream(client, **ASK, **STRICT)
    assert got.error is None
    assert ledger.total.verified == 1
    sandbox.faults.add(Fault(impact="missing"))
    with track_impact() as ledger:
        got = clients.stream(client, **ASK, **STRICT)
    assert isinstance(got.error, ResidencyError)
    assert got.text == got.error.answer.text == got.error.partial.text != "", "after the last chunk"
    assert (got.error.locations, ledger.total.unverified) == ((None,), 1)


def test_a_stream_of_the_live_service_says_what_would_help(clients: Clients, client: Any) -> None:
    error = clients.stream(client, **ASK, **STRICT).error
    assert 'stream_impact="buffer"' in str(error)


def test_a_stream_from_elsewhere(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    last = {
        "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}],
        "environment_impact": {"location": "it"},
    }
    raw = [f"data: {json.dumps(last)}\n\n", "data: [DONE]\n\n"]
    sandbox.faults.add(Fault(raw=raw, times=2))
    got = clients.stream(client, **ASK, **STRICT)
    assert (got.text, str(got.error).partition(";")[0]) == ("Hi", "the answer was made in it")
    with pytest.warns(ResidencyWarning, match="made in it"):
        assert clients.stream(client, **ASK, filters=FRANCE, verify_location="warn").error is None


def test_a_stream_that_breaks_says_that_and_nothing_else(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault(error_after_events=3))
    with track_impact() as ledger:
        error = clients.stream(client, **ASK, **STRICT).error
    assert error is not None
    assert not isinstance(error, ResidencyError)
    assert (ledger.total.unverified, ledger.total.failed) == (0, 1)


# --- batches and the cache ---------------------------------------------------------------------------------

TEXTS = [f"text {place}" for place in range(6)]
BATCHED: list[tuple[str, dict[str, Any]]] = [
    ("embeddings.create", {"model": EMBEDDINGS, "input": TEXTS, "batch_size": 2}),
    ("rerank.create", {"model": RERANK, "query": "q", "documents": TEXTS, "batch_size": 2}),
]


@pytest.mark.parametrize(("name", "params"), BATCHED, ids=[name for name, _ in BATCHED])
def test_batches_are_complained_of_together_once_all_are_there(
    clients: Clients, client: Any, sandbox: Sandbox, name: str, params: dict[str, Any]
) -> None:
    params = {**params, "max_concurrency": 1}
    sandbox.faults.add(Fault(impact="missing", after=1, headers={"x-request-id": "req-2"}))
    with track_impact() as ledger, pytest.raises(ResidencyError) as caught:
        clients.call(client, name, **params, **STRICT)
    error = caught.value
    assert "1 of 3 requests" in str(error)
    assert "batches[1] (request " in str(error)
    assert "did not report where" in str(error)
    assert len(error.answer.batches) == 3
    assert (ledger.total.verified, ledger.total.unverified) == (2, 1)
    sandbox.faults.add(Fault(impact="missing", times=3))
    with pytest.warns(ResidencyWarning, match="3 of 3 requests") as warned:
        clients.call(client, name, **params, filters=FRANCE, verify_location="warn")
    assert len(warned) == 1


def test_the_cache_keeps_no_vectors_that_were_raised_for(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, embedding_cache_size=64)
    texts: dict[str, Any] = {"model": EMBEDDINGS, "input": "a", "filters": FRANCE}
    sandbox.faults.add(Fault(impact="missing"))
    with pytest.raises(ResidencyError):
        clients.call(client, "embeddings.create", **texts, verify_location="raise")
    clients.call(client, "embeddings.create", **texts)
    again = clients.call(client, "embeddings.create", **texts, verify_location="raise")
    assert again.cached == 0, "neither the unverified answer nor one that nobody verified stands in"
    assert clients.call(client, "embeddings.create", **texts, verify_location="raise").cached == 1
