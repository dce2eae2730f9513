"""What the servers behind the service say of an input that is too long, and what only sounds like it."""

import json
from pathlib import Path
from typing import Any

import pytest

from melious import BadRequestError, ContextLengthExceededError
from melious.errors.table import status_error
from melious.sandbox import Fault, Sandbox

from .clients import CHAT, QUESTION, Clients

ANSWERS = [
    json.loads(line)
    for line in Path(__file__).with_name("overflow_answers.jsonl").read_text("utf-8").splitlines()
]
"""Who says it, under which status, in which words; and which error it is."""


@pytest.mark.parametrize("answer", ANSWERS, ids=[answer["from"] for answer in ANSWERS])
def test_what_servers_say(answer: dict[str, Any]) -> None:
    error = status_error(answer["status"], answer["body"])
    assert type(error).__name__ == answer["kind"]
    if isinstance(error, ContextLengthExceededError):
        assert not error.is_retryable
        assert "Shorten the input" in str(error)


@pytest.mark.parametrize("status", [400, 413, 422, 429])
def test_the_words_hold_under_every_status_that_they_come_with(status: int) -> None:
    error = status_error(status, {"error": {"message": "The prompt is too long: 250000 tokens"}})
    assert type(error) is ContextLengthExceededError


def test_a_long_message_is_read_quickly() -> None:
    message = "limit 1 " * 50_000 + "maximum context " * 50_000
    assert type(status_error(400, {"error": {"message": message}})) is BadRequestError


def test_a_request_over_the_limit_of_a_minute_is_not_sent_again(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    too_large = next(answer["body"] for answer in ANSWERS if answer["from"].startswith("Groq, more"))
    sandbox.faults.add(Fault(status=413, body=too_large, headers={"retry-after": "1"}))
    with pytest.raises(ContextLengthExceededError) as caught:
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    assert (caught.value.attempts, caught.value.status_code) == (1, 413)
    assert clients.call(client, "chat.create", model=CHAT, messages=QUESTION).text, "the key need not wait"


def test_an_overflow_inside_a_stream(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    said = '{"error":{"message":"This model\'s maximum context length is 4096 tokens.","code":400}}'
    sandbox.faults.add(Fault(raw=[f"data: {said}\n\n", "data: [DONE]\n\n"], content_type="text/event-stream"))
    with pytest.raises(ContextLengthExceededError):
        clients.stream(client, model=CHAT, messages=QUESTION)
