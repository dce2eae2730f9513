"""The report of a run, to attach to an issue: Markdown for people, JSON for programs."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from melious._figures import counted
from melious._version import __version__
from melious.probe.asking import Seen
from melious.probe.runner import Line, Probe
from melious.probe.scrubbing import other_headers, scrubbed, scrubbed_headers, scrubbed_text, short_id
from melious.probe.verdicts import Verdict

_VERSION = 1
_MEANINGS = (
    "**G1** fits the older pages, **G2** the newer ones, **LIVE** what callers have measured; several may "
    "fit. **new** fits none of them, and **unclear** decides nothing."
)
_SIMULATED = "**These figures are simulated: a sandbox answered, not the service.**"
_MOST_OF_A_BODY = 2_000


def about(base_url: str, began: float) -> dict[str, Any]:
    """When, with what and against what a run was made.

    Args:
        base_url: The service.
        began: When it began, in epoch seconds.
    """
    return {
        "date": datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "melious": __version__,
        "python": platform.python_version(),
        "service": urlsplit(base_url).hostname or "",
    }


def to_dict(probe: Probe, facts: Mapping[str, Any], key: str = "") -> dict[str, Any]:
    """The report for programs.

    Args:
        probe: The run.
        facts: What `about` gives.
        key: The key that was used, to be removed.
    """
    spending = probe.spending
    return {
        "probe": _VERSION,
        **facts,
        "simulated": _is_simulated(probe.seen),
        "requests": len(probe.seen),
        "spent": {
            "limit_eur": _plain(spending.limit),
            "reported_eur": _plain(spending.reported),
            "estimated_eur": _plain(spending.estimated),
            "estimated_requests": spending.unreported,
        },
        "findings": [
            {
                "name": line.name,
                "topic": line.topic,
                "asks": line.asks,
                "verdicts": [str(verdict) for verdict in line.finding.verdicts],
                "said": scrubbed_text(line.finding.said, key),
                "requests": list(line.requests),
            }
            for line in probe.lines
        ],
        "exchanges": [_exchange(seen, key) for seen in probe.seen],
    }


def to_markdown(probe: Probe, facts: Mapping[str, Any], key: str = "") -> str:
    """The report for people; for the arguments see `to_dict`."""
    spending = probe.spending
    parts = [
        "# Report of melious probe",
        "",
        f"{facts['date']}, {facts['service']}; melious {facts['melious']}, Python {facts['python']}.",
        "",
        *([_SIMULATED, ""] if _is_simulated(probe.seen) else []),
        f"{counted(len(probe.seen), 'request')}; billed as reported: {_plain(spending.reported)} EUR; "
        f"{counted(spending.unreported, 'answer')} without a bill, estimated by the catalogue at most "
        f"{_plain(spending.estimated)} EUR.",
        "",
        _counts(probe.lines),
        "",
        _MEANINGS,
    ]
    for topic in dict.fromkeys(line.topic for line in probe.lines):
        parts += ["", f"## {topic}", "", "| Question | Verdict | What was seen |", "| --- | --- | --- |"]
        parts += [_row(line, key) for line in probe.lines if line.topic == topic]
    parts += ["", "## Requests", "", "| Request | Status | ms | Request id |", "| --- | --- | --- | --- |"]
    parts += [_request_row(seen, key) for seen in probe.seen]
    headers = _headers(probe.seen, key)
    if headers:
        parts += ["", "## Headers of answers", "", "| Header | For example |", "| --- | --- |", *headers]
    return "\n".join(parts) + "\n"


def _exchange(seen: Seen, key: str) -> dict[str, Any]:
    kept: dict[str, Any] = {
        "name": seen.ask.name,
        "method": seen.ask.method,
        "path": seen.ask.path.partition("?")[0] if not seen.ask.private else seen.ask.endpoint,
        "status": seen.status,
        "milliseconds": round(seen.elapsed * 1000),
        "headers": scrubbed_headers(seen.headers, key),
        "other_headers": other_headers(seen.headers, key),
    }
    if seen.failure:
        kept["failure"] = scrubbed_text(seen.failure, key)
    elif seen.refusal is not None and not seen.ask.private:
        is_json = isinstance(seen.data, dict | list)
        kept["body"] = scrubbed(seen.data, key) if is_json else _start_of(seen, key)
    return kept


def _start_of(seen: Seen, key: str) -> str:
    return scrubbed_text(seen.body.decode("utf-8", "replace"), key)[:_MOST_OF_A_BODY]


def _is_simulated(answers: Iterable[Seen]) -> bool:
    return any((block or {}).get("simulated") for seen in answers for block in (seen.impact, seen.bill))


def _counts(lines: Sequence[Line]) -> str:
    counts = Counter(verdict for line in lines for verdict in line.finding.verdicts)
    shown = [f"{verdict} {counts[verdict]}" for verdict in Verdict if counts[verdict]]
    return f"{counted(len(lines), 'question')}: {', '.join(shown)}."


def _row(line: Line, key: str) -> str:
    verdicts = ", ".join(line.finding.verdicts)
    question = f"{_cell(line.asks)} <br>`{_cell(line.name)}`"
    return f"| {question} | {verdicts} | {_cell(scrubbed_text(line.finding.said, key))} |"


def _request_row(seen: Seen, key: str) -> str:
    ids = short_id(seen.headers.get("x-request-id", ""), key)
    status = "no answer" if seen.status is None else str(seen.status)
    return f"| {_cell(seen.ask.name)} | {status} | {seen.elapsed * 1000:.0f} | {_cell(ids)} |"


def _headers(answers: Iterable[Seen], key: str) -> list[str]:
    values: dict[str, str] = {}
    for seen in answers:
        for name, value in scrubbed_headers(seen.headers, key).items():
            values.setdefault(name, value)
        for name in other_headers(seen.headers, key):
            values.setdefault(name, "(not shown)")
    return [f"| {_cell(name)} | {_cell(values[name])} |" for name in sorted(values)]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
