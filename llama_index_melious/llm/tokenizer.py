"""A tokenizer for LlamaIndex's counters that has the service count."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from melious import forks
from melious.errors import InvalidArgumentError
from melious.errors.checks import check_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from melious.clients._sync.client import MeliousClient


class ServiceTokenizer:
    """Gives as many numbers for a text as the service counts tokens; the numbers mean nothing.

    Counts of the last texts are kept, so that a text that comes again costs no request. A copy, and what is
    unpickled, keeps its own.
    """

    def __init__(self, client: Callable[[], MeliousClient], cache_size: int) -> None:
        check_whole("cache_size", cache_size)
        self._client = client
        self._cache_size = cache_size
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._lock = forks.new_lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy counts anew."""
        return type(self), (self._client, self._cache_size)

    def __call__(self, text: str) -> list[int]:
        """One number for each token.

        Raises:
            InvalidArgumentError: It is not text.
            MeliousError: The service could not count.
        """
        if not isinstance(text, str):
            raise InvalidArgumentError(f"text: must be a string, not {type(text).__name__}", param="text")
        return list(range(self._count(text))) if text else []

    def _count(self, text: str) -> int:
        with self._lock:
            known = self._counts.get(text)
            if known is not None:
                self._counts.move_to_end(text)
                return known
        messages = [{"role": "user", "content": text}]
        count = self._client().messages.count_tokens(messages=messages).input_tokens
        with self._lock:
            self._counts[text] = count
            while len(self._counts) > self._cache_size:
                self._counts.popitem(last=False)
        return count
