"""What the endpoints that take forms share: the caller's files, and fields as text."""

from __future__ import annotations

import io
import os
from inspect import iscoroutinefunction
from os import PathLike
from pathlib import Path
from typing import IO, Any, TypeAlias

from melious.endpoints.common import check_utf8
from melious.errors import InvalidArgumentError
from melious.wire import codec
from melious.wire.uploads import FileContent, FileOnDisk, OpenFile, size_of

FileArgument: TypeAlias = str | PathLike[str] | IO[bytes] | tuple[str, bytes | IO[bytes]]
"""A path, an open file, or a tuple of a name and bytes or an open file.

A path is read in pieces as it is sent, and not kept open between them. An open file is read from its current
position, and must stay open until the call is over.
"""


def opened(file: FileArgument, where: str, nameless: str, most: int) -> tuple[str, FileContent]:
    """The name of a file, and its content.

    Args:
        file: The caller's file.
        where: The argument that it comes from, for errors.
        nameless: What to call an open file without a name.
        most: The most bytes that are needed of a file that cannot seek.

    Raises:
        InvalidArgumentError: It is not a file, or cannot be opened.
    """
    if isinstance(file, tuple) and len(file) == 2:  # noqa: PLR2004
        name, content = file
        if isinstance(content, bytes):
            return _named(name, where), content
        if not hasattr(content, "read"):
            raise InvalidArgumentError(
                f"{where}: the content of {name!r} must be bytes or an open file, "
                f"not {type(content).__name__}"
            )
        return _named(name, where), _rest_of(content, name, where, most)
    if isinstance(file, str | PathLike):
        try:
            path = Path(file)
            if path.is_file():
                return _named(path.name, where), FileOnDisk.at(path)
        except (OSError, TypeError, ValueError) as error:  # a name too long, bytes, half a character
            raise InvalidArgumentError(f"{where}: {str(file)!r:.200} cannot be opened: {error}") from error
        if path.is_dir():
            raise InvalidArgumentError(f"{where}: {str(path)!r:.200} is a folder, not a file")
        raise InvalidArgumentError(f"{where}: there is no file {str(path)!r:.200}")
    if not hasattr(file, "read"):
        raise InvalidArgumentError(
            f"{where}: must be a path, an open file, or a tuple of name and bytes, not {type(file).__name__}"
        )
    name = _name_of(file) or nameless
    return _named(name, where), _rest_of(file, name, where, most)


def _name_of(file: IO[bytes]) -> str:
    """The name of an open file; "" if it has none: pipes and some temporary files have a number or None."""
    name: object = getattr(file, "name", None)
    return Path(os.fsdecode(name)).name if isinstance(name, str | bytes | PathLike) else ""


def _named(name: object, where: str) -> str:
    """A file's name; it need not be UTF-8: such a name is sent as its bytes."""
    if not isinstance(name, str):
        raise InvalidArgumentError(f"{where}: the name must be text, not {type(name).__name__}")
    return check_utf8(where, name, "surrogateescape")


def _rest_of(file: IO[bytes], name: str, where: str, most: int) -> FileContent:
    """The content of an open file from its current position."""
    if iscoroutinefunction(file.read):
        raise InvalidArgumentError(f"{where}: {name!r} is read with await; give its name and bytes instead")
    try:
        if isinstance(file, io.TextIOBase):
            content = None
        elif not isinstance(file, io.BytesIO) and hasattr(file, "seekable") and file.seekable():
            return OpenFile.of(file, name)
        else:
            content = _all_of(file, most + 1)
    except (OSError, ValueError) as error:  # closed, open for writing only, a broken disk
        raise InvalidArgumentError(f"{where}: {name!r} cannot be read: {error}") from error
    if content is None:
        raise InvalidArgumentError(f"{where}: {name!r} is open as text; open it with 'rb'")
    return content


def _all_of(file: IO[bytes], most: int) -> bytes | None:
    """The content of a file that may give less than is asked for; None if it gives text."""
    parts: list[bytes] = []
    while most > 0 and (part := file.read(most)):
        if not isinstance(part, bytes):
            return None
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def check_size(where: str, name: str, content: FileContent, most: int, advice: str) -> None:
    """Refuse an empty file, and one of more than `most` bytes.

    Raises:
        InvalidArgumentError: It is one of these; `advice` says what to do with one that is too large.
    """
    size, param = size_of(content), where.partition("[")[0]
    if not size:
        raise InvalidArgumentError(f"{where}: {name!r} is empty", param=param)
    if size > most:
        # Of a file that cannot seek, no more than one byte too many was read.
        length = f"more than {most:,}" if size == most + 1 else f"{size:,}"
        raise InvalidArgumentError(
            f"{where}: {name!r} has {length} bytes; the service takes at most {most:,}",
            param=param,
            advice=advice,
        )


def form_field(name: object, value: Any) -> tuple[str, str]:
    """A form's field as text; errors name the argument that it comes from."""
    if not isinstance(name, str):
        raise InvalidArgumentError(f"extra_body: field names must be text, not {name!r}")
    check_utf8("extra_body", name)
    if isinstance(value, str):
        return name, check_utf8(name, value)
    try:
        return name, codec.dumps(value, finite=True).decode()
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"{name}: cannot be sent as JSON ({error})") from None
