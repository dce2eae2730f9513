"""One request opened: what came, what was sent, and code that sends it again."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from http import HTTPStatus
from importlib.resources import files
from string import Template
from typing import Any

from pydantic_core import from_json

from melious_sandbox.page import figures
from melious_sandbox.page.rows import attempt_of, country_of, outcome_of
from melious_sandbox.page.snippets import snippets
from melious_sandbox.page.texts import Cleaner
from melious_sandbox.service.records import RecordedRequest
from melious_sandbox.service.sent import Answer

_MOST_SHOWN = 16_000
_LONGEST_STRING = 1_000
_DETAIL = Template(files(__package__).joinpath("detail.html").read_text("utf-8"))
_SNIPPET = (
    '<details name="copy-{id}"{open}><summary>{name}</summary><div class="code">'
    '<button type="button" class="copy" hidden>Copy<span class="aside"> as {name}</span></button>'
    '<pre tabindex="0" aria-label="{name}"><code>{code}</code></pre></div></details>'
)


def detail(request: RecordedRequest, others: Sequence[RecordedRequest], clean: Cleaner) -> str:
    """Write everything that is known of a request; ``others`` are those among which its attempts are."""
    query = f"?{request.query}" if request.query else ""
    answer = request.answer
    return _DETAIL.substitute(
        id=request.request_id,
        facts="".join(
            f"<div><dt>{name}</dt><dd>{html}</dd></div>" for name, html in _facts(request, others, clean)
        ),
        line=escape(clean(f"{request.method} {request.path}{query}", _LONGEST_STRING)),
        headers=_headers(request.headers, clean),
        body=_request_body(request, clean),
        status="No answer was kept" if answer is None else _status(request.status),
        answer_headers="" if answer is None else _headers(answer.headers, clean),
        answer="" if answer is None else _answer_body(answer, clean),
        snippets=_snippets(request, clean),
    )


def code_blocks(name: str, codes: Mapping[str, str]) -> str:
    """Write pieces of code of which one is open at a time."""
    return "".join(
        _SNIPPET.format(id=name, name=way, code=escape(code), open="" if number else " open")
        for number, (way, code) in enumerate(codes.items())
    )


def _facts(
    request: RecordedRequest, others: Sequence[RecordedRequest], clean: Cleaner
) -> Iterator[tuple[str, str]]:
    yield "Request id", f"<code>{request.request_id}</code>"
    yield "Received", f"{datetime.fromtimestamp(request.received_at).astimezone():%Y-%m-%d %H:%M:%S %Z}"
    ended = "" if request.duration is None else f" after {figures.seconds(request.duration)}"
    yield "Outcome", f"{outcome_of(request)}{ended}"
    yield "Attempt", _attempts(request, others)
    served = request.served
    if served is not None:
        model = escape(clean(served.model, _LONGEST_STRING))
        yield (
            "Served by",
            f"{served.provider}, {country_of(served)} ({served.country}), as <code>{model}</code>",
        )
        if served.work is not None and served.impact is not None:
            carbon = figures.milligrams(served.impact["carbon_g_co2"])
            yield "Simulated figures", f"{figures.bill(served.bill)}, {carbon} CO₂"
    if request.reply is not None:
        yield "Answer", "scripted"
    if request.fault is not None:
        yield "Fault", f"<code>{escape(clean(request.fault.to_header(), _LONGEST_STRING))}</code>"
    if request.error is not None:
        yield "Error", escape(clean(request.error, _LONGEST_STRING))


def _attempts(request: RecordedRequest, others: Sequence[RecordedRequest]) -> str:
    """Say which attempt it is, with links to the others: clients give all attempts of a call one key."""
    key = request.headers.get("idempotency-key")
    same = [other for other in others if key and other.headers.get("idempotency-key") == key]
    links = [
        f'<a href="/page/requests/{other.request_id}">attempt {attempt_of(other)}</a> ({outcome_of(other)})'
        for other in same
        if other is not request
    ]
    return ", ".join([f"{attempt_of(request)}", *links])


def _status(status: int | None) -> str:
    known = {item.value: item.phrase for item in HTTPStatus}
    return f"{status} {known.get(status or 0, '')}".strip()


def _headers(headers: Mapping[str, str], clean: Cleaner) -> str:
    return escape("\n".join(clean(f"{name}: {value}", _LONGEST_STRING) for name, value in headers.items()))


def _request_body(request: RecordedRequest, clean: Cleaner) -> str:
    if request.body_left_out is not None:
        return _note(f"The body was not kept: {request.body_left_out}.")
    if request.body is None:
        return _note("No body.")
    if isinstance(request.body, str):
        return _text(clean.block(request.body))
    return _json(request.body, clean)


def _answer_body(answer: Answer, clean: Cleaner) -> str:
    if not answer.size:
        return _note("No body.")
    kind = answer.headers.get("content-type", "")
    if not kind.startswith(("text/", "application/json")):
        return _note(f"{answer.size:,} bytes of {escape(clean(kind, 80))}.")
    is_whole = answer.size == len(answer.body)
    cut = "" if is_whole else _note(f"The first {len(answer.body):,} of {answer.size:,} bytes.")
    if is_whole and kind.startswith("application/json"):
        try:
            return _json(from_json(bytes(answer.body)), clean)
        except ValueError:
            pass  # a fault damaged it; it is shown as it is
    text = answer.body.decode("utf-8", "replace")
    if any(map(clean.holds_key, _put_together(text))):
        return _note("Not shown, because its events spell out a key.")
    return _text(clean.block(text) if is_whole else clean.beginning(text)) + cut


def _json(value: Any, clean: Cleaner) -> str:
    try:
        text = json.dumps(_shortened(clean.value(value)), ensure_ascii=False, indent=2)
    except RecursionError:
        return _note("Nested too deeply to be shown.")
    return _text(clean.block(text))


def _text(text: str) -> str:
    shown = f'<pre tabindex="0"><code>{escape(text[:_MOST_SHOWN])}</code></pre>'
    if len(text) > _MOST_SHOWN:
        shown += _note(f"The first {_MOST_SHOWN:,} of {len(text):,} characters.")
    return shown


def _shortened(value: Any) -> Any:
    """Cut long texts, such as pictures in base64."""
    if isinstance(value, str) and len(value) > _LONGEST_STRING:
        return f"{value[:_LONGEST_STRING]}… (cut: {len(value):,} characters)"
    if isinstance(value, dict):
        return {name: _shortened(item) for name, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, list) else value


def _put_together(text: str) -> list[str]:
    """Give the texts that the events of a stream spell out piece by piece."""
    found: defaultdict[tuple[Any, ...], str] = defaultdict(str)

    def collect(value: Any, path: tuple[Any, ...]) -> None:
        if isinstance(value, str):
            found[path] += value
        elif isinstance(value, dict | list):
            for name, item in value.items() if isinstance(value, dict) else enumerate(value):
                collect(item, (*path, name))

    for line in text.splitlines():
        try:
            collect(from_json(line.removeprefix("data:").strip()), ())
        except ValueError:
            continue  # comments, [DONE], and the line where the text was cut
    return list(found.values())


def _snippets(request: RecordedRequest, clean: Cleaner) -> str:
    if request.body_left_out is not None:
        return _note("There is no code, because the body was not kept.")
    try:
        codes = snippets(request, clean)
    except RecursionError:
        codes = {}
    fitting = {way: code for way, code in codes.items() if len(code) <= _MOST_SHOWN}
    return code_blocks(request.request_id, fitting) or _note(
        "There is no code, because the body is too long."
    )


def _note(text: str) -> str:
    return f'<p class="note">{text}</p>'
