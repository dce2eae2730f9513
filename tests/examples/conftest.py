"""Each example runs in a folder of its own, on a sandbox where there is no key."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key in the environment; what the example writes goes into a temporary folder."""
    for name in ("MELIOUS_API_KEY", "MELIOUS_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
