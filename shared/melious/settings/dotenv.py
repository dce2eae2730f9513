"""A `.env` file that sets a variable: it is mentioned where the variable is missing, and never loaded."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path

_MOST_READ = 65_536


def file_that_sets(variable: str) -> Path | None:
    """The `.env` of the working directory, or else beside the script, if it sets a variable.

    The value stays in the file: it is in no local of this function.
    """
    for folder in _folders():
        file = folder / ".env"
        try:
            if file.is_file() and _sets(file, variable):
                return file
        except OSError:
            continue  # it cannot be read, so there is nothing to say about it
    return None


def shown(file: Path) -> str:
    """A path as people write it: relative to the working directory if it is below it."""
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def _folders() -> list[Path]:
    folders = []
    with suppress(FileNotFoundError):  # the working directory may have been deleted
        folders.append(Path.cwd())
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script:
        folders.append(Path(script).resolve().parent)
    return folders


def _sets(file: Path, variable: str) -> bool:
    pattern = rb"(?m)^[ \t]*(?:export[ \t]+)?%b[ \t]*=[ \t]*[\"']?[^\s\"'#]" % re.escape(variable.encode())
    with file.open("rb") as opened:
        return re.search(pattern, opened.read(_MOST_READ)) is not None
