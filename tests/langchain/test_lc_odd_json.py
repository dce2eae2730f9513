"""JSON that is not what was promised, through LangChain: an error of ours, or an answer in good order."""

import json

import pytest

from melious import MeliousError, ResponseDecodeError
from melious.sandbox import Fault

TEXT = 'data: {"choices": [{"index": 0, "delta": {"content": "Half"}}]}\n\n'
END = 'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


def answer(message, **choice):
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}]}


REFUSED = [
    {"choices": [{"message": "hello"}]},
    {"choices": [None]},
    {"choices": "none"},
    answer({"content": "x", "tool_calls": True}),
]


@pytest.mark.parametrize("body", REFUSED, ids=json.dumps)
def test_what_cannot_be_read_is_an_error_of_ours(way, chat, sandbox, body):
    sandbox.faults.add(Fault(status=200, body=body), Fault(status=200, body=body))
    with pytest.raises(ResponseDecodeError) as caught:
        way.invoke(chat(), "Hello")
    assert caught.value.request_id
    with pytest.raises(ResponseDecodeError) as caught:
        way.stream(chat(), "Hello")
    assert caught.value.request_id


@pytest.mark.parametrize("body", REFUSED[:3], ids=json.dumps)
@pytest.mark.parametrize("kind", ["", "event: error\n"])
def test_an_odd_event_keeps_what_came_before(way, chat, sandbox, body, kind):
    sandbox.faults.add(Fault(raw=[TEXT, f"{kind}data: {json.dumps(body)}\n\n", END]))
    seen = []
    with pytest.raises(MeliousError) as caught:
        way.stream(chat(), "Hello", into=seen)
    assert caught.value.partial.text == "".join(chunk.text for chunk in seen) == "Half"


@pytest.mark.parametrize(
    "event",
    [
        {"choices": False},
        {"choices": 0},
        {"choices": ""},
        {"choices": [{"index": 0, "delta": {"refusal": 5}, "logprobs": "none"}]},
        {"choices": [{"index": 0, "delta": {"refusal": {"a": 1}}, "logprobs": [1]}]},
        {"choices": [], "usage": "many", "environment_impact": [], "billing_cost": 5},
        {"choices": [], "environment_impact": {"energy_kwh": 10**400}},
    ],
    ids=lambda event: json.dumps(event)[:60],
)
def test_odd_details_do_not_take_the_answer_away(way, chat, sandbox, whole, event):
    raw = [TEXT, *[f"data: {json.dumps(event)}\n\n"] * 2, END]
    sandbox.faults.add(Fault(raw=raw))
    assert whole(way.stream(chat(), "Hello")).text == "Half"


@pytest.mark.parametrize("function", ["f", 5, [1], None])
def test_a_whole_answer_replayed_as_a_stream_with_an_odd_call(way, chat, sandbox, whole, function):
    body = answer({"content": "Yes.", "tool_calls": [{"id": "a", "function": function}]})
    sandbox.faults.add(Fault(status=200, body=body))
    assert whole(way.stream(chat(stream_impact="buffer"), "Hello")).text == "Yes."
