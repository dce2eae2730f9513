"""`melious report`: a rows file as a report, in a terminal or a file."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from melious import EnvironmentImpact, ImpactLedger
from melious.impact import Entry, report
from melious.impact.rows import Row


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    impact = EnvironmentImpact(energy_kwh=0.5, carbon_g_co2=200.0, provider_id="ionos", location="FI")
    rows = [
        Row(
            datetime(2026, month, 5, 12, tzinfo=UTC),
            Entry("chat", "glm-4.7", impact=impact, tags=(("team", "north"),)),
        )
        for month in (10, 11, 11)
    ]
    ImpactLedger.from_rows(rows).save(tmp_path / "rows.jsonl")
    return tmp_path / "rows.jsonl"


def _melious(*arguments: Any) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("MELIOUS_")}
    command = [sys.executable, "-W", "error", "-m", "melious.cli", "report", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=env)


@pytest.mark.parametrize("word", ["md", "markdown", "html", "csv", "json"])
def test_a_report_in_each_format(rows_file: Path, word: str) -> None:
    done = _melious(rows_file, "--period", "2026-11", "--format", word, "--tag", "team")
    assert (done.returncode, done.stderr) == (0, "")
    named: Any = {"md": "markdown"}.get(word, word)
    assert done.stdout == report(rows_file, "2026-11", named, tag="team")


@pytest.mark.parametrize(
    ("period", "requests"),
    [
        ([], 3),
        (["--period", "2026-Q4"], 3),
        (["--period", "2026-11-01..2026-11-30"], 2),
        (["--period=2025"], 0),
    ],
)
def test_periods(rows_file: Path, period: list[str], requests: int) -> None:
    done = _melious(rows_file, *period, "--format", "json")
    assert json.loads(done.stdout)["total"]["requests"] == requests


def test_the_suffix_of_the_output_says_the_format(rows_file: Path, tmp_path: Path) -> None:
    assert _melious(rows_file, "--output", tmp_path / "report.csv").stdout == ""
    (first, *_) = csv.DictReader(io.StringIO((tmp_path / "report.csv").read_text("utf-8")))
    assert (first["table"], first["requests"]) == ("total", "3")
    _melious(rows_file, "--output", tmp_path / "report.txt")
    assert (tmp_path / "report.txt").read_text("utf-8").startswith("# Impact of AI requests")


def test_what_is_wrong_is_said_and_is_the_status(rows_file: Path, tmp_path: Path) -> None:
    for arguments, status, said in (
        ((rows_file, "--period", "soon"), 2, "--period: must be a month ('2026-11')"),
        ((rows_file, "--period", "soon"), 2, "or two days ('2026-11-01..2026-11-15'), not 'soon'"),
        ((rows_file, "--period", "2026-11-01.."), 2, "melious report: --period: must be a day"),
        ((rows_file, "--tag", ""), 2, "--tag: must be non-empty text"),
        ((tmp_path / "none.jsonl",), 1, "none.jsonl: No such file or directory"),
        ((rows_file, "--output", tmp_path / "none" / "a.md"), 1, "a.md: No such file or directory"),
        ((rows_file, "--format", "pdf"), 2, "invalid choice: 'pdf'"),
    ):
        done = _melious(*arguments)
        assert done.returncode == status
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    rows_file.write_text("{}\n", encoding="utf-8")
    done = _melious(rows_file)
    assert (done.returncode, done.stderr) == (
        1,
        f"melious report: {rows_file}: line 1 is not a row of a ledger\n",
    )
