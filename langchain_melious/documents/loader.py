"""`MeliousDocumentLoader`: files, folders and patterns, converted by Melious one after the other."""

from __future__ import annotations

import asyncio
import glob
import logging
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from inspect import iscoroutinefunction
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from langchain_melious.documents.parser import MeliousDocumentParser
from langchain_melious.errors import (
    APITimeoutError,
    BadRequestError,
    InvalidArgumentError,
    ResponseDecodeError,
    ServerError,
    langchain_errors,
    needs_asyncio,
)
from melious.endpoints.document_files import DOCUMENT_TYPES
from melious.errors import MeliousError
from melious.errors.checks import check_bool, check_callable, check_one_of, check_whole
from melious.http.callbacks import awaited, no_coroutine

_Path: TypeAlias = str | PathLike[str]
_OF_ONE_FILE = (APITimeoutError, BadRequestError, InvalidArgumentError, ResponseDecodeError, ServerError)
"""Errors that say nothing about the next file."""
_MAX_CONCURRENCY = 4

_logger = logging.getLogger("melious")


class MeliousDocumentLoader(BaseLoader):
    r"""Loads PDF, Word, Excel and PowerPoint files and images, page by page.

    `load` and `lazy_load` convert one file after the other, each when it is needed; `aload` and
    `alazy_load` convert a few at a time and give them in the same order. For what a document contains see
    `MeliousDocumentParser`.

    Args:
        paths: A file, a folder, a pattern such as `reports/**/*.pdf`, or a list of these. A folder stands
            for the files in it, and below it, whose endings are known; hidden ones are left out.
        on_error: `raise` the error of a file, the default, or `skip` the file with a warning in the log.
            Errors that other files would meet too, such as a wrong key or a used-up budget, are always
            raised.
        on_progress: Called after each file with the number of files done and of all files; none by default.
            `aload` and `alazy_load` await an awaitable result.
        show_progress: Show a progress bar, which needs tqdm; False by default.
        max_concurrency: The most files that `aload` and `alazy_load` convert at a time; 4 by default.
        **options: Those of `MeliousDocumentParser`, such as `mode` and `api_key`.

    Attributes:
        parser: The parser.

    Raises:
        langchain_melious.errors.ConfigurationError: The key is missing or the base URL is not valid.
        langchain_melious.errors.InvalidArgumentError: An argument is invalid or unknown.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from langchain_melious import MeliousDocumentLoader
        >>> from melious.sandbox import Reply, Sandbox
        >>> with Sandbox() as sandbox, tempfile.TemporaryDirectory() as folder:
        ...     letter = Path(folder, "letter.pdf")
        ...     _ = letter.write_bytes(b"%PDF-1.7 ...")
        ...     sandbox.replies.add(Reply(text="Dear Ms Weber\fYours"), endpoint="documents")
        ...     loader = MeliousDocumentLoader(folder, api_key=sandbox.api_key, base_url=sandbox.base_url)
        ...     documents = loader.load()
        >>> [document.page_content for document in documents], documents[1].metadata["total_pages"]
        (['Dear Ms Weber', 'Yours'], 2)
    """

    def __init__(
        self,
        paths: _Path | Iterable[_Path],
        *,
        on_error: Literal["raise", "skip"] = "raise",
        on_progress: Callable[[int, int], object] | None = None,
        show_progress: bool = False,
        max_concurrency: int = _MAX_CONCURRENCY,
        **options: Any,
    ) -> None:
        with langchain_errors:
            check_one_of("on_error", on_error, ("raise", "skip"))
            check_callable("on_progress", on_progress)
            check_bool("show_progress", show_progress)
            check_whole("max_concurrency", max_concurrency, least=1, most=1024)
            self._paths = _checked(paths)
        self.parser: MeliousDocumentParser = MeliousDocumentParser(**options)
        self._skips = on_error == "skip"
        self._on_progress = on_progress
        self._show_progress = show_progress
        self._max_concurrency = max_concurrency

    def lazy_load(self) -> Iterator[Document]:
        """Convert the files one after the other.

        Yields:
            The documents of each file, in the order of the paths, a folder's files by name.

        Raises:
            langchain_melious.errors.InvalidArgumentError: A path does not exist, a pattern matches nothing,
                or a file cannot be sent.
            MeliousError: A request failed.
        """
        with langchain_errors:
            if iscoroutinefunction(self._on_progress):
                raise InvalidArgumentError("on_progress: an async function needs aload or alazy_load")
            files = _files(self._paths)
        with _Progress(len(files), self._on_progress, show=self._show_progress) as progress:
            for file in files:
                try:
                    documents = self.parser.parse(Blob.from_path(file))
                except _OF_ONE_FILE as error:
                    documents = self._skipped(file, error)
                no_coroutine("on_progress", progress.advance())
                yield from documents

    async def alazy_load(self) -> AsyncIterator[Document]:
        """Convert a few files at a time. See `lazy_load`."""
        needs_asyncio()
        with langchain_errors:
            files = await asyncio.to_thread(_files, self._paths)
        waiting = deque(files)
        under_way: deque[asyncio.Task[list[Document]]] = deque()
        with _Progress(len(files), self._on_progress, show=self._show_progress) as progress:
            try:
                while waiting or under_way:
                    while waiting and len(under_way) < self._max_concurrency:
                        under_way.append(asyncio.create_task(self._converted(waiting.popleft())))
                    documents = await under_way[0]
                    under_way.popleft()
                    await awaited(progress.advance())
                    for document in documents:
                        yield document
            finally:
                for task in under_way:
                    task.cancel()
                await asyncio.gather(*under_way, return_exceptions=True)

    async def _converted(self, file: Path) -> list[Document]:
        try:
            return await self.parser.aparse(Blob.from_path(file))
        except _OF_ONE_FILE as error:
            return self._skipped(file, error)

    def _skipped(self, file: Path, error: MeliousError) -> list[Document]:
        if not self._skips:
            error.add_note(f"The file was {file}")
            raise error
        _logger.warning("%s was skipped: %s", file, error)
        return []


class _Progress:
    """Counts files, for a callback and a bar."""

    def __init__(self, total: int, callback: Callable[[int, int], object] | None, *, show: bool) -> None:
        self._done = 0
        self._total = total
        self._callback = callback
        self._bar: Any = None
        if show:
            try:
                from tqdm.auto import tqdm  # noqa: PLC0415 - only for those who want a bar
            except ImportError as error:
                raise ImportError("show_progress needs tqdm: pip install tqdm") from error
            self._bar = tqdm(total=total, unit="file")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self) -> object:
        """Count a file; returns the result of the callback, which may be awaitable."""
        self._done += 1
        if self._bar is not None:
            self._bar.update()
        return None if self._callback is None else self._callback(self._done, self._total)


def _checked(paths: object) -> list[Path]:
    given = [paths] if isinstance(paths, str | PathLike) else paths
    if not isinstance(given, Iterable) or isinstance(given, bytes):
        raise InvalidArgumentError(f"paths: must be a path or a list of paths, not {type(paths).__name__}")
    found = list(given)
    for place, path in enumerate(found):
        if not isinstance(path, str | PathLike) or not os.fspath(path) or isinstance(os.fspath(path), bytes):
            raise InvalidArgumentError(f"paths[{place}]: must be a path, not {path!r:.80}")
    if not found:
        raise InvalidArgumentError("paths: must not be empty")
    return [Path(path) for path in found]


def _files(paths: Sequence[Path]) -> list[Path]:
    """The files that the paths stand for, each once.

    Raises:
        InvalidArgumentError: A path does not exist, or stands for no file.
    """
    found: dict[Path, None] = {}
    for place, path in enumerate(paths):
        if path.is_dir():
            files = [file for file in sorted(path.rglob("*")) if _is_document(file, path)]
        elif path.exists() or not glob.has_magic(str(path)):
            files = [path]
        else:
            matches = glob.iglob(str(path), recursive=True)  # noqa: PTH207 - the pattern may be absolute
            files = sorted(file for file in map(Path, matches) if file.is_file())
        if not files or not (files[0].exists() or path.is_dir()):
            what = "there is no document in" if path.is_dir() else "there is no file"
            raise InvalidArgumentError(f"paths[{place}]: {what} {str(path)!r}")
        found |= dict.fromkeys(files)
    return list(found)


def _is_document(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and file.suffix[1:].lower() in DOCUMENT_TYPES and file.is_file()
