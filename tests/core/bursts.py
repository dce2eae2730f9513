"""Many calls at once against a rate limit, by a clock that jumps from event to event: no socket, no waiting."""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from melious import MeliousError
from melious.exchange.effects import Notify, ReadBody, Send, Sleep
from melious.exchange.exchange import Policy, whole
from melious.exchange.gate import RateGate
from melious.exchange.retry import RetryBudget
from melious.wire.head import Head

from .exchanges import EPOCH, request_with

REFUSED = b'{"error": {"code": "rate_limit_exceeded", "message": "Too many requests."}}'
Headers = dict[str, str]


class Limiter(Protocol):
    """Decides on each request as it comes in."""

    def take(self, now: float) -> tuple[bool, Headers]:
        """Whether a request passes at an epoch, and what the answer's headers say."""


Say = Callable[[int, int, float, float], Headers]
"""Writes headers: from the limit, what remains, the epoch, and the epoch at which the window ends."""


def epoch_headers(limit: int, remaining: int, _now: float, end: float) -> Headers:
    """`X-RateLimit-*` with the end as an epoch in whole seconds."""
    return {
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": str(math.ceil(end)),
    }


def delta_headers(limit: int, remaining: int, now: float, end: float) -> Headers:
    """`X-RateLimit-*-Requests` with the seconds that are left, as whole ones."""
    return {
        "x-ratelimit-limit-requests": str(limit),
        "x-ratelimit-remaining-requests": str(remaining),
        "x-ratelimit-reset-requests": str(math.ceil(end - now)),
    }


def exact_headers(limit: int, remaining: int, now: float, end: float) -> Headers:
    """Seconds with fractions."""
    return {
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": f"{end - now:.4f}",
    }


def no_headers(_limit: int, _remaining: int, _now: float, _end: float) -> Headers:
    """Nothing at all."""
    return {}


@dataclass
class FixedWindow:
    """Lets some requests through in each window.

    Attributes:
        aligned: Windows begin at multiples of their length, not with their first request.
        retry_after: A refusal says how long to wait, in whole seconds.
    """

    limit: int
    window: float
    say: Say = no_headers
    aligned: bool = False
    retry_after: bool = True
    used: int = 0
    end: float = 0.0

    def take(self, now: float) -> tuple[bool, Headers]:
        if now >= self.end:
            self.used = 0
            begun = math.floor(now / self.window) * self.window if self.aligned else now
            self.end = begun + self.window
        passes = self.used < self.limit
        self.used += passes
        headers = self.say(self.limit, self.limit - self.used, now, self.end)
        if not passes and self.retry_after:
            headers["retry-after"] = str(max(1, math.ceil(self.end - now)))
        return passes, headers


@dataclass
class SlidingWindow:
    """Lets some requests through in any span of time of a length."""

    limit: int
    window: float
    say: Say = no_headers
    retry_after: bool = True
    passed: deque[float] = field(default_factory=deque)

    def take(self, now: float) -> tuple[bool, Headers]:
        while self.passed and now >= self.passed[0] + self.window:
            self.passed.popleft()
        passes = len(self.passed) < self.limit
        if passes:
            self.passed.append(now)
        end = self.passed[0] + self.window
        headers = self.say(self.limit, self.limit - len(self.passed), now, end)
        if not passes and self.retry_after:
            headers["retry-after"] = str(max(1, math.ceil(end - now)))
        return passes, headers


@dataclass
class TokenBucket:
    """Lets as many through as it holds tokens; it says when the next one is there."""

    limit: int
    per_second: float
    say: Say = exact_headers
    retry_after: bool = False
    tokens: float = math.inf
    at: float = 0.0

    def take(self, now: float) -> tuple[bool, Headers]:
        self.tokens = min(self.limit, self.tokens + (now - self.at) * self.per_second)
        self.at = now
        passes = self.tokens >= 1.0
        self.tokens -= passes
        next_one = now + max(0.0, (1.0 - self.tokens) / self.per_second)
        headers = self.say(self.limit, int(self.tokens), now, next_one)
        if not passes and self.retry_after:
            headers["retry-after"] = str(max(1, math.ceil(next_one - now)))
        return passes, headers


@dataclass
class Unlimited:
    """Refuses nobody."""

    def take(self, _now: float) -> tuple[bool, Headers]:
        return True, {}


@dataclass
class Network:
    """How long things take, in seconds, and how many connections there are."""

    travel: float = 0.002
    refusal: float = 0.001
    answer: float = 0.005
    connections: int = 256
    each_send: float = 0.0003


@dataclass
class Outcome:
    """What became of a burst."""

    lost: list[MeliousError] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    arrivals: list[tuple[float, bool]] = field(default_factory=list)
    """The moments at which requests came to the server, from the start, and whether they passed."""
    asked: int = 0
    """How often a caller waited."""
    seconds: float = 0.0


class Burst:
    """A number of calls that begin together and share a gate and a budget."""

    def __init__(
        self,
        limiter: Limiter,
        network: Network | None = None,
        *,
        seed: int = 1,
        gate: RateGate | None = None,
        start: float = 1000.0,
        **policy: Any,
    ) -> None:
        self.now = start
        self.limiter, self.network = limiter, network or Network()
        self.random = random.Random(seed)
        self.gate = gate or RateGate(self.random.uniform)
        self.policy = Policy(
            self.gate,
            RetryBudget(),
            clock=lambda: self.now,
            wall_clock=self.epoch,
            uniform=self.random.uniform,
            **policy,
        )
        self._events: list[tuple[float, int, Iterator[float | None]]] = []
        self._order = itertools.count()
        self._free = self.network.connections
        self._queue: deque[Iterator[float | None]] = deque()
        self._cpu = start
        self.outcome = Outcome()

    def epoch(self) -> float:
        """The wall clock."""
        return EPOCH + self.now - 1000.0

    def run(self, callers: int, **request: Any) -> Outcome:
        """Begin so many calls now, and go on until all are over."""
        started = self.now
        self.outcome = Outcome()
        for _ in range(callers):
            self._at(self.now, self._call(started, request))
        while self._events:
            self.now, _, call = heapq.heappop(self._events)
            for moment in call:
                if moment is not None:
                    self._at(moment, call)
                else:
                    self._queue.append(call)
                break
        self.outcome.seconds = self.now - started
        return self.outcome

    def _at(self, moment: float, thread: Iterator[float | None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), thread))

    def _call(self, started: float, changes: dict[str, Any]) -> Iterator[float | None]:
        """One call; yields the moment at which it goes on, or None to wait for a connection."""
        plan = whole(request_with(**changes), self.policy)
        sent, given, network = 0, None, self.network
        while True:
            try:
                effect = plan.send(given)
            except StopIteration:
                break
            except MeliousError as error:
                self.outcome.lost.append(error)
                break
            given = None
            if isinstance(effect, Sleep):
                self.outcome.asked += 1
                yield self.now + effect.seconds
            elif isinstance(effect, Send):
                sent += 1
                if not self._free:
                    yield None
                self._free -= 1
                # One processor sends them one after the other.
                self._cpu = max(self.now, self._cpu) + network.each_send
                yield self._cpu + network.travel
                passes, headers = self.limiter.take(self.epoch())
                self.outcome.arrivals.append((self.now - started, passes))
                takes = network.answer if passes else network.refusal
                yield self.now + takes * self.random.uniform(0.8, 1.2) + network.travel
                given, body = Head(200 if passes else 429, headers), b"{}" if passes else REFUSED
            elif isinstance(effect, ReadBody):
                given = body
                self._free += 1
                if self._queue:
                    self._at(self.now, self._queue.popleft())
            else:
                assert isinstance(effect, Notify)
        self.outcome.requests.append(sent)
