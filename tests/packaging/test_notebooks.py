"""Every notebook runs from top to bottom on the sandbox, and shows what is committed."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from melious.sandbox import Sandbox
from notebooks.run import FOLDER, execute, keep_times, shown

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


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in code_of(notebook) for output in cell.outputs]


def reads_other_documentation(ran: nbformat.NotebookNode, kept: nbformat.NotebookNode) -> bool:
    """Whether a notebook works on Python's documentation, and that of another Python."""
    uses = any("melious.demo.corpus" in cell.source for cell in code_of(kept))
    return uses and ran.metadata.language_info.version != kept.metadata.language_info.version


def picture(data: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data)))


def assert_same_picture(ran: str, kept: str) -> None:
    """The same pixels; another matplotlib may place its text differently."""
    new, old = picture(ran), picture(kept)
    if new.info.get("Software") != old.info.get("Software"):
        assert new.format == old.format
        return
    assert new.size == old.size
    one, other = (np.asarray(each.convert("RGB"), dtype=float) for each in (new, old))
    assert np.sqrt(np.mean((one - other) ** 2)) < 1


def assert_same(ran: nbformat.NotebookNode, kept: nbformat.NotebookNode) -> None:
    """A cell shows the same texts and pictures in both, apart from times."""
    for new, old in zip(shown(ran), shown(kept), strict=True):
        assert new.keys() == old.keys(), ran.source
        for kind in new:
            if kind == "image/png":
                assert_same_picture(new[kind], old[kind])
            else:
                assert new[kind] == old[kind], ran.source


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
    executed, committed = execute(path), read(path)
    assert not [output.text for output in outputs_of(executed) if output.get("name") == "stderr"]
    for ran, kept in zip(code_of(executed), code_of(committed), strict=True):
        if reads_other_documentation(executed, committed):
            assert [output.keys() for output in shown(ran)] == [output.keys() for output in shown(kept)]
        else:
            assert_same(ran, kept)


def cell_that_prints(text: str) -> nbformat.NotebookNode:
    outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
    return nbformat.v4.new_code_cell("ask()", outputs=outputs)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("flavor: eco  answered in 0.60 s", "flavor: eco  answered in 12.34 s"),
        ("545 rows, at 1,200 rows per second", "545 rows, at 97 rows per second"),
    ],
)
def test_a_run_at_another_speed_keeps_the_committed_outputs(before: str, after: str) -> None:
    committed, executed = (
        nbformat.v4.new_notebook(cells=[cell_that_prints(text)]) for text in (before, after)
    )
    assert_same(*code_of(executed), *code_of(committed))
    keep_times(executed, committed)
    assert [output.text for output in outputs_of(executed)] == [before]


@pytest.mark.parametrize("after", ["answered in 0.60 s by 2 requests", "answered in 0.6 h", "not answered"])
def test_any_other_change_is_noticed_and_kept(after: str) -> None:
    committed, executed = (
        nbformat.v4.new_notebook(cells=[cell_that_prints(text)]) for text in ("answered in 0.60 s", after)
    )
    with pytest.raises(AssertionError):
        assert_same(*code_of(executed), *code_of(committed))
    keep_times(executed, committed)
    assert [output.text for output in outputs_of(executed)] == [after]


def test_a_change_in_a_picture_is_noticed() -> None:
    outputs = outputs_of(read(FOLDER / "quickstart_llamaindex.ipynb"))
    (kept,) = (output.data["image/png"] for output in outputs if "image/png" in output.get("data", {}))
    drawn, software, out = picture(kept), PngInfo(), io.BytesIO()
    software.add_text("Software", drawn.info["Software"])
    changed = drawn.convert("RGB")
    changed.paste("white", (200, 90, 240, 120))  # shorter bars
    changed.save(out, "PNG", pnginfo=software)
    with pytest.raises(AssertionError):
        assert_same_picture(base64.b64encode(out.getvalue()).decode(), kept)


@pytest.mark.usefixtures("nothing_set")
def test_with_a_key_the_service_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _, *cells = code_of(read(FOLDER / "quickstart_langchain.ipynb"))
    with Sandbox(api_key="sk-mel-of-a-user") as service:
        monkeypatch.setenv("MELIOUS_API_KEY", service.api_key)
        monkeypatch.setenv("MELIOUS_BASE_URL", service.base_url)
        variables = {"__name__": "notebook"}
        for cell in cells:
            exec(cell.source, variables)
        assert {request.endpoint for request in service.requests} == {"chat", "embeddings", "rerank"}
    assert "the sandbox answers" not in capsys.readouterr().out


ASK_FOR_KEYS = """
import json, os, sys
for name, cell in json.loads(sys.stdin.readline()).items():
    os.environ.pop("MELIOUS_API_KEY", None)
    exec(cell, {})
    print(name, os.environ["MELIOUS_API_KEY"])
"""


@pytest.fixture(scope="module")
def typed_keys() -> dict[str, str]:
    """The key that each notebook has asked for: that of its own name, if it asked once."""
    cells = {}
    for path in NOTEBOOKS:
        _, cell, *_ = code_of(read(path))
        cells[path.stem], changed = re.subn(r"(?m)^USE_SANDBOX = .*$", "USE_SANDBOX = False", cell.source)
        assert changed == 1
    typed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK_FOR_KEYS],
        input="\n".join([json.dumps(cells), *(f"sk-mel-{name}" for name in cells), ""]),
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,  # without a terminal, getpass reads from stdin
    )
    return dict(line.split(" ", 1) for line in typed.stdout.splitlines())


@pytest.mark.xdist_group("keys of notebooks")  # which one interpreter asks for
@every_notebook
def test_the_key_is_asked_for_where_the_sandbox_is_not_wanted(path: Path, typed_keys: dict[str, str]) -> None:
    assert typed_keys[path.stem] == f"sk-mel-{path.stem}"


@every_notebook
def test_the_second_cell_decides_where_to_ask(path: Path) -> None:
    install, first, *others = code_of(read(path))
    assert 'USE_SANDBOX = not os.environ.get("MELIOUS_API_KEY")' in first.source
    if path.stem != "from_chatopenai":  # which shows how ChatOpenAI is given both
        wrong = [install, *others]
        assert not [cell.source for cell in wrong if re.search(r"MELIOUS_|api_key|base_url", cell.source)]


@every_notebook
def test_the_first_cell_installs_what_is_missing(path: Path) -> None:
    install, *_ = code_of(read(path))
    imports, command = re.fullmatch(
        r"try:\n    import (.+)\nexcept ImportError:\n    %pip install --quiet (.+)", install.source
    ).groups()
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    ours, *others = re.findall(r'"([^"]+)"', command)
    assert set(re.fullmatch(r"melious\[(.+)\]", ours)[1].split(",")) <= extras.keys()
    assert set(others) <= set(extras["notebooks"])
    later = "\n".join(cell.source for cell in code_of(read(path))[1:])
    used = set(
        re.findall(
            r"(?:from|import) ((?:langchain|llama_index)_melious|matplotlib|pandas|langchain_\w+)", later
        )
    )
    assert used - {"langchain_core"} <= set(imports.split(", "))


def test_what_is_missing_is_installed(tmp_path: Path) -> None:
    cells = [code_of(read(path))[0].source for path in NOTEBOOKS]
    ran = subprocess.run(
        [sys.executable, "-c", RUN_WITHOUT_PACKAGES],
        input=json.dumps(cells),
        env=os.environ | {"IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines() == [cell.rpartition("%pip ")[2] for cell in cells]


RUN_WITHOUT_PACKAGES = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

config = Config()
config.HistoryManager.enabled = False
shell = InteractiveShell(config=config)
shell.register_magic_function(print, magic_name="pip")
for name in ("langchain", "langchain_melious", "llama_index_melious", "matplotlib", "melious"):
    sys.modules[name] = None
for cell in json.loads(sys.stdin.read()):
    shell.run_cell(cell).raise_error()
"""


@every_notebook
def test_the_notebook_is_committed_with_its_outputs(path: Path) -> None:
    notebook = read(path)
    assert all(cell.execution_count for cell in code_of(notebook))
    assert outputs_of(notebook)
    assert not [output for output in outputs_of(notebook) if output.output_type == "error"]


@every_notebook
def test_the_outputs_hold_nothing_private(path: Path) -> None:
    for output in outputs_of(read(path)):
        shown = {"text": output.get("text", ""), **output.get("data", {})}
        for kind, data in shown.items():
            if not kind.startswith("image/png"):
                assert not PRIVATE.search(str(data)), (kind, data)


@every_notebook
def test_links_between_notebooks_lead_somewhere(path: Path) -> None:
    told = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", told):
        assert (FOLDER / target).exists(), target


def test_the_list_of_notebooks_is_whole() -> None:
    listed = re.findall(r"\]\((\w+)\.ipynb\)", (FOLDER / "README.md").read_text())
    assert sorted(listed) == [path.stem for path in NOTEBOOKS]
