"""The sandbox's tokenizer: one rule for every model, so that usage, limits and prices are easy to predict.

A token is at most seven ASCII letters, two other letters, three digits or one sign, each with the space
before it, or a run of white space. English prose comes to about 1.3 tokens a word.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

MEDIA_TOKENS = 256
"""What one image or sound costs, whatever its size."""

_MESSAGE_TOKENS = 4  # role and separators
_TOKEN = re.compile(r" ?[A-Za-z]{1,7}| ?[^\W\dA-Za-z_]{1,2}| ?\d{1,3}| ?[^\w\s]|\s+|.", re.DOTALL)


def pieces(text: str) -> list[str]:
    """Cut ``text`` into its tokens; joined they are the text again.

    >>> pieces("The quick brown fox, 1234.")
    ['The', ' quick', ' brown', ' fox', ',', ' 123', '4', '.']
    """
    return _TOKEN.findall(text)


def count(text: str) -> int:
    """Number of tokens in ``text``; ``len(pieces(text))``."""
    return len(_TOKEN.findall(text))


def count_messages(
    messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None = None
) -> int:
    """Tokens of a prompt: contents, calls and tools as compact JSON, and four for each message."""
    total = sum(_MESSAGE_TOKENS + _count_message(message) for message in messages)
    return total + (_count_json(tools) if tools else 0)


def _count_message(message: Mapping[str, Any]) -> int:
    content = message.get("content")
    total = count(content) if isinstance(content, str) else 0
    if isinstance(content, list):
        total = sum(map(_count_part, content))
    if isinstance(name := message.get("name"), str):
        total += count(name)
    if calls := message.get("tool_calls"):
        total += _count_json(calls)
    return total


def _count_part(part: Any) -> int:
    if not isinstance(part, dict):
        return count(str(part))
    if part.get("type") in ("image_url", "input_audio"):
        return MEDIA_TOKENS
    return count(str(part.get("text", "")))


def _count_json(value: Any) -> int:
    return count(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
