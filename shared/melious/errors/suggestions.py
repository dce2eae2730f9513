"""The word that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def nearest(
    word: str,
    known: Iterable[str],
    other_words: Mapping[str, tuple[str, ...]] | None = None,
    *,
    cutoff: float = 0.6,
) -> str | None:
    """The known word for another word, with its letters in another order, or with the most of them.

    Args:
        word: What was written.
        known: What there is.
        other_words: What else people write, and what they mean by it.
        cutoff: How alike two words must be, from 0 to 1.

    Example:
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
