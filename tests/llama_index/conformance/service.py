"""The server that the tests of the suite talk to, as far as they need to know it, and what it sends."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class Request(Protocol):
    """A request that the server saw.

    Attributes:
        body: The parsed JSON.
        headers: The headers, with lower-case names.
    """

    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server says to the next request instead of an answer of its own.

    Attributes:
        status: Status of HTTP.
        headers: Headers of the answer.
        body: A whole answer, sent as JSON.
        stream: The chunks of a stream, sent as server-sent events.
        done: Whether `[DONE]` ends the stream.
        silent_after: Say nothing more for ten minutes after so many chunks; the connection stays open.
        delay: Seconds before the first byte.
        times: How many requests are answered so; None for all.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    stream: Sequence[Mapping[str, Any]] | None = None
    done: bool = True
    silent_after: int | None = None
    delay: float = 0.0
    times: int | None = 1


class Service(ABC):
    """The server behind the integration.

    What the tests do not script, it answers by itself and validly: chats with
    any text, the same text with the same vector and others with others, every
    document of a rerank with a score.

    Attributes:
        base_url: Where it is, as the integration wants it.
        api_key: A key that it takes; it refuses others with 401.
    """

    base_url: str
    api_key: str

    @property
    @abstractmethod
    def requests(self) -> Sequence[Request]:
        """The requests seen so far, oldest first."""

    @property
    @abstractmethod
    def open_connections(self) -> int:
        """How many connections clients hold right now."""

    @abstractmethod
    def answer(self, *answers: Answer) -> None:
        """Say these things to the next requests, in this order."""


def piece(delta: Mapping[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk of a streamed chat."""
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish, **more}
    return _answer("chat.completion.chunk", [choice])


def count(prompt: int, completion: int) -> dict[str, Any]:
    """The chunk at the end of a stream that tells its usage, and has no choices."""
    return {**_answer("chat.completion.chunk", []), "usage": tokens(prompt, completion)}


def whole(message: Mapping[str, Any], finish: str = "stop", **more: Any) -> dict[str, Any]:
    """A whole answer to a chat."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", **message},
        "finish_reason": finish,
        **more,
    }
    return {**_answer("chat.completion", [choice]), "usage": tokens(11, 7)}


def tokens(prompt: int, completion: int) -> dict[str, int]:
    """Usage as the wire tells it."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """A call of a tool in a whole answer."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def call_piece(
    index: int, call_id: str | None = None, name: str | None = None, arguments: str = ""
) -> dict[str, Any]:
    """A chunk with a part of a call of a tool."""
    part: dict[str, Any] = {"index": index, "function": {"arguments": arguments}}
    if call_id is not None:
        part |= {"id": call_id, "type": "function"}
        part["function"]["name"] = name
    return piece({"tool_calls": [part]})


def spoken(*words: str, finish: str = "stop", usage: bool = True) -> list[dict[str, Any]]:
    """The chunks of a plain streamed answer, as servers send them."""
    chunks = [piece({"role": "assistant", "content": ""}), *(piece({"content": word}) for word in words)]
    return [*chunks, piece({}, finish), *([count(11, 7)] if usage else [])]


def _answer(kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": kind,
        "created": 1,
        "model": "some-model",
        "choices": choices,
    }
