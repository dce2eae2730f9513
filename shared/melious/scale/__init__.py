"""Embeds a corpus on a distributed engine: Ray Data, Spark, Dask, or anything that maps batches.

`Embedder` is a callable that can be pickled: the engine ships it, and each worker makes its own client.
`ledger_of` adds up on the driver what the workers report.

How far more workers help: each has `max_concurrency` requests under way, and the account's rate limit
counts the requests of all. With a limit of 240 a minute and answers that take 2 s, 8 concurrent requests
use all of it: two workers with 4 each. Beyond that, only larger requests help: `batch_size` and
`max_batch_tokens`. A request has up to 2048 texts or 250,000 tokens by default, so 240 requests a minute
are 300,000 passages of 200 tokens a minute.

Examples:
    >>> from melious.sandbox import Sandbox
    >>> with Sandbox() as sandbox:
    ...     embed = Embedder("bge-m3", api_key=sandbox.api_key, base_url=sandbox.base_url)
    ...     done = embed([{"id": 7, "text": "a heat pump"}])
    >>> done[0]["id"], len(done[0]["embedding"]), done[0]["error"]
    (7, 1024, None)
"""

from __future__ import annotations

from melious.scale.embedder import Embedder, EmbedderOptions
from melious.scale.reports import ledger_of

__all__ = ["Embedder", "EmbedderOptions", "ledger_of"]
