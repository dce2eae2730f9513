"""JSON that is not what was promised, through LlamaIndex: an error of ours, or an answer in good order."""

import json

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_kit import piece, sse, whole

from melious import MeliousError, ResponseDecodeError
from melious.sandbox import Fault

HELLO = [ChatMessage("Hello")]
REFUSED = [
    {"choices": [{"message": "hello"}]},
    {"choices": [None]},
    {"choices": "none"},
    {"choices": [{"index": 0, "message": {"tool_calls": True}}]},
]


@pytest.mark.parametrize("body", REFUSED, ids=json.dumps)
async def test_what_cannot_be_read_is_an_error_of_ours(make_llm, way, sandbox, body):
    sandbox.faults.add(Fault(body=body), Fault(body=body))
    for method in ("chat", "stream_chat"):
        with pytest.raises(ResponseDecodeError) as caught:
            await way(make_llm(), method, HELLO)
        assert caught.value.request_id


@pytest.mark.parametrize("body", REFUSED[:3], ids=json.dumps)
async def test_an_odd_event_keeps_what_came_before(make_llm, way, sandbox, body):
    sandbox.faults.add(Fault(raw=sse(piece({"content": "Half"}), body)))
    with pytest.raises(MeliousError) as caught:
        await way(make_llm(), "stream_chat", HELLO)
    assert caught.value.partial.text == "Half"


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": False},
        {"choices": 0},
        {"choices": ""},
        piece({"refusal": 5}, logprobs="none"),
        piece({}, logprobs={"content": [{"token": "x", "logprob": 10**400, "top_logprobs": 5}, 7]}),
        {"choices": [], "usage": "many", "environment_impact": [], "billing_cost": 5},
        {"choices": [], "environment_impact": {"energy_kwh": 10**400, "\ud800": 1}},
        {"choices": [], "usage": {"total_tokens": 3, "\ud800": 1}},
    ],
    ids=lambda chunk: ascii(json.dumps(chunk))[:60],
)
async def test_odd_details_do_not_take_the_answer_away(make_llm, way, sandbox, chunk):
    sandbox.faults.add(Fault(raw=sse(piece({"content": "Half"}), chunk, piece({}, "stop"))))
    responses = await way(make_llm(), "stream_chat", HELLO)
    assert responses[-1].message.content == "Half"


@pytest.mark.parametrize("function", ["f", 5, [1], None])
async def test_a_call_without_a_function_does_not_hide_the_answer(make_llm, way, sandbox, function):
    sandbox.faults.add(Fault(body=whole({"content": "Yes.", "tool_calls": [{"function": function}]})))
    assert (await way(make_llm(), "chat", HELLO)).message.content == "Yes."


async def test_many_calls_stand_in_the_order_of_their_indices(make_llm, way, sandbox):
    order = [7, 2, 9, 0, 5, 2, 7]
    pieces = [
        {"index": index, "id": f"c{index}", "function": {"name": f"f{index}", "arguments": "{}"}}
        for index in dict.fromkeys(order)
    ]
    sandbox.faults.add(
        Fault(raw=sse(*(piece({"tool_calls": [one]}) for one in pieces), piece({}, "tool_calls")))
    )
    last = (await way(make_llm(), "stream_chat", HELLO))[-1]
    names = [call["function"]["name"] for call in last.message.additional_kwargs["tool_calls"]]
    assert names == ["f0", "f2", "f5", "f7", "f9"]
