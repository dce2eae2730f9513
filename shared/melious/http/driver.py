"""What the blocking and asyncio drivers share: everything but the waiting."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from melious.errors import APIStatusError, ResponseDecodeError, RetryEvent
from melious.exchange.effects import Failure, ReadBody, Send
from melious.exchange.exchange import Policy
from melious.exchange.gate import gate_for
from melious.exchange.request import Otherwise, Request
from melious.exchange.retry import Phase, RetryBudget
from melious.http.connections import Deadline
from melious.http.failures import failure_of, own_error, unexpected
from melious.http.frames import drop_frames, drop_library_frames, raised_by_library
from melious.http.outgoing import EncodedRequest, Headers, RequestEncoder, head_of
from melious.http.proxies import PROXY_AUTHENTICATION, login_problem
from melious.settings.config import ClientConfig
from melious.wire.compression import BodyBuffer, Decoder, decoder_for
from melious.wire.head import Head
from melious.wire.refusals import error_object

logger = logging.getLogger("melious")

StreamEnd: TypeAlias = Callable[[Any, bool], object]
"""Called with an open answer that has ended, its connection released, and whether it was read to its end."""


class DriverBase:
    """The settings of a client, and the state that outlives its calls."""

    def __init__(self, config: ClientConfig, http_client: Any, transport: str = "httpx") -> None:
        self.config = config
        self._http_client = http_client
        self._transport = transport if http_client is None else None
        self._budget = RetryBudget()
        self._encoder: RequestEncoder | None = None

    @property
    def encoder(self) -> RequestEncoder:
        """What all requests of this client share; made without a lock, which a fork could leave locked."""
        if self._encoder is None:
            self._encoder = RequestEncoder(self.config, self._transport)
        return self._encoder

    @property
    def has_injected_client(self) -> bool:
        """Whether requests go through an injected client."""
        return self._http_client is not None

    def __reduce__(self) -> tuple[Any, ...]:
        # An endpoint, or a method of one, can be pickled like its client.
        return type(self), (self.config, self._http_client)

    def policy(self, endpoint: str) -> Policy:
        """The client's retry budget, and its key's gate for an endpoint."""
        gate = gate_for(self.config.base_url, self.config.key_digest, endpoint)
        return Policy(gate, self._budget, self.config.max_rate_limit_wait)


class CallRunnerBase:
    """One call under way: the current attempt and its answer, without the I/O."""

    def __init__(self, driver: DriverBase, request: Request) -> None:
        self.request = request
        self.deadline = Deadline()
        self.decoder: Decoder | None = None
        self._encoder = driver.encoder
        self._encode = self._encoder.encode(request)
        self._host = self._encoder.origin.netloc
        self._injected = driver.has_injected_client
        self._attempts = 0
        self._sent_at = 0.0

    def begin(self, send: Send) -> EncodedRequest:
        """Encode the attempt and set its deadline."""
        self._attempts += 1
        self._sent_at = time.monotonic()
        self.deadline = Deadline(
            send.until, self.request.limits.timeout.silence if self.request.stream else None
        )
        return self._encode(send)

    def head(self, status: int, headers: Headers) -> Head | Failure:
        """Read the head of an answer; a failure if the proxy asks for a login."""
        head = head_of(status, headers)
        self._log(str(status), head.request_id)
        if status == PROXY_AUTHENTICATION and (proxy := self._encoder.origin.proxy) is not None:
            message = login_problem(proxy, str(status)) or ""
            return Failure(Phase.CONNECT, timed_out=False, message=message, final=True)
        self.decoder = decoder_for(headers, streamed=self.request.stream)
        return head

    def whole(self, effect: ReadBody, collected: BodyBuffer) -> bytes:
        """A body as far as it was read; that of an error without the key."""
        body = collected.body()
        return self._encoder.without_key(body) if effect.cut or error_object(body) is not None else body

    def first(self, data: bytes) -> bytes:
        """A read of a stream before its first chunk; an error in it, without the key."""
        return self._encoder.without_key(data) if b"error" in data else data

    def failed(self, error: Exception, phase: Phase) -> Failure:
        """Read an exception of the transport; raise any other exception.

        Call it after the `except` block, where the exception being handled is the caller's.
        """
        handled = sys.exception()
        if isinstance(error, ResponseDecodeError):  # the body is not what its headers say, or too large
            drop_frames(error, handled)
            self._log(type(error).__name__, None)
            return Failure(phase, False, error.message, final=True, error=error, cause=error.__cause__)
        ours = own_error(error)
        if ours is not None:
            drop_library_frames(ours, handled)
            raise ours from ours.__cause__
        failure = failure_of(error, phase, self._host, self._encoder.origin.proxy)
        if failure is None and not self._injected and raised_by_library(error):
            failure = unexpected(error, phase, self._host)
        if failure is None:
            drop_library_frames(error, handled)
            raise error
        drop_frames(error, handled)
        self._log(type(error).__name__, None)
        return failure

    def retrying(self, event: RetryEvent) -> object:
        """Report that another attempt follows; returns the result of the caller's callback."""
        error = event.error
        # The text of the service is not logged: it may repeat what was sent.
        reason = error.message
        if isinstance(error, APIStatusError):
            reason = f"{error.status_code or 'in the stream'} {error.code or ''}".strip()[:100]
        logger.info(
            "%s /%s: attempt %d failed (%s: %s), retrying in %.2f s id=%s",
            self.request.method,
            self.request.path,
            event.attempt,
            type(error).__name__,
            reason,
            event.delay,
            error.request_id,
        )
        return None if self.request.on_retry is None else self.request.on_retry(event)

    def instead(self, effect: Otherwise) -> None:
        """Continue with another request."""
        self.request = effect.request
        self._encode = self._encoder.encode(effect.request)
        logger.info("%s /%s: %s", self.request.method, self.request.path, effect.why)

    def _log(self, outcome: str, request_id: str | None) -> None:
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug(
                "%s /%s %s attempt=%d %.0f ms id=%s",
                self.request.method,
                self.request.path,
                outcome,
                self._attempts,
                (time.monotonic() - self._sent_at) * 1000,
                request_id,
            )
