"""Documents in messages: found, converted before the messages are sent, and sent as text."""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Self, cast

from melious._figures import counted
from melious.answers.documents import DocumentsResult
from melious.answers.meta import AttachedDocument
from melious.endpoints.conversions import ConversionCache, ConvertedText
from melious.endpoints.document_files import file_part, with_ending
from melious.endpoints.documents import DocumentParams
from melious.errors import DeadlineExceededError, InvalidArgumentError
from melious.wire.uploads import FilePart

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
        self._texts: dict[bytes, ConvertedText] = {}
        self._claimed: dict[bytes, FilePart] = {}
        self._waiting: dict[bytes, Future[ConvertedText | None]] = {}
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
            text = ConvertedText(document.text, len(document.pages))
            self._texts[digest] = text
            self._fresh.add(digest)
            cache.put(digest, text)
            del self._claimed[digest]

    def release(self, cache: ConversionCache) -> None:
        """Release what was claimed and not converted, so that no other call waits for it in vain."""
        for digest in self._claimed:
            cache.release(digest)
        self._claimed.clear()

    def pending(self) -> list[Future[ConvertedText | None]]:
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
