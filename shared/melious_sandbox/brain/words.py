"""Words, light stems and sentences: the one reading of text that every other module here shares."""

import re
from functools import lru_cache

_FILLERS = """
a about after all also am an and any are as at be because been before being below between both but by can
could did do does doing down each few for from further give had has have having he her here hers him his how
i if in into is it its just me more most my no nor not now of off on once only or other our out over own
please same she should so some such tell than that the their them then there these they this those through
to too under until up us very want was we were what when where which while who whom whose why will with
would you your happen happens mean means work works explain describe show know let use used using
"""
STOPWORDS = frozenset(_FILLERS.split())
"""Words that say little about what a text is about."""

# \u2018 \u2019 \u201c \u201d are the typographic quotes.
_WORD = re.compile(r"[^\W_]+(?:['\u2019.\-][^\W_]+)*|_+[^\W_]\w*|(?<![=<>])(?:[=!<>]=|:=|->)(?![=<>])")
_QUOTED = re.compile(r"[\"\u201c`'\u2018]{1,2}([A-Za-z_]+)[\"\u201d`'\u2019]{1,2}")
_SENTENCE_END = re.compile(
    r"[.!?][\"\u201d\u2019)\]]*(?=\s+[\"\u201c\u2018(\[*]*[A-Z0-9À-Þ])"
    r"|\n(?=[ \t]*\n)|\n(?=[ \t]*[*\-\u2022] )"
)
_BULLET = re.compile(r"^[*\-\u2022] +")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|cf|vs|Dr|Mr|Mrs|Ms|Prof|St|No|approx)|\b[A-Z])\.$")
_ENUMERATION = re.compile(r"^\s*(?:\d+|[a-z])[.)]$")

# A keyword of a programming language is the subject where one of the construct words follows it.
_KEYWORDS = frozenset({"and", "as", "for", "from", "if", "in", "is", "not", "or", "while", "with"})
_CONSTRUCT = re.compile(r"(?:statement|clause|keyword|loop|operator|block)s?")

_SHORTEST_STEM, _SHORTEST_WITH_E = 3, 4
_ENDINGS = (
    ("sses", "ss", 2),
    ("ies", "y", 2),
    ("ness", "", 4),
    ("ing", "", 3),
    ("ied", "y", 2),
    ("ed", "", 3),
    ("ly", "", 4),
    ("ss", "ss", 1),
    ("us", "us", 1),
    ("is", "is", 1),
    ("shes", "sh", 2),
    ("ches", "ch", 2),
    ("xes", "x", 2),
    ("zes", "z", 3),
    ("s", "", 3),
)


def words(text: str) -> list[str]:
    """Lower-case words of ``text`` in their order; dunder names, hyphenated words and ``==`` in one piece."""
    return [match.lower() for match in _WORD.findall(text)]


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Strip the commonest English endings, so that "statements" and "statement" meet."""
    word = word.removesuffix("'s").removesuffix("\u2019s")
    if len(word) <= _SHORTEST_STEM or not word.isalpha():
        return word
    for ending, replacement, shortest in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= shortest:
            base = word[: len(word) - len(ending)] + replacement
            return _plain(base) if ending in {"ing", "ed", "s"} else base
    return _plain(word)


def _plain(base: str) -> str:
    """Without a doubled last consonant and without a last e: "runn" and "mak", as "make" gives."""
    if len(base) > _SHORTEST_STEM and base[-1] == base[-2] and base[-1] not in "elsz":
        return base[:-1]
    return base.removesuffix("e") if len(base) >= _SHORTEST_WITH_E else base


def content_stems(text: str) -> list[str]:
    """Stems of the words that carry meaning, in their order.

    A stopword counts where it is quoted as code (``the "with" statement``) or stands before a word that names
    a construct ("with statement", "if clause"): there it is the subject.
    """
    subjects = {match.lower() for match in _QUOTED.findall(text)}
    found = words(text)
    kept = []
    for position, word in enumerate(found):
        if word in STOPWORDS and word not in subjects:
            following = found[position + 1] if position + 1 < len(found) else ""
            if word not in _KEYWORDS or not _CONSTRUCT.fullmatch(following):
                continue
        kept.append(stem(word))
    return kept


def sentences(text: str) -> list[str]:
    """Sentences of ``text`` in their order, white space normalised. A blank line or a bullet ends one."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    found: list[str] = []
    held = ""
    for start, stop in zip([0, *ends], [*ends, len(text)], strict=True):
        held = f"{held} {text[start:stop].strip()}".strip()
        if _ABBREVIATION.search(held) or _ENUMERATION.match(held):
            continue
        if held:
            found.append(_BULLET.sub("", " ".join(held.split())))
        held = ""
    return [*found, " ".join(held.split())] if held else found
