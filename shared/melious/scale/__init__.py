"""Embedding a corpus on an engine that spreads work: Ray Data, Spark, Dask, or anything that maps batches.

`Embedder` is a callable that can be pickled: give it to the engine, and each
worker makes its own client. `ledger_of` adds up on the driver what the workers
report.
"""

from __future__ import annotations

from melious.scale.embedder import Embedder, EmbedderOptions
from melious.scale.reports import ledger_of

__all__ = ["Embedder", "EmbedderOptions", "ledger_of"]
