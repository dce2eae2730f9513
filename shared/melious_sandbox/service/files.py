"""The files of batches, on disk."""

import shutil
import tempfile
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from melious_sandbox.service.errors import SandboxError

LARGEST_FILE = 105_000_000
_PIECE_BYTES = 64 * 1024


@dataclass(slots=True)
class StoredFile:
    """A file at the sandbox."""

    path: Path
    filename: str
    purpose: str
    id: str = field(default_factory=lambda: f"file_{uuid.uuid4().hex}")
    created_at: int = field(default_factory=lambda: int(time.time()))

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.path.stat().st_size

    def to_wire(self) -> dict[str, Any]:
        """Give the file as the service shows it."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.size,
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
        }

    def pieces(self) -> Iterator[bytes]:
        """Give the content in pieces."""
        with self.path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece


class FileStore:
    """The files of one sandbox, in a directory of their own, which goes with it."""

    def __init__(self) -> None:
        self._directory: Path | None = None
        self._files: OrderedDict[str, StoredFile] = OrderedDict()

    def new(self, filename: str, purpose: str, content: Iterable[bytes] = ()) -> StoredFile:
        """Make a file; it is listed once it is added."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="melious-sandbox-"))
        path = self._directory / uuid.uuid4().hex
        with path.open("wb") as file:
            for piece in content:
                file.write(piece)
        return StoredFile(path, filename, purpose)

    def add(self, file: StoredFile) -> None:
        """Let a file be found."""
        self._files[file.id] = file

    def get(self, file_id: str) -> StoredFile:
        """Find a file."""
        found = self._files.get(file_id)
        if found is None:
            raise SandboxError("not_found", f"There is no file '{file_id[:100]}'.")
        return found

    def delete(self, file_id: str) -> None:
        """Delete a file."""
        file = self.get(file_id)
        del self._files[file_id]
        file.path.unlink()

    def newest_first(self) -> list[StoredFile]:
        """Give all files, the newest first."""
        return list(reversed(self._files.values()))

    def forget(self) -> None:
        """Let no file be found; batches that still run may read and write theirs until the end."""
        self._files.clear()

    def clear(self) -> None:
        """Delete all files."""
        self._files.clear()
        directory, self._directory = self._directory, None
        if directory is not None:
            shutil.rmtree(directory)
