"""Run notebooks from top to bottom and keep their outputs: `python -m notebooks.run [NAME ...]`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
_REQUEST_ID = re.compile(r"\breq_[0-9a-f]{32}\b")
_LOOPBACK = re.compile(r"127\.0\.0\.1:\d+")


def execute(path: Path) -> nbformat.NotebookNode:
    """Run a notebook; a cell that fails raises.

    Args:
        path: The notebook, which is not changed.

    Returns:
        The notebook with its outputs, without what would differ each time.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=None, coalesce_streams=True, resources={"metadata": {"path": str(FOLDER)}}
    )
    client.execute()
    notebook.metadata.get("language_info", {}).pop("version", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", ()):
            if "text" in output:
                output["text"] = _steady(output["text"])
            for kind, data in output.get("data", {}).items():
                if kind.startswith("text/"):
                    output["data"][kind] = _steady(data)
    return notebook


def _steady(text: str) -> str:
    """A text without ids of requests and ports, which are new in each run."""
    return _LOOPBACK.sub("127.0.0.1:…", _REQUEST_ID.sub("req_…", text))


def main(names: list[str]) -> None:
    """Run those of these names, or all of them."""
    for path in [FOLDER / f"{name}.ipynb" for name in names] or sorted(FOLDER.glob("*.ipynb")):
        nbformat.write(execute(path), path)


if __name__ == "__main__":
    main([Path(name).stem for name in sys.argv[1:]])
