"""Whether text that arrives in pieces is a whole JSON object. Pure."""

from __future__ import annotations

import re

from melious.wire import codec

_MARKS = re.compile(r'["\\{}]')


class ObjectScanner:
    r"""Finds the end of a text's first object by its braces; reads each piece, and parses, once.

    Examples:
        >>> seen = ObjectScanner()
        >>> [seen.is_complete(pieces) for pieces in (['{"a'], ['{"a', '": "}"'], ['{"a', '": "}"', "} "])]
        [False, False, True]
    """

    __slots__ = ("_depth", "_escaped", "_in_text", "_read", "_whole")

    def __init__(self) -> None:
        self._read = 0
        self._depth = 0
        self._in_text = False
        self._escaped = False
        self._whole: bool | None = None

    def is_complete(self, pieces: list[str]) -> bool:
        """Scan the new pieces; True if all together are one object, and space."""
        while self._read < len(pieces):
            piece = pieces[self._read]
            if self._whole is None:
                end = self._end(piece)
                if end:
                    self._whole = codec.is_object("".join(pieces[: self._read]) + piece[:end])
                    piece = piece[end:]
            if self._whole and piece.strip():
                self._whole = False
            self._read += 1
        return bool(self._whole)

    def _end(self, piece: str) -> int:
        """Where the object ends in a piece; 0 if it goes on."""
        at = 0
        if self._escaped and piece:
            self._escaped = False
            at = 1
        while mark := _MARKS.search(piece, at):
            at = mark.end()
            if mark[0] == "\\":
                self._escaped = at == len(piece)
                at += 1
            elif mark[0] == '"':
                self._in_text = not self._in_text
            elif not self._in_text:
                self._depth += 1 if mark[0] == "{" else -1
                if self._depth <= 0:
                    return at
        return 0
