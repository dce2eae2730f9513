"""Every notebook runs from top to bottom on the sandbox, and is committed with its outputs."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from melious.sandbox import Sandbox
from notebooks.run import FOLDER, execute

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# One is run each time; another, with a key, below.
RUN = [
    pytest.param(path, marks=[] if path.stem == "quickstart_llamaindex" else pytest.mark.exhaustive)
    for path in NOTEBOOKS
]
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)

# Places of one machine, and what is secret or differs each time.
PRIVATE = re.compile(
    r"(?<![\w/])/(?:home|root|tmp|usr|var|work|Users)/|sk-mel-|127\.0\.0\.1:\d|\breq_[0-9a-f]{32}"
)


def code_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in code_of(notebook) for output in cell.outputs]


def kinds_of(cell: nbformat.NotebookNode) -> list[str]:
    """What a cell shows: streams by name, data by type."""
    return [
        f"stream {output.name}" if output.output_type == "stream" else " ".join(sorted(output.data))
        for output in cell.outputs
    ]


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, and a network that ends at this machine: a request to anywhere else finds a closed port."""
    for name in ("MELIOUS_API_KEY", "MELIOUS_BASE_URL", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize("path", RUN, ids=lambda path: path.stem)
def test_the_notebook_runs_and_shows_what_is_committed(path: Path) -> None:
    executed, committed = execute(path), nbformat.read(path, as_version=4)
    assert not [output.text for output in outputs_of(executed) if output.get("name") == "stderr"]
    for ran, kept in zip(code_of(executed), code_of(committed), strict=True):
        assert kinds_of(ran) == kinds_of(kept), ran.source


@pytest.mark.usefixtures("nothing_set")
def test_with_a_key_the_service_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(api_key="sk-mel-of-a-user") as service:
        monkeypatch.setenv("MELIOUS_API_KEY", service.api_key)
        monkeypatch.setenv("MELIOUS_BASE_URL", service.base_url)
        first, *_ = outputs_of(execute(FOLDER / "quickstart_langchain.ipynb"))
        assert {request.endpoint for request in service.requests} == {"chat", "embeddings", "rerank"}
    assert "sandbox" not in str(first)


@every_notebook
def test_the_first_cell_decides_where_to_ask(path: Path) -> None:
    first, *others = code_of(nbformat.read(path, as_version=4))
    assert 'if not os.environ.get("MELIOUS_API_KEY"):' in first.source
    assert not [cell.source for cell in others if re.search(r"MELIOUS_|api_key|base_url", cell.source)]


@every_notebook
def test_the_notebook_is_committed_with_its_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert all(cell.execution_count for cell in code_of(notebook))
    assert outputs_of(notebook)
    assert not [output for output in outputs_of(notebook) if output.output_type == "error"]


@every_notebook
def test_the_outputs_hold_nothing_private(path: Path) -> None:
    for output in outputs_of(nbformat.read(path, as_version=4)):
        shown = {"text": output.get("text", ""), **output.get("data", {})}
        for kind, data in shown.items():
            if not kind.startswith("image/png"):
                assert not PRIVATE.search(str(data)), (kind, data)


@every_notebook
def test_links_between_notebooks_lead_somewhere(path: Path) -> None:
    told = "\n".join(
        cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"
    )
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", told):
        assert (FOLDER / target).exists(), target


def test_the_list_of_notebooks_is_whole() -> None:
    listed = re.findall(r"\]\((\w+)\.ipynb\)", (FOLDER / "README.md").read_text())
    assert sorted(listed) == [path.stem for path in NOTEBOOKS]
