"""`melious report`: a report on a file of rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from melious.errors import InvalidArgumentError

if TYPE_CHECKING:
    import argparse

_FORMATS = {"md": "markdown"}


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
            Path(options.output).write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        sys.stderr.write(f"melious report: {error.filename}: {error.strerror}\n")
        return 1
    except InvalidArgumentError:
        raise
    except ValueError as error:  # a line that is not a row
        sys.stderr.write(f"melious report: {error}\n")
        return 1
    return 0
