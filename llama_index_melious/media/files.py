"""What the readers share: files of other file systems, and the caller's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import IO, Any

from melious.errors import InvalidArgumentError
from melious.errors.checks import check_mapping


def open_on(fs: Any, file: str | PathLike[str]) -> IO[bytes]:
    """Open a file of a file system.

    Raises:
        InvalidArgumentError: The file system is not one, or has no such file.
    """
    if not callable(getattr(fs, "open", None)):
        raise InvalidArgumentError(
            f"fs: must be a file system of fsspec, not {type(fs).__name__}", param="fs"
        )
    try:
        opened: IO[bytes] = fs.open(str(file), "rb")
    except OSError as error:
        raise InvalidArgumentError(
            f"file: {str(file)!r} cannot be opened: {type(error).__name__}: {error}", param="file"
        ) from error
    return opened


def check_metadata(extra_info: Mapping[str, Any] | None) -> None:
    """Refuse metadata that a document cannot have, before anything is sent.

    Raises:
        InvalidArgumentError: They are not a mapping, or a name is not text.
    """
    check_mapping("extra_info", extra_info)
    for name in extra_info or ():
        if not isinstance(name, str):
            raise InvalidArgumentError(
                f"extra_info: names must be text, not {name!r:.80}", param="extra_info"
            )
