"""Recognizes exceptions of the transport: httpx, httpx2, their cores, aiohttp, anyio."""

from __future__ import annotations

import ssl

from melious.errors import MeliousError
from melious.exchange.effects import Failure
from melious.exchange.retry import Phase
from melious.http.frames import chain_of
from melious.http.proxies import Proxy, connect_words, login_problem

_LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2", "anyio", "aiohttp", "socksio")
_CONNECT = frozenset(
    {
        "ConnectError",
        "ConnectTimeout",
        "ProxyError",
        "ClientHttpProxyError",
        "SOCKSError",
        "UnsupportedProtocol",
        "PoolTimeout",
        "ClientConnectorError",
        "ConnectionTimeoutError",
    }
)
_REFUSED_BY_PROXY = frozenset({"ProxyError", "ClientHttpProxyError", "SOCKSError"})
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
        "SOCKSError",
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
_MISDECLARED = "only transfer-encoding: chunked is supported"
"""What h11 says of an answer in another transfer encoding: the next answer would use it too."""
_TRUST_HINT = " - pass verify='/path/to/ca.pem' or set SSL_CERT_FILE if your network has its own CA"
_PLAIN_HINT = " - it speaks plain http on this port: the base URL should begin with http://"


def failure_of(error: Exception, phase: Phase, host: str, proxy: Proxy | None = None) -> Failure | None:
    """Read an exception of the transport, raised in `phase`; None for any other."""
    inner = _most_specific(error)
    names = {cls.__name__ for cls in type(inner).__mro__ if _library_of(cls) in _LIBRARIES}
    builtin = isinstance(inner, ssl.SSLError | ConnectionError | TimeoutError)
    if not (names & _TRANSPORT or builtin):
        return None
    timed_out = bool(names & _TIMEOUTS) or (
        isinstance(inner, TimeoutError) and not isinstance(inner, ssl.SSLError)
    )
    if names & _CONNECT:
        phase = Phase.CONNECT
    words = f"{(_SLOW_WORDS if timed_out else _PHASE_WORDS)[phase]} {host}"
    said = str(inner) or (str(inner.__cause__) if inner.__cause__ else "") or type(inner).__name__
    login = None
    proxied = proxy is not None and phase is Phase.CONNECT
    if proxy is not None and proxied:
        refused = bool(names & _REFUSED_BY_PROXY)
        login = login_problem(proxy, said) if refused else None
        handshake = _is_of_tls(inner, names)
        words = connect_words(proxy, host, timed_out=timed_out, refused=refused, handshake=handshake)
    untrusted = "CERTIFICATE_VERIFY_FAILED" in said
    hint = _TRUST_HINT if untrusted else _PLAIN_HINT if "WRONG_VERSION_NUMBER" in said else ""
    return Failure(
        phase=phase,
        timed_out=timed_out,
        message=login or f"{words}: {said}{hint}",
        final=untrusted or login is not None or "LocalProtocolError" in names or _MISDECLARED in said.lower(),
        # The frames of a handshake with a proxy hold the user and password.
        cause=ConnectionError(said) if proxied else _cause(error, said),
    )


def _is_of_tls(error: BaseException, names: set[str]) -> bool:
    return (
        "ClientSSLError" in names
        or isinstance(error, ssl.SSLError)
        or isinstance(error.__cause__, ssl.SSLError)
    )


def unexpected(error: Exception, phase: Phase, host: str) -> Failure:
    """Read an unexpected exception of an HTTP library; it is not retried."""
    said = f"{type(error).__name__}: {error}"
    message = f"{_PHASE_WORDS[phase]} {host}: {said}"
    return Failure(phase, timed_out=False, message=message, final=True, cause=_cause(error, said))


def _cause(error: Exception, said: str) -> Exception:
    """The exception as a cause that is safe to keep: aiohttp's errors show all headers, with the key."""
    shows_headers = any(hasattr(item, "request_info") for item in chain_of(error))
    return ConnectionError(said) if shows_headers else error


def own_error(error: BaseException) -> MeliousError | None:
    """Our own error inside an exception of a library: one from a body as it was sent."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MeliousError):
            return cause
        cause = cause.__cause__
    return None


def _most_specific(error: BaseException) -> BaseException:
    """The most specific exception: httpx on aiohttp reports every lost connection as a timeout."""
    cause = error.__cause__
    if cause is None or _library_of(type(error)) == "aiohttp" or _library_of(type(cause)) != "aiohttp":
        return error
    return cause


def _library_of(cls: type) -> str:
    return cls.__module__.partition(".")[0]
