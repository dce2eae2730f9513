"""Scripted replies, through the object and through the header, seen from a plain HTTP client."""

import io
import json
import wave

import pytest

from melious import InvalidArgumentError
from melious.sandbox import Fault, Replies, Reply

GEMMA = "gemma-4-31b"
LLAMA = "llama-3.1-8b-instruct"
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def texts(*answers):
    return [answer.json()["choices"][0]["message"]["content"] for answer in answers]


def events(answer):
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def deltas(answer, name):
    found = [choice["delta"].get(name) for chunk in events(answer) for choice in chunk["choices"]]
    return [value for value in found if value]


@pytest.fixture(scope="module")
def wav():
    written = io.BytesIO()
    with wave.open(written, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", None))
        sound.writeframes(bytes(16_000))
    return written.getvalue()


def test_a_reply_answers_once(sandbox, ask):
    assert isinstance(sandbox.replies, Replies)
    sandbox.replies.add(Reply(text="Forty-two."))
    first, second = texts(ask("What is it?"), ask("What is it?"))
    assert first == "Forty-two."
    assert second != first
    assert len(sandbox.replies) == 0
    assert [request.reply for request in sandbox.requests] == [Reply(text="Forty-two."), None]


def test_replies_answer_in_their_order_and_as_often_as_asked(sandbox, ask):
    sandbox.replies.add(Reply(text="a"), Reply(text="b"), times=2)
    sandbox.replies.add(Reply(text="c"), times=None)
    assert texts(*(ask() for _ in range(7))) == ["a", "a", "b", "b", "c", "c", "c"]
    assert len(sandbox.replies) == 1
    sandbox.replies.clear()
    assert texts(ask()) != ["c"]


def test_reset_drops_replies(sandbox):
    sandbox.replies.add(Reply(text="a"))
    sandbox.reset()
    assert len(sandbox.replies) == 0


@pytest.mark.parametrize("asked", [GEMMA, f"{GEMMA}:eco"])
def test_a_reply_for_a_model(sandbox, ask, asked):
    sandbox.replies.add(Reply(text="by gemma"), model=GEMMA)
    assert texts(ask(model=LLAMA)) != ["by gemma"]
    assert texts(ask(model=asked)) == ["by gemma"]


def test_a_reply_for_a_model_with_its_flavor(sandbox, ask):
    sandbox.replies.add(Reply(text="quick"), model=f"{GEMMA}:speed")
    assert texts(ask(model=GEMMA)) != ["quick"]
    assert texts(ask(model=f"{GEMMA}:speed")) == ["quick"]


def test_a_function_sees_the_body_and_the_headers(sandbox, http):
    def picked(request):
        return request.headers.get("x-test") == "1" and "ship" in request.body["messages"][-1]["content"]

    sandbox.replies.add(Reply(text="Ahoy"), when=picked)
    body = {"model": LLAMA, "messages": [{"role": "user", "content": "A ship?"}]}
    assert texts(http.post("/chat/completions", json=body)) != ["Ahoy"]
    assert texts(http.post("/chat/completions", json=body, headers={"x-test": "1"})) == ["Ahoy"]


def test_a_function_sees_a_body_that_is_too_large_to_keep(start_sandbox, client_of):
    sandbox = start_sandbox(max_bytes_kept=16)
    sandbox.replies.add(Reply(text="seen"), when=lambda request: request.body["model"] == LLAMA)
    body = {"model": LLAMA, "messages": [{"role": "user", "content": "Hello"}]}
    assert texts(client_of(sandbox).post("/chat/completions", json=body)) == ["seen"]


def test_a_function_that_fails_is_an_error_that_says_so(sandbox, ask):
    sandbox.replies.add(Reply(text="a"), when=lambda request: request.body["no such field"])
    answer = ask()
    assert answer.status_code == 500
    assert "KeyError('no such field')" in answer.json()["error"]["message"]


def test_what_is_refused_uses_up_no_reply(sandbox, ask):
    sandbox.replies.add(Reply(text="a"))
    sandbox.faults.add(Fault(status=503))
    assert ask().status_code == 503
    assert ask(temperature=9).status_code == 400
    assert texts(ask()) == ["a"]


def test_a_fault_damages_a_reply(sandbox, ask):
    sandbox.replies.add(Reply(chunks=["a", "b", "c"]))
    sandbox.faults.add(Fault(error_after_events=3))
    answer = ask(stream=True)
    assert '"content":"b"' in answer.text
    assert '"error"' in answer.text
    assert '"content":"c"' not in answer.text


def test_text_and_thinking_are_sent_as_they_stand(sandbox, ask):
    sandbox.replies.add(Reply(text="One two three.", reasoning="Hm. So be it."))
    answer = ask(max_tokens=1, stop="two").json()
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "One two three.",
                "reasoning_content": "Hm. So be it.",
            },
            "finish_reason": "stop",
        }
    ]
    assert answer["model"] == LLAMA
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    assert answer["environment_impact"]["energy_kwh"] > 0
    assert answer["billing_cost"]["paid_with"] == "credits"


def test_a_reply_says_model_usage_and_reason(sandbox, ask):
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 7, "odd": None}
    sandbox.replies.add(Reply(text="x", model="other", usage=usage, finish_reason="length"))
    answer = ask(model=GEMMA).json()
    assert answer["model"] == "other"
    assert answer["usage"] == usage
    assert answer["choices"][0]["finish_reason"] == "length"
    assert sandbox.requests[0].served.model == GEMMA
    assert sandbox.requests[0].served.work.input_tokens == 1_000_000


def test_tool_calls(sandbox, ask):
    sandbox.replies.add(
        Reply(
            tool_calls=[("add", {"a": 1}), ("add", '{"a": ', "call_7"), ["nowhere", {}]], text="Let me see."
        )
    )
    choice = ask(tools=[TOOL], tool_choice="none").json()["choices"][0]
    calls = choice["message"]["tool_calls"]
    assert [(call["function"]["name"], call["function"]["arguments"]) for call in calls] == [
        ("add", '{"a": 1}'),
        ("add", '{"a": '),
        ("nowhere", "{}"),
    ]
    assert calls[1]["id"] == "call_7"
    assert len({call["id"] for call in calls}) == 3
    assert choice["message"]["content"] == "Let me see."
    assert choice["finish_reason"] == "tool_calls"


def test_tool_calls_without_text_have_no_content(sandbox, ask):
    sandbox.replies.add(Reply(tool_calls=[("add", {})]))
    assert texts(ask()) == [None]


def test_a_stream_of_text_and_thinking(sandbox, ask):
    sandbox.replies.add(Reply(text="Good morning to you.", reasoning="They greet."), times=2)
    thinking = deltas(ask(stream=True), "reasoning_content")
    written = deltas(ask(stream=True), "content")
    assert "".join(thinking) == "They greet."
    assert "".join(written) == "Good morning to you."
    assert len(written) > 1


def test_a_stream_in_given_pieces(sandbox, ask):
    sandbox.replies.add(Reply(chunks=["<thi", "nk>", "", "x</think>", "é"]), times=2)
    chunks = events(ask(stream=True))
    pieces = [chunk["choices"][0]["delta"].get("content") for chunk in chunks]
    assert pieces == ["", "<thi", "nk>", "", "x</think>", "é", None]
    assert texts(ask()) == ["<think>x</think>é"]


def test_a_stream_of_tool_calls_with_usage(sandbox, ask):
    sandbox.replies.add(
        Reply(tool_calls=[("add", {"a": "x" * 40}, "call_1")], model="other", usage={"prompt_tokens": 3})
    )
    chunks = events(ask(stream=True, stream_options={"include_usage": True}))
    fragments = [
        call
        for chunk in chunks
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", ())
    ]
    assert fragments[0]["id"] == "call_1"
    assert json.loads("".join(call["function"]["arguments"] for call in fragments)) == {"a": "x" * 40}
    assert chunks[-1]["usage"] == {"prompt_tokens": 3}
    assert {chunk["model"] for chunk in chunks} == {"other"}


BODIES = [
    ("chat", "/chat/completions", {"model": LLAMA, "messages": [{"role": "user", "content": "Hi"}]}),
    ("embeddings", "/embeddings", {"model": "bge-m3", "input": "x"}),
    ("rerank", "/rerank", {"model": "bge-reranker-v2-m3", "query": "x", "documents": ["x"]}),
    ("images", "/images/generations", {"prompt": "x"}),
]


@pytest.mark.parametrize(("endpoint", "path", "body"), BODIES, ids=[endpoint for endpoint, _, _ in BODIES])
def test_a_whole_body(sandbox, http, endpoint, path, body):
    sandbox.replies.add(Reply(json={"data": [{"odd": None}]}), endpoint=endpoint)
    sandbox.replies.add(Reply(json=[]), endpoint=endpoint)
    assert http.post(path, json={}).status_code == 400 or endpoint == "images"
    assert http.post(path, json=body).json() == {"data": [{"odd": None}]}
    assert http.post(path, json=body).json() == []
    assert http.post(path, json=body).json() != []


@pytest.mark.parametrize("path", ["/models", "/models/bge-m3"])
def test_a_whole_body_for_models(sandbox, http, path):
    sandbox.replies.add(Reply(json={"data": []}), endpoint="models")
    assert http.get(path).json() == {"data": []}
    assert http.get(path).json() != {"data": []}


@pytest.mark.parametrize("form", ["json", "text", "srt"])
def test_a_transcription(sandbox, http, wav, form):
    sandbox.replies.add(Reply(text="Good morning."), endpoint="audio")
    fields = {"model": "whisper-large-v3", "response_format": form}
    answer = http.post("/audio/transcriptions", data=fields, files={"file": ("a.wav", wav)})
    assert answer.status_code == 200
    assert "Good morning." in answer.text


def test_a_whole_body_for_a_transcription(sandbox, http, wav):
    sandbox.replies.add(Reply(json={"text": None}), endpoint="audio")
    answer = http.post(
        "/audio/transcriptions", data={"model": "whisper-large-v3"}, files={"file": ("a.wav", wav)}
    )
    assert answer.json() == {"text": None}


def test_an_endpoint_gives_only_replies_for_it(sandbox, http):
    sandbox.replies.add(Reply(json={"a": 1}), endpoint="embeddings")
    assert http.get("/models").json() != {"a": 1}
    assert len(sandbox.replies) == 1


def test_a_reply_goes_before_the_server_behind(start_sandbox, client_of):
    behind = start_sandbox()
    sandbox = start_sandbox(upstream=behind.base_url, upstream_key=behind.api_key)
    sandbox.replies.add(Reply(text="scripted"))
    body = {"model": LLAMA, "messages": [{"role": "user", "content": "Hello"}]}
    client = client_of(sandbox)
    assert texts(client.post("/chat/completions", json=body)) == ["scripted"]
    assert len(behind.requests) == 0
    assert texts(client.post("/chat/completions", json=body)) != ["scripted"]
    assert len(behind.requests) == 1


def test_a_header_goes_before_the_replies_that_wait(sandbox, http):
    sandbox.replies.add(Reply(text="waiting"))
    body = {"model": LLAMA, "messages": [{"role": "user", "content": "Hello"}]}
    reply = Reply(tool_calls=[("add", {"a": "é"})], finish_reason="stop")
    answer = http.post("/chat/completions", json=body, headers={"x-sandbox-reply": reply.to_header()})
    choice = answer.json()["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"a": "é"}
    assert len(sandbox.replies) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(text=""),
        Reply(chunks=["a", ""], reasoning="é", usage={"prompt_tokens": 1}, model="m", finish_reason="length"),
        Reply(tool_calls=[["a", {"b": [1, {}]}], ["c", "{", "d"]]),
        Reply(json={"a": None}),
        Reply(json=[1]),
    ],
)
def test_a_header_round_trip(reply):
    assert reply.to_header().isascii()
    assert Reply.from_header(reply.to_header()) == reply


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "must be a JSON object"),
        ("{}", "the reply is empty"),
        ('{"txt":"a"}', "unknown fields: txt; did you mean 'text'?"),
        ('{"text":5}', "text must be a string, not 5"),
        ('{"tool_calls":[["a"]]}', "tool_calls[0]"),
        ("[" * 30_000, "nested too deeply"),
    ],
)
def test_a_header_that_is_wrong(http, header, said):
    body = {"model": LLAMA, "messages": [{"role": "user", "content": "Hello"}]}
    answer = http.post("/chat/completions", json=body, headers={"x-sandbox-reply": header})
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def test_a_header_for_an_endpoint_that_cannot_give_it(http):
    body = {"model": "bge-m3", "input": "x"}
    answer = http.post("/embeddings", json=body, headers={"x-sandbox-reply": '{"text":"a"}'})
    assert answer.status_code == 400
    assert "cannot give" in answer.json()["error"]["message"]


INSIDE_ITSELF: dict = {}
INSIDE_ITSELF["a"] = INSIDE_ITSELF
WRONG = [
    ("text", {}),
    ("text", {"text": 5}),
    ("text", {"text": "\ud800"}),
    ("reasoning", {"reasoning": b"x"}),
    ("model", {"text": "a", "model": ""}),
    ("model", {"text": "a", "model": 5}),
    ("finish_reason", {"text": "a", "finish_reason": "done"}),
    ("usage", {"text": "a", "usage": 5}),
    ("usage", {"text": "a", "usage": {1: 2}}),
    ("usage", {"text": "a", "usage": {"a": object()}}),
    ("usage", {"text": "a", "usage": INSIDE_ITSELF}),
    ("chunks", {"chunks": "abc"}),
    ("chunks", {"chunks": 5}),
    ("chunks[1]", {"chunks": ["a", None]}),
    ("chunks", {"chunks": ["a"], "text": "a"}),
    ("tool_calls", {"tool_calls": "add"}),
    ("tool_calls", {"tool_calls": {"add": {}}}),
    ("tool_calls[0]", {"tool_calls": ["add"]}),
    ("tool_calls[0]", {"tool_calls": [("add",)]}),
    ("tool_calls[0]", {"tool_calls": [("add", {}, "x", "y")]}),
    ("tool_calls[0]", {"tool_calls": [("", {})]}),
    ("tool_calls[0]", {"tool_calls": [(5, {})]}),
    ("tool_calls[1]", {"tool_calls": [("a", {}), ("a", None)]}),
    ("tool_calls[0]", {"tool_calls": [("a", {"b": {1, 2}})]}),
    ("tool_calls[0]", {"tool_calls": [("a", "\ud800")]}),
    ("tool_calls[0]", {"tool_calls": [("a", {}, "")]}),
    ("json", {"json": "{}"}),
    ("json", {"json": 5}),
    ("json", {"json": {"a": object()}}),
    ("json", {"json": {}, "text": "a"}),
    ("json", {"json": {}, "model": "a"}),
]


@pytest.mark.parametrize(("param", "arguments"), WRONG, ids=range(len(WRONG)))
def test_a_reply_that_cannot_be_given_is_refused_at_once(param, arguments):
    with pytest.raises(InvalidArgumentError) as caught:
        Reply(**arguments)
    assert str(caught.value).startswith(param)
    assert caught.value.param.startswith(param)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("param", "reply", "arguments"),
    [
        ("replies", {"text": "a"}, {}),
        ("replies", "a", {}),
        ("times", Reply(text="a"), {"times": 0}),
        ("times", Reply(text="a"), {"times": True}),
        ("endpoint", Reply(text="a"), {"endpoint": "Chat"}),
        ("endpoint", Reply(text="a"), {"endpoint": "embeddings"}),
        ("endpoint", Reply(text="a", reasoning="b"), {"endpoint": "audio"}),
        ("model", Reply(text="a"), {"model": ""}),
        ("model", Reply(text="a"), {"model": 5}),
        ("when", Reply(text="a"), {"when": "ship"}),
    ],
)
def test_a_script_that_cannot_be_meant_is_refused_at_once(sandbox, param, reply, arguments):
    with pytest.raises(InvalidArgumentError) as caught:
        sandbox.replies.add(reply, **arguments)
    assert caught.value.param == param
    assert len(sandbox.replies) == 0
