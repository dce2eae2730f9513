"""Names of models that are near a name that was written."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from melious.routing.filters import split_flavor

_TYPO = 0.85
"""How similar a misspelt name is to the right one, from 0 to 1."""
_TYPO_IN_A_PART = 0.65
"""The same for each part of the name: `micro` is no misspelt `nano`, and `pt` no misspelt `it`."""
_NEAR = 0.6
_MOST = 3


def misspelt(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` almost certainly stands for; None where it may be a new model.

    It differs in case and punctuation only, or by a letter or two in one of its parts. A name with other
    digits, with other parts, or with something after a known name is another version of a model and not a
    misspelt one.

    Examples:
        >>> names = ["glm-4.7", "glm-5.3", "glm-5.3-flash"]
        >>> misspelt("GLM_4.7", names), misspelt("glm-5.3-flsh:eco", names), misspelt("glm-5.4", names)
        ('glm-4.7', 'glm-5.3-flash', None)
    """
    bare = split_flavor(name)[0]
    names = [other for other in known if other != bare]
    folded = fold(bare)
    for other in names:
        if fold(other) == folded:
            return other
    alike = [other for other in names if _may_be_misspelt(bare.lower(), other)]
    near = difflib.get_close_matches(bare.lower(), alike, n=1, cutoff=_TYPO)
    return near[0] if near else None


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """The known name that is meant, or up to three that may be, likeliest first.

    Examples:
        >>> near_names("qwen3.8", ["qwen3.8-max", "glm-4.7", "qwen3.8-27b"])
        ['qwen3.8-max', 'qwen3.8-27b']
    """
    bare = split_flavor(name)[0]
    names = [other for other in known if other != bare]
    folded = fold(bare)
    meant = misspelt(bare, names)
    if meant is not None:
        return [meant]
    longer = [other for other in names if folded and folded in fold(other)]
    longer.sort(key=lambda other: not other.startswith(bare.lower()))
    alike = difflib.get_close_matches(bare.lower(), names, n=_MOST, cutoff=_NEAR)
    return list(dict.fromkeys([*longer, *alike]))[:_MOST]


def fold(name: str) -> str:
    """A name without case and punctuation, as people remember it."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _may_be_misspelt(name: str, other: str) -> bool:
    if _digits(other) != _digits(name) or name.startswith(other):
        return False
    ours, theirs = _parts(name), _parts(other)
    return len(ours) == len(theirs) and all(map(_is_alike, ours, theirs))


def _is_alike(part: str, other: str) -> bool:
    """Whether a part of a name may be a misspelt other one, rather than another word."""
    return part == other or difflib.SequenceMatcher(None, part, other).ratio() >= _TYPO_IN_A_PART


def _digits(name: str) -> list[str]:
    return re.findall(r"\d+", name)


def _parts(name: str) -> list[str]:
    return re.split(r"[-_/:\s]+", name)
