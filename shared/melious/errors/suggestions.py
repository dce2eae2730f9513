"""Did-you-mean suggestions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def nearest(
    word: str,
    known: Iterable[str],
    other_words: Mapping[str, tuple[str, ...]] | None = None,
    *,
    cutoff: float = 0.6,
) -> str | None:
    """The known word that was probably meant, if any.

    Args:
        word: What was written.
        known: The valid words.
        other_words: Synonyms, and the words that they stand for.
        cutoff: How similar two words must be, from 0 to 1.

    Examples:
        >>> nearest("presett", ["preset", "flavor"])
        'preset'
    """
    from difflib import get_close_matches  # noqa: PLC0415 - needed after a mistake only

    names = sorted(known)
    for other in (other_words or {}).get(word, ()):
        if other in names:
            return other
    turned = [name for name in names if sorted(name) == sorted(word)]
    near = turned or get_close_matches(word, names, n=1, cutoff=cutoff)
    return near[0] if near else None
