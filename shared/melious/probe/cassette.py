"""Cassettes: a folder with one file for each exchange, scrubbed, which the tests replay."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melious.errors import ConfigurationError
from melious.probe.asking import Seen
from melious.probe.scrubbing import scrubbed, scrubbed_headers, scrubbed_text

_VERSION = 1
_ABOUT = "cassette.json"
_MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded exchange.

    Attributes:
        name: What was asked.
        endpoint: Which endpoint it was for.
        method: The method.
        path: The path below the base URL.
        sent: The JSON that was sent, or the fields of a form.
        status: The status of the answer.
        headers: The headers that were kept.
        body: The body, decompressed.
    """

    name: str
    endpoint: str
    method: str
    path: str
    sent: Mapping[str, Any]
    status: int
    headers: Mapping[str, str]
    body: bytes


def write(folder: Path, exchanges: Iterable[Seen], about: Mapping[str, Any], key: str = "") -> int:
    """Write a cassette; gives the number of its exchanges.

    Exchanges without an answer, with the user's own data, or of more than 1 MiB are left out.

    Args:
        folder: Where to; it is made if need be.
        exchanges: What came back.
        about: When, with what and against what it was recorded.
        key: The key that was used, to be removed.

    Raises:
        ConfigurationError: The folder cannot be written.
    """
    written = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / _ABOUT, {"cassette": _VERSION, **about})
        for number, seen in enumerate(exchanges, 1):
            if seen.status is None or seen.ask.private or len(seen.body) > _MOST_BYTES:
                continue
            name = re.sub(r"[^a-z0-9.]+", "-", seen.ask.name.lower()).strip("-.")
            _write(folder / f"{number:03}-{name}.json", _recorded(seen, key))
            written += 1
    except OSError as error:
        raise ConfigurationError(f"cassette: {str(folder)!r} cannot be written: {error}") from error
    return written


def read(folder: Path) -> list[Exchange]:
    """Read a cassette, in the order of its recording."""
    paths = sorted(path for path in folder.glob("*.json") if path.name != _ABOUT)
    return [_exchange(json.loads(path.read_text(encoding="utf-8"))) for path in paths]


def _recorded(seen: Seen, key: str) -> dict[str, Any]:
    ask = seen.ask
    sent = ask.form.fields if ask.form is not None else ask.body
    return {
        "name": ask.name,
        "endpoint": ask.endpoint,
        "request": {"method": ask.method, "path": ask.path, "body": scrubbed(sent, key)},
        "answer": {
            "status": seen.status,
            "headers": scrubbed_headers(seen.headers, key),
            **_body(seen, key),
        },
    }


def _body(seen: Seen, key: str) -> dict[str, Any]:
    """The body: as JSON where it is JSON, or as text."""
    if isinstance(seen.data, dict | list):
        return {"json": scrubbed(seen.data, key)}
    return {"text": scrubbed_text(seen.body.decode("utf-8", "replace"), key)}


def _exchange(recorded: Mapping[str, Any]) -> Exchange:
    request, answer = recorded["request"], recorded["answer"]
    body = json.dumps(answer["json"]) if "json" in answer else answer["text"]
    return Exchange(
        name=recorded["name"],
        endpoint=recorded["endpoint"],
        method=request["method"],
        path=request["path"],
        sent=request["body"] or {},
        status=answer["status"],
        headers=answer["headers"],
        body=body.encode(),
    )


def _write(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    # A lone surrogate, half of a sign, has no place in UTF-8; its escape is what JSON writes for it.
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
