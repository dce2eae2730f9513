"""LangChain's blobs, as the files that the core takes."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any
from urllib.parse import unquote, urlsplit

from langchain_core.documents.base import Blob

from langchain_melious.errors import InvalidArgumentError


def file_of(blob: Blob, what: str) -> Any:
    """A blob as a path, or as a name and the bytes.

    Args:
        blob: The caller's blob.
        what: What it should hold, such as `recording`; also the name of a blob without one.

    Raises:
        InvalidArgumentError: It is not a blob, or holds text.
    """
    if not isinstance(blob, Blob):
        hint = "; use Blob.from_path(path)" if isinstance(blob, str | PurePath) else ""
        raise InvalidArgumentError(f"blob: must be a Blob, not {type(blob).__name__}{hint}")
    if blob.data is None:
        return blob.path
    if isinstance(blob.data, str):
        raise InvalidArgumentError(f"blob: must hold a {what} as bytes, not text")
    where = str(blob.path or blob.source or "")
    if "://" in where:  # what follows the path of a URL may be a signature
        where = unquote(urlsplit(where).path)
    return PurePath(where).name or what, blob.data
