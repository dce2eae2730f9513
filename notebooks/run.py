"""Run notebooks from top to bottom and keep their outputs: `python -m notebooks.run [NAME ...]`.

What a run prints is the same each time, apart from ids, ports and times. Ids and ports are left
out of the outputs; where nothing but times is new, the outputs that are there already are kept.
"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
_REQUEST_ID = re.compile(r"\breq_[0-9a-f]{32}\b")
_LOOPBACK = re.compile(r"127\.0\.0\.1:\d+")
_TIMES = re.compile(r"(?<=answered in )\d+\.\d+(?= s\b)|(?<=at )[\d,]+(?= rows per second)")


def execute(path: Path) -> nbformat.NotebookNode:
    """Run a notebook, in a folder of its own; a cell that fails raises.

    Args:
        path: The notebook, which is not changed.

    Returns:
        The notebook with its outputs, without ids and ports.
    """
    notebook = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook, timeout=None, coalesce_streams=True, resources={"metadata": {"path": folder}}
        )
        client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", ()):
            _in_texts(output, _without_ids)
    return notebook


def shown(cell: nbformat.NotebookNode) -> list[dict[str, str]]:
    """What a code cell shows: for each output its texts and pictures by type, with the times masked."""
    found = []
    for output in copy.deepcopy(cell.outputs):
        _in_texts(output, _without_times)
        name = output.get("name", output.output_type)
        found.append({name: output.text} if "text" in output else dict(output.get("data", {})))
    return found


def keep_times(executed: nbformat.NotebookNode, committed: nbformat.NotebookNode) -> None:
    """Give the cells of a run the committed outputs, where nothing but times is new."""
    for new, old in zip(executed.cells, committed.cells, strict=True):
        if new.cell_type == "code" and shown(new) == shown(old):
            new.outputs = old.outputs


def _in_texts(output: nbformat.NotebookNode, change: Callable[[str], str]) -> None:
    if "text" in output:
        output["text"] = change(output["text"])
    for kind, data in output.get("data", {}).items():
        if kind.startswith("text/"):
            output["data"][kind] = change(data)


def _without_ids(text: str) -> str:
    return _LOOPBACK.sub("127.0.0.1:…", _REQUEST_ID.sub("req_…", text))


def _without_times(text: str) -> str:
    return _TIMES.sub("…", text)


def main(names: list[str]) -> None:
    """Run those of these names, or all of them."""
    for path in [FOLDER / f"{name}.ipynb" for name in names] or sorted(FOLDER.glob("*.ipynb")):
        executed = execute(path)
        keep_times(executed, nbformat.read(path, as_version=4))
        nbformat.write(executed, path)


if __name__ == "__main__":
    main([Path(name).stem for name in sys.argv[1:]])
