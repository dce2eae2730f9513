"""What a provider did, by the counts of a ``usage`` that comes from elsewhere."""

from collections.abc import Iterable
from typing import Any, TypeGuard

from melious_sandbox.brain import tokens
from melious_sandbox.service.impact import Work

_MOST_TOKENS = 1_000_000_000


def work_of(usage: Any, prompt_tokens: int, written: Iterable[str]) -> Work:
    """Take the counts of ``usage``, or count where it has none that can be used.

    Args:
        usage: The object, whatever it holds.
        prompt_tokens: The sandbox's own count of the prompt.
        written: The texts of the answer.
    """
    if not isinstance(usage, dict) or not _is_count(usage.get("prompt_tokens")):
        return Work(prompt_tokens, tokens.count("".join(written)))
    read, wrote = usage["prompt_tokens"], usage.get("completion_tokens")
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Work(
        read,
        wrote if _is_count(wrote) else tokens.count("".join(written)),
        min(cached, read) if _is_count(cached) else 0,
    )


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS
