"""Who may import whom: the core does not need the sandbox, and the sandbox needs little of the core."""

import ast
from collections.abc import Iterator
from pathlib import Path

SHARED = Path(__file__).parents[2] / "shared"


def imports(folder: Path, package: str) -> Iterator[tuple[str, str]]:
    """Give each file of a folder with each module of a package that it imports, wherever in the file."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name == package or name.startswith(f"{package}."):
                    yield path.relative_to(folder).as_posix(), name


def test_only_its_public_name_the_command_and_the_demo_import_the_sandbox() -> None:
    rooms = {path.split("/")[0] for path, _ in imports(SHARED / "melious", "melious_sandbox")}
    assert rooms <= {"sandbox.py", "cli", "demo"}


def test_the_sandbox_stands_on_errors_catalogue_filters_and_words_for_people_only() -> None:
    assert {name for _, name in imports(SHARED / "melious_sandbox", "melious")} == {
        "melious.errors",
        "melious.errors.suggestions",
        "melious.catalogue",
        "melious.routing.filters",
        "melious.routing.countries",
        "melious.impact.units",
    }
