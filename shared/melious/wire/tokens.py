"""Estimates of tokens without a tokenizer, which would have to be downloaded. Pure."""

from __future__ import annotations


def estimated_tokens(characters: int, size: int) -> int:
    """Estimate the tokens of a text from its length and its bytes in UTF-8, rather too many.

    Examples:
        >>> text = "A lighthouse shows ships the way."
        >>> estimated_tokens(len(text), len(text.encode()))
        13
    """
    return (2 * size - characters) // 3 + 2


def tokens_in(text: str) -> int:
    """Estimate the tokens of a text.

    Examples:
        >>> tokens_in("A heat pump moves heat."), tokens_in("热泵转移热量。")
        (9, 13)
    """
    return estimated_tokens(len(text), len(text.encode("utf-8", "replace")))
