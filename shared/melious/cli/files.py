"""Files that a command is to write."""

from __future__ import annotations

from pathlib import Path

from melious.errors import InvalidArgumentError


def check_writable(option: str, file: str) -> None:
    """Fail before anything is sent or paid where a file could not be written.

    Raises:
        InvalidArgumentError: It is a folder, or its folder does not exist; the option is named.
    """
    path = Path(file).absolute()
    if path.is_dir():
        raise InvalidArgumentError(f"{option}: {file!r} is a folder, not a file")
    if not path.parent.is_dir():
        raise InvalidArgumentError(f"{option}: there is no folder {str(path.parent)!r} to write to")
