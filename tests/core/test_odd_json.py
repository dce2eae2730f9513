"""JSON that is not what was promised: only our errors leave, and what is handed on is in one form."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from melious import BillingCost, EnvironmentImpact, MeliousError, ProviderError, ResponseDecodeError
from melious.answers.results import Usage
from melious.endpoints import audio, chat
from melious.endpoints.whole_as_chunks import chunks_of
from melious.exchange.request import Response
from melious.wire.chunks import ChatStreamParser
from melious.wire.head import Head

FIRST = b'data: {"choices": [{"index": 0, "delta": {"content": "Half"}}]}\n\n'


def parser_of(kind: str = "text/event-stream") -> ChatStreamParser:
    return ChatStreamParser(Head(200, {"content-type": kind, "x-request-id": "req_1"}))


def streamed(body: Any) -> ChatStreamParser:
    parser = parser_of()
    parser.feed(FIRST)
    parser.feed(b"data: " + json.dumps(body).encode() + b"\n\n")
    parser.close()
    return parser


def reported(body: Any) -> ChatStreamParser:
    parser = parser_of()
    parser.feed(FIRST)
    parser.feed(b"event: error\ndata: " + json.dumps(body).encode() + b"\n\n")
    return parser


def whole_body(body: Any) -> ChatStreamParser:
    parser = parser_of("application/json")
    parser.feed(json.dumps(body).encode())
    parser.close()
    return parser


def replayed(body: Any) -> ChatStreamParser:
    parser = parser_of()

    def chunks() -> Iterator[dict[str, Any]]:
        yield {"choices": [{"index": 0, "delta": {"content": "Half"}}]}
        yield body

    list(parser.replay({}, chunks()))
    return parser


ODD = [
    {"choices": [{"message": "hello"}]},
    {"choices": [{"delta": ["hello"]}]},
    {"choices": [{"delta": {"tool_calls": [{"function": "f"}]}}]},
    {"choices": [{"message": {"tool_calls": True}}]},
    {"choices": [{"delta": {"tool_calls": {"index": 0}}}]},
    {"choices": [None]},
    {"choices": [5]},
    {"choices": "none"},
    {"choices": True},
    {"choices": {"0": {}}},
]


@pytest.mark.parametrize("body", ODD, ids=json.dumps)
@pytest.mark.parametrize("way", [streamed, reported, whole_body, replayed])
def test_whichever_way_it_comes_in_it_is_an_error_of_ours(way: Any, body: dict[str, Any]) -> None:
    parser = way(body)
    assert isinstance(parser.error, MeliousError)
    assert parser.error.request_id == "req_1"
    assert parser.error.partial is parser.partial
    if way is not whole_body:
        assert parser.error.partial.text == "Half"
    if way is not reported:
        assert isinstance(parser.error, ResponseDecodeError)


def test_an_error_beside_odd_choices_is_that_error() -> None:
    error = streamed({"error": {"message": "no memory left", "code": "provider_error"}, "choices": [5]}).error
    assert isinstance(error, ProviderError)
    assert "no memory left" in str(error)


@pytest.mark.parametrize("choices", [False, 0, "", None, {}, []])
def test_no_choices_are_a_list_of_none(choices: Any) -> None:
    parser = parser_of()
    (chunk,) = parser.feed(b"data: " + json.dumps({"id": "c", "choices": choices}).encode() + b"\n\n")
    assert (chunk["choices"], parser.error) == ([], None)


def delta_with(name: str, value: Any) -> Any:
    parser = parser_of()
    choice = {"index": 0, "delta": {"content": "x", name: value}}
    (chunk,) = parser.feed(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
    return chunk["choices"][0]["delta"][name]


@pytest.mark.parametrize("name", ["role", "refusal", "reasoning_content"])
@pytest.mark.parametrize("value", [5, True, False, [], {"a": 1}, ["x"], None])
def test_what_should_be_text_is_text_or_none(name: str, value: Any) -> None:
    assert delta_with(name, value) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, None), (False, None), ([], None), ({}, None), (5, "5"), (["a", {"text": 7}], "a7")],
)
def test_content_is_text_or_none(value: Any, text: str | None) -> None:
    assert delta_with("content", value) == text


def choice_with(name: str, value: Any) -> Any:
    parser = parser_of()
    choice = {"index": 0, "delta": {"content": "x"}, name: value}
    (chunk,) = parser.feed(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
    return chunk["choices"][0][name]


@pytest.mark.parametrize(
    ("value", "told"), [(5, "5"), (True, "True"), (False, None), ({}, None), ("stop", "stop")]
)
def test_a_reason_of_the_end_is_text(value: Any, told: str | None) -> None:
    assert choice_with("finish_reason", value) == told


@pytest.mark.parametrize("value", [5, "none", [], [1], True, False])
def test_probabilities_are_an_object_or_none(value: Any) -> None:
    assert choice_with("logprobs", value) is None


@pytest.mark.parametrize("name", ["usage", "environment_impact", "billing_cost"])
def test_facts_that_are_no_object_do_not_replace_those_that_are(name: str) -> None:
    parser = parser_of()
    for value in ({"total_tokens": 3}, "many", [1], 5, None, {}):
        (chunk,) = parser.feed(b"data: " + json.dumps({"choices": [], name: value}).encode() + b"\n\n")
        assert chunk[name] is None or isinstance(chunk[name], dict)
    assert getattr(parser.partial, name) == {"total_tokens": 3}


def test_counts_that_are_none_are_left_out() -> None:
    parser = parser_of()
    usage = {"prompt_tokens": "many", "completion_tokens": "7", "total_tokens": [1], "x": "y"}
    (chunk,) = parser.feed(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n")
    assert chunk["usage"] == {"prompt_tokens": None, "completion_tokens": 7, "total_tokens": None, "x": "y"}


# --- whole answers ------------------------------------------------------------------------------------


def whole(message: dict[str, Any]) -> Any:
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return chat.parse(Response(200, {"content-type": "application/json"}, json.dumps(body).encode()))


@pytest.mark.parametrize("calls", [True, 5, "f", {"a": 1}, [5], [None]])
def test_calls_that_are_none_are_an_error_of_ours(calls: Any) -> None:
    with pytest.raises(ResponseDecodeError, match="tool_calls"):
        whole({"content": "x", "tool_calls": calls})


@pytest.mark.parametrize("calls", [False, 0, "", {}])
def test_nothing_in_the_place_of_calls_is_no_call(calls: Any) -> None:
    assert whole({"content": "x", "tool_calls": calls}).tool_calls == []


@pytest.mark.parametrize("call", [{}, {"function": "f"}, {"function": None}, {"function": [1]}])
def test_a_call_without_a_function_has_an_empty_one(call: dict[str, Any]) -> None:
    answer = whole({"content": "x", "tool_calls": [call]})
    assert answer.tool_calls[0]["function"] == {"name": "", "arguments": ""}
    deltas = [
        piece["choices"][0]["delta"] for piece in chunks_of(answer.raw, usage=False) if piece["choices"]
    ]
    assert any("tool_calls" in delta for delta in deltas)


@pytest.mark.parametrize("arguments", [5, True, [1], {"a": 1}])
def test_arguments_are_text(arguments: Any) -> None:
    answer = whole({"content": None, "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]})
    assert json.loads(answer.tool_calls[0]["function"]["arguments"]) == arguments


def test_tokens_without_text_do_not_cut_a_replay() -> None:
    logprobs = {"content": [{"logprob": 0.0}, 5]}
    choice = {"message": {"content": "None"}, "finish_reason": "stop", "logprobs": logprobs}
    said = [
        piece["choices"][0]["delta"].get("content") for piece in chunks_of({"choices": [choice]}, usage=False)
    ]
    assert "".join(text or "" for text in said) == "None"


# --- facts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [10**400, -(10**400), math.nan, math.inf, "1e999", True, [], {}, "x"])
def test_a_figure_that_cannot_be_one_is_unknown(value: Any) -> None:
    impact = EnvironmentImpact.model_validate({"energy_kwh": value, "location": "FI"})
    assert (impact.energy_kwh, impact.location) == (None, "FI")


def test_halves_of_characters_in_facts_do_not_take_the_answer_away() -> None:
    odd = {"\ud800": 1, "location": "\udfff", "provider_id": "p"}
    impact = EnvironmentImpact.model_validate(odd)
    assert (impact.location, impact.provider_id) == (None, "p")
    cost = BillingCost.model_validate({"\ud800": 1, "credits": "0.5", "paid_with": "\udfff"})
    assert (cost.credits, cost.paid_with) == (Decimal("0.5"), None)
    assert Usage.model_validate({"\ud800": 1, "prompt_tokens": 2}).prompt_tokens == 2


# --- transcripts --------------------------------------------------------------------------------------

SRT = "1\n00:00:00,000 --> 00:00:01,000\nGood morning.\n"


def heard(body: bytes, kind: str, *, plain: bool = True) -> str:
    return audio._parse(Response(200, {"content-type": kind}, body), plain=plain).text


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "text/json"])
@pytest.mark.parametrize("text", [SRT, "Good morning.", "42", "true", "[laughs] Hello", "WEBVTT\n\n", "„Ja“"])
def test_a_transcript_as_text_under_the_type_of_json(kind: str, text: str) -> None:
    assert heard(text.encode(), kind) == text
    assert heard(json.dumps(text).encode(), kind) == text


def test_an_object_is_still_read_as_one() -> None:
    assert heard(b'{"text": "Good morning."}', "application/json") == "Good morning."
    assert heard(b'""', "application/json") == ""


@pytest.mark.parametrize(
    "body", [b"", b" ", b'{"text": "Good', b"<html>", b"\n<!DOCTYPE html>", b'{"error": {"message": "no"}}']
)
def test_what_is_no_transcript_is_an_error(body: bytes) -> None:
    with pytest.raises(MeliousError):
        heard(body, "application/json")


def test_text_is_not_taken_where_an_object_was_asked_for() -> None:
    with pytest.raises(ResponseDecodeError):
        heard(b'"Good morning."', "application/json", plain=False)
