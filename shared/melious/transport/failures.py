"""Which exceptions are the transport's, and what they say: httpx, httpx2, their cores, aiohttp, anyio."""

from __future__ import annotations

import ssl

from melious.transport.exchange import Failure
from melious.transport.retry import Phase

_LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2", "anyio", "aiohttp")
_CONNECT = frozenset({"ConnectError", "ConnectTimeout", "ProxyError", "UnsupportedProtocol", "PoolTimeout"})
_TIMEOUTS = frozenset({"TimeoutException"})
_TRANSPORT = frozenset(
    {
        "NetworkError",
        "TimeoutException",
        "ProtocolError",
        "ProxyError",
        "TransportError",
        "UnsupportedProtocol",
        "DecodingError",
        "EndOfStream",
        "ClosedResourceError",
        "BrokenResourceError",
        "ClientError",
        "StreamError",
    }
)
_PHASE_WORDS = {
    Phase.CONNECT: "could not connect to",
    Phase.SENT: "no answer from",
    Phase.ANSWER: "the answer was cut off by",
}
_SLOW_WORDS = {
    Phase.CONNECT: "took too long to connect to",
    Phase.SENT: "took too long to begin: the answer of",
    Phase.ANSWER: "took too long to arrive: the answer of",
}


def failure_of(error: Exception, phase: Phase, host: str, *, reused: bool = False) -> Failure | None:
    """Read an exception of the transport; None for one that is not the transport's and must be left alone.

    Args:
        error: What was raised.
        phase: How far the attempt had come.
        host: The host, for the message.
        reused: The connection had served a request before.
    """
    names = {cls.__name__ for cls in type(error).__mro__ if cls.__module__.partition(".")[0] in _LIBRARIES}
    builtin = isinstance(error, ssl.SSLError | ConnectionError | TimeoutError)
    if not (names & _TRANSPORT or builtin):
        return None
    timed_out = bool(names & _TIMEOUTS) or (
        isinstance(error, TimeoutError) and not isinstance(error, ssl.SSLError)
    )
    if names & _CONNECT:
        phase = Phase.CONNECT
    words = (_SLOW_WORDS if timed_out else _PHASE_WORDS)[phase]
    return Failure(
        phase=phase,
        timed_out=timed_out,
        message=f"{words} {host}{_cause(error)}",
        stale=reused and phase is Phase.SENT and not timed_out,
        cause=error,
    )


def _cause(error: BaseException) -> str:
    said = str(error) or (str(error.__cause__) if error.__cause__ else "") or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in said:
        said += " - pass verify='/path/to/ca.pem' or set SSL_CERT_FILE if your network has a CA of its own"
    return f": {said}"
