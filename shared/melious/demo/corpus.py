"""The documents: the language topics of Python's `help()`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

PASSAGE_CHARACTERS = 900


@dataclass(frozen=True, slots=True)
class Passage:
    """Some paragraphs of a topic.

    Attributes:
        topic: The topic's name, as in `help("with")`.
        text: The paragraphs.
    """

    topic: str
    text: str


def topics() -> dict[str, str]:
    """All topics by name."""
    return dict(import_module("pydoc_data.topics").topics)


def passages() -> list[Passage]:
    """The topics in passages of about 900 characters, each text once."""
    seen: dict[str, Passage] = {}
    for topic, text in sorted(topics().items(), key=lambda item: len(item[1])):
        for passage in _passages(text):
            seen.setdefault(passage, Passage(topic, passage))
    return list(seen.values())


def _passages(text: str) -> Iterator[str]:
    passage: list[str] = []
    size = 0
    for paragraph in text.split("\n\n"):
        if passage and size + len(paragraph) > PASSAGE_CHARACTERS:
            yield "\n\n".join(passage)
            passage, size = [], 0
        if paragraph.strip():
            passage.append(paragraph.strip("\n"))
            size += len(paragraph)
    if passage:
        yield "\n\n".join(passage)
