"""The tables of what each adapter is held to: every row holds, and every test that it names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLES = sorted((ROOT / "tests").glob("*/MATRIX.md"))
TEST = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")


def rows(table: Path) -> list[dict[str, str]]:
    """The cells of each row, by the heads of their columns."""
    found = []
    heads: list[str] | None = None
    for line in table.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            heads = None
        elif heads is None:
            heads = cells
        elif not set(line) <= set("|-: "):
            found.append(dict(zip(heads, cells, strict=True)))
    return found


@cache
def texts() -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("*.py"))}


@cache
def definitions(path: Path) -> dict[str, ast.stmt]:
    """The functions and classes of a module, by name."""
    body = ast.parse(texts()[path]).body
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return {node.name: node for node in body if isinstance(node, kinds)}


@cache
def class_named(name: str) -> ast.stmt | None:
    """A class that tests can inherit from."""
    head = re.compile(rf"^class {name}\b", re.MULTILINE)
    return next((definitions(path)[name] for path, text in texts().items() if head.search(text)), None)


def has(node: ast.stmt | None, method: str) -> bool:
    """Whether a class has a method, of its own or from a class of these tests."""
    if not isinstance(node, ast.ClassDef):
        return False
    if any(getattr(item, "name", None) == method for item in node.body):
        return True
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    return any(has(class_named(base), method) for base in bases)


def exists(path: str, name: str) -> bool:
    """Whether there is such a test, or such a class of tests."""
    if not (ROOT / path).is_file():
        return False
    first, _, method = name.partition("::")
    node = definitions(ROOT / path).get(first)
    return has(node, method) if method else node is not None


def test_there_is_a_table_for_each_adapter():
    assert [table.parent.name for table in TABLES] == ["langchain", "llama_index"]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.parent.name)
def test_every_row_holds_and_names_tests_that_exist(table):
    found = rows(table)
    assert len(found) > 30
    assert [row["Row"] for row in found if row["Holds"] != "yes"] == []
    assert [row["Row"] for row in found if not TEST.search(row["Shown by"])] == []
    named = {test for row in found for test in TEST.findall(row["Shown by"])}
    assert sorted("::".join(test) for test in named if not exists(*test)) == []


def test_a_name_that_no_test_has_is_noticed():
    here = "tests/packaging/test_matrices.py"
    assert exists(here, "test_a_name_that_no_test_has_is_noticed")
    assert not exists(here, "test_that_was_renamed")
    assert not exists("tests/packaging/test_no_such_file.py", "test_x")
    suite = "tests/llama_index/test_conformance.py"
    assert exists(suite, "TestLLM::test_copies_work")
    assert not exists(suite, "TestLLM::test_that_was_renamed")
