"""`melious report`: a report on a file of rows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from melious.errors import InvalidArgumentError

_FORMATS = {"md": "markdown"}
_DESCRIPTION = (
    "Report what the requests of a rows file cost (track_impact(rows_file=...)): energy, location-based CO2, "
    "water and money, by month, country, provider, model and project, with the share of requests that "
    "reported and the method. No key and no network are needed. Times are in UTC."
)


def add_report(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = _DESCRIPTION
    parser.add_argument("rows_file", metavar="ROWS_FILE", help="the file, lines of JSON")
    parser.add_argument(
        "--period",
        metavar="PERIOD",
        help="2026-11, 2026-Q4, 2026, or two days: 2026-11-01..2026-11-15; everything by default",
    )
    parser.add_argument(
        "--format",
        choices=("markdown", "md", "html", "csv", "json"),
        help="markdown by default, or what the suffix of --output says",
    )
    parser.add_argument("--tag", metavar="NAME", default="project", help="the tag of the last table")
    parser.add_argument("--output", metavar="FILE", help="write to this file")


def run_report(options: argparse.Namespace) -> int:
    """Write the report; gives the exit status.

    Raises:
        MeliousError: An option is wrong.
    """
    from melious.impact.views.report import SUFFIXES, report

    begin, dots, end = (options.period or "").partition("..")
    suffix = Path(options.output or "").suffix.lower()
    chosen = _FORMATS.get(options.format, options.format) or SUFFIXES.get(suffix, "markdown")
    try:
        text = report(options.rows_file, (begin, end) if dots else options.period, chosen, tag=options.tag)
        if options.output is None:
            sys.stdout.write(text)
        else:
            Path(options.output).write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        sys.stderr.write(f"melious report: {error.filename}: {error.strerror}\n")
        return 1
    except InvalidArgumentError:
        raise
    except ValueError as error:  # a line that is not a row
        sys.stderr.write(f"melious report: {error}\n")
        return 1
    return 0
