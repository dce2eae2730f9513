"""`melious report`: a rows file as a report, in a terminal or a file."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from melious import EnvironmentImpact, ImpactLedger
from melious.cli import main
from melious.impact import Entry, report
from melious.impact.rows import Row

Run = Callable[..., tuple[int, str, str]]


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


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command; give its status, its output and what it complains of."""

    def run(*arguments: Any) -> tuple[int, str, str]:
        try:
            status: Any = main(["report", *map(str, arguments)])
        except SystemExit as ended:  # of argparse
            status = ended.code
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_the_report_is_all_that_the_process_says(rows_file: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "melious.cli", "report", str(rows_file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == report(rows_file, None, "markdown")


@pytest.mark.parametrize("word", ["md", "markdown", "html", "csv", "json"])
def test_a_report_in_each_format(run: Run, rows_file: Path, word: str) -> None:
    named: Any = {"md": "markdown"}.get(word, word)
    expected = report(rows_file, "2026-11", named, tag="team")
    arguments = (rows_file, "--period", "2026-11", "--format", word, "--tag", "team")
    assert run(*arguments) == (0, expected, "")


@pytest.mark.parametrize(
    ("period", "requests"),
    [
        ([], 3),
        (["--period", "2026-Q4"], 3),
        (["--period", "2026-11-01..2026-11-30"], 2),
        (["--period=2025"], 0),
    ],
)
def test_periods(run: Run, rows_file: Path, period: list[str], requests: int) -> None:
    _, written, _ = run(rows_file, *period, "--format", "json")
    assert json.loads(written)["total"]["requests"] == requests


def test_the_suffix_of_the_output_says_the_format(run: Run, rows_file: Path, tmp_path: Path) -> None:
    assert run(rows_file, "--output", tmp_path / "report.csv") == (0, "", "")
    (first, *_) = csv.DictReader(io.StringIO((tmp_path / "report.csv").read_text("utf-8")))
    assert (first["table"], first["requests"]) == ("total", "3")
    assert run(rows_file, "--output", tmp_path / "report.txt")[0] == 0
    assert (tmp_path / "report.txt").read_text("utf-8").startswith("# Impact of AI requests")


def test_what_is_wrong_is_said_and_is_the_status(run: Run, rows_file: Path, tmp_path: Path) -> None:
    for arguments, expected, words in (
        ((rows_file, "--period", "soon"), 2, "--period: must be a month ('2026-11')"),
        ((rows_file, "--period", "soon"), 2, "or two days ('2026-11-01..2026-11-15'), not 'soon'"),
        ((rows_file, "--period", "2026-11-01.."), 2, "melious report: --period: must be a day"),
        ((rows_file, "--tag", ""), 2, "--tag: must be non-empty text"),
        ((tmp_path / "none.jsonl",), 1, "none.jsonl: No such file or directory"),
        ((rows_file, "--output", tmp_path / "none" / "a.md"), 1, "a.md: No such file or directory"),
        ((rows_file, "--format", "pdf"), 2, "invalid choice: 'pdf'"),
    ):
        status, _, said = run(*arguments)
        assert status == expected
        assert words in said
    rows_file.write_text("{}\n", encoding="utf-8")
    status, _, said = run(rows_file)
    assert (status, said) == (1, f"melious report: {rows_file}: line 1 is not a row of a ledger\n")
