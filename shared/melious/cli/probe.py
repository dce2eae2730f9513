"""`melious probe`: asks the live service what its documentation leaves open, and writes a report."""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import closing
from decimal import ROUND_UP, Decimal
from pathlib import Path
from typing import Any

from melious._figures import known_amount
from melious._terminal import Paint, terminal_width
from melious.catalogue import find
from melious.cli.files import check_writable
from melious.cli.words import no_key
from melious.errors import ConfigurationError, InvalidArgumentError
from melious.probe import cassette, report
from melious.probe.runner import Line, Plan, Probe
from melious.probe.sending import Wire
from melious.settings.config import KEY_VARIABLE

_WIDTH = 100
_SHOWN = Decimal("0.0001")
_INTERRUPTED = 130
"""The exit status of a program that Ctrl-C has ended."""


def run_probe(options: argparse.Namespace) -> int:
    """Ask all questions and write the report; gives the exit status.

    Raises:
        MeliousError: An option is wrong, or there is no key.
    """
    limit = known_amount(options.max_cost)
    if limit is None:
        raise InvalidArgumentError(
            f"--max-cost: must be an amount in EUR, 0 or more, not {options.max_cost!r}"
        )
    if not os.environ.get(KEY_VARIABLE, "").strip():
        raise ConfigurationError(no_key())
    if not options.yes and (sys.stdin is None or not sys.stdin.isatty()):
        raise InvalidArgumentError("there is no terminal to ask for consent; add --yes")
    _check_files(options)
    for name in options.model:
        _check_model(name)
    began = time.time()
    wire = Wire(options.base_url, options.timeout, allow_insecure_http=options.allow_insecure_http)
    with closing(wire):
        return _run(options, Probe(wire, limit, options.model), wire, limit, began)


def _run(options: argparse.Namespace, probe: Probe, wire: Wire, limit: Decimal, began: float) -> int:
    status = 0
    try:
        plan = probe.prepare()
        if not probe.trouble:
            _say(_announcement(plan, wire.base_url, limit))
            if not options.yes and not _agrees():
                _say("Nothing more was sent.")
                return 1
        probe.run(_progress())
    except KeyboardInterrupt:
        if not probe.lines:
            _say("Nothing more was sent.")
            return _INTERRUPTED
        probe.abandon("interrupted")
        status = _INTERRUPTED
    facts = report.about(wire.base_url, began)
    if not _write(options, probe, facts, wire.config.api_key.get_secret_value()):
        status = status or 1
    if probe.trouble:
        status = status or 1
        _say(f"The service could not be asked everything: {probe.trouble}")
    return status


def _announcement(plan: Plan, base_url: str, limit: Decimal) -> str:
    """What will be sent, and what it costs."""
    return (
        f"melious probe sends {_planned(plan, base_url, limit)} It starts no batch, converts no document, "
        "runs no hosted tool and makes no picture. It looks whether the account has a finished batch, and "
        "which fields its first result has; neither is written down. The report has neither your key nor "
        "personal data; read it before you send it."
    )


def _planned(plan: Plan, base_url: str, limit: Decimal) -> str:
    if not limit:
        return f"{plan.free} small requests to {base_url}, one after the other. None of them is billed."
    most = plan.most_cost.quantize(_SHOWN, ROUND_UP)
    within = "" if plan.most_cost <= limit else f" It stops before it has spent {limit.normalize():f} EUR."
    return (
        f"{plan.requests} small requests to {base_url}, one after the other, at {', '.join(plan.models)}. By "
        "the prices of the list, or high ones where it has none, they cost at most "
        f"{most} EUR together.{within}"
    )


def _agrees() -> bool:
    sys.stderr.write("Go on? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _progress() -> Callable[[Line], object]:
    """What shows each line on a terminal as it comes."""
    paint = Paint(sys.stderr)
    width = terminal_width(_WIDTH)

    def show(line: Line) -> None:
        if sys.stderr.isatty():
            verdicts = ", ".join(line.finding.verdicts)
            text = textwrap.shorten(f"{verdicts:12}  {line.name}", width, placeholder="…")
            sys.stderr.write(paint(text, "dim") + "\n")

    return show


def _write(options: argparse.Namespace, probe: Probe, facts: dict[str, Any], key: str) -> bool:
    """Write the report and the cassette; says whether all of it could be written."""
    markdown = report.to_markdown(probe, facts, key)
    well = options.out is not None and _write_file(options.out, markdown, "report")
    if not well:
        sys.stdout.write(markdown)
        well = options.out is None
    if options.json is not None:
        written = json.dumps(report.to_dict(probe, facts, key), indent=1, ensure_ascii=False)
        well &= _write_file(options.json, written + "\n", "report as JSON")
    if options.cassette is not None:
        try:
            count = cassette.write(Path(options.cassette), probe.seen, facts, key)
        except ConfigurationError as error:
            _say(error.message)
            return False
        _say(f"The cassette in {options.cassette} has {count} exchanges.")
    return well


def _check_files(options: argparse.Namespace) -> None:
    """Fail before anything is paid where a file could not be written, or two runs would be mixed."""
    for option, file in (("--out", options.out), ("--json", options.json)):
        if file is not None:
            check_writable(option, file)
    if options.out is not None and options.json is not None and _same(options.out, options.json):
        raise InvalidArgumentError("--json: must be another file than --out")
    if options.cassette is None:
        return
    folder = Path(options.cassette)
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise InvalidArgumentError(f"--cassette: {str(there)!r} is a file, not a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InvalidArgumentError(f"--cassette: {str(there)!r} cannot be written to")
    if there == folder and any(folder.iterdir()):
        raise InvalidArgumentError(f"--cassette: the folder {options.cassette!r} is not empty")


def _same(one: str, other: str) -> bool:
    return Path(one).resolve() == Path(other).resolve()


def _check_model(name: str) -> None:
    card = find(name)
    if not name.strip():
        raise InvalidArgumentError("--model: must be the name of a chat model, not ''")
    if card is not None and card.type != "chat":
        raise InvalidArgumentError(f"--model: {name!r} is not a chat model (type: {card.type})")


def _write_file(file: str, text: str, what: str) -> bool:
    try:
        # A lone surrogate, half of a sign, has no place in UTF-8: its escape is written, as in JSON.
        Path(file).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        _say(f"{file!r} cannot be written: {error}")
        return False
    _say(f"The {what} is in {file}.")
    return True


def _say(text: str) -> None:
    width = terminal_width(_WIDTH)
    sys.stderr.write(textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False) + "\n")
