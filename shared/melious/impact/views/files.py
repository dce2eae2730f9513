"""A ledger as a file, in the format of its suffix."""

from __future__ import annotations

import json
from collections.abc import Callable
from os import PathLike
from pathlib import Path

from melious.errors import InvalidArgumentError
from melious.errors.checks import check_path
from melious.impact.views.export import csv_text, plain
from melious.impact.views.html import page
from melious.impact.views.markdown import markdown
from melious.impact.views.source import LedgerLike
from melious.impact.views.table import text

_PICTURES = (".png", ".svg", ".pdf")


def save(ledger: LedgerLike, path: str | PathLike[str], title: str) -> None:
    """Write a ledger in the format of the suffix."""
    suffix = Path(check_path("path", path)).suffix.lower()
    if suffix in _PICTURES:
        from melious.impact.views.plots import figure  # noqa: PLC0415 - imports matplotlib

        figure(ledger).savefig(path, dpi=150)
        return
    writers: dict[str, Callable[[], str]] = {
        ".html": lambda: page(ledger, title),
        ".md": lambda: markdown(ledger),
        ".txt": lambda: text(ledger, 100) + "\n",
        ".json": lambda: json.dumps(plain(ledger, json=True), indent=2, ensure_ascii=False) + "\n",
        ".csv": lambda: csv_text(ledger),
        ".jsonl": lambda: "".join(json.dumps(row.to_json()) + "\n" for row in ledger.rows),
    }
    if suffix not in writers:
        raise InvalidArgumentError(
            f"path: the suffix must be one of {', '.join([*writers, *_PICTURES])}, not {suffix!r:.20}",
            param="path",
        )
    Path(path).write_text(writers[suffix](), encoding="utf-8", errors="backslashreplace", newline="")
