"""Texts to vectors: encodings, batches, order, what is too large, and the cache."""

import base64
import struct
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melious import BadRequestError, InvalidArgumentError, ResponseDecodeError, ServerError, track_impact
from melious.endpoints import vectors
from melious.endpoints.embeddings import MAX_BATCH_BYTES, EmbeddingsPlan
from melious.sandbox import Fault, Sandbox
from melious.settings.config import ClientConfig

from .clients import EMBEDDINGS, Clients
from .held_server import HeldServer, Script

TEXTS = [f"lighthouse number {number} on the coast" for number in range(7)]


@pytest.fixture
def embed(clients: Clients, client: Any) -> Callable[..., Any]:
    """Embed texts with the client of the session's sandbox."""

    def run(texts: Any, **params: Any) -> Any:
        return clients.call(client, "embeddings.create", model=EMBEDDINGS, input=texts, **params)

    return run


def _inputs(sandbox: Sandbox) -> list[list[str]]:
    return [request.body["input"] for request in sandbox.requests.to("embeddings")]


# --- encodings -----------------------------------------------------------------------------------------


def test_vectors_are_lists_of_floats_in_order(sandbox: Sandbox, embed: Callable[..., Any]) -> None:
    result = embed(TEXTS)
    assert sandbox.requests[-1].body["encoding_format"] == "base64"
    assert len(result.embeddings) == len(TEXTS)
    assert {len(vector) for vector in result.embeddings} == {1024}
    assert all(type(value) is float for value in result.embeddings[0])
    assert result.embeddings[3] == embed(TEXTS[3]).embeddings[0], "a text alone is one of many"


@pytest.mark.parametrize(
    "how",
    [
        {"encoding_format": "float"},
        {"fault": Fault(ignore_encoding=True, times=None)},
        {"fault": Fault(refuse_base64=True, times=None)},
    ],
    ids=["asked for", "ignored", "refused"],
)
def test_floats_are_the_same_vectors(
    sandbox: Sandbox, embed: Callable[..., Any], how: dict[str, Any]
) -> None:
    packed = embed(TEXTS).embeddings
    if "fault" in how:
        sandbox.faults.add(how["fault"])
    plain = embed(TEXTS, **{name: value for name, value in how.items() if name != "fault"}).embeddings
    for vector, other in zip(plain, packed, strict=True):
        assert vector == pytest.approx(other, rel=1e-6, abs=1e-9)


def test_base64_refused_by_many_batches_at_once_is_asked_for_as_floats(
    sandbox: Sandbox, embed: Callable[..., Any]
) -> None:
    sandbox.faults.add(Fault(refuse_base64=True, delay=0.05, times=None))
    result = embed(TEXTS, batch_size=1, max_concurrency=7)
    assert len(result.embeddings) == 7
    formats = [request.body["encoding_format"] for request in sandbox.requests]
    assert formats.count("float") == 7


def test_shuffled_answers_are_put_in_order(sandbox: Sandbox, embed: Callable[..., Any]) -> None:
    ordered = embed(TEXTS).embeddings
    sandbox.faults.add(Fault(shuffle_indices=True))
    assert embed(TEXTS).embeddings == ordered


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(drop_item=True), "7 inputs were sent and 6 vectors came back"),
        (Fault(truncate_base64=True), "the vector of input 0 is broken"),
        (Fault(body={"data": None}), "0 vectors came back"),
        (Fault(body={"object": "list"}), "0 vectors came back"),
        (Fault(body="<html>"), "not a JSON object"),
        (Fault(cut_after_bytes=0, body="x"), None),
    ],
)
def test_a_broken_answer_is_an_error_and_never_a_wrong_vector(
    sandbox: Sandbox, embed: Callable[..., Any], fault: Fault, said: str | None
) -> None:
    if said is None:
        sandbox.faults.add(fault)
        assert len(embed(TEXTS).embeddings) == 7, "a cut connection is only tried again"
        return
    sandbox.faults.add(fault)
    with pytest.raises(ResponseDecodeError, match=said) as caught:
        embed(TEXTS)
    assert caught.value.request_id == sandbox.requests[-1].request_id


def _packed(*values: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_base64_is_little_endian_float32(values: list[float]) -> None:
    assert vectors.decode(_packed(*values)).tolist() == values
    assert vectors.decode(values).tolist() == values


@pytest.mark.parametrize(
    "value", ["", "AAAA", "AAAAA", "!!!!", "ü", [], None, 7, {}, [None], ["1"], [[1.0]], [10**400]], ids=repr
)
def test_what_is_no_vector_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        vectors.decode(value)


@pytest.mark.parametrize(
    "items",
    [
        [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 2, "embedding": [2.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": -1, "embedding": [2.0]}],
        [{"index": "first", "embedding": [1.0]}, {"index": "1", "embedding": [2.0]}],
        [{"embedding": [1.0]}, {"embedding": [2.0, 3.0]}],
        [{"embedding": [1.0]}, [2.0]],
        [{"embedding": [1.0]}, {"index": 1}],
    ],
    ids=["twice", "beyond", "below", "text", "lengths", "no object", "missing"],
)
def test_indices_are_checked(items: Any) -> None:
    with pytest.raises(ResponseDecodeError):
        vectors.in_order(items, 2)


@pytest.mark.parametrize("indices", [("1", "0"), (1.0, 0.0)], ids=["text", "floats"])
def test_indices_in_another_form(indices: Any) -> None:
    items = [{"index": index, "embedding": [float(index)]} for index in indices]
    assert [vector.tolist() for vector in vectors.in_order(items, 2)] == [[0.0], [1.0]]


@pytest.mark.parametrize("strange", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("encoding", ["base64", "float"])
def test_what_is_no_number_is_no_vector(encoding: str, strange: float) -> None:
    numbers = [0.25, strange, *[3e38] * 3]
    packed = base64.b64encode(struct.pack("<5f", *numbers)).decode()
    with pytest.raises(
        ResponseDecodeError, match="the vector of input 0 is broken: it contains NaN or infinity"
    ):
        vectors.in_order([{"index": 0, "embedding": packed if encoding == "base64" else numbers}], 1)
    fine = [0.25, -3e38, 3e38]
    packed = base64.b64encode(struct.pack("<3f", *fine)).decode()
    (vector,) = vectors.in_order([{"index": 0, "embedding": packed if encoding == "base64" else fine}], 1)
    assert vector.tolist() == pytest.approx(fine)


def test_without_indices_the_order_is_that_of_the_answer() -> None:
    items = [{"embedding": [1.0]}, {"index": None, "embedding": [2.0]}]
    assert [vector.tolist() for vector in vectors.in_order(items, 2)] == [[1.0], [2.0]]


@pytest.mark.parametrize("count", [1, 3])
def test_numpy(embed: Callable[..., Any], count: int) -> None:
    numpy = pytest.importorskip("numpy")
    result = embed(TEXTS[:count], as_numpy=True, batch_size=2)
    assert isinstance(result.embeddings, numpy.ndarray)
    assert (result.embeddings.dtype, result.embeddings.shape) == (numpy.float32, (count, 1024))
    assert result.embeddings.tolist() == embed(TEXTS[:count]).embeddings


def test_without_numpy_it_is_named_before_anything_is_sent(
    sandbox: Sandbox, embed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(InvalidArgumentError, match=r"as_numpy.*pip install numpy"):
        embed(TEXTS, as_numpy=True)
    assert len(sandbox.requests) == 0
    assert embed(TEXTS).embeddings


# --- batches -------------------------------------------------------------------------------------------


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


@settings(max_examples=60)
@given(st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=40), st.integers(1, 9))
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


# --- arguments -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "params", "named"),
    [
        ([], {}, "input"),
        ({"a": 1}, {}, "input"),
        (["a"], {"preset": 5}, "preset"),
        ("", {}, r"input\[0\]"),
        (["a", ""], {}, r"input\[1\]: must not be empty"),
        (["a", "b", None], {}, r"input\[2\]: must be text, not NoneType"),
        (["a", 7], {}, r"input\[1\]: must be text, not int"),
        (b"bytes", {}, "input"),
        (7, {}, "input"),
        (None, {}, "input"),
        (["a"], {"batch_size": 0}, "batch_size"),
        (["a"], {"batch_size": 2049}, "batch_size.*2048"),
        (["a"], {"batch_size": "8"}, "batch_size"),
        (["a"], {"max_concurrency": 0}, "max_concurrency"),
        (["a"], {"max_batch_tokens": 0}, "max_batch_tokens"),
        (["a"], {"count_tokens": 5}, "count_tokens"),
        (["a"], {"on_progress": "print"}, "on_progress"),
        (["a"], {"encoding_format": "int8"}, "encoding_format"),
        (["a"], {"mode": "price", "custom_weights": {"price": 1}}, "mode"),
        (["a"], {"dimension": 8}, "dimension.*did you mean 'dimensions'"),
        (["a"], {"model": ""}, "model"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_sent(
    clients: Clients, client: Any, sandbox: Sandbox, texts: Any, params: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=named):
        clients.call(client, "embeddings.create", **({"model": EMBEDDINGS, "input": texts} | params))
    assert len(sandbox.requests) == 0


def test_what_a_server_refuses_is_not_asked_for_again(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault(refuse_base64=True, times=None))
    for _ in range(3):
        assert (
            len(clients.call(client, "embeddings.create", model=EMBEDDINGS, input=TEXTS[:2]).embeddings) == 2
        )
    formats = [request.body.get("encoding_format") for request in sandbox.requests]
    assert formats == ["base64", "float", "float", "float"]


def test_a_server_that_does_not_know_the_field_at_all(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    unknown = Fault(
        status=422, body={"error": {"message": "encoding_format: extra fields not permitted"}}, times=2
    )
    sandbox.faults.add(unknown)
    for _ in range(2):
        assert clients.call(client, "embeddings.create", model=EMBEDDINGS, input="a").embeddings
    sent = [request.body.get("encoding_format") for request in sandbox.requests]
    assert sent == ["base64", "float", None, None]
    sandbox.faults.add(Fault(status=400, body={"error": {"message": "no encoding_format will do"}}))
    with pytest.raises(BadRequestError, match="no encoding_format will do"):
        clients.call(client, "embeddings.create", model=EMBEDDINGS, input="a")


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
    with pytest.raises(InvalidArgumentError, match="on_answer: must be callable, not 'x'"):
        clients.call(client, "embeddings.create", model=EMBEDDINGS, input="a", on_answer="x")
