"""Suggestions for what is written in place of a country code. Loaded after a mistake only."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from melious.errors.suggestions import nearest
from melious.routing.countries import code_of, name_of, names

_OTHER_NAMES = """
AT oesterreich, osterreich
BE belgie, belgique
CD congo kinshasa
CH schweiz, suisse, svizzera, swiss
CI cote d ivoire
CZ czech republic, tschechien
DE alemania, allemagne, deutschland
DK danemark, danmark
ES espagne, espana, spanien
FI finnland, suomi
FR francia, frankreich
GB britain, england, great britain, northern ireland, scotland, uk, wales
GR el, ellada, griechenland, hellas
HU magyarorszag
IE eire, irland
IT italia, italie, italien
KR korea
MK macedonia
MM burma
NL holland, nederland, niederlande, paises bajos, pays bas
NO norge, norwegen
PL polen, polska
SE schweden, sverige
SZ swaziland
TR turkiye
US america, united states of america, us of a
"""
"""Other names, normalized by `_folded`: one line per country."""

_UNION = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
_EVERYWHERE = frozenset({"*", "all", "any", "anywhere", "everywhere", "global", "world", "worldwide"})
_AREAS = {
    "eu": _UNION,
    "ue": _UNION,
    "european union": _UNION,
    "europe": "",
    "eea": f"{_UNION} IS LI NO",
    "european economic area": f"{_UNION} IS LI NO",
    "dach": "AT CH DE",
    "baltics": "EE LT LV",
    "benelux": "BE LU NL",
    "eurozone": "",
    "euro area": "",
    "schengen": "",
    "schengen area": "",
    "nordics": "DK FI IS NO SE",
    "scandinavia": "DK NO SE",
}
"""Regions, and their member states where those are well defined."""


@cache
def _names() -> dict[str, str]:
    """The alpha-2 code for each name and alpha-3 code, normalized by `_folded`."""
    known = {}
    for alpha2, (alpha3, name) in names().items():
        known[_folded(name)] = known[_folded(alpha3)] = alpha2
    for line in _OTHER_NAMES.strip().splitlines():
        alpha2, others = line.split(" ", 1)
        known.update(dict.fromkeys(others.split(", "), alpha2))
    return known


def hint_for(text: str) -> str:
    """A suggestion for a text that is not a code; empty if there is none.

    Examples:
        >>> hint_for("Germany"), hint_for("UK"), hint_for("Atlantis")
        ("; did you mean 'DE' (Germany)?", "; did you mean 'GB' (United Kingdom)?", '')
    """
    folded = _folded(text)
    if folded in _EVERYWHERE:
        return "; leave `countries` out to allow all of them"
    several = [code_of(part) for part in re.split(r"[\s,;/|]+", text.strip())]
    if len(several) > 1 and all(several):
        return f"; list each code separately: {several}"
    if folded in _AREAS:
        members = _AREAS[folded].split()
        return f"; it is not a country. List its member states{f': {members}' if members else ''}"
    meant = code_of(folded) or _meant(folded) or _code_within(folded)
    return f"; did you mean {meant!r} ({name_of(meant)})?" if meant else ""


def _meant(folded: str) -> str | None:
    known = _names()
    if folded in known:
        return known[folded]
    if len(folded) < 3:  # noqa: PLR2004 - two letters resemble too much
        return None
    begun = {code for name, code in known.items() if name.startswith(folded)}
    if len(begun) == 1:
        return begun.pop()
    near = nearest(folded, (name for name in known if len(name) > 3), cutoff=0.75)  # noqa: PLR2004
    return known[near] if near else None


def _code_within(folded: str) -> str | None:
    """The only code in a locale or region: `en_GB`, `DE-NW`."""
    found = {code for code in map(code_of, folded.split()) if code}
    return found.pop() if len(found) == 1 else None


def _folded(text: str) -> str:
    """A name without accents, case, dots and trailing number: `U.K.` is `uk`, `EU-27` is `eu`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[0-9]+$", "", plain.replace(".", "").replace("'", " "))
    words = plain.replace("-", " ").replace("_", " ").split()
    return " ".join(words[1:] if words[:1] == ["the"] else words)
