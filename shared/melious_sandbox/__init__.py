"""A local server that speaks the wire of Melious: for tests, prototypes and demos without a key.

    >>> from melious.sandbox import Fault, Reply, Sandbox
    >>> with Sandbox() as sandbox:
    ...     sandbox.replies.add(Reply(text="Forty-two."))
    ...     sandbox.faults.add(Fault(code="rate_limit", headers={"retry-after": "1"}))
    ...     url, key = sandbox.base_url, sandbox.api_key

From a shell: ``melious sandbox``. A page at the server's address shows the requests as they come. With
``upstream`` a local model server answers chat and embeddings, and the sandbox does the rest.
"""

try:
    import python_multipart  # noqa: F401 - starlette needs it for forms, and says so only when one arrives
    import starlette  # noqa: F401
    import tinytag  # noqa: F401
    import uvicorn  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"melious.sandbox needs {error.name}, which comes with an extra: pip install 'melious[sandbox]'"
    ) from error

from melious_sandbox.sandbox import Sandbox
from melious_sandbox.service.batches import Batches
from melious_sandbox.service.faults import Fault, Faults
from melious_sandbox.service.records import RecordedRequest, RequestLog, Served, Totals
from melious_sandbox.service.replies import Replies
from melious_sandbox.service.reply import Reply

__all__ = [
    "Batches",
    "Fault",
    "Faults",
    "RecordedRequest",
    "Replies",
    "Reply",
    "RequestLog",
    "Sandbox",
    "Served",
    "Totals",
]
