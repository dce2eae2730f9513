"""A view of LlamaIndex's `embeddings_cache` that keeps different kinds of vectors apart."""

from __future__ import annotations

from typing import Any

from melious.errors import InvalidArgumentError


def check_cache(cache: object) -> None:
    """Refuse an `embeddings_cache` that is not a key-value store of LlamaIndex."""
    if cache is None or isinstance(cache, CacheView):
        return
    from llama_index.core.storage.kvstore.types import BaseKVStore  # noqa: PLC0415 - only needed with a cache

    if not isinstance(cache, BaseKVStore):
        raise InvalidArgumentError(
            f"embeddings_cache: must be a BaseKVStore of LlamaIndex, not {type(cache).__name__}",
            param="embeddings_cache",
        )


class CacheView:
    """A LlamaIndex key-value store (`BaseKVStore`) whose keys have a prefix, for one kind of vectors.

    LlamaIndex uses the bare text as the key, so queries and documents, or two models, would share vectors.

    Examples:
        >>> from llama_index.core.storage.kvstore import SimpleKVStore
        >>> store = SimpleKVStore()
        >>> CacheView(store, "query: ").put("dunes", {"vector": [0.6, 0.8]}, "embeddings")
        >>> CacheView(store, "passage: ").get("dunes", "embeddings") is None
        True
    """

    def __init__(self, store: Any, kind: str) -> None:
        self._store = store
        self._kind = kind

    def get(self, key: str, collection: str) -> Any:
        """The stored value of a text, or None."""
        return self._store.get(key=self._kind + key, collection=collection)

    async def aget(self, key: str, collection: str) -> Any:
        """Like `get`, for asyncio."""
        return await self._store.aget(key=self._kind + key, collection=collection)

    def put(self, key: str, val: dict[str, Any], collection: str) -> None:
        """Store a vector for a text."""
        self._store.put(key=self._kind + key, val=val, collection=collection)

    async def aput(self, key: str, val: dict[str, Any], collection: str) -> None:
        """Like `put`, for asyncio."""
        await self._store.aput(key=self._kind + key, val=val, collection=collection)
