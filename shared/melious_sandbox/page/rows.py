"""The rows of the page: whatever a client sent comes out short, escaped and without keys."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from melious.impact.units import euro
from melious.routing.countries import name_of
from melious_sandbox.page import figures
from melious_sandbox.page.about import LONGEST, about
from melious_sandbox.page.texts import Cleaner, compact
from melious_sandbox.service.records import RecordedRequest, Served, Totals

_LONGEST_NAME = 80
_FIRST_ERROR = 400
_RETRY_COUNTS = ("x-retry-count", "x-stainless-retry-count")  # of this library's clients, and of OpenAI's
_IS_COUNT = re.compile(r"[0-9]{1,4}").fullmatch
_NAMED_ONLY = ("body", "body_latin1", "raw", "garbage")
_ROW = Template(
    "".join(map(str.strip, files(__package__).joinpath("row.html").read_text("utf-8").split("\n")))
)
_NONE = f'<span class="none">{figures.NOTHING}</span>'
_UNSENT = '<span class="unsent" title="computed by the sandbox, but not sent to your client">{}</span>'


def row(request: RecordedRequest, clean: Cleaner) -> str:
    """Write one row of the table."""

    def element(html: str, text: str, longest: int = LONGEST) -> str:
        shown = escape(clean(text, longest))
        return html.format(shown) if shown else ""

    body: Mapping[str, Any] = request.body if isinstance(request.body, dict) else {}
    received = datetime.fromtimestamp(request.received_at).astimezone()
    outcome = outcome_of(request)
    model = compact(body.get("model"))
    served = request.served
    provider, served_as = _NONE, ""
    if served is not None:
        provider = f'<b>{served.provider}</b> <span class="country">{country_of(served)}</span>'
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
        about=element('<p class="about"><bdi>{}</bdi></p>', about(request, body)),
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
    paid = [euro(totals.euros)] if totals.euros or not (totals.energy or totals.unbilled) else []
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


def caption_of(shown: int, seen: int, among: int | None) -> str:
    """Write the line above the table; ``among`` is how many were looked through, where there is a filter."""
    if not seen:
        return "No requests yet; they show up here as they come."
    if among is not None:
        return f"{shown:,} of the last {among:,} requests match, the newest first"
    if shown < seen:
        return f"The last {shown:,} of {seen:,} requests, the newest first"
    return "Requests, the newest first"


def country_of(served: Served) -> str:
    """Give the country in which a request was served, by its name."""
    return name_of(served.country) or served.country


def attempt_of(request: RecordedRequest) -> int:
    """Give the number of the attempt, by what the client says of it."""
    counts = [request.headers.get(name, "") for name in _RETRY_COUNTS]
    return 1 + next((int(count) for count in counts if _IS_COUNT(count)), 0)


def outcome_of(request: RecordedRequest) -> str:
    """Say in a word or two how a request ended."""
    if request.duration is None:
        return "in progress"
    if not request.complete or request.status is None:
        return "broken off"
    return "refused" if request.status >= _FIRST_ERROR else "done"


def _status(request: RecordedRequest, outcome: str) -> str:
    if request.status is None:
        return outcome
    return f"{request.status}{f' {outcome}' if outcome in ('in progress', 'broken off') else ''}"


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


def _notes(request: RecordedRequest, body: Mapping[str, Any]) -> Iterator[str]:
    attempt = attempt_of(request)
    if attempt > 1:
        yield f"attempt {attempt}"
    if body.get("stream") is True:
        yield "stream"
    tools = body.get("tools")
    if request.endpoint == "chat" and isinstance(tools, list) and tools:
        yield f"{len(tools):,} tool{'s' if len(tools) > 1 else ''}"


def _routing(body: Mapping[str, Any]) -> Iterator[str]:
    for name, label in (("preset", "preset"), ("mode", "mode"), ("custom_weights", "weights")):
        if body.get(name) is not None:
            yield f"{label} {compact(body[name])}"
    filters = body.get("filters")
    if isinstance(filters, dict):
        for name, value in list(filters.items())[:10]:
            shown = " ".join(map(compact, value[:30])) if isinstance(value, list) else compact(value)
            yield f"{name} {shown}"
    elif filters is not None:
        yield f"filters {compact(filters)}"


def _fault(request: RecordedRequest) -> str:
    given = json.loads(request.fault.to_header()) if request.fault is not None else {}
    parts = []
    for name, value in given.items():
        if name in ("endpoint", "times", "after"):
            continue
        if name in _NAMED_ONLY or value is True:
            parts.append(name)
        elif isinstance(value, dict):
            parts.extend(f"{header} {compact(text)}" for header, text in value.items())
        else:
            parts.append(f"{name} {compact(value)}")
    return ", ".join(parts)
