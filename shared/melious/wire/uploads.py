"""Multipart uploads: each attempt reads its files while they are sent."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

from melious.errors import InvalidArgumentError

PIECE_BYTES = 256 * 1024
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


@dataclass(frozen=True, slots=True)
class FileOnDisk:
    """A file on disk, opened for each piece and never kept open.

    Attributes:
        path: Its path.
        size: In bytes.
        modified: Modification time in nanoseconds.
    """

    path: Path
    size: int
    modified: int

    @classmethod
    def at(cls, path: Path) -> FileOnDisk:
        """A file in its present state."""
        stat = path.stat()
        return cls(path, stat.st_size, stat.st_mtime_ns)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    def read(self, start: int, length: int) -> bytes:
        """Read a piece."""
        with self.path.open("rb") as file:
            stat = os.fstat(file.fileno())
            if (stat.st_size, stat.st_mtime_ns) != (self.size, self.modified):
                raise OSError("it was changed in the meantime")
            file.seek(start)
            return file.read(length)


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open file of the caller, from its position to its end.

    Attributes:
        file: The file; it is seekable.
        name: Its name.
        start: Its position.
        size: Bytes from there to the end.
    """

    file: IO[bytes]
    name: str
    start: int
    size: int

    @classmethod
    def of(cls, file: IO[bytes], name: str) -> OpenFile:
        """The rest of a file."""
        start = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(start)
        return cls(file, name, start, end - start)

    def read(self, start: int, length: int) -> bytes:
        """Read a piece."""
        self.file.seek(self.start + start)
        parts: list[bytes] = []
        while length and (part := self.file.read(length)):
            parts.append(part)
            length -= len(part)
        return b"".join(parts)


FileContent: TypeAlias = bytes | FileOnDisk | OpenFile


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file of a form.

    Attributes:
        filename: Its name, as it is sent.
        content: Its content.
        content_type: Its media type.
        field: The name of the form's field.
        where: The argument that it comes from, for errors.
    """

    filename: str
    content: FileContent
    content_type: str
    field: str = "file"
    where: str = "file"


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart body: form fields, then files."""

    fields: Mapping[str, str]
    files: tuple[FilePart, ...]


def size_of(content: FileContent) -> int:
    """The length of a file in bytes."""
    return len(content) if isinstance(content, bytes) else content.size


def piece_of(content: FileContent, start: int, length: int, where: str = "file") -> bytes:
    """Read a piece of a file, up to its end.

    Args:
        content: The file.
        start: Where the piece starts.
        length: Its length in bytes.
        where: The argument that the file comes from, for errors.

    Raises:
        InvalidArgumentError: It cannot be read, or has changed.
    """
    if isinstance(content, bytes):
        return content[start : start + length]
    length = min(length, content.size - start)
    try:
        piece = content.read(start, length)
    except (OSError, ValueError) as error:
        raise InvalidArgumentError(f"{where}: {content.name!r} cannot be read: {error}") from error
    if len(piece) != length:
        raise InvalidArgumentError(f"{where}: {content.name!r} became shorter while it was read")
    return piece


class Multipart:
    """A multipart body. Every iteration yields the whole body again.

    Attributes:
        content_type: The value of its header.
        length: Its size in bytes.
    """

    def __init__(self, upload: Upload) -> None:
        boundary = secrets.token_hex(16)
        before = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name.translate(_ESCAPES)}"'
            f"\r\n\r\n{value}\r\n"
            for name, value in upload.fields.items()
        ).encode()
        self._files: list[tuple[bytes, FilePart]] = []
        for file in upload.files:
            head = (
                f'--{boundary}\r\nContent-Disposition: form-data; name="{file.field.translate(_ESCAPES)}"; '
                f'filename="{file.filename.translate(_ESCAPES)}"\r\n'
                f"Content-Type: {file.content_type}\r\n\r\n"
            )
            self._files.append((before + head.encode("utf-8", "surrogateescape"), file))
            before = b"\r\n"
        self._after = before + f"--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}".encode()
        sizes = (len(head) + size_of(file.content) for head, file in self._files)
        self.length = sum(sizes) + len(self._after)

    def __iter__(self) -> Iterator[bytes]:
        for head, file in self._files:
            yield head
            for start in range(0, size_of(file.content), PIECE_BYTES):
                yield piece_of(file.content, start, PIECE_BYTES, file.where)
        yield self._after

    async def __aiter__(self) -> AsyncIterator[bytes]:
        from asyncio import to_thread  # noqa: PLC0415 - blocking clients need no asyncio

        for head, file in self._files:
            yield head
            for start in range(0, size_of(file.content), PIECE_BYTES):
                if isinstance(file.content, bytes):
                    yield piece_of(file.content, start, PIECE_BYTES, file.where)
                else:  # asyncio reads files in threads only
                    yield await to_thread(piece_of, file.content, start, PIECE_BYTES, file.where)
        yield self._after


class AsyncPieces:
    """A body for asyncio, for HTTP libraries that would iterate it as a blocking one."""

    def __init__(self, body: Multipart) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._body)
