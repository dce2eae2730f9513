"""The rows of the page: whatever a client sent comes out short, escaped and without keys."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from melious_sandbox.page import figures
from melious_sandbox.service.records import RecordedRequest, Served, Totals

Clean = Callable[[str, int], str]

_LONGEST_NAME = 80
_LONGEST_TEXT = 140
_LOOKED_AT = 2_000
_FIRST_ERROR = 400
_KEY = r"sk-mel-[\w-]+"
_JOINER = "\u200d"  # holds emoji together
_NAMED_ONLY = ("body", "body_latin1", "raw", "garbage")
_ROW = Template(
    "".join(map(str.strip, files(__package__).joinpath("row.html").read_text("utf-8").split("\n")))
)
_NONE = f'<span class="none">{figures.NOTHING}</span>'
_UNSENT = '<span class="unsent" title="computed by the sandbox, but not sent to your client">{}</span>'


def cleaner(keys: Iterable[str]) -> Clean:
    """Give the function that makes any text fit to be shown: printable, short, without these keys."""
    known = [re.escape(key) for key in sorted(keys, key=len, reverse=True) if key]
    secret = re.compile("|".join([*known, _KEY]))

    def clean(text: str, longest: int) -> str:
        # Keys go first: cutting might leave half of one.
        words = " ".join(secret.sub("***", text[:_LOOKED_AT]).split())
        plain = "".join(sign if sign.isprintable() or sign == _JOINER else "\ufffd" for sign in words)
        return plain if len(plain) <= longest else plain[: longest - 1].rstrip() + "…"

    return clean


def row(request: RecordedRequest, clean: Clean) -> str:
    """Write one row of the table."""

    def element(html: str, text: str, longest: int = _LONGEST_TEXT) -> str:
        shown = escape(clean(text, longest))
        return html.format(shown) if shown else ""

    body: Mapping[str, Any] = request.body if isinstance(request.body, dict) else {}
    received = datetime.fromtimestamp(request.received_at).astimezone()
    outcome = _outcome(request)
    model = _text(body.get("model"))
    served = request.served
    provider, served_as = _NONE, ""
    if served is not None:
        provider = f'<b>{served.provider}</b> <span class="country">{served.country}</span>'
        if model.partition(":")[0] != served.model:
            served_as = element('<p class="about">as {}</p>', served.model, _LONGEST_NAME)
    return _ROW.substitute(
        _figures(served),
        provider=provider,
        served_as=served_as,
        id=request.request_id,
        kind=outcome.replace(" ", "-"),
        received=received.isoformat(),
        clock=f"{received:%H:%M:%S}",
        milliseconds=f"{received.microsecond // 1000:03}",
        endpoint=element("{}", request.endpoint or f"{request.method} {request.path}", _LONGEST_NAME),
        model=element('<b class="model">{}</b>', model, _LONGEST_NAME),
        notes="".join(element('<span class="chip">{}</span>', note) for note in _notes(request, body)),
        about=element('<p class="about"><bdi>{}</bdi></p>', _about(request, body)),
        error=element('<p class="error"><bdi>{}</bdi></p>', request.error or ""),
        fault=element('<p class="fault"><b>fault</b> <bdi>{}</bdi></p>', _fault(request)),
        routing="".join(
            element('<span class="chip wish">{}</span>', field, _LONGEST_NAME) for field in _routing(body)
        ),
        status=_status(request, outcome),
        took=_NONE if request.duration is None else figures.seconds(request.duration),
    )


def totals_of(totals: Totals) -> str:
    """Write the sums."""
    failed = f"<small>{totals.failed:,} failed</small>" if totals.failed else ""
    paid = [figures.euros(totals.euros)] if totals.euros or not (totals.energy or totals.unbilled) else []
    paid += [f"{figures.significant(totals.energy)} energy"] if totals.energy else []
    cells = {
        "Requests": f"{totals.requests:,}{failed}",
        "Tokens read": f"{totals.input_tokens:,}",
        "Tokens written": f"{totals.output_tokens:,}",
        "Cost": " + ".join(paid) or figures.NOTHING,
        "CO₂": figures.carbon(totals.carbon_g),
        "Electricity": figures.energy(totals.energy_kwh),
        "Water": figures.water(totals.water_l),
    }
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in cells.items())


def caption_of(shown: int, seen: int) -> str:
    """Write the line above the table."""
    if not seen:
        return "No requests yet; they show up here as they come."
    if shown < seen:
        return f"The last {shown:,} of {seen:,} requests, the newest first"
    return "Requests, the newest first"


def _outcome(request: RecordedRequest) -> str:
    if request.duration is None:
        return "going on"
    if not request.complete or request.status is None:
        return "broken off"
    return "refused" if request.status >= _FIRST_ERROR else "done"


def _status(request: RecordedRequest, outcome: str) -> str:
    if request.status is None:
        return outcome
    return f"{request.status}{f' {outcome}' if outcome in ('going on', 'broken off') else ''}"


def _figures(served: Served | None) -> dict[str, str]:
    if served is None or served.work is None or served.impact is None:
        return {"tokens": _NONE, "cached": "", "cost": _NONE, "carbon": _NONE}
    cached = served.work.cached_tokens
    return {
        "tokens": figures.work(served.work),
        "cached": f"<small>{cached:,} cached</small>" if cached else "",
        "cost": _figure(figures.bill(served.bill), sent="billing_cost" in served.told),
        "carbon": _figure(
            figures.milligrams(served.impact["carbon_g_co2"]), sent="environment_impact" in served.told
        ),
    }


def _figure(text: str, *, sent: bool) -> str:
    if text == figures.NOTHING:
        return _NONE
    return text if sent else _UNSENT.format(text)


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
    found = [item for item in messages if isinstance(item, dict)] if isinstance(messages, list) else []
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


def _notes(request: RecordedRequest, body: Mapping[str, Any]) -> Iterator[str]:
    if body.get("stream") is True:
        yield "stream"
    tools = body.get("tools")
    if request.endpoint == "chat" and isinstance(tools, list) and tools:
        yield f"{len(tools):,} tool{'s' if len(tools) > 1 else ''}"


def _routing(body: Mapping[str, Any]) -> Iterator[str]:
    for name, label in (("preset", "preset"), ("mode", "mode"), ("custom_weights", "weights")):
        if body.get(name) is not None:
            yield f"{label} {_text(body[name])}"
    filters = body.get("filters")
    if isinstance(filters, dict):
        for name, value in list(filters.items())[:10]:
            shown = " ".join(map(_text, value[:30])) if isinstance(value, list) else _text(value)
            yield f"{name} {shown}"
    elif filters is not None:
        yield f"filters {_text(filters)}"


def _fault(request: RecordedRequest) -> str:
    given = json.loads(request.fault.to_header()) if request.fault is not None else {}
    parts = []
    for name, value in given.items():
        if name in ("endpoint", "times", "after"):
            continue
        if name in _NAMED_ONLY or value is True:
            parts.append(name)
        elif isinstance(value, dict):
            parts.extend(f"{header} {_text(text)}" for header, text in value.items())
        else:
            parts.append(f"{name} {_text(value)}")
    return ", ".join(parts)


def _text(value: Any) -> str:
    """Give a string as it is, and anything else as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return type(value).__name__
