"""Documents in messages: found, converted before the messages are sent, and sent as text."""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple, Self, cast

from melious import forks
from melious._figures import counted
from melious.answers.documents import DocumentsResult
from melious.answers.meta import AttachedDocument
from melious.endpoints.document_files import DOCUMENT_TYPES, file_part
from melious.endpoints.documents import DocumentParams
from melious.errors import InvalidArgumentError
from melious.wire.uploads import FilePart

_ENDINGS = {kind: ending for ending, kind in DOCUMENT_TYPES.items()}
_MOST_DOCUMENTS = 64
_MOST_CHARACTERS = 16_000_000
_OF_BOTH_CALLS = (
    "timeout",
    "deadline",
    "max_retries",
    "retry_timeouts",
    "on_retry",
    "extra_headers",
    "filters",
    "verify_location",
)


class _Text(NamedTuple):
    """What became of a document."""

    text: str
    pages: int


class ConversionCache:
    """The texts of documents that were converted, by their content, so that a history costs nothing again.

    It keeps the last 64 documents, and at most 16 million characters.
    """

    def __init__(self) -> None:
        self._lock = forks.new_lock()
        self._kept: OrderedDict[bytes, _Text] = OrderedDict()
        self._characters = 0

    def get(self, digest: bytes) -> _Text | None:
        """The text of a document, if it is kept."""
        with self._lock:
            found = self._kept.get(digest)
            if found is not None:
                self._kept.move_to_end(digest)
            return found

    def put(self, digest: bytes, text: _Text) -> None:
        """Keep the text of a document, in place of the oldest ones, unless it is too long."""
        if len(text.text) > _MOST_CHARACTERS:
            return
        with self._lock:
            before = self._kept.pop(digest, None)
            self._characters += len(text.text) - (len(before.text) if before else 0)
            self._kept[digest] = text
            while len(self._kept) > _MOST_DOCUMENTS or self._characters > _MOST_CHARACTERS:
                _, oldest = self._kept.popitem(last=False)
                self._characters -= len(oldest.text)


class Attachments:
    """The documents of one conversation, and what they become.

    Attributes:
        spent: Seconds since they were found.
    """

    def __init__(
        self, messages: Sequence[Mapping[str, Any]], parts: Mapping[tuple[int, int], FilePart]
    ) -> None:
        self._began = time.monotonic()
        self._messages = messages
        self._parts = parts
        self._digests = {place: _digest(part) for place, part in parts.items()}
        self._texts: dict[bytes, _Text] = {}
        self._fresh: set[bytes] = set()

    @classmethod
    def of(cls, messages: Sequence[Mapping[str, Any]]) -> Self | None:
        """The documents of messages in OpenAI's form; None if there are none.

        Raises:
            InvalidArgumentError: A document cannot be read, or is not one that can be converted.
        """
        found = {(row, column): part for row, column, part in _files_in(messages)}
        return cls(messages, found) if found else None

    @property
    def spent(self) -> float:
        """Seconds since they were found."""
        return time.monotonic() - self._began

    def params(self, params: Mapping[str, Any]) -> DocumentParams:
        """The parameters of the chat request that are those of the conversion too."""
        return cast("DocumentParams", {name: params[name] for name in _OF_BOTH_CALLS if name in params})

    def unknown(self, cache: ConversionCache) -> list[FilePart]:
        """The documents to convert, each once; the texts of the others are taken from the cache."""
        found: dict[bytes, FilePart] = {}
        for place, digest in self._digests.items():
            known = cache.get(digest)
            if known is None:
                found[digest] = self._parts[place]
            else:
                self._texts[digest] = known
        self._fresh = set(found)
        return list(found.values())

    def learn(self, cache: ConversionCache, files: Sequence[FilePart], result: DocumentsResult) -> None:
        """Take the converted documents, in the order of `unknown`."""
        for part, document in zip(files, result.results, strict=True):
            text = _Text(document.text, len(document.pages))
            self._texts[_digest(part)] = text
            cache.put(_digest(part), text)

    def messages(self) -> list[Mapping[str, Any]]:
        """The messages with text in place of the documents; with names before they are converted."""
        sent = list(self._messages)
        for row in dict.fromkeys(row for row, _ in self._parts):
            content = [
                {"type": "text", "text": self._shown(row, column)} if (row, column) in self._parts else part
                for column, part in enumerate(sent[row]["content"])
            ]
            texts = [text for text in map(_text_of, content) if text is not None]
            only_text = len(texts) == len(content) and sent[row]["role"] != "user"
            sent[row] = {**sent[row], "content": "\n".join(texts) if only_text else content}
        return sent

    def _shown(self, row: int, column: int) -> str:
        name = self._parts[row, column].filename
        known = self._texts.get(self._digests[row, column])
        return name if known is None else f"{name} ({counted(known.pages, 'page')}):\n{known.text}"

    @property
    def documents(self) -> tuple[AttachedDocument, ...]:
        """What was converted, in the order of the messages."""
        return tuple(
            AttachedDocument(
                self._parts[place].filename, self._texts[digest].pages, from_cache=digest not in self._fresh
            )
            for place, digest in self._digests.items()
        )


def _text_of(part: object) -> str | None:
    text = part.get("text") if isinstance(part, Mapping) and part.get("type") == "text" else None
    return text if isinstance(text, str) else None


def _files_in(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, int, FilePart]]:
    for row, message in enumerate(messages):
        content = message.get("content")
        for column, part in enumerate(content if isinstance(content, list | tuple) else ()):
            file = part.get("file") if isinstance(part, Mapping) and part.get("type") == "file" else None
            if isinstance(file, Mapping) and file.get("file_data"):
                yield row, column, _part(file, f"messages[{row}].content[{column}]")


def _part(file: Mapping[str, Any], where: str) -> FilePart:
    name, data = file.get("filename") or "document", file["file_data"]
    if not isinstance(name, str) or not isinstance(data, str):
        raise InvalidArgumentError(f"{where}: filename and file_data must be text", param="messages")
    head, comma, packed = data.partition(",")
    ending = _ENDINGS.get(head.removeprefix("data:").partition(";")[0])
    if ending and PurePath(name).suffix[1:].lower() not in DOCUMENT_TYPES:
        name = f"{name}.{ending}"
    try:
        content = base64.b64decode("".join((packed if comma else data).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgumentError(f"{where}: the file is not base64: {error}", param="messages") from None
    return file_part((name, content), where)


def _digest(part: FilePart) -> bytes:
    content = part.content if isinstance(part.content, bytes) else b""
    return hashlib.blake2b(content, digest_size=16).digest()
