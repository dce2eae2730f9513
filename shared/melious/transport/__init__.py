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
* `lanes`: connection pools.  `registry`: pools shared by process and event loop.
* `sync_driver`, `async_driver`: perform what `exchange` asks for.
"""
