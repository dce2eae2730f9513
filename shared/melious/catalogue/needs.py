"""What models need of a conversation: known of their kind, or learned here from a refusal."""

from __future__ import annotations

import logging

from melious.errors.conversation import Need
from melious.routing.filters import split_flavor

_MOST_MODELS = 1024
_logger = logging.getLogger("melious")
_learned: dict[tuple[str, str], frozenset[Need]] = {}

_KNOWN: tuple[tuple[str, Need], ...] = (
    # Templates that raise "System message must be at the beginning".
    ("qwen3.5-", "one_system_message"),
    ("qwen3.6-", "one_system_message"),
    ("qwen3.8-", "one_system_message"),
    # Makers whose documentation says that reasoning must come back with tool calls.
    ("deepseek-v4", "reasoning_of_calls"),
    ("kimi-k2", "reasoning_of_calls"),
    ("kimi-k3", "reasoning_of_calls"),
    ("mimo-v2", "reasoning_of_calls"),
)
"""Beginnings of names, without a maker's name before them."""

_REASONING: frozenset[Need] = frozenset({"reasoning_of_calls", "reasoning", "no_reasoning"})
"""Of these, the last one holds."""

_SENTENCES: dict[Need, tuple[str, str]] = {
    "one_system_message": ("takes one system message, at the beginning", "merging system messages"),
    "alternating_turns": ("takes no two turns of one role in a row", "merging such turns"),
    "reasoning_of_calls": ("wants the reasoning before its tool calls back", "sending it"),
    "reasoning": ("wants the reasoning of all its earlier answers back", "sending it"),
    "no_reasoning": ("takes no reasoning of earlier answers", "leaving it out"),
}
"""What a model needs, and what is done from then on."""


def needs_of(model: str, base_url: str) -> frozenset[Need]:
    """What a model needs of a conversation.

    Examples:
        >>> sorted(needs_of("qwen3.8-27b:eco", "https://api.melious.ai/v1"))
        ['one_system_message']
    """
    name = split_flavor(model)[0]
    bare = name.rpartition("/")[2].lower()
    known = frozenset(need for start, need in _KNOWN if bare.startswith(start))
    learned = _learned.get((base_url, name))
    return with_need(known, *learned) if learned else known


def with_need(needs: frozenset[Need], *more: Need) -> frozenset[Need]:
    """Needs and more of them; what they say of reasoning holds from then on."""
    return (needs - _REASONING if _REASONING.intersection(more) else needs) | frozenset(more)


def note_need(need: Need, model: str, base_url: str, why: str) -> None:
    """Remember what a model needs, and log it once."""
    place = base_url, split_flavor(model)[0]
    already = _learned.get(place, frozenset())
    if need in already:
        return
    if len(_learned) >= _MOST_MODELS:
        forget_needs()
    _learned[place] = with_need(already, need)
    fact, action = _SENTENCES[need]
    _logger.warning("%s at %s %s (%s); %s", model, base_url, fact, why, action)


def forget_needs() -> None:
    """Forget all that was learned in this process."""
    _learned.clear()
