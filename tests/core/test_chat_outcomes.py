"""What a caller of `chat.stream` sees of every recorded stream, served raw over loopback."""

from typing import Any

import pytest

from melious import APIStatusError, MeliousError, ResponseDecodeError, StreamTruncatedError
from melious.sandbox import Fault, Sandbox

from .clients import CHAT, QUESTION, Clients, Streamed
from .sse_cases import CHAT_CASES

MODES = pytest.mark.parametrize("cut", ["as given", "in small reads"])
by_id = pytest.mark.parametrize("case", CHAT_CASES, ids=lambda case: case["id"])


def _served(clients: Clients, sandbox: Sandbox, fault: Fault) -> Streamed:
    """Read the stream to its end, or to its error, wherever that is raised."""
    sandbox.faults.add(fault)
    client = clients.client(sandbox, max_retries=0)
    try:
        return clients.stream(client, model=CHAT, messages=QUESTION)
    except MeliousError as error:
        return Streamed(None, [], error)


def _pieces(case: dict[str, Any], cut: str) -> list[str]:
    if cut == "as given":
        return case["chunks"]
    whole = "".join(case["chunks"])
    return [whole[place : place + 23] for place in range(0, len(whole), 23)] or [""]


@MODES
@by_id
def test_outcome(clients: Clients, sandbox: Sandbox, case: dict[str, Any], cut: str) -> None:
    expected = case["chat"]
    fault = Fault(raw=_pieces(case, cut), content_type=expected.get("content_type"))
    got = _served(clients, sandbox, fault)
    assert (got.error is None) == expected["complete"]
    if got.error is not None:
        words = f"{type(got.error).__name__} {got.error}".lower()
        assert expected["error"].lower() in words
        partial = got.error.partial
        assert got.error.request_id == sandbox.requests[-1].request_id
    else:
        partial = got.stream.partial
    assert partial is not None, "an error inside a stream carries what had arrived"
    assert got.text == partial.text == expected["text"]
    assert partial.finish_reason == expected["finish_reason"]
    assert partial.usage == expected["usage"]
    assert [_call(call) for call in partial.tool_calls] == (expected["tool_calls"] or [])
    assert partial.reasoning == expected.get("reasoning", "")
    for index, text in expected.get("choices", {}).items():
        assert partial.choices[int(index)].to_wire()["message"]["content"] == text
    _check_form(got.chunks)


def _call(call: dict[str, Any]) -> dict[str, Any]:
    return {"index": call["index"], "id": call["id"], **call["function"]}


def _check_form(chunks: list[dict[str, Any]]) -> None:
    """Every chunk has the one regular form, whatever the server sent."""
    finished: set[int] = set()
    named: list[tuple[int, int]] = []
    for chunk in chunks:
        assert isinstance(chunk["choices"], list)
        for choice in chunk["choices"]:
            delta, index = choice["delta"], choice.get("index", 0)
            assert isinstance(delta, dict)
            assert isinstance(delta.get("content"), str | None)
            assert isinstance(delta.get("reasoning_content"), str | None)
            if choice.get("finish_reason") is not None:
                assert index not in finished, "a choice finishes once"
                finished.add(index)
            for piece in delta.get("tool_calls") or ():
                assert type(piece["index"]) is int
                assert isinstance(piece["function"]["arguments"], str)
                if "name" in piece["function"]:
                    assert piece["id"], "id and name come together"
                    named.append((index, piece["index"]))
    assert len(set(named)) == len(named), "a call is named once"


ENDS_WITH_DONE = [
    case for case in CHAT_CASES if case["chat"]["complete"] and "[DONE]" in "".join(case["chunks"])
]


@pytest.mark.usefixtures("patient_drain")
@pytest.mark.parametrize("case", ENDS_WITH_DONE, ids=lambda case: case["id"])
def test_a_stream_read_to_done_gives_its_connection_back(
    clients: Clients, sandbox: Sandbox, case: dict[str, Any]
) -> None:
    client = clients.client(sandbox)
    for _ in range(2):
        sandbox.faults.add(Fault(raw=case["chunks"]))
        assert clients.stream(client, model=CHAT, messages=QUESTION).error is None
    clients.call(client, "models.list")
    assert len({request.connection for request in sandbox.requests}) == 1


TEXT = 'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
DONE = "data: [DONE]\n\n"

REPORTED = {
    "flat error event": (
        'event: error\ndata: {"message":"no memory left","code":"provider_error"}\n\n',
        "no memory left",
    ),
    "error object": ('data: {"object":"error","message":"no memory left","code":500}\n\n', "no memory left"),
    "error field": ("error: no memory left\n\n", "no memory left"),
    "error field of JSON": ('error: {"message":"no memory left"}\n\n', "no memory left"),
    "error in a choice": (
        'data: {"choices":[{"index":0,"delta":{},"error":{"message":"no memory left"}}]}\n\n',
        "no memory left",
    ),
    "finish_reason error": ('data: {"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}\n\n', ""),
    "error without a word": ('data: {"error":{}, "object":"error"}\n\n', ""),
    "error true": ('data: {"error":true}\n\n', ""),
    "error list": ('data: {"error":["no memory left"]}\n\n', ""),
}


@pytest.mark.parametrize("said", REPORTED.values(), ids=list(REPORTED))
def test_an_error_that_the_stream_reports_is_raised_after_what_came_before(
    clients: Clients, sandbox: Sandbox, said: tuple[str, str]
) -> None:
    got = _served(clients, sandbox, Fault(raw=[TEXT, said[0], DONE]))
    assert isinstance(got.error, APIStatusError)
    assert said[1] in str(got.error)
    assert got.error.message.strip(), "an error says something even where the server did not"
    assert got.text == got.error.partial.text == "Hi"


NO_CHUNK = {
    "number": "data: 7\n\n",
    "list": "data: []\n\n",
    "words": "data: all is well\n\n",
    "choices": 'data: {"choices": 7}\n\n',
    "choice": 'data: {"choices": [7]}\n\n',
    "delta": 'data: {"choices": [{"delta": "x"}]}\n\n',
    "call": 'data: {"choices": [{"delta": {"tool_calls": 5}}]}\n\n',
    "function": 'data: {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": "f"}]}}]}\n\n',
}


@pytest.mark.parametrize("event", NO_CHUNK.values(), ids=list(NO_CHUNK))
def test_an_event_that_is_no_chunk_is_an_error_and_no_crash(
    clients: Clients, sandbox: Sandbox, event: str
) -> None:
    got = _served(clients, sandbox, Fault(raw=[TEXT, event, DONE]))
    assert isinstance(got.error, ResponseDecodeError)
    assert got.text == got.error.partial.text == "Hi"


def test_a_web_page_instead_of_a_stream_is_named_with_its_beginning(
    clients: Clients, sandbox: Sandbox
) -> None:
    page = "<html><body><h1>Welcome to the hotel's network</h1></body></html>"
    got = _served(clients, sandbox, Fault(raw=[page], content_type="text/html; charset=utf-8"))
    assert isinstance(got.error, ResponseDecodeError)
    assert "text/html" in str(got.error)
    assert "Welcome to the hotel" in str(got.error)


def test_a_whole_answer_instead_of_a_stream_comes_as_one_chunk(clients: Clients, sandbox: Sandbox) -> None:
    answer = (
        '{"id":"c1","object":"chat.completion","model":"m","choices":[{"index":0,"message":'
        '{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3}}'
    )
    got = _served(clients, sandbox, Fault(raw=[answer[:50], answer[50:]], content_type="application/json"))
    assert got.error is None
    assert got.text == "Hi"
    assert got.stream.partial.usage == {"prompt_tokens": 3}
    assert got.stream.completion().finish_reason == "stop"


def test_events_under_a_wrong_content_type_are_events(clients: Clients, sandbox: Sandbox) -> None:
    got = _served(clients, sandbox, Fault(raw=[": hello\n\n", TEXT, DONE], content_type="text/plain"))
    assert (got.error, got.text) == (None, "Hi")


@pytest.mark.parametrize("events", [1, 2, 4])
def test_a_stream_whose_connection_is_cut_is_truncated(
    clients: Clients, sandbox: Sandbox, events: int
) -> None:
    got = _served(clients, sandbox, Fault(cut_after_events=events))
    assert isinstance(got.error, StreamTruncatedError | MeliousError)
    assert got.error.is_retryable
    assert got.error.partial is None or got.error.partial.finish_reason is None


def test_a_stream_without_done_but_finished_is_whole(clients: Clients, sandbox: Sandbox) -> None:
    got = _served(clients, sandbox, Fault(no_done=True))
    assert got.error is None
    assert got.stream.partial.finish_reason == "stop"


def test_two_terminal_chunks_finish_once(clients: Clients, sandbox: Sandbox) -> None:
    got = _served(clients, sandbox, Fault(two_terminals=True))
    assert got.error is None
    _check_form(got.chunks)
    assert got.stream.partial.usage["total_tokens"] > 0


def test_garbage_in_the_middle_is_an_error(clients: Clients, sandbox: Sandbox) -> None:
    got = _served(clients, sandbox, Fault(garbage="\x00\xff{{{ data\n\ndata: \xfe\xff\n\n"))
    assert isinstance(got.error, ResponseDecodeError)


@pytest.mark.parametrize("index", ['"\u00b2"', f'"{"9" * 5000}"', "-1", "1.5", "true", '"0"'])
def test_an_odd_index_of_a_tool_call_never_loses_the_call(
    clients: Clients, sandbox: Sandbox, index: str
) -> None:
    piece = f'{{"index":{index},"id":"t1","function":{{"name":"get","arguments":"{{}}"}}}}'
    event = f'data: {{"choices":[{{"index":0,"delta":{{"tool_calls":[{piece}]}},"finish_reason":"tool_calls"}}]}}\n\n'
    got = _served(clients, sandbox, Fault(raw=[event.encode().decode("latin-1"), DONE]))
    assert got.error is None
    assert [(call["id"], call["function"]["name"]) for call in got.stream.partial.tool_calls] == [
        ("t1", "get")
    ]
    _check_form(got.chunks)


@pytest.mark.parametrize(
    "code", ['"\u00b2\u00b2\u00b2"', "429", '"503"', "true", "null", "{}", "[]", "1e999"]
)
def test_an_odd_code_of_an_error_is_still_an_error_of_the_service(
    clients: Clients, sandbox: Sandbox, code: str
) -> None:
    event = f'data: {{"error":{{"message":"no memory left","code":{code}}}}}\n\n'
    got = _served(clients, sandbox, Fault(raw=[TEXT, event.encode().decode("latin-1")]))
    assert isinstance(got.error, APIStatusError)
    assert got.error.message == "no memory left"


def test_an_error_inside_a_stream_tells_what_went_before(clients: Clients, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(status=503, headers={"retry-after-ms": "1"}), Fault(error_after_events=3))
    got = clients.stream(clients.client(sandbox), model=CHAT, messages=QUESTION)
    assert got.error is not None
    assert (got.error.attempts, len(got.error.history)) == (2, 1)
    assert got.error.history[0].request_id == sandbox.requests[0].request_id
    assert got.error.elapsed > 0
    assert any("503" in note for note in got.error.__notes__)
