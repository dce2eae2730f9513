"""What a row says about a request: whatever a client sent comes out short, plain and without keys."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from melious_sandbox.page import figures
from melious_sandbox.service.records import RecordedRequest

Outcome = Literal["going on", "done", "refused", "broken off"]

_LONGEST_NAME = 80
_LONGEST_TEXT = 140
_LOOKED_AT = 2_000
_FIRST_ERROR = 400
_KEY = r"sk-mel-[\w-]+"
_JOINER = "\u200d"  # holds emoji together
_NO_MORE_OF_FAULTS = ("body", "body_latin1", "raw", "garbage")

Clean = Callable[[str, int], str]


@dataclass(frozen=True, slots=True)
class Row:
    """One request in words.

    Attributes:
        id: The request's id.
        received: Local time at which it came.
        endpoint: The endpoint, or the method and path of a request to nowhere.
        model: The model that was asked for, "" where none was.
        about: The beginning of what was asked.
        traits: What else there is to say: ``stream``, ``2 tools``.
        wishes: What was asked of the route: preset, mode, weights, filters.
        provider: Who served it, "" where nobody did.
        country: Where.
        served_as: The model that served, where the name differs from the one asked for.
        outcome: How far it is.
        status: HTTP status, or how it ended without one.
        error: Why it was refused.
        fault: The fault that hit it.
        took: How long the answer took.
        tokens: What the provider did.
        cached: How many tokens came from the cache.
        cost: What it cost.
        cost_told: Whether the answer said so.
        carbon: Its carbon.
        carbon_told: Whether the answer said so.
    """

    id: str
    received: datetime
    endpoint: str
    model: str
    about: str
    traits: tuple[str, ...]
    wishes: tuple[str, ...]
    provider: str
    country: str
    served_as: str
    outcome: Outcome
    status: str
    error: str
    fault: str
    took: str
    tokens: str
    cached: int
    cost: str
    cost_told: bool
    carbon: str
    carbon_told: bool


def cleaner(keys: Iterable[str]) -> Clean:
    r"""Give the function that makes any text fit to be shown.

    Args:
        keys: What must not be seen anywhere.

    >>> clean = cleaner(["secret"])
    >>> clean("a\n  secret \u202e and sk-mel-other", 40), clean("x" * 9, 4)
    ('a *** � and ***', 'xxx…')
    """
    known = "|".join(re.escape(key) for key in sorted(keys, key=len, reverse=True) if key)
    secret = re.compile(f"{known}|{_KEY}" if known else _KEY)

    def clean(text: str, longest: int) -> str:
        # Keys go first: cutting might leave half of one.
        words = " ".join(secret.sub("***", text[:_LOOKED_AT]).split())
        plain = "".join(sign if sign.isprintable() or sign == _JOINER else "\ufffd" for sign in words)
        return plain if len(plain) <= longest else plain[: longest - 1].rstrip() + "…"

    return clean


def row_of(request: RecordedRequest, clean: Clean) -> Row:
    """Say a request in words."""
    body: Mapping[str, Any] = request.body if isinstance(request.body, dict) else {}
    served = request.served
    model = _text(body.get("model"))
    serving = served.model if served is not None else ""
    work = served.work if served is not None else None
    impact = served.impact if served is not None else None
    told = served.told if served is not None else frozenset[str]()
    outcome = _outcome(request)
    return Row(
        id=request.request_id,
        received=datetime.fromtimestamp(request.received_at).astimezone(),
        endpoint=request.endpoint or clean(f"{request.method} {request.path}", _LONGEST_NAME),
        model=clean(model, _LONGEST_NAME),
        about=clean(_about(request, body), _LONGEST_TEXT),
        traits=tuple(_traits(request, body)),
        wishes=tuple(clean(wish, _LONGEST_NAME) for wish in _wishes(body)),
        provider=served.provider if served is not None else "",
        country=served.country if served is not None else "",
        served_as="" if model.partition(":")[0] == serving else clean(serving, _LONGEST_NAME),
        outcome=outcome,
        status=str(request.status) if request.status is not None else outcome,
        error=clean(request.error or "", _LONGEST_TEXT),
        fault=clean(_fault(request), _LONGEST_TEXT),
        took=figures.NOTHING if request.duration is None else figures.seconds(request.duration),
        tokens=figures.NOTHING if work is None else figures.work(work),
        cached=0 if work is None else work.cached_tokens,
        cost=figures.bill(served.bill if served is not None else None),
        cost_told="billing_cost" in told,
        carbon=figures.NOTHING if impact is None else figures.milligrams(impact["carbon_g_co2"]),
        carbon_told="environment_impact" in told,
    )


def _outcome(request: RecordedRequest) -> Outcome:
    if request.duration is None:
        return "going on"
    if not request.complete or request.status is None:
        return "broken off"
    return "refused" if request.status >= _FIRST_ERROR else "done"


def _about(request: RecordedRequest, body: Mapping[str, Any]) -> str:
    if request.body_left_out is not None:
        return f"[{request.body_left_out}]"
    match request.endpoint:
        case "chat":
            return _last_message(body.get("messages"))
        case "embeddings":
            return _first_of(body.get("input"), "texts")
        case "rerank":
            documents = body.get("documents")
            count = f" · {len(documents):,} documents" if isinstance(documents, list) else ""
            # A long query must not push the count out of sight.
            return _text(body.get("query"))[: _LONGEST_TEXT - 30] + count
        case "images":
            return _text(body.get("prompt"))
        case "audio":
            file = body.get("file")
            return f"{file.get('filename')} · {file.get('size', 0):,} bytes" if isinstance(file, dict) else ""
        case "models":
            return request.path.removeprefix("/v1/models").lstrip("/")
    return ""


def _last_message(messages: Any) -> str:
    found = (
        [message for message in messages if isinstance(message, dict)] if isinstance(messages, list) else []
    )
    asked = [message for message in found if message.get("role") == "user"] or found
    content = asked[-1].get("content") if asked else ""
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict)]
        return " ".join(_text(part.get("text")) or f"[{_text(part.get('type'))}]" for part in parts[:20])
    return _text(content)


def _first_of(value: Any, kind: str) -> str:
    if not isinstance(value, list) or not value:
        return _text(value)
    first = _text(value[0])
    return first if len(value) == 1 else f"{len(value):,} {kind} · {first}"


def _traits(request: RecordedRequest, body: Mapping[str, Any]) -> Iterator[str]:
    if body.get("stream") is True:
        yield "stream"
    tools = body.get("tools")
    if request.endpoint == "chat" and isinstance(tools, list) and tools:
        yield f"{len(tools):,} tool{'s' if len(tools) > 1 else ''}"


def _wishes(body: Mapping[str, Any]) -> Iterator[str]:
    for name in ("preset", "mode"):
        if body.get(name) is not None:
            yield f"{name} {_text(body[name])}"
    if body.get("custom_weights") is not None:
        yield f"weights {_text(body['custom_weights'])}"
    filters = body.get("filters")
    if isinstance(filters, dict):
        for name, value in list(filters.items())[:10]:
            shown = " ".join(map(_text, value[:30])) if isinstance(value, list) else _text(value)
            yield f"{name} {shown}"
    elif filters is not None:
        yield f"filters {_text(filters)}"


def _fault(request: RecordedRequest) -> str:
    if request.fault is None:
        return ""
    given = json.loads(request.fault.to_header())
    parts = []
    for name, value in given.items():
        if name in ("endpoint", "times", "after"):
            continue
        if name in _NO_MORE_OF_FAULTS or value is True:
            parts.append(name)
        elif isinstance(value, dict):
            parts.extend(f"{header} {_text(text)}" for header, text in value.items())
        else:
            parts.append(f"{name} {_text(value)}")
    return ", ".join(parts)


def _text(value: Any) -> str:
    """Give a string as it is, and anything else as the beginning of its JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return type(value).__name__
