"""JSON both ways, with what servers and callers really send."""

import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melious import InvalidArgumentError
from melious.sandbox import Fault, Sandbox
from melious.wire import codec

from .clients import CHAT, QUESTION, Clients

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_is_read(value: Any) -> None:
    assert codec.loads(codec.dumps(value)) == value
    assert json.loads(codec.dumps(value)) == value
    assert codec.loads(json.dumps(value)) == value


@pytest.mark.parametrize("text", ["\ud83d", "a\udc00b", "NaN", "Infinity", "\u2028", "\x00", "😀"])
def test_texts_that_are_hard_to_write(text: str) -> None:
    assert codec.loads(codec.dumps({"a": [text]})) == {"a": [text]}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("beside", [None, "\ud83d", "NaN"])
def test_a_number_without_a_json_form_is_refused(number: float, beside: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        codec.dumps({"beside": beside, "temperature": number}, finite=True)
    assert str(codec.loads(codec.dumps({"beside": beside, "temperature": number}))["temperature"]) == str(
        number
    )


def test_values_that_are_nearly_json() -> None:
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    assert codec.loads(codec.dumps({"at": moment, "of": ("a", "b"), "text": "NaN"}, finite=True)) == {
        "at": "2026-01-01T00:00:00Z",
        "of": ["a", "b"],
        "text": "NaN",
    }
    with pytest.raises(TypeError):
        codec.dumps(object())


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a":1e400}', {"a": float("inf")}),
        (b"[Infinity,-Infinity]", [float("inf"), float("-inf")]),
        (b'"\\ud83d"', "\ud83d"),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b" [1] \n", [1]),
        (b'{"a":1,"a":2}', {"a": 2}),
        ("[" * 400 + "]" * 400, None),
    ],
)
def test_what_servers_send_is_read(data: bytes | str, value: Any) -> None:
    read = codec.loads(data)
    assert read == value or value is None


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"{'a':1}", b'{"a":1}x', b"\xff", b"[" * 100_000, b"1" * 5000, b"undefined", b'"\x01'],
    ids=lambda data: repr(data[:10]),
)
def test_what_is_no_json_is_one_kind_of_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        codec.loads(data)


@pytest.mark.parametrize("field", ["temperature", "logit_bias", "extra_body"])
def test_a_number_that_cannot_be_sent_is_named(
    clients: Clients, client: Any, sandbox: Sandbox, field: str
) -> None:
    nan = float("nan")
    value = nan if field == "temperature" else {"bad": nan}
    with pytest.raises(InvalidArgumentError, match="bad" if field == "extra_body" else field):
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION, **{field: value})
    assert len(sandbox.requests) == 0


def test_an_answer_with_numbers_that_are_none_is_an_answer(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    body = '{"choices":[{"message":{"content":"\\ud83d"},"logprobs":{"content":[{"logprob":-Infinity},{"logprob":NaN}]}}]}'
    sandbox.faults.add(Fault(body=body))
    answer = clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    assert answer.text == "\ud83d"
    assert answer.raw["choices"][0]["logprobs"]["content"][0]["logprob"] == float("-inf")
