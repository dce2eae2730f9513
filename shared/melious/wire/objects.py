"""Finds the JSON object that a model was asked for: bare, fenced, after thoughts or within prose. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from melious.wire import codec

NOTHING: Any = object()
"""Stands for no JSON, since null is JSON too."""

_THOUGHT = re.compile(r"^\s*<think>.*?(?:</think>\s*|\Z)", re.DOTALL)
_FENCED = re.compile(r"```[a-zA-Z0-9_-]*\s*\n(.*?)(?:```|\Z)", re.DOTALL)
_OBJECT = re.compile(r"\{")
_OBJECT_OR_LIST = re.compile(r"[\[{]")
_DECODER = json.JSONDecoder(strict=False)


def without_thoughts(text: str) -> str:
    """A text without a leading `<think>` part."""
    return _THOUGHT.sub("", text, count=1)


def fenced_in(text: str) -> str | None:
    """The first fenced part of a text, complete or not."""
    found = _FENCED.search(text)
    return found.group(1) if found else None


def object_in(text: str, *, lists: bool = False) -> Any:
    """The JSON object in a text; `NOTHING` if there is none.

    Args:
        text: What the model wrote.
        lists: Whether a list will do.

    Examples:
        >>> object_in('<think>Hm.</think>Here it is: {"age": 52}. Anything else?')
        {'age': 52}
    """
    text = without_thoughts(text)
    kinds = (dict, list) if lists else (dict,)
    for candidate in (text, *_FENCED.findall(text)):
        try:
            found = codec.loads(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, kinds):
            return found
    for start in (_OBJECT_OR_LIST if lists else _OBJECT).finditer(text):
        try:
            found, _ = _DECODER.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            continue
        return found
    return NOTHING
