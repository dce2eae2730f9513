"""Turns of phrase that hold a string: what is searched for, where, by whom, when, and lists of things."""

import re

from melious_sandbox.brain.extract import Field, Mention, Words
from melious_sandbox.brain.lexicon import NUMBER_WORDS
from melious_sandbox.brain.words import STOPWORDS, content_stems, sentences, stem

__all__ = [
    "clauses",
    "counted",
    "dated",
    "directed",
    "expression",
    "introduced",
    "people",
    "places",
    "split_list",
    "spoken_list",
    "spoken_place",
    "wanted",
]

_SIGN = r"(?:\*\*|[-+*/^%x\u00d7\u00f7])"
_OPERAND = r"[\s(]*(?:-[\s(]*)?(?:sqrt[\s(]*)?[\d.,]+[\s)]*"
_EXPRESSION = re.compile(rf"(?<![\d.,(\-])(?:sqrt|sin|cos|log)?[(\-]*\d[\d.,\s()]*(?:{_SIGN}{_OPERAND})+")
_NOT_A_PLACE = (
    "the a an my me this it him her us them you right now today tomorrow tonight please and or in at on next "
    "for with from to is are was celsius fahrenheit kelvin degrees morning evening general detail"
)
_OTHER = "|".join(_NOT_A_PLACE.split())
_SPOKEN_PLACE = re.compile(
    rf"\b(?:in|at|near|from|to|for|of)\s+(?:the\s+)?(?!(?:{_OTHER})\b)([a-zà-þ]+(?:\s(?!(?:{_OTHER})\b)[a-zà-þ]+)?)"
)
_GREETING = r"(?:(?:hi|hello|hey)[ ,!.]+)?"
_ASKING = (
    r"(?:(?:please|(?:can|could|would|will) you|i (?:want|need|would like)(?: you)? to|let'?s|now)[ ,]+)*"
)
_SEARCHING = (
    r"(?:(?:search|look|find|google|query|browse|check)"
    r"(?:\s+(?:up|for|out|online|me|info|information|the (?:web|internet|docs|documentation)))*"
    r"(?:\s+(?:for|about|on))?\s+)?"
)
_POLITE = re.compile(rf"^\s*{_GREETING}{_ASKING}{_SEARCHING}(?:tell me(?: about)?\s+)?", re.IGNORECASE)


_LIMIT = re.compile(
    r",? *(?:and )?(?:(?:return|show|give me|with|the|only) )*(?:top|first) \d+(?: \w+)?[.?!]?$",
    re.IGNORECASE,
)


def wanted(text: str) -> str:
    """A request without its courtesies: what is to be searched for.

    >>> wanted("Please search the web for blue whales.")
    'blue whales'
    """
    rest = _LIMIT.sub("", _POLITE.sub("", text.strip(), count=1)).strip()
    return (rest.rstrip(".! ") if content_stems(rest) else "") or text.strip()


def expression(text: str) -> str:
    """The first arithmetic expression of ``text``, else an empty text."""
    found = _EXPRESSION.search(text)
    return found.group().strip(" ,.") if found else ""


def spoken_place(text: str) -> str:
    """A place in lower case behind a preposition: "weather in new york today" gives "new york"."""
    found = _SPOKEN_PLACE.search(text)
    return found.group(1) if found else ""


_INTRODUCED = (
    (
        ("message", "body", "content", "text"),
        r"(?:saying|that says?|says|telling \w+|asking)(?: that)?[:,]?\s+(.+)",
    ),
    (
        ("title", "subject", "name", "topic", "task", "reminder"),
        r"(?:titled|entitled|called|named|about|regarding|subject)[:,]?\s+"
        r"(.+?)(?=\s+(?:on|at|for|in|to|with|saying|that)\b|[.?!,;]|$)",
    ),
    (
        ("task", "reminder", "message", "text"),
        r"(?:remind me|tell \w+|ask \w+) to\s+(.+?)(?=\s+(?:on|at)\b|[.?!;]|$)",
    ),
)


_FLAGS = re.DOTALL | re.IGNORECASE


def introduced(text: str, field: Field) -> str:
    """Free text behind the verb that introduces it: "an email saying that I am late" for a body."""
    named = set(re.findall(r"[a-z]+", field.name.lower()))
    for names, pattern in _INTRODUCED:
        if named & set(names) and (found := re.search(rf"\b{pattern}", text, _FLAGS)):
            return found.group(1).strip(" \"'.")
    return ""


_AT = frozenset({"in", "at", "near", "for", "of", "around", "to", "is"})
_ORIGIN, _DESTINATION = frozenset({"from"}), frozenset({"to", "into", "towards"})
_ORIGIN_CUES = {stem(word) for word in ("from", "origin", "source", "departure")}
_DESTINATION_CUES = {stem(word) for word in ("to", "destination", "target", "arrival")}


def places(words: Words, field: Field) -> list[Mention]:
    """Names behind a preposition of places: "from" for an origin, "to" for a destination, else any."""
    names = words.of("name")
    return directed(words, field) or [mention for mention in names if mention.before in _AT | _ORIGIN]


def directed(words: Words, field: Field) -> list[Mention]:
    """Names and addresses behind "from" for an origin or a source, behind "to" for a target."""
    names = words.of("name", "email", "url")
    if field.cues & _ORIGIN_CUES:
        return [mention for mention in names if mention.before in _ORIGIN]
    if field.cues & _DESTINATION_CUES:
        return [mention for mention in names if mention.before in _DESTINATION]
    return []


_NOT_OF_PEOPLE = frozenset({"in", "at", "near", "from", "x"})


def people(words: Words) -> list[Mention]:
    """Quotes behind "named", then names not behind the preposition of a place, then other quotes."""
    quoted = words.of("quote")
    named = [mention for mention in quoted if mention.before in {"named", "called"}]
    names = [m for m in words.of("name") if m.before not in _NOT_OF_PEOPLE and not m.before.isdecimal()]
    return [*named, *names, *quoted]


def dated(mentions: list[Mention], kind: str) -> list[Mention]:
    """For formats that machines read, only dates written for machines."""
    if kind not in {"date", "date-time"}:
        return mentions
    pattern = r"\d{4}-\d\d-\d\d" if kind == "date" else r"\d{4}-\d\d-\d\dT.+"
    return [mention for mention in mentions if re.fullmatch(pattern, mention.value)]


_AMOUNT = rf"\d{{1,3}}(?:,\d{{3}})+|\d+|{'|'.join(NUMBER_WORDS)}"
_NOUN = r"[^\W\d][\w\-]*"
_COUNTED = re.compile(
    rf"(?<![\w.,])({_AMOUNT})(?: ?[x\u00d7])? ({_NOUN}(?: {_NOUN}){{0,2}}?)"
    r"(?=\s*(?:[,;.!?)]|$|\b(?:and|or|for|to|with|from|in|at|on|by|as|please)\b))",
    re.IGNORECASE,
)


def counted(text: str) -> list[tuple[int, str]]:
    """Numbers of things: "3 apples and two green pears" gives (3, "apples") and (2, "green pears")."""
    found = ((match[1].lower(), match[2]) for match in _COUNTED.finditer(text))
    return [
        (NUMBER_WORDS[number] if number in NUMBER_WORDS else int(number.replace(",", "")), thing)
        for number, thing in found
    ]


_CLAUSE_END = re.compile(r";\s*|,?\s+(?:and|while|whereas)\s+(?=[A-ZÀ-Þ])|,\s+(?=[A-ZÀ-Þ])")


def clauses(text: str) -> list[str]:
    """Pieces of ``text`` that may each tell of another thing: lines, sentences, and clauses within them."""
    parts = [part for line in text.splitlines() for part in sentences(line)]
    return [clause for part in parts for clause in _CLAUSE_END.split(part) if clause.strip()]


def split_list(text: str) -> list[str]:
    """The parts of "a, b and c"."""
    parts = re.split(r"\s*[,;|]\s*(?:(?:and|or)\s+)?|\s+(?:and|or)\s+", text.strip().rstrip("."))
    return [part.strip(" \"'[]") for part in parts if part.strip(" \"'[]")]


_THING = r"(?:[\w\-]+ (?!and\b|or\b))?[\w\-]+"
_RUN = re.compile(
    rf"(?<!\.)\b{_THING}(?:, (?:and |or )?{_THING})+(?: (?:and|or) [\w\-]+)?|\b[\w\-]+ (?:and|or) [\w\-]+"
)
_LEADING = re.compile(rf"^(?:{'|'.join(sorted(STOPWORDS))}) ")


def spoken_list(text: str) -> list[str]:
    """The longest "a, b and c" of the text."""
    runs = [match.group() for match in _RUN.finditer(text)]
    parts = split_list(max(runs, key=len)) if runs else []
    return [_LEADING.sub("", part) for part in parts]
