"""Documents in messages: found, converted before the messages are sent, and sent as text."""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Self, cast

from melious import forks
from melious._figures import counted
from melious.answers.documents import DocumentsResult
from melious.answers.meta import AttachedDocument
from melious.endpoints.document_files import file_part, with_ending
from melious.endpoints.documents import DocumentParams
from melious.errors import DeadlineExceededError, InvalidArgumentError
from melious.wire.uploads import FilePart

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

    It keeps the last 64 documents, and at most 16 million characters. A document that one call is converting
    is not converted again: other calls wait for it.
    """

    def __init__(self) -> None:
        self._lock = forks.new_lock()
        self._generation = forks.generation()
        self._pending: dict[bytes, Future[_Text | None]] = {}
        self._kept: OrderedDict[bytes, _Text] = OrderedDict()
        self._characters = 0

    def claim(self, digest: bytes) -> _Text | Future[_Text | None] | None:
        """Look up a document that the caller will convert if it is missing.

        Returns:
            Its text; if another call is converting it, a future of that, which gives None if that call
            fails; else None, and the caller must `put` the text or `release` the claim.
        """
        with self._lock:
            if self._generation != forks.generation():
                self._generation = forks.generation()
                self._pending.clear()  # the parent process has them
            found = self._kept.get(digest)
            if found is not None:
                self._kept.move_to_end(digest)
                return found
            pending = self._pending.get(digest)
            if pending is None:
                claimed = self._pending[digest] = Future()
                claimed.set_running_or_notify_cancel()  # a waiting call cannot cancel it for the others
            return pending

    def release(self, digest: bytes) -> None:
        """Release a claim: a waiting call must convert the document."""
        self._resolve(digest, None)

    def put(self, digest: bytes, text: _Text) -> None:
        """Hand the text of a document to waiting calls, and keep it in place of the oldest ones."""
        self._keep(digest, text)
        self._resolve(digest, text)

    def _resolve(self, digest: bytes, text: _Text | None) -> None:
        with self._lock:
            pending = self._pending.pop(digest, None)
        if pending is not None:
            pending.set_result(text)

    def _keep(self, digest: bytes, text: _Text) -> None:
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
        self._claimed: dict[bytes, FilePart] = {}
        self._waiting: dict[bytes, Future[_Text | None]] = {}
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

    @property
    def are_known(self) -> bool:
        """Whether the texts of all documents are known."""
        return all(digest in self._texts for digest in self._digests.values())

    def claim(self, cache: ConversionCache) -> list[FilePart]:
        """The documents to convert, each once; the others are known, or other calls convert them."""
        for place, digest in self._digests.items():
            if digest in self._texts or digest in self._claimed or digest in self._waiting:
                continue
            found = cache.claim(digest)
            if found is None:
                self._claimed[digest] = self._parts[place]
            elif isinstance(found, Future):
                self._waiting[digest] = found
            else:
                self._texts[digest] = found
        return list(self._claimed.values())

    def learn(self, cache: ConversionCache, result: DocumentsResult) -> None:
        """Take the converted documents, in the order of `claim`."""
        for digest, document in zip(list(self._claimed), result.results, strict=True):
            text = _Text(document.text, len(document.pages))
            self._texts[digest] = text
            self._fresh.add(digest)
            cache.put(digest, text)
            del self._claimed[digest]

    def release(self, cache: ConversionCache) -> None:
        """Release what was claimed and not converted, so that no other call waits for it in vain."""
        for digest in self._claimed:
            cache.release(digest)
        self._claimed.clear()

    def pending(self) -> list[Future[_Text | None]]:
        """What other calls are converting; wait for it, each as long as `left` says, then `settle`."""
        return list(self._waiting.values())

    def left(self, deadline: float | None) -> float | None:
        """Seconds until the deadline of the call; None if it has none."""
        return None if deadline is None else max(deadline - self.spent, 0.0)

    def settle(self, deadline: float | None) -> None:
        """Take what other calls converted; what they could not convert is to be claimed again.

        Raises:
            DeadlineExceededError: They have not ended.
        """
        for digest, future in self._waiting.items():
            if not future.done():
                raise DeadlineExceededError(
                    f"the deadline of {deadline:g} s passed while another call converted the same document"
                )
            text = future.result()
            if text is not None:
                self._texts[digest] = text
        self._waiting.clear()

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
    name = with_ending(name, head.removeprefix("data:"))
    try:
        content = base64.b64decode("".join((packed if comma else data).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgumentError(f"{where}: the file is not base64: {error}", param="messages") from None
    return file_part((name, content), where)


def _digest(part: FilePart) -> bytes:
    content = part.content if isinstance(part.content, bytes) else b""
    return hashlib.blake2b(content, digest_size=16).digest()
