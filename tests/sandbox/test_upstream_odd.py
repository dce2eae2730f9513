"""Odd answers of the server behind the sandbox: they come through or are refused, and nothing fails."""

import json
import socket
import threading
from itertools import chain

import pytest
import raw
from faults.faults_kit import EVENTS_HEAD, RawServer, always, head, http_chunk, whole

from melious.sandbox import Fault, Sandbox

CHAT = {"model": "llama3.2:1b", "messages": [{"role": "user", "content": "What is a harbour?"}]}
EMBED = {"model": "nomic", "input": ["a"]}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "a"}, "delta": {"content": "a"}}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
ODD = [
    None, True, 0, -5, 1.5, float("nan"), float("inf"), 10**30, "", "12", [], [None], ["a"], {"a": 1},
]  # fmt: skip
PLACES = [
    ("choices",), ("choices", 0), ("choices", 0, "message"), ("choices", 0, "message", "content"),
    ("choices", 0, "delta"), ("choices", 0, "delta", "content"), ("usage",), ("usage", "prompt_tokens"),
    ("usage", "completion_tokens"), ("usage", "prompt_tokens_details"),
    ("usage", "prompt_tokens_details", "cached_tokens"),
]  # fmt: skip


def ask(sandbox, path, body):
    content = json.dumps(body).encode()
    lines = (f"content-length: {len(content)}", "connection: close")
    data = raw.request(sandbox, f"POST /v1{path} HTTP/1.1", *lines, key=sandbox.api_key, body=content)
    return raw.say(sandbox, data)


def with_value(place, value):
    changed = json.loads(json.dumps({"choices": [CHOICE], "usage": USAGE}))
    *way, last = place
    holder = changed
    for step in way:
        holder = holder[step]
    holder[last] = value
    return changed


def one_after_another(*answers):
    """A script that gives each request the next answer."""
    left = iter(answers)

    def script(peer):
        while peer.request() is not None:
            peer.send(*next(left))

    return script


def as_stream(answer):
    content = json.dumps(answer).encode()
    return EVENTS_HEAD, http_chunk(b"data: " + content + b"\n\ndata: [DONE]\n\n"), b"0\r\n\r\n"


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_chat_answers_of_any_form_come_through(place):
    answers = [with_value(place, value) for value in ODD]
    parts = chain.from_iterable(((whole(answer),), as_stream(answer)) for answer in answers)
    with RawServer(one_after_another(*parts)) as behind, Sandbox(upstream=behind.base_url) as front:
        for value in ODD:
            for stream in (False, True):
                answer = ask(front, "/chat/completions", CHAT | {"stream": stream})
                assert answer.status == 200, (value, stream)
                assert not stream or b"data: [DONE]\n\n" in answer.body, (value, stream)
                work = front.requests[-1].served.work
                for count in (work.input_tokens, work.output_tokens, work.cached_tokens):
                    assert type(count) is int, (value, stream)
                    assert 0 <= count < 10**9, (value, stream)


@pytest.mark.parametrize("truncate", [False, True])
def test_vectors_that_are_none(truncate):
    answers = [(whole({"data": data}),) for data in ODD]
    with RawServer(one_after_another(*answers)) as behind, Sandbox(upstream=behind.base_url) as front:
        for data in ODD:
            front.faults.add(Fault(truncate_base64=truncate))
            got = ask(front, "/embeddings", EMBED)
            if isinstance(data, list):
                assert (got.status, json.loads(got.body)["data"]) == (200, data)
            else:
                assert got.status == 503
                assert got.message == "The upstream server answered without a list of vectors."


def test_items_that_cannot_be_cut_short_stay():
    items = [{"embedding": "x"}, {"embedding": 1}, {}, "a"]
    with RawServer(always(whole({"data": items}))) as behind, Sandbox(upstream=behind.base_url) as front:
        front.faults.add(Fault(truncate_base64=True))
        assert json.loads(ask(front, "/embeddings", EMBED).body)["data"] == items


@pytest.mark.parametrize("message", [[1, 2], 1234, None, {"a": 1}, True])
def test_a_refusal_whose_message_is_not_text(message):
    refusal = whole({"error": {"message": message, "code": message}}, "400 Bad Request")
    with RawServer(always(refusal)) as behind, Sandbox(upstream=behind.base_url) as front:
        for stream in (False, True):
            got = ask(front, "/chat/completions", CHAT | {"stream": stream})
            assert got.status == 400
            assert isinstance(json.loads(got.body)["error"]["message"], str)


def test_a_refusal_that_breaks_off_still_says_its_status():
    def script(peer):
        peer.request()
        peer.send(head("429 Too Many Requests", "content-length: 100"), b"{")

    with RawServer(script) as behind, Sandbox(upstream=behind.base_url) as front:
        assert ask(front, "/chat/completions", CHAT | {"stream": True}).status == 429


def test_a_client_that_leaves_calls_off_the_reading_of_a_refusal():
    asked, left = threading.Event(), threading.Event()

    def script(peer):
        peer.request()
        peer.send(head("400 Bad Request", "content-length: 100"), b"{")
        asked.set()
        if peer.left():
            left.set()

    content = json.dumps(CHAT | {"stream": True}).encode()
    line, length = "POST /v1/chat/completions HTTP/1.1", f"content-length: {len(content)}"
    with RawServer(script) as behind, Sandbox(upstream=behind.base_url) as front:
        with socket.create_connection(raw.address_of(front), 60) as client:
            client.sendall(raw.request(front, line, length, key=front.api_key, body=content))
            assert asked.wait(60)
        assert left.wait(60)
