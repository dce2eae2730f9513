"""Every notebook runs from top to bottom on the sandbox, and is committed with its outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from notebooks.run import FOLDER, execute

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MELIOUS_API_KEY", raising=False)
    executed = execute(path)
    texts = [output for cell in executed.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in texts if output.output_type == "error"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_is_committed_with_its_outputs(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert any(cell.outputs for cell in cells)
