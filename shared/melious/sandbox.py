"""A local server that speaks the wire of Melious; the package `melious_sandbox` under its public name."""

from melious_sandbox import (
    Batches,
    Fault,
    Faults,
    RecordedRequest,
    Replies,
    Reply,
    RequestLog,
    Sandbox,
    Served,
    Totals,
)

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

if __name__ == "__main__":
    import sys

    from melious_sandbox.__main__ import main

    sys.exit(main())
