"""How bytes come and go.

Pure, tested by values:

* `request`: what is to be sent and what came back, as values; `outgoing`: an attempt as bytes.
* `exchange`: one call with all its attempts, as a generator of effects.
* `retry`: whether and when to try again, and the retry budget.
* `ratelimit`: rate-limit headers as one value; `gate`: holds callers back; `allowance`: what it learns.
* `sse`: bytes to server-sent events; `chatstream`: events to chat chunks; `completion`: chunks merged.
* `proxies`: which proxy the environment names for a host, and which hosts it exempts.
* `codec`: JSON both ways.  `failures`: which exceptions are the transport's.
* `reporting`: tells the ledgers what a call cost.

With I/O, in blocking and asyncio twins that decide nothing:

* `backend`: httpx2 or httpx, imported in this one place.  `lanes`: what the pools share.
* `sync_pool`, `async_pool`, `aiohttp_pool`: connections.
* `sync_client_sender`, `async_client_sender`: a client that the caller brings.
* `registry`, `sync_registry`, `async_registry`: pools shared by process and loop.  `forks`: after a fork.
* `driver`, `sync_driver`, `async_driver`: perform what `exchange` asks for.
* `sync_batches`, `async_batches`: embeddings, some batches at a time.
"""
