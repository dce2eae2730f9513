"""Texts made fit to be shown: without keys, printable, and not too long."""

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

_KEY = r"sk-mel-[\w-]+"
_LOOKED_AT = 2_000
_JOINER = "\u200d"  # holds emoji together


class Cleaner:
    """Takes some keys, and whatever looks like a key of the service, out of texts."""

    def __init__(self, keys: Iterable[str]) -> None:
        known = sorted(filter(None, keys), key=len, reverse=True)
        forms = {form: None for key in known for form in (key, json.dumps(key)[1:-1], quote(key, safe=""))}
        self._secret = re.compile("|".join([*map(re.escape, forms), _KEY]))
        self._longest = max(map(len, forms), default=0)

    def __call__(self, text: str, longest: int) -> str:
        """Write a text on one line of at most so many characters."""
        # Keys go first: cutting might leave half of one.
        words = " ".join(self.hide(text[:_LOOKED_AT]).split())
        plain = _printable(words)
        return plain if len(plain) <= longest else plain[: longest - 1].rstrip() + "…"

    def hide(self, text: str) -> str:
        """Write stars in place of keys."""
        return self._secret.sub("***", text)

    def holds_key(self, text: str) -> bool:
        """Whether a text has a key in it."""
        return self._secret.search(text) is not None

    def beginning(self, text: str) -> str:
        """Clean the beginning of a text that was cut, perhaps in the middle of a key."""
        whole = self.block(text)
        return whole[: max(0, len(whole) - self._longest)]

    def block(self, text: str) -> str:
        """Clean a text of several lines."""
        return "\n".join(map(_printable, self.hide(text).split("\n")))

    def value(self, value: Any) -> Any:
        """Clean the texts inside JSON."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, dict):
            return {self.hide(name): self.value(item) for name, item in value.items()}
        return [self.value(item) for item in value] if isinstance(value, list) else value


def compact(value: Any) -> str:
    """Give a string as it is, and anything else as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return type(value).__name__


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() or sign == _JOINER else "\ufffd" for sign in text)
