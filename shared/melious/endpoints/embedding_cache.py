"""An in-process cache for texts that are embedded again and again; off unless asked for."""

from __future__ import annotations

import hashlib
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

from melious import forks


class EmbeddingCache:
    """The latest vectors, at most so many and so old; safe to share between threads.

    A vector is kept as float32, 4 bytes a dimension: 10,000 texts of 1024
    dimensions take 41 MB. A text that one caller has asked for and that is on
    its way is not asked for again by another: the others wait for it.
    """

    def __init__(self, size: int, ttl: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty.

        Args:
            size: The most texts to keep.
            ttl: Seconds after which a vector is asked for again.
            clock: A monotonic time.
        """
        self._size = size
        self._ttl = ttl
        self._clock = clock
        self._lock = forks.new_lock()
        self._generation = forks.generation()
        self._kept: OrderedDict[bytes, tuple[float, array[float]]] = OrderedDict()
        self._flights: dict[bytes, Future[array[float] | None]] = {}

    @staticmethod
    def key(scope: bytes, text: str) -> bytes:
        """The key of a text under a scope: the model and all else that changes its vector."""
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=scope).digest()

    def get(self, key: bytes) -> array[float] | None:
        """The vector of a key, if it is there and fresh."""
        with self._lock:
            return self._fresh(key)

    def claim(self, key: bytes) -> array[float] | Future[array[float] | None] | None:
        """Ask for a vector that the caller will fetch if it is not there.

        Returns:
            The vector; or, where another caller is fetching it, a future of it
            that gives None if that caller fails; or None, and then the caller
            must `put` it or `release` the claim.
        """
        with self._lock:
            if self._generation != forks.generation():
                self._generation = forks.generation()
                self._flights.clear()  # they are the parent's, and end there
            found = self._fresh(key)
            if found is not None:
                return found
            flight = self._flights.get(key)
            if flight is None:
                self._flights[key] = Future()
            return flight

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
        """Keep a vector and give it to who waits; the one that was used longest ago makes room."""
        kept = vector if vector.typecode == "f" else array("f", vector)
        with self._lock:
            self._kept[key] = (self._clock(), kept)
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
            flight = self._flights.pop(key, None)
        if flight is not None:
            flight.set_result(kept)

    def release(self, key: bytes) -> None:
        """Give a claim up: who waits must fetch the vector."""
        with self._lock:
            flight = self._flights.pop(key, None)
        if flight is not None:
            flight.set_result(None)
