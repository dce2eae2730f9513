"""The asyncio side, which is written; `_sync` is made from it."""
