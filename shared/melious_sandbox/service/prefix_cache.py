"""The transparent prefix cache of prompts: which part of a prompt was read before."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from melious_sandbox.brain import tokens
from melious_sandbox.service.responses import json_bytes

_BLOCK = 64
_SMALLEST = 1024
_KEPT = 2_000


class PrefixCache:
    """Remembers prompts message by message and says how many tokens of a new one are known already."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def cached_tokens(self, model: str, messages: Sequence[Any], prompt_tokens: int) -> int:
        """Give the cached tokens of a prompt, whole blocks of 64, and remember the prompt.

        Prompts below 1024 tokens are not cached.
        """
        if prompt_tokens < _SMALLEST:
            return 0
        known = self._known_messages(model, messages)
        cached = prompt_tokens
        if known < len(messages):
            cached = min(prompt_tokens, tokens.count_messages(messages[:known]))
        return cached // _BLOCK * _BLOCK if cached >= _SMALLEST else 0

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._known.clear()

    def _known_messages(self, model: str, messages: Sequence[Any]) -> int:
        digest = blake2b(model.encode(), digest_size=16)
        known = 0
        with self._lock:
            for position, message in enumerate(messages, 1):
                digest.update(json_bytes(message))
                key = digest.digest()
                if key in self._known:
                    known = position
                    self._known.move_to_end(key)
                else:
                    self._known[key] = None
                    if len(self._known) > _KEPT:
                        self._known.popitem(last=False)
        return known
