"""What a package imports is named in pyproject.toml: in its dependencies, or in the extra that it belongs to."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {"melious", "melious_sandbox", "langchain_melious", "llama_index_melious"}

DISTRIBUTIONS = {
    "IPython": "ipykernel",
    "langchain_core": "langchain-core",
    "langchain_protocol": "langchain-protocol",
    "llama_index": "llama-index-core",
    "llama_index_instrumentation": "llama-index-instrumentation",
    "opentelemetry": "opentelemetry-api",
    "pydantic_core": "pydantic-core",
    "python_multipart": "python-multipart",
    "typing_extensions": "typing-extensions",
}
"""Where a distribution is called otherwise than what it holds."""

PACKAGES = {
    "shared/melious": (),
    "shared/melious_sandbox": ("sandbox",),
    "shared/melious/demo": ("sandbox", "langchain", "llama-index"),
    "langchain_melious": ("langchain",),
    "llama_index_melious": ("llama-index",),
    "llama_index": ("llama-index",),
}
"""Each folder and the extras that it needs; the deepest folder of a file counts."""

OPTIONAL = {
    "shared/melious": {"aiohttp", "pandas", "plot", "otel", "httpx2", "socks", "sandbox"},
    "langchain_melious": {"pandas"},
}
"""Extras whose packages are imported where somebody asks for what they do."""

BROUGHT = {
    "dask": "a Dask frame comes from its owner",
    "ecologits": "`to_ecologits(typed=True)` gives its types to those who have it",
    "langsmith": "langchain-core needs it",
    "numpy": "`as_numpy`, and arrays that a caller has",
    "pyarrow": "tables that a caller has",
    "pytest": "the fixtures of `melious_sandbox.pytest_plugin`, which only a run of pytest imports",
    "tqdm": "the progress bar of a caller",
}
"""What a caller brings along, and why that is no dependency."""


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""
        elif isinstance(node, ast.Call) and node.args and "import_module" in ast.unparse(node.func):
            name = node.args[0]
            if isinstance(name, ast.Constant):
                yield str(name.value)


def _named(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=~\[ ;]", requirement)[0].lower() for requirement in requirements}


def _home(file: Path) -> str:
    place = file.relative_to(ROOT).as_posix()
    return max((folder for folder in PACKAGES if place.startswith(f"{folder}/")), key=len)


FILES = [
    file
    for folder in ("shared", *sorted(OURS - {"melious", "melious_sandbox"}))
    for file in (ROOT / folder).rglob("*.py")
]


def test_every_import_is_declared() -> None:
    extras = PROJECT["optional-dependencies"]
    undeclared = []
    for file in FILES:
        home = _home(file)
        allowed = _named(PROJECT["dependencies"])
        for extra in (*PACKAGES[home], *OPTIONAL.get(home, ())):
            allowed |= _named(extras.get(extra, []))
        for module in _imports(file):
            top = module.split(".")[0]
            if top in OURS or top in BROUGHT or top in sys.stdlib_module_names:
                continue
            if DISTRIBUTIONS.get(top, top).lower() not in allowed:
                undeclared.append(f"{file.relative_to(ROOT)}: {module}")
    assert undeclared == []


@pytest.mark.parametrize("name", ["httpx", "httpcore", "anyio", "pydantic", "pydantic-core"])
def test_what_the_core_stands_on_ends_before_the_next_major_version(name: str) -> None:
    (requirement,) = [one for one in PROJECT["dependencies"] if re.split(r"[<>=]", one)[0] == name]
    assert re.search(r"<\d+$", requirement)


def test_the_library_s_connection_layer_is_declared_under_both_names() -> None:
    # It is imported under a name that is put together, which no search for imports finds.
    assert {"httpx", "httpcore"} <= _named(PROJECT["dependencies"])
    assert {"httpx2", "httpcore2"} <= _named(PROJECT["optional-dependencies"]["httpx2"])
