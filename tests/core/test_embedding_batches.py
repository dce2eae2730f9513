"""Texts in batches: how they are laid out, sent and put together, and what is done about those that are too large."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melious import BadRequestError, ResponseDecodeError, ServerError, track_impact
from melious.endpoints.embeddings import MAX_BATCH_BYTES, EmbeddingsPlan
from melious.sandbox import Fault, Sandbox
from melious.settings.config import ClientConfig

from .clients import EMBEDDINGS, Clients
from .held_server import HeldServer, Script

TEXTS = [f"lighthouse number {number} on the coast" for number in range(7)]


def _inputs(sandbox: Sandbox) -> list[list[str]]:
    return [request.body["input"] for request in sandbox.requests.to("embeddings")]


def test_equal_texts_are_sent_once(sandbox: Sandbox, embed: Callable[..., Any]) -> None:
    result = embed(["a", "b", "a", "c", "b", "a"])
    assert _inputs(sandbox) == [["a", "b", "c"]]
    vectors_of = dict(zip("abc", embed(["a", "b", "c"]).embeddings, strict=True))
    assert result.embeddings == [vectors_of[text] for text in "abacba"]
    result.embeddings[0][0] = 99.0
    assert result.embeddings[2][0] != 99.0, "each input has a list of its own"


@pytest.mark.parametrize("concurrency", [1, 4])
def test_batches_by_count_keep_the_order(
    sandbox: Sandbox, embed: Callable[..., Any], concurrency: int
) -> None:
    whole = embed(TEXTS)
    sandbox.reset()
    sandbox.faults.add(Fault(delay=0.05), Fault(delay=0.02))
    parts = embed(TEXTS, batch_size=3, max_concurrency=concurrency)
    assert sorted(map(len, _inputs(sandbox))) == [1, 3, 3]
    assert sorted(text for batch in _inputs(sandbox) for text in batch) == TEXTS
    assert parts.embeddings == whole.embeddings
    assert len(parts.batches) == 3
    assert parts.usage.prompt_tokens == whole.usage.prompt_tokens
    assert parts.environment_impact.energy_kwh == pytest.approx(whole.environment_impact.energy_kwh)
    assert parts.environment_impact.location == whole.environment_impact.location
    assert parts.billing_cost.credits == sum(batch.billing_cost.credits for batch in parts.batches)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_broken_vector_is_named_by_its_place_among_all_texts(
    sandbox: Sandbox, embed: Callable[..., Any], concurrency: int
) -> None:
    texts = [TEXTS[0], *TEXTS[:6]]  # equal texts are sent once
    data = [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": []}]
    sandbox.faults.add(Fault(after=2, body={"object": "list", "data": data}))
    with pytest.raises(ResponseDecodeError) as caught:
        embed(texts, batch_size=2, max_concurrency=concurrency)
    place = texts.index(_inputs(sandbox)[2][1])
    assert f"the vector of input {place} is broken" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("missing", [{"impact": "missing"}, {"cost": "missing"}, {"usage": "missing"}])
def test_a_sum_that_lacks_a_part_is_not_reported(
    sandbox: Sandbox, embed: Callable[..., Any], missing: dict[str, Any]
) -> None:
    sandbox.faults.add(Fault(**missing, after=1))
    result = embed(TEXTS, batch_size=3)
    name = {"impact": "environment_impact", "cost": "billing_cost", "usage": "usage"}[next(iter(missing))]
    reported = {field: getattr(result, field) for field in ("environment_impact", "billing_cost", "usage")}
    assert reported.pop(name) is None
    assert None not in reported.values()
    assert sum(getattr(batch, name) is not None for batch in result.batches) == 2


def _plan(texts: Any, **params: Any) -> EmbeddingsPlan:
    return EmbeddingsPlan(ClientConfig.resolve(api_key="sk-mel-test"), EMBEDDINGS, texts, params)


def test_2048_texts_fill_a_request() -> None:
    texts = [str(number) for number in range(5000)]
    assert [len(batch) for batch in _plan(texts).batches()] == [2048, 2048, 904]


@pytest.mark.parametrize("letter", ["a", "ä", "\ud83d"], ids=["ascii", "two bytes", "surrogate"])
def test_batches_by_size_count_bytes(letter: str) -> None:
    size = len(letter.encode("utf-8", "surrogatepass"))
    texts = [letter * (3_000_000 // size) + str(number) for number in range(5)]
    batches = _plan(texts, max_batch_tokens=8_000_000).batches()
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert MAX_BATCH_BYTES == 8_000_000


def test_a_text_larger_than_a_batch_goes_alone() -> None:
    assert _plan(["a" * 9_000_000, "b", "c" * 9_000_000]).batches() == [(0,), (1,), (2,)]


@given(
    st.lists(st.text(min_size=1, max_size=3).filter(str.strip), min_size=1, max_size=40), st.integers(1, 9)
)
def test_every_text_is_in_one_batch(texts: list[str], size: int) -> None:
    batches = _plan(texts, batch_size=size).batches()
    assert sorted(place for batch in batches for place in batch) == list(range(len(set(texts))))
    assert all(1 <= len(batch) <= size for batch in batches)


@pytest.mark.parametrize("bound", [1, 3])
def test_no_more_requests_at_a_time_than_allowed(
    clients: Clients, serve: Callable[[Script], HeldServer], bound: int
) -> None:
    # Each answer is held until as many are asked for as may be.
    server = serve(lambda asked: asked.once_asked(bound))
    clients.call(
        clients.client(server),
        "embeddings.create",
        model=EMBEDDINGS,
        input=TEXTS[:6],
        batch_size=1,
        max_concurrency=bound,
    )
    assert len(server.asked) == 6
    assert server.at_once == bound


# --- too large -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=413),
        Fault(status=413, body="<html>Request Entity Too Large</html>"),
        Fault(status=400, body={"error": {"message": "batch size 7 exceeds the limit"}}),
        Fault(
            status=400,
            body={"error": {"message": "'input' has 7 items; at most 4 are allowed.", "param": "input"}},
        ),
        Fault(status=422, body={"detail": "Too many inputs: maximum batch size is 4"}),
        Fault(status=400, body={"error": {"message": "Requested 9 tokens, max 8 tokens per request"}}),
        Fault(
            status=400, body={"error": {"message": "array too long. Expected at length 4", "param": "input"}}
        ),
        Fault(status=400, body={"error": {"message": "input must have less than 5 items"}}),
    ],
    ids=["413", "413 of a proxy", "400", "400 with param", "422", "tokens", "array", "items"],
)
def test_a_batch_that_is_too_large_is_halved(
    sandbox: Sandbox, embed: Callable[..., Any], fault: Fault
) -> None:
    whole = embed(TEXTS)
    sandbox.reset()
    sandbox.faults.add(fault)
    assert embed(TEXTS).embeddings == whole.embeddings
    assert sorted(map(len, _inputs(sandbox))) == [3, 4, 7]


def test_halves_are_halved_again(sandbox: Sandbox, embed: Callable[..., Any]) -> None:
    sandbox.faults.add(Fault(status=413), Fault(status=413))
    assert len(embed(TEXTS, max_concurrency=1).embeddings) == 7
    assert list(map(len, _inputs(sandbox))) == [7, 3, 1, 2, 4]


def test_one_text_that_is_too_large_is_an_error(sandbox: Sandbox, embed: Callable[..., Any]) -> None:
    sandbox.faults.add(Fault(status=413, times=None))
    with pytest.raises(BadRequestError):
        embed(TEXTS, max_concurrency=1)
    assert list(map(len, _inputs(sandbox))) == [7, 3, 1], "the first text alone is enough to know"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=400, body={"error": {"message": "input must not be null"}}),
        Fault(status=400, body={"error": {"message": "'dimensions' is at most 1024", "param": "dimensions"}}),
        Fault(code="context_length"),
        Fault(code="auth"),
    ],
    ids=["400", "another field", "context", "key"],
)
def test_what_halving_does_not_help_is_not_halved(
    sandbox: Sandbox, embed: Callable[..., Any], fault: Fault
) -> None:
    sandbox.faults.add(fault)
    with pytest.raises(Exception, match=r"."):
        embed(TEXTS)
    assert len(sandbox.requests) == 1


def test_a_batch_that_fails_fails_the_call(sandbox: Sandbox, embed: Callable[..., Any]) -> None:
    sandbox.faults.add(Fault(status=500, after=2, times=None))
    with pytest.raises(ServerError):
        embed(TEXTS, batch_size=1, max_retries=0)
    sandbox.reset()
    assert len(embed(TEXTS, batch_size=1).embeddings) == 7


@pytest.mark.parametrize("at_a_time", [1, 4])
def test_answers_are_told_of_as_they_come_also_where_another_fails(
    clients: Clients, client: Any, sandbox: Sandbox, at_a_time: int
) -> None:
    sandbox.faults.add(Fault(endpoint="embeddings", status=400, after=2))
    told: list[Any] = []
    with track_impact() as ledger, pytest.raises(BadRequestError):
        clients.call(
            client,
            "embeddings.create",
            model=EMBEDDINGS,
            input=TEXTS[:6],
            batch_size=2,
            max_concurrency=at_a_time,
            on_answer=told.append,
        )
    assert len(told) == ledger.total.requests == 2
    assert all(answer.usage.prompt_tokens and answer.request_id for answer in told)
