"""Opens the recordings of one folder, and reveals nothing about other files."""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path
from typing import IO

from melious.endpoints.audio import kind_of
from melious.errors import InvalidArgumentError

_NO_LINKS: int = getattr(os, "O_NOFOLLOW", 0)
_FOLDER: int = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _NO_LINKS
_FILE: int = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | _NO_LINKS


def recording_in(folder: str, path: object) -> IO[bytes]:
    """Open a recording by a path, as a model wrote it, in a folder; links out of it are not followed.

    Raises:
        InvalidArgumentError: There is no such recording. The text is the same for a missing file, another
            kind of file and a file elsewhere, so the model learns nothing about the disk.
    """
    try:
        file = _opened(folder, path) if isinstance(path, str) else None
    except (OSError, ValueError, RuntimeError):  # also a NUL, half a character, a long name, a loop of links
        file = None
    if file is None:
        raise InvalidArgumentError(
            f"path: {path!r:.100} is not a recording in the audio folder", param="path"
        )
    return file


def _opened(folder: str, path: str) -> IO[bytes] | None:
    root = Path(folder).resolve(strict=True)
    place = (root / path).resolve()
    if place == root or not place.is_relative_to(root):
        return None
    parts = place.relative_to(root).parts
    file = open(place, "rb", opener=partial(_descriptor, root, parts))  # noqa: SIM115 - returned open
    try:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            beginning = file.read(12)
            file.seek(0)
            if beginning and kind_of(place.name, beginning):
                return file
    except OSError:
        file.close()
        raise
    file.close()
    return None


def _descriptor(root: Path, parts: tuple[str, ...], name: str, _: int) -> int:
    """Open a path below a folder part by part: a part may have become a link since the check."""
    if os.open not in os.supports_dir_fd:
        return os.open(name, _FILE)
    held = os.open(root, _FOLDER)
    try:
        for part in parts[:-1]:
            below = os.open(part, _FOLDER, dir_fd=held)
            os.close(held)
            held = below
        return os.open(parts[-1], _FILE, dir_fd=held)
    finally:
        os.close(held)
