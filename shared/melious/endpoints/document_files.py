"""The documents of a call: what they are, and how they are sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import IO, TypeAlias

from melious.endpoints.forms import FileArgument, check_size, opened
from melious.errors import InvalidArgumentError
from melious.wire.uploads import FileContent, FilePart, OpenFile, piece_of

MAX_BYTES = 50_000_000
"""The most bytes of a request."""
FIELD = "data"
"""The field of the form that holds the files; older servers call it `files`."""

DocumentFile: TypeAlias = FileArgument | tuple[str, bytes | IO[bytes], str]
"""A path, an open file, or a tuple of a name and bytes or an open file; the name's ending says what it is.

A third member of the tuple is the media type, which is then sent unchecked. A path is read in pieces as it is
sent, and not kept open between them. An open file is read from its current position, and must stay open until
the call is over.
"""

_OFFICE = "application/vnd.openxmlformats-officedocument"
DOCUMENT_TYPES = {
    "pdf": "application/pdf",
    "docx": f"{_OFFICE}.wordprocessingml.document",
    "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    "pptx": f"{_OFFICE}.presentationml.presentation",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
}
"""The file name endings that are sent, and their media types."""

_ENDING_OF = {kind: ending for ending, kind in DOCUMENT_TYPES.items()}
_OFFICE_ENDINGS = ("docx", "xlsx", "pptx")
_BEGINNINGS = (
    (0, b"%PDF-", ("pdf",)),
    (0, b"PK\x03\x04", _OFFICE_ENDINGS),
    (0, b"\x89PNG", ("png",)),
    (0, b"\xff\xd8\xff", ("jpg", "jpeg")),
    (8, b"WEBP", ("webp",)),
    (0, b"GIF8", ("gif",)),
    (0, b"BM", ("bmp",)),
    (0, b"II*\0", ("tif", "tiff")),
    (0, b"MM\0*", ("tif", "tiff")),
)
"""How documents begin: the offset, the bytes, and the endings that fit."""
_BEGINNING_BYTES = 12


def checked_files(files: object) -> list[FilePart]:
    """The caller's files as they are sent.

    Raises:
        InvalidArgumentError: A file, named by its place, is missing, empty, too large or of an unknown type.
    """
    if isinstance(files, str | PathLike | bytes | tuple | Mapping) or hasattr(files, "read"):
        raise InvalidArgumentError(
            "files: must be a list; put a single file into one, as in files=[file]", param="files"
        )
    if not isinstance(files, Iterable):
        raise InvalidArgumentError(f"files: must be a list, not {type(files).__name__}", param="files")
    found = [
        file if isinstance(file, FilePart) else file_part(file, f"files[{place}]")
        for place, file in enumerate(files)
    ]
    if not found:
        raise InvalidArgumentError("files: must not be empty", param="files")
    return found


def file_part(file: DocumentFile, where: str) -> FilePart:
    """A file as it is sent.

    Args:
        file: The caller's file.
        where: The argument that it comes from, for errors.

    Raises:
        InvalidArgumentError: It is missing, empty, too large or of an unknown type.
    """
    kind: str | None = None
    given: FileArgument
    if isinstance(file, tuple) and len(file) == 3:  # noqa: PLR2004
        given, kind = file[:2], file[2]
        if not isinstance(kind, str) or not kind.isascii() or not kind.isprintable() or "/" not in kind:
            raise InvalidArgumentError(f"{where}: the media type must be one like 'text/html', not {kind!r}")
    else:
        given = file
    name, content = opened(given, where, "document", MAX_BYTES)
    param = where.partition("[")[0]
    check_size(where, name, content, MAX_BYTES, "Split it into several files")
    beginning = piece_of(content, 0, _BEGINNING_BYTES, where)
    if isinstance(content, OpenFile):  # the same file may be given once more
        content.file.seek(content.start)
    if kind is None:
        name, kind = _described(where, param, name, beginning)
    return FilePart(name, content, kind, FIELD, where)


def _described(where: str, param: str, name: str, beginning: bytes) -> tuple[str, str]:
    """The name, with an ending, and the media type, by the ending or else by the first bytes."""
    ending = Path(name).suffix[1:].lower()
    fitting = kinds_of(beginning)
    if ending not in DOCUMENT_TYPES:
        if len(fitting) != 1 and "jpg" not in fitting and "tif" not in fitting:
            raise InvalidArgumentError(
                f"{where}: {name!r} must end in one of {', '.join(DOCUMENT_TYPES)}",
                param=param,
                advice="To send another type, give (name, content, media type)" if param == "files" else None,
            )
        ending = fitting[0]
        name = f"{name}.{ending}"
    elif fitting and ending not in fitting:
        raise InvalidArgumentError(
            f"{where}: {name!r} is not a {ending.upper()} file: its first bytes are those of "
            f"{' or '.join(kind.upper() for kind in fitting)}",
            param=param,
            advice="Give it the ending of what it is",
        )
    return name, DOCUMENT_TYPES[ending]


def with_ending(name: str, kind: str) -> str:
    """The name of a file of a media type, with its ending, unless it has a known one.

    Examples:
        >>> with_ending("letter", "application/pdf"), with_ending("letter.pdf", "text/plain")
        ('letter.pdf', 'letter.pdf')
    """
    ending = _ENDING_OF.get(kind.partition(";")[0].strip().lower())
    is_named = ending is None or Path(name).suffix[1:].lower() in DOCUMENT_TYPES
    return name if is_named else f"{name}.{ending}"


def kinds_of(beginning: bytes) -> tuple[str, ...]:
    """The endings that fit the first twelve bytes of a file; () if they are those of no known type.

    Examples:
        >>> kinds_of(b"%PDF-1.7"), kinds_of(b"Dear Ms Weber")
        (('pdf',), ())
    """
    return next((kinds for at, mark, kinds in _BEGINNINGS if beginning.startswith(mark, at)), ())


def equal_files(parts: Sequence[FilePart]) -> list[int]:
    """For each file, the place of the first one that is equal to it; its own if there is none.

    Files are equal if they have the same type, and the same bytes, the same path or the same open file.
    """
    first: dict[tuple[object, str], int] = {}
    return [
        first.setdefault((_identity(part.content), part.content_type), place)
        for place, part in enumerate(parts)
    ]


def _identity(content: FileContent) -> object:
    if isinstance(content, bytes):
        return hashlib.blake2b(content, digest_size=16).digest()
    return (id(content.file), content.start) if isinstance(content, OpenFile) else content
