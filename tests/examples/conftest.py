"""Each example runs in a folder of its own, on a sandbox where there is no key."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key in the environment; what the example writes goes into a temporary folder."""
    for name in ("MELIOUS_API_KEY", "MELIOUS_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def missing_from() -> Callable[[str, str], list[str]]:
    """The lines that the README of an example shows and its output does not have; `…` ends a line early."""

    def missing(output: str, example: str) -> list[str]:
        (shown,) = re.findall(
            r"^```text\n(.*?)^```", (EXAMPLES / example / "README.md").read_text(), re.MULTILINE | re.DOTALL
        )
        printed = [line.rstrip() for line in output.splitlines()]
        return [
            line
            for line in shown.splitlines()
            if not any(
                text.startswith(line[:-1]) if line.endswith("…") else text == line.rstrip()
                for text in printed
            )
        ]

    return missing
