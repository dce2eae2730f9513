"""Files that a command is to write."""

from __future__ import annotations

import os
from pathlib import Path

from melious.errors import InvalidArgumentError


def check_writable(option: str, file: str) -> None:
    """Fail before anything is sent or paid where a file could not be written.

    Raises:
        InvalidArgumentError: It is a folder, its folder does not exist, or writing is not allowed.
    """
    path = Path(file).absolute()
    if path.is_dir():
        raise InvalidArgumentError(f"{option}: {file!r} is a folder, not a file")
    if not path.parent.is_dir():
        raise InvalidArgumentError(f"{option}: there is no folder {str(path.parent)!r} to write to")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InvalidArgumentError(f"{option}: {file!r} cannot be written")
