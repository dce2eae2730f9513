"""One attempt, and its answer as it came, whatever its status."""

from __future__ import annotations

import time
from collections.abc import Callable

from melious.exchange.effects import Failure, ReadBody, Send
from melious.exchange.exchange import Exchange
from melious.exchange.request import CallSummary, Request, Response

MAX_READ = 4 * 1024 * 1024
"""Bytes of the largest body that is read; a longer one is cut."""


def once(
    request: Request, most: int = MAX_READ, clock: Callable[[], float] = time.monotonic
) -> Exchange[Response]:
    """Send a request once, without gate and retries; a refusal is an answer like any other.

    Args:
        request: The request; its hooks are not called.
        most: Bytes of the body to read; a longer body is cut.
        clock: The monotonic time.

    Raises:
        MeliousError: No answer came, or it broke off.
    """
    started = clock()
    limits = request.limits
    ends = (limits.deadline, limits.timeout.answer)
    seconds = min((each for each in ends if each is not None), default=None)
    until = None if seconds is None else started + seconds
    head = yield Send((), until)
    if isinstance(head, Failure):
        raise head.as_error()
    body = yield ReadBody(most, until, cut=True)
    if isinstance(body, Failure):
        error = body.as_error()
        error.request_id = head.request_id
        raise error
    return Response(head.status, head.headers, body, CallSummary(elapsed=clock() - started))
