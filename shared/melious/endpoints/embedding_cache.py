"""An in-process cache of vectors; off by default."""

from __future__ import annotations

import hashlib
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

from melious import forks


class EmbeddingCache:
    """The most recently used vectors, bounded in number and age; safe to share between threads.

    Vectors are kept as float32, 4 bytes a dimension: 10,000 texts of 1024 dimensions take 41 MB. A text
    that one caller is fetching is not fetched again: other callers wait for it.
    """

    def __init__(self, size: int, ttl: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty, for at most `size` texts, each for `ttl` seconds."""
        self._size = size
        self._ttl = ttl
        self._clock = clock
        self._lock = forks.new_lock()
        self._generation = forks.generation()
        self._kept: OrderedDict[bytes, tuple[float, array[float]]] = OrderedDict()
        self._pending: dict[bytes, Future[array[float] | None]] = {}

    @staticmethod
    def key(scope: bytes, text: str) -> bytes:
        """The key of a text under a scope: the model and whatever else changes its vector."""
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=scope).digest()

    def get(self, key: bytes) -> array[float] | None:
        """The vector of a key, if it is cached and fresh."""
        with self._lock:
            return self._fresh(key)

    def claim(self, key: bytes) -> array[float] | Future[array[float] | None] | None:
        """Look up a vector that the caller will fetch if it is missing.

        Returns:
            The vector; if another caller is fetching it, a future of it, which gives None if that
            caller fails; else None, and the caller must `put` it or `release` the claim.
        """
        with self._lock:
            if self._generation != forks.generation():
                self._generation = forks.generation()
                self._pending.clear()  # the parent process has them
            found = self._fresh(key)
            if found is not None:
                return found
            pending = self._pending.get(key)
            if pending is None:
                self._pending[key] = Future()
            return pending

    def _fresh(self, key: bytes) -> array[float] | None:
        found = self._kept.get(key)
        if found is None:
            return None
        if self._clock() - found[0] > self._ttl:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return found[1]

    def put(self, key: bytes, vector: array[float]) -> None:
        """Keep a vector and hand it to waiting callers; the least recently used one is dropped."""
        kept = vector if vector.typecode == "f" else array("f", vector)
        with self._lock:
            self._kept[key] = (self._clock(), kept)
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
            pending = self._pending.pop(key, None)
        if pending is not None:
            pending.set_result(kept)

    def release(self, key: bytes) -> None:
        """Release a claim: a waiting caller must fetch the vector."""
        with self._lock:
            pending = self._pending.pop(key, None)
        if pending is not None:
            pending.set_result(None)
