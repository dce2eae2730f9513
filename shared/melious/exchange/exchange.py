"""One call with all its attempts, as a generator of effects.

A driver performs each effect and sends its result back in. All decisions are made
here: gate, attempts, waits, deadline. A stream is not retried after its first chunk.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypeVar

from melious.errors import (
    APITimeoutError,
    Attempt,
    DeadlineExceededError,
    MeliousError,
    RateLimitError,
    RetryEvent,
)
from melious.exchange.effects import Effect, Failure, Notify, ReadBody, ReadSome, Send, Sleep
from melious.exchange.gate import RateGate, Turn
from melious.exchange.opened import OpenAnswer, OpenStream, StreamParser, with_history
from melious.exchange.ratelimit import RateLimit, parse_rate_limit, parse_retry_after
from melious.exchange.request import CallSummary, Otherwise, Replay, Request, Response, parsed
from melious.exchange.retry import (
    SERVER_DELAY_CAP,
    Phase,
    RetryBudget,
    delay_before_retry,
    is_malformed,
    retry_cost,
    wait_until_reset,
    worth_retrying,
)
from melious.wire import codec
from melious.wire.chunks import ChatStreamParser
from melious.wire.files import FileParser
from melious.wire.head import Head
from melious.wire.refusals import MAX_ERROR_BODY, error_object, refusal

A = TypeVar("A")
T = TypeVar("T")

_CHECK_INTERVAL = 0.25
"""Seconds between the checks whether a waiting call was stopped."""
MAX_BODY = 256 * 1024 * 1024  # 2,048 vectors of 4,096 numbers as JSON take 170 MB, ten pictures 100 MB


@dataclass(slots=True)
class Policy:
    """What calls share: retry budget, gate, clocks and chance."""

    gate: RateGate
    budget: RetryBudget = field(default_factory=RetryBudget)
    max_rate_limit_wait: float = 60.0
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    uniform: Callable[[float, float], float] = random.uniform


Exchange: TypeAlias = Generator[Effect, Any, T]
"""A call in progress: yields effects to perform, returns the answer."""


def whole(request: Request, policy: Policy) -> Exchange[Response]:
    """Make a call for a whole answer.

    Raises:
        MeliousError: The call failed for good; attempts, time and history are on it.
    """
    call = _CallState(request, policy)
    return (yield from _attempts(call, call.read_whole))


def streamed(request: Request, policy: Policy) -> Exchange[OpenStream]:
    """Make a call for a stream, up to its first chunk.

    Raises:
        MeliousError: The call failed for good; attempts, time and history are on it.
    """
    call = _CallState(request, policy)
    replay = request.replay
    read = call.read_stream if replay is None else partial(call.read_replayed, replay)
    return (yield from _attempts(call, read))


def downloaded(request: Request, policy: Policy) -> Exchange[OpenAnswer[bytes]]:
    """Make a call for a file, up to its first bytes.

    Raises:
        MeliousError: The call failed for good; attempts, time and history are on it.
    """
    call = _CallState(request, policy)
    return (yield from _attempts(call, call.read_file))


def _attempts(call: _CallState, read: _Read[T]) -> Exchange[T]:
    try:
        return (yield from _until_answered(call, read))
    finally:
        call.policy.gate.leave(call.turn)


def _until_answered(call: _CallState, read: _Read[T]) -> Exchange[T]:
    request = call.request
    idempotency = _idempotency()
    admit = request.admit
    while True:
        yield from call.pass_gate()
        headers = [idempotency] if request.method == "POST" else []
        if call.tries:
            headers.append(("x-retry-count", str(call.tries)))
        call.begin_attempt()
        if admit is not None:
            admit()
            admit = None
        head = yield Send(tuple(headers), call.attempt_until)
        if isinstance(head, Failure):
            error, phase, timed_out = call.failed(head), head.phase, head.timed_out
        else:
            outcome = yield from call.read(head, read)
            if not isinstance(outcome, _FailedAttempt):
                call.policy.budget.refund()
                for remember in call.request.learned:
                    remember()
                return outcome
            error, phase, timed_out = outcome.error, outcome.phase, outcome.timed_out
        instead = call.otherwise(error)
        if instead is not None:
            idempotency = _idempotency()
            yield instead
            continue
        delay = call.delay_or_raise(error, phase, timed_out=timed_out)
        yield Notify(RetryEvent(call.attempts, error, delay))
        yield from call.pause(delay)


def _idempotency() -> tuple[str, str]:
    return "idempotency-key", secrets.token_hex(16)


class _FailedAttempt(NamedTuple):
    error: MeliousError
    phase: Phase = Phase.ANSWER
    timed_out: bool = False


_Read: TypeAlias = Callable[[Head, RateLimit | None], Exchange[T | _FailedAttempt]]


class _CallState:
    """One call: its clock, its attempts, its history."""

    def __init__(self, request: Request, policy: Policy) -> None:
        self.request = request
        self.policy = policy
        self.turn = Turn()
        self.started = policy.clock()
        limits = self.limits = request.limits
        self.until = None if limits.deadline is None else self.started + limits.deadline - limits.spent
        self.attempts = 0
        self.attempt_started = self.started
        self.attempt_until = self.until
        self.history: list[Attempt] = []
        self.refusals = 0
        self.malformed = 0

    @property
    def tries(self) -> int:
        """Attempts so far, without those that another request replaced."""
        return self.attempts - self.refusals

    def pass_gate(self) -> Generator[Effect, Any, None]:
        """Wait until the gate is open; raises if that takes too long."""
        policy, gate, most = self.policy, self.policy.gate, self.policy.max_rate_limit_wait
        if not most:
            return
        waited = 0.0
        can_retry = self.tries < self.limits.max_retries
        while wait := gate.wait(self.turn, now := policy.clock(), can_retry=can_retry):
            # A call that has waited its time still waits for the outcome of a probe.
            patience = (2 * most if gate.is_probing(now) else most) - waited
            if wait > patience or (self.until is not None and now + wait > self.until):
                error = RateLimitError(
                    f"not sent: the service asks this key to wait {wait:.1f} s longer", retry_after=wait
                )
                raise self.final(error)
            wait = min(wait + gate.spread(), patience)
            yield from self.pause(wait)
            waited += wait

    def pause(self, seconds: float) -> Generator[Effect, Any, None]:
        """Wait, unless the call is stopped meanwhile."""
        if self.request.stop is None:
            yield Sleep(seconds)
            return
        while seconds > 0:
            self._check_wanted(self.request.stop)
            yield Sleep(min(seconds, _CHECK_INTERVAL))
            seconds -= _CHECK_INTERVAL

    def _check_wanted(self, stop: Callable[[MeliousError | None], bool]) -> None:
        if stop(None):
            raise self.final(MeliousError("not sent: another request of the same call has failed"))

    def begin_attempt(self) -> None:
        if self.request.stop is not None:
            self._check_wanted(self.request.stop)
        now = self.policy.clock()
        if self.until is not None and now >= self.until:
            error = DeadlineExceededError(f"the deadline of {self.limits.deadline:g} s passed; not sent")
            raise self.final(error)
        self.attempts += 1
        self.attempt_started = now
        answer = self.limits.timeout.answer
        limits = (self.until, None if answer is None else now + answer)
        self.attempt_until = min((moment for moment in limits if moment is not None), default=None)

    def read(self, head: Head, read: _Read[T]) -> Exchange[T | _FailedAttempt]:
        """Read an answer: a result, or the error of the service or the connection."""
        now = self.policy.wall_clock()
        rate_limit = parse_rate_limit(head.headers, now)
        if 200 <= head.status < 300:  # noqa: PLR2004
            return (yield from read(head, rate_limit))
        body = yield ReadBody(MAX_ERROR_BODY, self.attempt_until, cut=True)
        said = codec.loads_or_text(b"" if isinstance(body, Failure) else body)
        return _FailedAttempt(self._refusal(head, said, rate_limit, now))

    def read_whole(self, head: Head, rate_limit: RateLimit | None) -> Exchange[Response | _FailedAttempt]:
        policy, now = self.policy, self.policy.wall_clock()
        body = yield ReadBody(MAX_BODY, self.attempt_until)
        if isinstance(body, Failure):
            return _FailedAttempt(self.failed(body, head), body.phase, body.timed_out)
        said = error_object(body)
        if said is not None:
            return _FailedAttempt(self._refusal(head, said, rate_limit, now))
        policy.gate.passed(self.turn, rate_limit, policy.clock())
        return Response(
            head.status, head.headers, body, self._summary(rate_limit, policy.clock() - self.started)
        )

    def read_stream(self, head: Head, rate_limit: RateLimit | None) -> Exchange[OpenStream | _FailedAttempt]:
        """Read up to the first chunk; until then the attempt can be retried."""
        parser = ChatStreamParser(head, event_timeout=self.limits.timeout.event, clock=self.policy.clock)
        return (yield from self._read_first(parser, OpenStream, head, rate_limit))

    def read_file(
        self, head: Head, rate_limit: RateLimit | None
    ) -> Exchange[OpenAnswer[bytes] | _FailedAttempt]:
        """Read up to the first bytes of a file; until then the attempt can be retried."""
        return (yield from self._read_first(FileParser(head), OpenAnswer, head, rate_limit))

    def _read_first(
        self, parser: StreamParser[T], kind: Callable[..., A], head: Head, rate_limit: RateLimit | None
    ) -> Exchange[A | _FailedAttempt]:
        policy = self.policy
        policy.gate.passed(self.turn, rate_limit, policy.clock())
        parts: list[T] = []
        while not parts and not parser.ended:
            data = yield ReadSome()
            if isinstance(data, Failure):
                return _FailedAttempt(self.failed(data, head), data.phase, data.timed_out)
            parts = parser.feed(data) if data else parser.close()
        if parser.error is not None and not any(map(parser.has_content, parts)):
            self._apply_retry_headers(parser.error, head, rate_limit, policy.wall_clock())
            return _FailedAttempt(parser.error, timed_out=isinstance(parser.error, APITimeoutError))
        return kind(parser, parts, head, self._summary(rate_limit), self.started, tuple(self.history))

    def read_replayed(
        self, replay: Replay, head: Head, rate_limit: RateLimit | None
    ) -> Exchange[OpenStream | _FailedAttempt]:
        """Read a whole answer and replay it as a stream."""
        response = yield from self.read_whole(head, rate_limit)
        if isinstance(response, _FailedAttempt):
            return response
        try:
            raw, chunks = parsed(response, replay)
        except MeliousError as error:
            raise self.final(error) from error.__cause__
        parser = ChatStreamParser(head, clock=self.policy.clock)
        first = parser.replay(raw, chunks)
        return OpenStream(parser, first, head, self._summary(rate_limit), self.started, tuple(self.history))

    def _summary(self, rate_limit: RateLimit | None, elapsed: float = 0.0) -> CallSummary:
        return CallSummary(self.attempts, elapsed, rate_limit, self.request.routing)

    def _refusal(self, head: Head, said: Any, rate_limit: RateLimit | None, now: float) -> MeliousError:
        error = refusal(head, said, self.request.endpoint)
        self._apply_retry_headers(error, head, rate_limit, now)
        if not isinstance(error, RateLimitError):
            self.policy.gate.passed(self.turn, rate_limit, self.policy.clock())
        return error

    def _apply_retry_headers(
        self, error: MeliousError, head: Head, rate_limit: RateLimit | None, now: float
    ) -> None:
        """Apply headers about retries to the error, and report rate limits to the gate."""
        error.retry_after = parse_retry_after(head.headers, now)
        if isinstance(error, RateLimitError):
            if error.retry_after is None and rate_limit is not None and rate_limit.remaining == 0:
                error.retry_after = wait_until_reset(rate_limit)
            most = self.policy.max_rate_limit_wait or SERVER_DELAY_CAP
            self.policy.gate.refused(
                self.turn, error.retry_after, self.policy.clock(), most=most, rate_limit=rate_limit
            )
        wish = head.headers.get("x-should-retry") or head.headers.get("should-retry")
        if wish in ("true", "false"):
            error.is_retryable = wish == "true"

    def failed(self, failure: Failure, head: Head | None = None) -> MeliousError:
        """The error for a transport failure."""
        self.policy.gate.leave(self.turn)
        error: MeliousError
        if self.until is not None and failure.timed_out and self.policy.clock() >= self.until - 0.01:
            error = DeadlineExceededError(
                f"the deadline of {self.limits.deadline:g} s passed: {failure.message}"
            )
            error.__cause__ = failure.cause
        else:
            error = failure.as_error()
        if failure.final:
            error.is_retryable = False
        error.request_id = head.request_id if head is not None else None
        return error

    def otherwise(self, error: MeliousError) -> Otherwise | None:
        """What to send instead of a request that failed, if anything.

        Raises:
            MeliousError: There is nothing left to send instead.
        """
        if self.request.otherwise is None:
            return None
        error.attempts = self.attempts
        found = self.request.otherwise(self.request, error)
        if isinstance(found, MeliousError):
            raise self.final(found)
        if found is not None:
            self._record_attempt(error)
            self.refusals += 1
            self.request = found.request
        return found

    def delay_or_raise(self, error: MeliousError, phase: Phase, *, timed_out: bool) -> float:
        """Seconds until the next attempt; raises the error where there is none."""
        now = self.policy.clock()
        spent = now - self.attempt_started
        self.malformed += is_malformed(error)
        retryable = self.tries <= self.limits.max_retries and worth_retrying(
            error,
            self.limits,
            phase,
            attempts=self.tries,
            malformed=self.malformed,
            spent=spent,
            timed_out=timed_out,
        )
        if retryable and self.request.stop is not None:
            retryable = not self.request.stop(error)
        delay = delay_before_retry(error, self.tries, self.policy.uniform) if retryable else None
        if delay is None or (self.until is not None and now + delay >= self.until):
            raise self.final(error)
        if not self.policy.budget.take(retry_cost(error)):
            error.add_note("Not retried: too many requests of this client have failed recently")
            raise self.final(error)
        self._record_attempt(error)
        return delay

    def _record_attempt(self, error: MeliousError) -> None:
        error.attempts, error.elapsed = self.attempts, self.policy.clock() - self.started
        self.history.append(Attempt(_outcome(error), error.elapsed, error.request_id))

    def final(self, error: MeliousError) -> MeliousError:
        """Complete the error that ends the call: advice, attempts, history."""
        advice = None if self.request.advise is None else self.request.advise(error)
        if advice is not None:
            error.advice = advice
        return with_history(error, self.attempts, self.policy.clock() - self.started, tuple(self.history))


def _outcome(error: MeliousError) -> str:
    status = f"{error.status_code} " if error.status_code else ""
    return f"{type(error).__name__}: {status}{error.message}"[:300]
