"""The lines of result files, in every shape that is known or likely."""

from __future__ import annotations

import json

import pytest

from melious import (
    BadRequestError,
    InsufficientBalanceError,
    MeliousError,
    RateLimitError,
    ResponseDecodeError,
    ServerError,
)
from melious.answers.batches import Batch
from melious.endpoints.batch_results import LineReader

ANSWER = {"model": "glm-4.7", "choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}]}


def read(line, endpoint="/v1/chat/completions"):
    return LineReader(Batch(id="batch_1", status="completed", endpoint=endpoint)).read(
        json.dumps(line).encode()
    )


@pytest.mark.parametrize(
    "line",
    [
        {"custom_id": "a", "response": {"status_code": 200, "body": ANSWER}},
        {"custom_id": "a", "response": {"status_code": 200, "body": ANSWER}, "error": None},
        {"custom_id": "a", "response": {"body": ANSWER}},
        {"custom_id": "a", "response": {"status_code": 200, "body": json.dumps(ANSWER)}},
        {"custom_id": "a", "response": {"status_code": 201, "body": ANSWER}, "error": {}},
    ],
)
def test_an_answer(line):
    result = read(line)
    assert (result.error, result.answer.text) == (None, "Hello.")


@pytest.mark.parametrize(
    ("line", "kind", "status", "code"),
    [
        (
            {"response": {"status_code": 429, "body": {"error": {"message": "slow", "code": "x"}}}},
            RateLimitError,
            429,
            "x",
        ),
        (
            {"response": {"status_code": 429, "body": {"error": {"code": "insufficient_quota"}}}},
            InsufficientBalanceError,
            429,
            "insufficient_quota",
        ),
        ({"response": {"status_code": 400, "body": "bad"}}, BadRequestError, 400, None),
        ({"response": {"status_code": 502, "body": None}}, ServerError, 502, None),
        (
            {"response": None, "error": {"code": "batch_expired", "message": "It expired."}},
            ServerError,
            None,
            "batch_expired",
        ),
        ({"response": None, "error": "It broke."}, ServerError, None, None),
        (
            {
                "response": {
                    "status_code": 200,
                    "body": {"error": {"message": "no", "code": "provider_error"}},
                }
            },
            ServerError,
            None,
            "provider_error",
        ),
        ({"response": None, "error": None}, ServerError, None, None),
        ({}, ServerError, None, None),
        ({"response": {"status_code": 200, "body": "text"}}, ResponseDecodeError, None, None),
        ({"response": {"status_code": 200, "body": {"choices": []}}}, ResponseDecodeError, 200, None),
    ],
)
def test_an_error(line, kind, status, code):
    result = read({"custom_id": "a", "id": "batch_req_1", **line})
    assert result.answer is None
    assert isinstance(result.error, kind)
    assert (result.error.status_code, result.error.code) == (status, code)
    assert result.error.request_id == "batch_req_1"
    with pytest.raises(MeliousError):
        result.unwrap()


@pytest.mark.parametrize(
    "line", ["[]", "{}", "null", '{"custom_id": null}', "{", "<html><title>Login</title>"]
)
def test_what_is_no_line(line):
    reader = LineReader(Batch(id="batch_1", endpoint="/v1/chat/completions"))
    assert reader.read(line.encode()) is None
    with pytest.raises(ResponseDecodeError, match="a line of batch_1 is not the result of a request"):
        reader.end()


def test_an_endpoint_without_a_type_gives_what_came():
    result = read({"custom_id": "a", "response": {"status_code": 200, "body": {"x": 1}}}, "/v1/audio/speech")
    assert result.answer.raw == {"x": 1}


def test_vectors_of_any_number():
    data = [{"index": 1, "embedding": [0.5, 1.0]}, {"index": 0, "embedding": [1.0, 0.0]}]
    body = {"data": data, "model": "bge-m3"}
    result = read({"custom_id": "a", "response": {"status_code": 200, "body": body}}, "/v1/embeddings")
    assert result.answer.embeddings == [[1.0, 0.0], [0.5, 1.0]]
