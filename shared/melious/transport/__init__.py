"""How bytes come and go.

Pure, tested by values:

* `request`: what is to be sent and what came back, as values.
* `retry`: whether and when to try again; the retry budget.
* `ratelimit`: rate-limit headers as one value, and the gate that holds callers back.
* `exchange`: one call with its attempts, as a generator of effects.
* `sse`: bytes to server-sent events.  `chatstream`: events to chat chunks.
* `codec`: JSON both ways.

With I/O:

* `library`: httpx2 or httpx, imported in this one place.
* `lanes`, `sync_pool`, `async_pool`: connection pools.  `registry`, `sync_registry`, `async_registry`: pools
  shared by process and event loop.  `forks`: what the child of a fork must put right.
* `sync_client_sender`, `async_client_sender`: clients that the caller brings, and aiohttp.
* `failures`: which exceptions are the transport's.
* `sync_driver`, `async_driver`: perform what `exchange` asks for.
"""
