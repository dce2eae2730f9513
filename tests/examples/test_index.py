"""Each example is in the index, says how to run it, and leaves the sandbox to its `__main__.py`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(path.parent for path in FOLDER.glob("*/__main__.py"))
each = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)


def test_the_index_is_complete():
    listed = re.findall(r"\]\((\w+)/README\.md\)", (FOLDER / "README.md").read_text())
    assert sorted(listed) == [example.name for example in EXAMPLES]


@each
def test_the_command_is_in_its_readme_and_in_the_index(example: Path):
    command = f"python -m examples.{example.name}"
    assert command in (example / "README.md").read_text()
    assert f"`{command}`" in (FOLDER / "README.md").read_text()


@each
def test_links_lead_somewhere(example: Path):
    for page in (FOLDER / "README.md", example / "README.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), target


@each
def test_what_an_application_would_hold_knows_no_sandbox(example: Path):
    for file in example.glob("*.py"):
        if file.name != "__main__.py":
            assert not re.search(r"sandbox import|examples\.service", file.read_text()), file.name
