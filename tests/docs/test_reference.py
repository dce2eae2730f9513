"""Every public name has an entry in the reference, and every entry is about something that exists."""

import ast
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import melious.errors.tree
from melious import MeliousError

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PUBLIC = (
    "melious",
    "melious.sandbox",
    "melious.scale",
    "melious.impact",
    "melious.otel",
    "langchain_melious",
    "llama_index_melious",
)
ENTRY = re.compile(r"^::: ([\w.]+)$", re.MULTILINE)
HAS_NO_ENTRY = {"__version__"}


def entries() -> list[str]:
    return [
        name for page in sorted(REFERENCE.glob("*.md")) for name in ENTRY.findall(page.read_text("utf-8"))
    ]


def found_at(path: str) -> list[object]:
    """What an entry shows: something in a module, or a module with what is defined there."""
    module, _, name = path.rpartition(".")
    try:
        whole = importlib.import_module(path)
    except ModuleNotFoundError:
        return [getattr(importlib.import_module(module), name)]
    return [getattr(whole, name) for name in defined_in(whole)]


def defined_in(module: ModuleType) -> list[str]:
    body = ast.parse(inspect.getsource(module)).body
    named = [it.name for it in body if isinstance(it, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    return [name for name in named if not name.startswith("_")]


def documented() -> list[object]:
    return [it for path in entries() for it in found_at(path)]


def names_of(module: str) -> list[str]:
    imported = importlib.import_module(module)
    listed = getattr(imported, "__all__", None) or defined_in(imported)
    return [name for name in listed if name not in HAS_NO_ENTRY]


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_has_an_entry(module: str):
    imported = importlib.import_module(module)
    shown = documented()
    assert names_of(module)
    assert [name for name in names_of(module) if not any(getattr(imported, name) is it for it in shown)] == []


def test_every_exception_has_an_entry():
    tree = [it for it in vars(melious.errors.tree).values() if isinstance(it, type)]
    shown = documented()
    assert [it.__name__ for it in tree if issubclass(it, MeliousError) and it not in shown] == []


def test_no_entry_is_there_twice():
    assert sorted(entries()) == sorted(set(entries()))
