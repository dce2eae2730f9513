"""An in-process cache for texts that are embedded again and again; off unless asked for."""

from __future__ import annotations

import hashlib
import threading
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable


class EmbeddingCache:
    """The latest vectors, at most so many and so old; safe to share between threads.

    A vector is kept as float32, 4 bytes a dimension: 10,000 texts of 1024
    dimensions take 41 MB.
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
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[float, array[float]]] = OrderedDict()

    @staticmethod
    def key(scope: bytes, text: str) -> bytes:
        """The key of a text under a scope: the model and all else that changes its vector."""
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=scope).digest()

    def get(self, key: bytes) -> array[float] | None:
        """The vector of a key, if it is there and fresh."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            if self._clock() - found[0] > self._ttl:
                del self._kept[key]
                return None
            self._kept.move_to_end(key)
            return found[1]

    def put(self, key: bytes, vector: array[float]) -> None:
        """Keep a vector; the one that was used longest ago makes room."""
        with self._lock:
            self._kept[key] = (self._clock(), vector if vector.typecode == "f" else array("f", vector))
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
