"""Whole answers with status 200 that are not what they should be: other texts, odd JSON, errors in disguise."""

import json
from typing import Any

from fault_calls import chat_answer
from fault_kinds_connection import EVERY, NO_STREAM, WIDE
from fault_server import FAULTY, Kind, Outcome, Play

from melious import (
    APIStatusError,
    InsufficientBalanceError,
    MeliousError,
    RateLimitError,
    ResponseDecodeError,
    ServerError,
)

BOTH = ("chat", "stream")
READ = ("chat", "embeddings", "rerank", "images", "audio", "models")
OWN_OR_ERROR: tuple[Outcome, ...] = (None, ResponseDecodeError)
WHOLES_ONCE = dict.fromkeys(READ, 1)
AGAIN = "retry-after: 0"


def answers(body: bytes, *lines: str) -> Play:
    """Answer with this body."""
    return lambda ask: ask.whole(body, *lines)


def unreadable(body: bytes, on: tuple[str, ...] = BOTH, *lines: str) -> Kind:
    """A body that nobody can read, or that is not an answer."""
    return Kind(answers(body, *lines), (ResponseDecodeError,), on, sent=WHOLES_ONCE, differs=NO_STREAM)


def odd_chat(**fields: Any) -> Kind:
    """A chat answer with odd fields, as a whole and in the place of a stream."""
    return Kind(
        answers(json.dumps(chat_answer(FAULTY) | fields).encode()),
        OWN_OR_ERROR,
        BOTH,
        sent=WHOLES_ONCE,
        differs={"stream": (None, MeliousError)},
        odd=True,
    )


def odd_choice(**fields: Any) -> Kind:
    """A chat answer whose only choice is odd."""
    choice = chat_answer(FAULTY)["choices"][0] | fields
    return odd_chat(choices=[choice])


def odd_message(**fields: Any) -> Kind:
    """A chat answer whose message is odd."""
    return odd_choice(message={"role": "assistant", "content": FAULTY} | fields)


def in_disguise(error: Any, outcome: Outcome, *, sent: int, on: tuple[str, ...] = EVERY) -> Kind:
    """An error object with status 200."""
    return Kind(answers(json.dumps({"error": error}).encode(), AGAIN), (outcome,), on, sent=sent)


def recoded(encoding: str) -> Play:
    """The sound body in another character encoding."""
    return lambda ask: ask.whole(ask.body.decode().encode(encoding))


SOUND = json.dumps(chat_answer(FAULTY))

WHOLES = {
    "a web page": unreadable(b"<html><title>Log in to the hotel network</title></html>", EVERY),
    "a plain text": unreadable(b"upstream connect error", WIDE),
    "white space": unreadable(b" \r\n\t ", ("chat", "embeddings")),
    "half a JSON object": unreadable(SOUND[:40].encode(), READ),
    "a JSON list": unreadable(b"[]", READ),
    "null": unreadable(b"null", READ),
    "a number": unreadable(b"42", ("chat", "models")),
    "a JSON text": unreadable(b'"fault"', ("chat", "stream")),
    "an empty object": Kind(answers(b"{}"), OWN_OR_ERROR, READ, sent=1, odd=True),
    "two objects": unreadable(SOUND.encode() * 2, ("chat",)),
    "garbage behind the object": unreadable(SOUND.encode() + b"garbage", ("chat",)),
    "100,000 lists in each other": unreadable(b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", READ),
    "100,000 objects in each other": unreadable(
        b'{"choices": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, ("chat", "stream")
    ),
    "bytes beyond UTF-8": unreadable(
        b'{"id": "\xff\xfe\xc3", "choices": [{"message": {"content": "\xe9"}}]}', ("chat",)
    ),
    "UTF-16": Kind(recoded("utf-16"), OWN_OR_ERROR, READ, sent=1),
    "UTF-32": Kind(recoded("utf-32-be"), OWN_OR_ERROR, ("chat",), sent=1),
    "a byte order mark": Kind(recoded("utf-8-sig"), OWN_OR_ERROR, READ, sent=1),
    "duplicate keys": Kind(answers(b'{"id": "other", ' + SOUND[1:].encode()), (None,), sent=1),
    "NaN": Kind(answers(SOUND.encode()[:-1] + b', "created": NaN, "x": Infinity}'), OWN_OR_ERROR, sent=1),
    "a number of 6,000 digits": Kind(
        answers(SOUND.encode()[:-1] + b', "created": ' + b"9" * 6_000 + b"}"), OWN_OR_ERROR, sent=1
    ),
    "a lone surrogate": Kind(answers(SOUND.encode()[:-1] + b', "note": "\\ud800"}'), OWN_OR_ERROR, sent=1),
    "NUL in a text": Kind(answers(SOUND.encode()[:-1] + b', "note": "\\u0000"}'), (None,), sent=1),
    "a megabyte of spaces": Kind(answers(b" " * 1_000_000 + SOUND.encode()), (None,), sent=1),
    # --- odd chat answers
    "choices: null": odd_chat(choices=None),
    "choices: []": odd_chat(choices=[]),
    "choices: false": odd_chat(choices=False),
    "choices: 0": odd_chat(choices=0),
    "choices: true": odd_chat(choices=True),
    "choices: a text": odd_chat(choices="stop"),
    "choices: an object": odd_chat(choices={"0": {"message": {"content": "x"}}}),
    "choices: [null]": odd_chat(choices=[None]),
    "choices: a list of texts": odd_chat(choices=["hello"]),
    "a message that is a text": odd_choice(message="hello"),
    "a message that is null": odd_choice(message=None),
    "a message that is a list": odd_choice(message=["hello"]),
    "tool_calls: true": odd_message(tool_calls=True),
    "tool_calls: a text": odd_message(tool_calls="none"),
    "a tool call that is null": odd_message(tool_calls=[None]),
    "a tool call whose function is a text": odd_message(tool_calls=[{"function": "f"}]),
    "a tool call whose arguments are a number": odd_message(
        tool_calls=[{"function": {"name": "f", "arguments": 7}}]
    ),
    "content: a number": odd_message(content=7),
    "content: a list of numbers": odd_message(content=[1, None]),
    "an index that is a text": odd_choice(index="first"),
    "a finish_reason that is an object": odd_choice(finish_reason={"type": "stop"}),
    "usage: a list": odd_chat(usage=[1, 2]),
    "usage: texts": odd_chat(usage={"prompt_tokens": "many", "completion_tokens": None}),
    "impact: a text": odd_chat(environment_impact="none", billing_cost=[]),
    "object: error": Kind(answers(b'{"object": "error", "message": "no"}'), (APIStatusError,)),
    # --- odd answers of the others
    "vectors of texts": unreadable(b'{"data": [{"index": 0, "embedding": ["a"]}]}', ("embeddings",)),
    "a vector that is null": unreadable(b'{"data": [{"index": 0, "embedding": null}]}', ("embeddings",)),
    "an index beyond the input": unreadable(b'{"data": [{"index": 9, "embedding": [1.0]}]}', ("embeddings",)),
    "one vector too many": unreadable(
        b'{"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0]}]}', ("embeddings",)
    ),
    "results of texts": unreadable(b'{"results": ["first"]}', ("rerank",)),
    "a score that is not a number": unreadable(
        b'{"results": [{"index": 0, "relevance_score": NaN}]}', ("rerank",)
    ),
    "a document beyond those sent": unreadable(
        b'{"results": [{"index": 9, "relevance_score": 1}]}', ("rerank",)
    ),
    "pictures of texts": unreadable(b'{"data": ["first"]}', ("images",)),
    "words that are a number": unreadable(b'{"text": [7]}', ("audio",)),
    "models of numbers": unreadable(b'{"data": [1, 2]}', ("models",)),
    # --- errors in disguise
    "an error of the limit in a 200": in_disguise(
        {"message": "slow down", "code": "rate_limit_exceeded"}, RateLimitError, sent=2
    ),
    "an error of the service in a 200": in_disguise(
        {"message": "no luck", "code": "provider_error"}, ServerError, sent=2
    ),
    "an error about money in a 200": in_disguise(
        {"message": "top up", "code": "insufficient_quota"}, InsufficientBalanceError, sent=1
    ),
    "an error of words in a 200": in_disguise("something broke", MeliousError, sent=2, on=("chat", "stream")),
}
