"""Run every notebook from top to bottom and keep its outputs: `python -m notebooks.run`."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent


def execute(path: Path) -> nbformat.NotebookNode:
    """Run a notebook; a cell that fails raises.

    Args:
        path: The notebook, which is not changed.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=120, coalesce_streams=True, resources={"metadata": {"path": str(FOLDER)}}
    )
    client.execute()
    for cell in notebook.cells:
        # When a cell ran is no news, and would differ each time.
        cell.metadata.pop("execution", None)
    return notebook


def main() -> None:
    """Run all of them."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        nbformat.write(execute(path), path)


if __name__ == "__main__":
    main()
