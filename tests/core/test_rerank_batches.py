"""Reranking more documents than fit into one request: batches, merging, sums, progress."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melious import APIStatusError, InvalidArgumentError, ResponseDecodeError, ServerError, track_impact
from melious.endpoints.rerank import RerankPlan
from melious.endpoints.splitting import BatchLimits, in_batches
from melious.exchange.request import Response
from melious.sandbox import Fault, Sandbox
from melious.settings.config import ClientConfig
from melious.wire import codec

from .clients import RERANK, Clients
from .held_server import HeldServer, Script

QUERY = "a light that guides ships"
DOCUMENTS = [
    "bread and butter",
    "a lighthouse is a light that guides ships",
    "the ships of the line",
    "a lamp on a desk gives light",
    "a harbour for ships",
    "an essay on trees",
    "a light",
]


@pytest.fixture
def rerank(clients: Clients, client: Any) -> Callable[..., Any]:
    def call(documents: Any = DOCUMENTS, **params: Any) -> Any:
        return clients.call(
            client, "rerank.create", **({"model": RERANK, "query": QUERY, "documents": documents} | params)
        )

    return call


def _sent(sandbox: Sandbox) -> list[list[Any]]:
    return [request.body["documents"] for request in sandbox.requests.to("rerank")]


def _pairs(result: Any) -> list[tuple[int, float]]:
    return [(item.index, item.relevance_score) for item in result.results]


# --- what is sent ---------------------------------------------------------------------------------------


def test_one_batch_is_one_plain_request(sandbox: Sandbox, rerank: Callable[..., Any]) -> None:
    result = rerank(top_n=3, return_documents=False, preset="environment", max_concurrency=2, batch_size=7)
    (request,) = sandbox.requests.to("rerank")
    assert request.body == {
        "model": RERANK,
        "query": QUERY,
        "documents": DOCUMENTS,
        "top_n": 3,
        "return_documents": False,
        "preset": "environment",
    }
    assert len(result.results) == 3
    assert result.raw["model"] == RERANK
    assert [batch.raw for batch in result.batches] == [result.raw]
    assert result.usage == result.batches[0].usage
    assert result.id == result.raw["id"]


def test_one_batch_asks_for_as_many_as_the_caller_wants(sandbox: Sandbox, rerank: Callable[..., Any]) -> None:
    assert len(rerank(top_n=50).results) == 7
    assert sandbox.requests[0].body["top_n"] == 50


@pytest.mark.parametrize("concurrency", [1, 4])
def test_batches_are_merged_by_score(sandbox: Sandbox, rerank: Callable[..., Any], concurrency: int) -> None:
    parts = [rerank(DOCUMENTS[start : start + 3]) for start in (0, 3, 6)]
    expected = sorted(
        ((3 * number + index, score) for number, part in enumerate(parts) for index, score in _pairs(part)),
        key=lambda pair: (-pair[1], pair[0]),
    )
    sandbox.reset()
    sandbox.faults.add(Fault(delay=0.05), Fault(delay=0.02))
    result = rerank(batch_size=3, max_concurrency=concurrency)
    assert sorted(map(len, _sent(sandbox))) == [1, 3, 3]
    assert _pairs(result) == expected
    assert [item.document for item in result.results] == [DOCUMENTS[index] for index, _ in expected]
    assert [len(batch.results) for batch in result.batches] == [3, 3, 1]
    assert [item.index for item in result.batches[2].results] == [6], (
        "a batch speaks of the caller's documents"
    )
    assert result.usage.total_tokens == sum(part.usage.total_tokens for part in parts)
    assert result.environment_impact.energy_kwh == pytest.approx(
        sum(part.environment_impact.energy_kwh for part in parts)
    )
    assert result.billing_cost.credits == sum(part.billing_cost.credits for part in parts)
    assert (result.model, result.attempts, len(result.raw)) == (RERANK, 3, 3)


def test_top_n_holds_for_each_batch_and_for_all(sandbox: Sandbox, rerank: Callable[..., Any]) -> None:
    whole = rerank(batch_size=3)
    sandbox.reset()
    assert _pairs(rerank(batch_size=3, top_n=2)) == _pairs(whole)[:2]
    assert sorted(request.body["top_n"] for request in sandbox.requests.to("rerank")) == [1, 2, 2]


def test_256_documents_fill_a_request(sandbox: Sandbox, rerank: Callable[..., Any]) -> None:
    result = rerank([f"document {number}" for number in range(600)], return_documents=False)
    assert sorted(map(len, _sent(sandbox))) == [88, 256, 256]
    assert sorted(item.index for item in result.results) == list(range(600))


def test_batches_run_at_a_time(clients: Clients, serve: Callable[[Script], HeldServer]) -> None:
    server = serve(lambda asked: asked.once_asked(4))
    clients.call(
        clients.client(server),
        "rerank.create",
        model=RERANK,
        query=QUERY,
        documents=DOCUMENTS[:4],
        batch_size=1,
    )
    assert server.at_once == 4


def test_what_the_batches_cost_is_on_the_books(rerank: Callable[..., Any]) -> None:
    with track_impact() as ledger:
        result = rerank(batch_size=2)
    assert ledger.total.requests == 4
    assert ledger.total.input_tokens == result.usage.prompt_tokens


@pytest.mark.parametrize("missing", [{"impact": "missing"}, {"cost": "missing"}, {"usage": "missing"}])
def test_a_sum_that_lacks_a_part_is_not_reported(
    sandbox: Sandbox, rerank: Callable[..., Any], missing: dict[str, Any]
) -> None:
    sandbox.faults.add(Fault(**missing, after=1))
    result = rerank(batch_size=3)
    name = {"impact": "environment_impact", "cost": "billing_cost", "usage": "usage"}[next(iter(missing))]
    reported = {field: getattr(result, field) for field in ("environment_impact", "billing_cost", "usage")}
    assert reported.pop(name) is None
    assert None not in reported.values()


# --- values ---------------------------------------------------------------------------------------------


def _plan(documents: Any, **params: Any) -> RerankPlan:
    return RerankPlan(ClientConfig.resolve(api_key="sk-mel-test"), RERANK, QUERY, documents, params)  # type: ignore[arg-type]


def _answer(*scores: float) -> Response:
    items = [{"index": index, "relevance_score": score} for index, score in enumerate(scores)]
    return Response(200, {}, codec.dumps({"results": items}))


def test_documents_of_one_score_stay_in_order() -> None:
    plan = _plan(["a", "b", "c", "d"], batch_size=2)
    first, second = plan.batches()
    plan.accept(second, _answer(0.5, 0.9))
    plan.accept(first, _answer(0.5, 0.5))
    assert [item.index for item in plan.result().results] == [3, 0, 1, 2]


@pytest.mark.parametrize(
    "document",
    ["a" * 900_000, "😀" * 225_000, {"text": "a" * 900_000}, {"text": "a", "b": "ä" * 450_000}],
)
def test_batches_by_size(document: Any) -> None:
    assert [len(batch) for batch in _plan([document] * 5).batches()] == [2, 2, 1]


@pytest.mark.parametrize("document", ["a" * 300_000, "a" * 90_000, "😀" * 90_000])
def test_what_fits_into_one_request_is_one(document: str) -> None:
    assert _plan([document] * 5).batches() == [(0, 1, 2, 3, 4)]


def test_a_document_without_a_json_form_is_named_before_anything_is_sent(
    sandbox: Sandbox, rerank: Callable[..., Any]
) -> None:
    with pytest.raises(InvalidArgumentError, match=r"documents\[1\]: cannot be sent as JSON"):
        rerank([{"text": "a"}, {"text": "b", "made": object()}], batch_size=1)
    assert len(sandbox.requests) == 0


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), max_size=40),
    st.integers(1, 6),
    st.integers(1, 40),
    st.integers(1, 20),
)
def test_what_is_laid_out_fits_and_nothing_is_lost(
    items: list[tuple[int, int]], count: int, size: int, tokens: int
) -> None:
    measured = [(place, *item) for place, item in enumerate(items)]
    batches = in_batches(measured, BatchLimits(count, size, tokens))
    assert [place for batch in batches for place in batch] == list(range(len(items)))
    for batch in batches:
        assert 1 <= len(batch) <= count
        if len(batch) > 1:
            assert sum(items[place][0] for place in batch) <= size
            assert sum(items[place][1] for place in batch) <= tokens
    for earlier, later in pairwise(batches):
        together = [*earlier, later[0]]
        assert (
            len(together) > count
            or sum(items[place][0] for place in together) > size
            or sum(items[place][1] for place in together) > tokens
        ), "a batch is full before the next begins"


# --- what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=413),
        Fault(
            status=422,
            body={"error": "batch size 7 > maximum allowed batch size 4", "error_type": "Validation"},
        ),
        Fault(status=400, body={"error": {"message": "too many documents: at most 4", "param": "documents"}}),
    ],
    ids=["413", "422 of a rerank server", "400 with param"],
)
def test_a_batch_that_is_too_large_is_halved(
    sandbox: Sandbox, rerank: Callable[..., Any], fault: Fault
) -> None:
    parts = [*_pairs(rerank(DOCUMENTS[:3])), *((i + 3, s) for i, s in _pairs(rerank(DOCUMENTS[3:])))]
    sandbox.reset()
    sandbox.faults.add(fault)
    result = rerank()
    assert list(map(len, _sent(sandbox))) == [7, 3, 4]
    assert _pairs(result) == sorted(parts, key=lambda pair: (-pair[1], pair[0]))


def test_one_document_that_is_too_large_is_an_error(sandbox: Sandbox, rerank: Callable[..., Any]) -> None:
    sandbox.faults.add(Fault(status=413, times=None))
    with pytest.raises(APIStatusError) as caught:
        rerank(DOCUMENTS[:2])
    assert caught.value.status_code == 413
    assert list(map(len, _sent(sandbox))) == [2, 1]


def test_a_batch_that_fails_fails_the_call(sandbox: Sandbox, rerank: Callable[..., Any]) -> None:
    sandbox.faults.add(Fault(status=500, after=2, times=None))
    with pytest.raises(ServerError):
        rerank(batch_size=1, max_retries=0)
    sandbox.reset()
    assert len(rerank(batch_size=1).results) == 7


def test_a_batch_never_names_a_document_that_another_one_holds(
    sandbox: Sandbox, rerank: Callable[..., Any]
) -> None:
    sandbox.faults.add(Fault(body={"results": [{"index": 3, "relevance_score": 0.5}]}, times=None))
    with pytest.raises(ResponseDecodeError, match="index 3 does not exist in the answer to 3 documents"):
        rerank(DOCUMENTS[:6], batch_size=3)


def test_a_document_that_comes_twice_is_named_and_the_address_is_not_blamed(
    sandbox: Sandbox, rerank: Callable[..., Any]
) -> None:
    twice = [{"index": 0, "relevance_score": score} for score in (0.5, 0.25)]
    sandbox.faults.add(Fault(body={"results": twice}))
    with pytest.raises(
        ResponseDecodeError, match="index 0 came twice in the answer to 3 documents"
    ) as caught:
        rerank(DOCUMENTS[:3])
    assert "answered wrongly" in str(caught.value)
    assert "base URL" not in str(caught.value)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"batch_size": 0}, "batch_size: must be a whole number from 1 to 10000"),
        ({"batch_size": 10_001}, "batch_size"),
        ({"max_concurrency": True}, "max_concurrency"),
        ({"on_progress": 5}, "on_progress"),
        ({"batchsize": 5}, "did you mean 'batch_size'"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_sent(
    sandbox: Sandbox, rerank: Callable[..., Any], params: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=named):
        rerank(**params)
    assert len(sandbox.requests) == 0
