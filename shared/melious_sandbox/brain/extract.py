"""Taking values out of a user's words: numbers with their units, names, places, quotes, dates, lists.

:class:`Words` holds everything of a text that could be a value and remembers what was given away, so that two
fields do not get the same one.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from melious_sandbox.brain.lexicon import AFTER_SUBJECT, EMPTY_CUES, NUMBER_WORDS, ROLES, STARTERS, UNITS
from melious_sandbox.brain.words import content_stems, stem, words

__all__ = ["Field", "Mention", "Words", "has_foreign_unit", "units_of"]


@dataclass(frozen=True, slots=True)
class Mention:
    """Something in the text that could be a value."""

    kind: str  # number, quote, email, url, date, time or name
    value: Any
    start: int
    end: int
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A property to fill: its schema, and the stems of its name and of its description."""

    name: str
    schema: Mapping[str, Any]
    cues: frozenset[str]
    hints: frozenset[str]

    @classmethod
    def of(cls, name: str, schema: Mapping[str, Any]) -> "Field":
        """Read the cues of a property: ``maxResults`` gives max and result."""
        parts = {stem(part.lower()) for part in _NAME_PART.findall(name)}
        hints = content_stems(f"{schema.get('title', '')} {schema.get('description', '')}")
        return cls(name, schema, frozenset(parts - EMPTY_CUES or parts), frozenset(hints) - EMPTY_CUES)

    def is_a(self, role: str) -> bool:
        """Whether the name, else the description, says that the field is a ``role``."""
        known = ROLES[role]
        return bool(known & self.cues) or (
            not any(ROLES[other] & self.cues for other in ROLES) and bool(known & self.hints)
        )


_NAME_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_QUOTED = re.compile(r"\"([^\"\n]+)\"|\u201c([^\u201d\n]+)\u201d|`([^`\n]+)`|(?<!\w)'([^'\n]+)'(?!\w)")
_EMAIL = re.compile(r"(?<![\w.+\-])[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+")
_URL = re.compile(r"https?://[^\s<>\"')\]]+[^\s<>\"')\].,;!?]")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = re.compile(
    rf"\b\d{{4}}-\d{{2}}-\d{{2}}(?:T[\d:.]+(?:Z|[+\-]\d\d:\d\d)?)?\b|\b\d{{1,2}}[./]\d{{1,2}}[./]\d{{2,4}}\b"
    rf"|\b\d{{1,2}}(?:st|nd|rd|th)?\.? (?:of )?{_MONTH}(?: \d{{4}})?\b"
    rf"|\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?\b"
    r"|\b(?:(?:next|this|last|on) )?(?:mon|tues|wednes|thurs|fri|satur|sun)day\b"
    r"|\b(?:the day after tomorrow|today|tonight|tomorrow|yesterday|next (?:week|month|year))\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\b(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?: ?[ap]\.?m\.?)?"
    r"|\b\d{1,2} ?[ap]\.?m\b\.?|\bnoon\b|\bmidnight\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\.\d)|(?<![\w.])-?\.\d+")
_SPELT = re.compile(rf"\b(?:{'|'.join(NUMBER_WORDS)})\b", re.IGNORECASE)
_CAPITALISED = r"[A-ZÀ-Þ][\w\u2019'\-]*"
_STATES = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY "
    "NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC"
)
_PARTICLE = r" (?:of|the|de|la|le|van|von|der|da|del|di|el|al)"
_NAME = re.compile(
    rf"(?<!°){_CAPITALISED}(?:(?:{_PARTICLE}){{0,2}} {_CAPITALISED}|(?<=\b[A-Z])\. ?{_CAPITALISED})*"
    rf"(?:, (?:{'|'.join(_STATES.split())})\b)?"
)


_LONGEST = 32_768


class Words:
    """The values a text holds.

    Args:
        text: What the user wrote; values are looked for in its first 32,768 characters.
    """

    def __init__(self, text: str) -> None:
        self.text = text = text[:_LONGEST]
        self.mentions = _mentions(text)
        self.taken: list[Mention] = []
        self._taken_starts: set[int] = set()
        self.told = self.told_list = False  # whether a field got free text, or a spoken list
        self._stems = [
            (stem(match.group().lower()), match.start()) for match in re.finditer(r"[^\W_]+", text)
        ]

    def of(self, *kinds: str) -> list[Mention]:
        """Mentions of these kinds that no field has taken, in their order."""
        return [m for m in self.mentions if m.kind in kinds and m.start not in self._taken_starts]

    def take(self, mention: Mention) -> Any:
        """Give ``mention`` to a field."""
        self.taken.append(mention)
        self._taken_starts.add(mention.start)
        return mention.value

    def says(self, stems: Iterable[str]) -> int | None:
        """Where the first of ``stems`` stands in the text; None where none does."""
        wanted = set(stems)
        return next((start for found, start in self._stems if found in wanted), None)

    def near(self, mention: Mention, stems: Iterable[str], reach: int = 4) -> int | None:
        """Words between ``mention`` and the closest of ``stems``; None beyond ``reach``.

        Words before the mention count, and words right behind it.
        """
        wanted = set(stems)
        first = bisect_left(self._stems, mention.start, key=itemgetter(1))
        behind = bisect_left(self._stems, mention.end, key=itemgetter(1))
        before = self._stems[max(0, first - reach) : first][::-1]
        after = self._stems[behind : behind + max(1, reach // 2)]
        gaps = [gap for gap, (found, _) in enumerate(before) if found in wanted]
        gaps += [gap for gap, (found, _) in enumerate(after) if found in wanted]
        return min(gaps, default=None)

    def labelled(self, field: Field) -> str | None:
        """What stands behind "name:", "name =" or "name is" in the text."""
        spelt = r"[\s_\-]*".join(re.escape(part) for part in _NAME_PART.findall(field.name))
        if not spelt:
            return None
        found = re.search(rf"\b{spelt}\b[\"']?\s*(?::|=|\bis\b)\s*([^\n;]+)", self.text, re.IGNORECASE)
        if found is None:
            return None
        if (quoted := _QUOTED.match(found.group(1))) is not None:
            return next(group for group in quoted.groups() if group)
        return (
            re.split(r",\s+(?=\w+\s*[:=])|\.\s|\.$|,? and (?=[\w ]+\bis\b)|,\s", found.group(1))[0].strip()
            or None
        )

    def listed(self, mention: Mention) -> list[Mention]:
        """Mentions of the same kind joined to ``mention`` by commas, "and" or "or", itself included."""
        group = [mention]
        for other in (m for m in self.mentions if m.kind == mention.kind and m.start > mention.start):
            if not _JOINT.fullmatch(self.text[group[-1].end : other.start]):
                break
            group.append(other)
        return group


_JOINT = re.compile(r"\s*(?:,|;|&|/|,?\s*\b(?:and|or|und|et|y)\b(?:\s+(?:in|for|at|of))?)\s*", re.IGNORECASE)


def _mentions(text: str) -> list[Mention]:
    found: list[Mention] = []
    covered = bytearray(len(text))

    def add(kind: str, value: Any, start: int, end: int) -> None:
        if 1 not in covered[start:end]:
            covered[start:end] = b"\1" * (end - start)
            found.append(Mention(kind, value, start, end, *_neighbours(text, start, end)))

    for match in _QUOTED.finditer(text):
        add("quote", next(group for group in match.groups() if group).strip(), match.start(), match.end())
    for kind, pattern in (("email", _EMAIL), ("url", _URL), ("date", _DATE), ("time", _TIME)):
        for match in pattern.finditer(text):
            add(kind, match.group().removeprefix("on "), match.start(), match.end())
    for match in _NUMBER.finditer(text):
        digits = match.group().replace(",", "")
        add("number", float(digits) if "." in digits else int(digits), match.start(), match.end())
    for match in _SPELT.finditer(text):
        add("number", NUMBER_WORDS[match.group().lower()], match.start(), match.end())
    for value, start, end in _names(text):
        add("name", value, start, end)
    return sorted(found, key=lambda mention: mention.start)


def _names(text: str) -> Iterator[tuple[str, int, int]]:
    """Capitalised phrases, without the word that merely begins a sentence."""
    for match in _NAME.finditer(text):
        phrase, start = match.group(), match.start()
        while phrase and phrase.split()[0].lower().rstrip("'\u2019") in STARTERS:
            dropped, _, rest = phrase.partition(" ")
            start += len(phrase) - len(rest) if rest else len(dropped)
            phrase = rest
        phrase = re.sub(r"['\u2019]s?$", "", phrase)
        if not phrase or not phrase[0].isupper():
            continue
        opens = (
            not text[max(0, start - 4) : start].rstrip()
            or text[max(0, start - 4) : start].rstrip()[-1] in ".!?:\n"
        )
        following = words(text[match.end() : match.end() + 40])[:1]
        if (
            opens
            and " " not in phrase
            and following
            and following[0] not in AFTER_SUBJECT
            and not text[match.end() :].startswith((",", "'"))
        ):
            continue
        yield phrase, start, start + len(phrase)


def _neighbours(text: str, start: int, end: int) -> tuple[str, str]:
    before = re.findall(r"[\w'\u2019]+|[€$£+*/=\-]", text[max(0, start - 40) : start])
    after = re.findall(r"[^\W\d_]+(?:/h)?|[%€$£°]\w?", text[end : end + 40])
    return (before[-1].lower() if before else ""), (after[0].lower() if after else "")


def units_of(field: Field) -> frozenset[str]:
    """Stems of the units a number of this field may carry, by its name and description."""
    return frozenset().union(*(UNITS.get(cue, frozenset()) for cue in field.cues), field.hints & _ALL_UNITS)


_ALL_UNITS = frozenset().union(*UNITS.values())


def has_foreign_unit(mention: Mention, own: frozenset[str]) -> bool:
    """Whether the number carries a unit, and none of ``own``."""
    carried = {stem(mention.after), mention.before} & _ALL_UNITS
    return bool(carried) and not carried & own
