"""Texts to vectors: encodings, order, and arguments."""

import base64
import struct
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melious import BadRequestError, InvalidArgumentError, ResponseDecodeError
from melious.endpoints import vectors
from melious.sandbox import Fault, Sandbox

from .clients import EMBEDDINGS, Clients

TEXTS = [f"lighthouse number {number} on the coast" for number in range(7)]


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
        (Fault(body={"data": None}), "the answer has no vectors .*Check that the base URL"),
        (Fault(body={"object": "list"}), "the answer has no vectors"),
        (Fault(body={"data": ["AAAA"] * 7}), r"data\[0\] of the answer is not an object"),
        (
            Fault(body={"data": [{"index": 2, "embedding": [0.5]}] * 7}),
            r"index 2 came twice in the answer to 7 inputs .*answered wrongly",
        ),
        (
            Fault(body={"data": [{"index": 7, "embedding": [0.5]}] * 7}),
            "index 7 does not exist in the answer to 7 inputs .*answered wrongly",
        ),
        (
            Fault(body={"data": [{"index": "b", "embedding": [0.5]}] * 7}),
            "index 'b' does not exist in the answer",
        ),
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


# --- arguments -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "params", "named"),
    [
        ([], {}, "input"),
        ({"a": 1}, {}, "input"),
        (["a"], {"preset": 5}, "preset"),
        ("", {}, r"input\[0\]"),
        (["a", ""], {}, r"input\[1\]: must not be empty"),
        (["a", " \n"], {}, r"input\[1\]: must not be blank"),
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


def test_a_callback_that_cannot_be_called_is_named(clients: Clients, client: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="on_answer: must be callable, not 'x'"):
        clients.call(client, "embeddings.create", model=EMBEDDINGS, input="a", on_answer="x")
