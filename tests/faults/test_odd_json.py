"""JSON that is not what was promised, over a real connection, on every kind of client."""

import json

import pytest
from faults_kit import ANSWER, DONE, EVENTS_HEAD, LAST_CHUNK, Peer, event, http_chunk, whole

from melious import MeliousError, ResponseDecodeError

ODD = [
    {"choices": [{"message": "hello"}]},
    {"choices": [{"delta": {"tool_calls": [{"function": "f"}]}}]},
    {"choices": [{"message": {"content": "x", "tool_calls": True}}]},
    {"choices": [None]},
    {"choices": "none"},
]


def odd_event(body, kind=b""):
    return kind + b"data: " + json.dumps(body).encode() + b"\n\n"


def serving(*parts):
    def script(peer: Peer) -> None:
        while peer.request() is not None:
            peer.send(*parts)

    return script


@pytest.mark.parametrize("body", ODD, ids=json.dumps)
def test_a_whole_answer_that_cannot_be_read(body, serve, any_face):
    server = serve(serving(whole(body, "200 OK", "x-request-id: req_1")))
    client = any_face(server.base_url, max_retries=2)
    for call in (client.chat, client.chunks):
        if call == client.chat and "delta" in str(body):
            continue
        with pytest.raises(ResponseDecodeError) as caught:
            call()
        assert caught.value.request_id == "req_1"


@pytest.mark.parametrize("body", ODD, ids=json.dumps)
@pytest.mark.parametrize("kind", [b"", b"event: error\n"])
def test_an_event_that_cannot_be_read_keeps_what_came_before(body, kind, serve, any_face):
    parts = map(http_chunk, (event("A "), odd_event(body, kind), event(finish="stop"), DONE))
    server = serve(serving(EVENTS_HEAD, *parts, LAST_CHUNK))
    seen = []
    with pytest.raises(MeliousError) as caught:
        any_face(server.base_url).chunks(seen)
    assert caught.value.partial.text == "A "
    assert [chunk["choices"][0]["delta"]["content"] for chunk in seen] == ["A "]
    assert len(server.requests) == 1


def test_figures_beyond_all_measure_are_unknown(serve, any_face):
    """A number of 400 digits is legal JSON, and no figure."""
    impact = {"energy_kwh": 10**400, "location": "FI", "\ud800": 1}
    body = {**ANSWER, "environment_impact": impact, "billing_cost": {"credits": 10**400}}
    last = {"choices": [], "environment_impact": impact}
    parts = map(http_chunk, (event("A", "stop"), odd_event(last), DONE))
    whole_server = serve(serving(whole(body)))
    stream_server = serve(serving(EVENTS_HEAD, *parts, LAST_CHUNK))
    answer = any_face(whole_server.base_url).chat()
    assert (answer.environment_impact.energy_kwh, answer.environment_impact.location) == (None, "FI")
    from melious import track_impact

    with track_impact() as ledger:
        assert len(any_face(stream_server.base_url).chunks()) == 2
    assert (ledger.total.requests, ledger.total.without_impact) == (1, 0)
    assert ledger.total.energy_kwh is None


def test_sixteen_thousand_calls_in_one_event(serve, any_face):
    calls = [{"index": n, "id": f"c{n}", "function": {"name": "f", "arguments": "{}"}} for n in range(16_000)]
    one = odd_event(
        {"choices": [{"index": 0, "delta": {"tool_calls": calls}, "finish_reason": "tool_calls"}]}
    )
    server = serve(serving(EVENTS_HEAD, http_chunk(one), http_chunk(DONE), LAST_CHUNK))
    (chunk,) = any_face(server.base_url).chunks()
    assert [call["id"] for call in chunk["choices"][0]["delta"]["tool_calls"]] == [
        f"c{n}" for n in range(16_000)
    ]
