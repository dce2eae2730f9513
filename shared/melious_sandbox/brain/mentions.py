"""The values that a text mentions: quotes, addresses, dates, times, numbers and names, each given once."""

import re
from collections.abc import Callable
from typing import Any, Literal

from melious_sandbox.brain.words import STOPWORDS

Kind = Literal["quote", "email", "url", "date", "time", "number", "name"]

_LONGEST = 32_768
_PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("quote", re.compile(r"\"([^\"\n]+)\"|\u201c([^\u201d\n]+)\u201d|`([^`\n]+)`|(?<!\w)'([^'\n]+)'(?!\w)")),
    ("email", re.compile(r"(?<![\w.+\-])[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+")),
    ("url", re.compile(r"https?://[^\s<>\"')\]]+[^\s<>\"')\].,;!?]")),
    ("date", re.compile(r"\b\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+\-]\d\d:\d\d)?)?\b")),
    ("time", re.compile(r"\b(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?\b")),
    ("number", re.compile(r"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\d.]*\d)")),
    ("name", re.compile(r"(?<!\w)[A-ZÀ-Þ][\w\u2019\-]*(?: [A-ZÀ-Þ][\w\u2019\-]*)*")),
)
_SUBJECT_OF = re.compile(r" (?:is|was|has|lives|works)\b|,|['\u2019]s\b")
_SENTENCE_START = re.compile(r"(?:^|[.!?:]\s+|\n\s*)[\"'\u201c(*\- ]*\Z")


class Mentions:
    """What a text mentions and nobody has taken yet; its first 32,768 characters are read."""

    def __init__(self, text: str) -> None:
        self._left = _found(text[:_LONGEST])

    def take(self, kind: Kind, fits: Callable[[Any], bool] = lambda _value: True) -> Any | None:
        """Take the first mention of a kind that fits; None where there is none."""
        for position, (found, value) in enumerate(self._left):
            if found == kind and fits(value):
                del self._left[position]
                return value
        return None


def numbers(text: str) -> list[float]:
    """Give the numbers that a text mentions.

    >>> numbers("1,006 km in 3.5 days")
    [1006, 3.5]
    """
    return [value for kind, value in _found(text[:_LONGEST]) if kind == "number"]


def _found(text: str) -> list[tuple[Kind, Any]]:
    """All mentions in their order, none within another."""
    found: dict[int, tuple[Kind, Any]] = {}
    covered = bytearray(len(text))
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            start, end = match.span()
            if any(covered[start:end]):
                continue
            covered[start:end] = b"\x01" * (end - start)
            value: Any = next((part for part in match.groups() if part), match.group())
            if kind == "number":
                plain = value.replace(",", "")
                value = float(plain) if "." in plain else int(plain)
            elif kind == "name":
                value = _name(text, value, start, end)
            if value != "":
                found[start] = kind, value
    return [found[start] for start in sorted(found)]


def _name(text: str, written: str, start: int, end: int) -> str:
    """Give the name in a run of capitalised words; "" where it only opens a sentence, or is the pronoun I."""
    if re.fullmatch(r"I(?:\u2019\w+)?", written):
        return ""
    if _SENTENCE_START.search(text[max(0, start - 8) : start]) is None:
        return written
    first, _, rest = written.partition(" ")
    if first.lower() in STOPWORDS:
        return rest
    return written if _SUBJECT_OF.match(text, end) else rest
