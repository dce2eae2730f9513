"""The distributions of `packaging/`: the names that people type, each of which installs `melious` with an extra."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path
from typing import Any

import pytest
from distributions import CLASSES

import melious

ROOT = Path(__file__).parents[2]
SHARED = ("license", "requires-python", "authors", "classifiers", "urls")
each_distribution = pytest.mark.parametrize("name", CLASSES)


def settings(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))


MAIN = settings(ROOT)["project"]


def test_every_folder_is_a_distribution_of_the_table() -> None:
    assert {path.name for path in (ROOT / "packaging").iterdir()} == {*CLASSES, "README.md"}


@each_distribution
def test_a_distribution_agrees_with_the_package_that_it_installs(name: str) -> None:
    folder = ROOT / "packaging" / name
    project = settings(folder)["project"]
    assert project["name"] == name
    assert project["version"] == melious.__version__
    assert {key: project[key] for key in SHARED} == {key: MAIN[key] for key in SHARED}
    extra = "langchain" if name == "langchain-melious" else "llama-index"
    assert project["dependencies"] == [f"melious[{extra}]=={melious.__version__}"]
    assert extra in MAIN["optional-dependencies"]
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@each_distribution
def test_a_distribution_holds_no_code(name: str) -> None:
    # Two wheels with the same file break each other when one of them is uninstalled.
    folder = ROOT / "packaging" / name
    assert {path.name for path in folder.iterdir()} == {"LICENSE", "README.md", "pyproject.toml"}
    assert settings(folder)["tool"]["hatch"]["build"]["targets"]["wheel"] == {"bypass-selection": True}


@each_distribution
def test_the_class_is_at_the_conventional_path(name: str) -> None:
    path, class_name = CLASSES[name]
    assert getattr(importlib.import_module(path), class_name).__name__ == class_name


@pytest.mark.parametrize("name", [name for name in CLASSES if name.startswith("llama-index")])
def test_llamahub_knows_what_to_import(name: str) -> None:
    path, class_name = CLASSES[name]
    hub = settings(ROOT / "packaging" / name)["tool"]["llamahub"]
    assert hub["import_path"] == path
    assert class_name in hub["class_authors"]
    assert set(hub["class_authors"]) == set(importlib.import_module(path).__all__)


def test_the_main_package_claims_no_single_path_at_llamahub() -> None:
    assert "llamahub" not in settings(ROOT)["tool"]
