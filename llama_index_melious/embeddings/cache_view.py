"""A view of LlamaIndex's `embeddings_cache` in which no two kinds of vectors share a key."""

from __future__ import annotations

from typing import Any


class CacheView:
    """A key-value store as one kind of vectors uses it.

    LlamaIndex keeps vectors under the bare text, so that a query would get the
    vector of a document of the same words, and one model that of another. Here
    every key begins with what makes vectors differ.

    Args:
        store: The store, anything with the methods of LlamaIndex's `BaseKVStore`.
        kind: What every key begins with.

    Example:
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
        """What the store has for a text, or None."""
        return self._store.get(key=self._kind + key, collection=collection)

    async def aget(self, key: str, collection: str) -> Any:
        """Like `get`, for asyncio."""
        return await self._store.aget(key=self._kind + key, collection=collection)

    def put(self, key: str, val: dict[str, Any], collection: str) -> None:
        """Keep a vector for a text."""
        self._store.put(key=self._kind + key, val=val, collection=collection)

    async def aput(self, key: str, val: dict[str, Any], collection: str) -> None:
        """Like `put`, for asyncio."""
        await self._store.aput(key=self._kind + key, val=val, collection=collection)
