"""The texts of converted documents, kept so that a conversation pays for each only once."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from melious import forks

if TYPE_CHECKING:
    from concurrent.futures import Future

_MOST_DOCUMENTS = 64
_MOST_CHARACTERS = 16_000_000


class ConvertedText(NamedTuple):
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
        self._pending: dict[bytes, Future[ConvertedText | None]] = {}
        self._kept: OrderedDict[bytes, ConvertedText] = OrderedDict()
        self._characters = 0

    def claim(self, digest: bytes) -> ConvertedText | Future[ConvertedText | None] | None:
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
                from concurrent.futures import Future  # noqa: PLC0415 - chats without documents need none

                claimed = self._pending[digest] = Future()
                claimed.set_running_or_notify_cancel()  # a waiting call cannot cancel it for the others
            return pending

    def release(self, digest: bytes) -> None:
        """Release a claim: a waiting call must convert the document."""
        self._resolve(digest, None)

    def put(self, digest: bytes, text: ConvertedText) -> None:
        """Hand the text of a document to waiting calls, and keep it in place of the oldest ones."""
        self._keep(digest, text)
        self._resolve(digest, text)

    def _resolve(self, digest: bytes, text: ConvertedText | None) -> None:
        with self._lock:
            pending = self._pending.pop(digest, None)
        if pending is not None:
            pending.set_result(text)

    def _keep(self, digest: bytes, text: ConvertedText) -> None:
        if len(text.text) > _MOST_CHARACTERS:
            return
        with self._lock:
            before = self._kept.pop(digest, None)
            self._characters += len(text.text) - (len(before.text) if before else 0)
            self._kept[digest] = text
            while len(self._kept) > _MOST_DOCUMENTS or self._characters > _MOST_CHARACTERS:
                _, oldest = self._kept.popitem(last=False)
                self._characters -= len(oldest.text)
