"""A chunk of a streamed chat answer."""

from __future__ import annotations

from typing import Any


class ChatChunk(dict[str, Any]):
    """A chunk of a streamed chat answer: a dict in OpenAI's shape, with its `text`.

    Examples:
        >>> chunk = ChatChunk(choices=[{"index": 0, "delta": {"content": "Hello"}}])
        >>> chunk.text, chunk["choices"][0]["delta"]
        ('Hello', {'content': 'Hello'})
        >>> ChatChunk(choices=[]).text
        ''
    """

    __slots__ = ()

    @property
    def text(self) -> str:
        """The text that the chunk adds to the first answer; empty if it adds none."""
        for choice in self["choices"]:
            if choice["index"] == 0:
                return choice["delta"].get("content") or ""
        return ""
