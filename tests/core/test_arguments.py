"""Wrong arguments are named, with their position, and nothing is sent."""

import datetime
import io
from pathlib import Path
from typing import Any

import pytest

from melious import InvalidArgumentError
from melious.sandbox import Sandbox

from .clients import AUDIO, CHAT, EMBEDDINGS, IMAGES, QUESTION, RERANK, Clients

GOOD: dict[str, dict[str, Any]] = {
    "chat.create": {"model": CHAT, "messages": QUESTION},
    "embeddings.create": {"model": EMBEDDINGS, "input": "a"},
    "rerank.create": {"model": RERANK, "query": "q", "documents": ["a"]},
    "images.generate": {"model": IMAGES, "prompt": "p"},
    "audio.transcribe": {"model": AUDIO, "file": ("a.wav", b"RIFF")},
    "models.list": {},
}
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("chat.create", {"model": ""}, "model"),
    ("chat.create", {"model": None}, "model"),
    ("chat.create", {"model": "  "}, "model"),
    ("chat.create", {"messages": []}, "messages"),
    ("chat.create", {"messages": "Hello"}, "messages"),
    ("chat.create", {"messages": None}, "messages"),
    ("chat.create", {"messages": 5}, "messages"),
    ("chat.create", {"messages": {"role": "user", "content": "x"}}, "messages"),
    ("chat.create", {"messages": [*QUESTION, "Hello"]}, r"messages\[1\]"),
    ("chat.create", {"messages": [*QUESTION, {"content": "x"}]}, r"messages\[1\]"),
    ("chat.create", {"temprature": 1}, "temprature.*did you mean 'temperature'"),
    ("chat.create", {"max_token": 1}, "max_token.*did you mean 'max_tokens'"),
    ("chat.create", {"stream": True}, "stream"),
    ("chat.create", {"temperature": object()}, "temperature"),
    ("chat.create", {"tools": [{"handler": object()}]}, "tools"),
    ("chat.create", {"flavor": "green"}, "flavor"),
    ("chat.create", {"filters": {"max_carbon_intensity": "low"}}, "max_carbon_intensity"),
    ("chat.create", {"extra_body": 5}, "extra_body"),
    ("rerank.create", {"query": ""}, "query"),
    ("rerank.create", {"query": "  "}, "query"),
    ("rerank.create", {"query": 5}, "query"),
    ("rerank.create", {"documents": []}, "documents"),
    ("rerank.create", {"documents": "one"}, "documents"),
    ("rerank.create", {"documents": None}, "documents"),
    ("rerank.create", {"documents": 5}, "documents"),
    ("rerank.create", {"documents": {"text": "a"}}, "documents"),
    ("rerank.create", {"documents": ["a", ""]}, r"documents\[1\]"),
    ("rerank.create", {"documents": ["a", {"text": ""}]}, r"documents\[1\]"),
    ("rerank.create", {"documents": ["a", "b", 7]}, r"documents\[2\]"),
    ("rerank.create", {"documents": ["a", {"body": "b"}]}, r"documents\[1\]"),
    ("rerank.create", {"top_n": 0}, "top_n"),
    ("rerank.create", {"top_n": True}, "top_n"),
    ("rerank.create", {"top_n": "3"}, "top_n"),
    ("rerank.create", {"mode": "price", "custom_weights": {"price": 1}}, "mode"),
    ("rerank.create", {"topn": 3}, "topn.*did you mean 'top_n'"),
    ("images.generate", {"prompt": ""}, "prompt"),
    ("images.generate", {"prompt": " \n"}, "prompt"),
    ("images.generate", {"prompt": None}, "prompt"),
    ("images.generate", {"sizes": "1x1"}, "sizes.*did you mean 'size'"),
    ("audio.transcribe", {"file": "no/such/file.wav"}, "file.*no/such/file.wav"),
    ("audio.transcribe", {"file": Path("/")}, "file"),
    ("audio.transcribe", {"file": ("a.wav", b"")}, "file.*is empty"),
    ("audio.transcribe", {"file": ("a.wav", "text")}, "file"),
    ("audio.transcribe", {"file": io.BytesIO()}, "file.*is empty"),
    ("audio.transcribe", {"file": io.StringIO("text")}, "file"),
    ("audio.transcribe", {"file": b"RIFF"}, "file"),
    ("audio.transcribe", {"file": None}, "file"),
    ("audio.transcribe", {"file": ("a.wav",)}, "file"),
    ("audio.transcribe", {"file": ("a.wav", b"x" * 25_000_001)}, "file.*25,000,000"),
    ("audio.transcribe", {"response_format": "docx"}, "response_format.*verbose_json"),
    ("audio.transcribe", {"lang": "de"}, "lang.*did you mean 'language'"),
    ("models.list", {"include_metadata": True}, "include_meta"),
    ("models.list", {"extra_body": {"type": "chat"}}, "extra_body"),
]
OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"timeout": 0}, "timeout"),
    ({"timeout": "5"}, "timeout"),
    ({"deadline": -1}, "deadline"),
    ({"deadline": float("nan")}, "deadline"),
    ({"max_retries": -1}, "max_retries"),
    ({"max_retries": 1.5}, "max_retries"),
    ({"extra_headers": {"x-a": "1\r\n"}}, "extra_headers"),
    ({"extra_headers": ["x-a"]}, "extra_headers"),
    ({"max_retry": 1}, "max_retry.*did you mean 'max_retries'"),
]


@pytest.mark.parametrize(
    ("name", "wrong", "named"),
    WRONG,
    ids=[f"{name} {next(iter(wrong))} {number}" for number, (name, wrong, _) in enumerate(WRONG)],
)
def test_a_wrong_argument(
    clients: Clients, client: Any, sandbox: Sandbox, name: str, wrong: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=named):
        clients.call(client, name, **GOOD[name] | wrong)
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize("name", list(GOOD))
@pytest.mark.parametrize(("wrong", "named"), OPTIONS, ids=[str(wrong) for wrong, _ in OPTIONS])
def test_a_wrong_option_of_a_call(
    clients: Clients, client: Any, sandbox: Sandbox, name: str, wrong: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=named):
        clients.call(client, name, **GOOD[name] | wrong)
    assert len(sandbox.requests) == 0


def test_a_stream_is_checked_like_an_answer(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    for name, wrong, named in WRONG:
        if name == "chat.create":
            with pytest.raises(InvalidArgumentError, match=named):
                clients.stream(client, **GOOD[name] | wrong)
    assert len(sandbox.requests) == 0


def test_what_json_knows_of_python_is_sent(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    clients.call(
        client,
        "chat.create",
        model=CHAT,
        messages=tuple(QUESTION),
        stop=("a", "b"),
        extra_body={"metadata": {"at": NOW}},
    )
    body = sandbox.requests[-1].body
    assert (body["messages"], body["stop"]) == (QUESTION, ["a", "b"])
    assert body["metadata"]["at"].startswith("2026-01-01T00:00:00")
