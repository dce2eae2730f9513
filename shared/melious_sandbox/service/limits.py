"""Who may send requests, and how many: keys, the account's rate limit, and a quirk of the live service."""

import math
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from melious_sandbox.service.errors import SandboxError

UNLIMITED = 100_000
_SCOPES = {"documents": "kit.documents", "tools": "kit.tools", "mcp": "kit.mcp", "messages": "inference.chat"}
"""The scopes that are not named after their endpoint."""
_OF_ANY_SCOPE = frozenset({"files", "batches"})
"""Endpoints that take a key with any scope of inference."""


@dataclass(frozen=True, slots=True)
class RateState:
    """What the rate-limit headers of one answer say; ``reset`` is in epoch seconds."""

    limit: int
    remaining: int
    reset: float
    allowed: bool = True

    @property
    def retry_after(self) -> int:
        """Whole seconds until the window closes, at least one."""
        return max(1, math.ceil(self.reset - time.time()))


class RateLimiter:
    """Counts the account's requests in a window of so many seconds that opens with its first request."""

    def __init__(self, limit: int = UNLIMITED, window: float = 60.0) -> None:
        self._limit = limit
        self._window = window
        self._lock = threading.Lock()
        self._used = 0
        self._reset = 0.0

    def take(self) -> RateState:
        """Count one request and say whether it fits."""
        return self._state(1)

    def peek(self) -> RateState:
        """Say where the window stands without counting a request."""
        return self._state(0)

    def reset(self) -> None:
        """Forget everything that was counted."""
        with self._lock:
            self._used, self._reset = 0, 0.0

    def _state(self, requests: int) -> RateState:
        now = time.time()
        with self._lock:
            if now >= self._reset:
                self._used, self._reset = 0, now + self._window
            allowed = self._used + requests <= self._limit
            if allowed:
                self._used += requests
            return RateState(self._limit, self._limit - self._used, self._reset, allowed)


class OverlapRefusals:
    """Refuses every second chat request that overlaps with another, as the live service may."""

    def __init__(self, *, refuses: bool) -> None:
        self._refuses = refuses
        self._in_flight = 0
        self._overlapping = 0

    @contextmanager
    def in_flight(self, endpoint: str) -> Iterator[None]:
        """Count a chat request until its answer has ended."""
        counts = endpoint == "chat"
        self._in_flight += counts
        try:
            yield
        finally:
            self._in_flight -= counts

    def check(self) -> None:
        """Refuse a request that overlaps with another, unless the last such one was refused."""
        if not self._refuses or self._in_flight < 2:  # noqa: PLR2004 - itself and another
            return
        self._overlapping += 1
        if self._overlapping % 2:
            raise SandboxError("malformed")

    def reset(self) -> None:
        """Let the next request that overlaps be refused."""
        self._overlapping = 0


class KeyRing:
    """The keys that the sandbox knows: the main key, and further ones with their scopes.

    A scope is ``*``, ``inference.*``, ``kit.*`` or one endpoint, as ``inference.chat`` or ``kit.documents``.
    A key without scopes may do everything, as with the oldest keys of the service.
    """

    def __init__(self, api_key: str, keys: Mapping[str, Iterable[str]]) -> None:
        self._scopes = {key: frozenset(scopes) for key, scopes in {api_key: (), **keys}.items()}

    def check(self, headers: Mapping[str, str], endpoint: str) -> None:
        """Check the key of a request to an endpoint."""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            key = headers.get("x-api-key", "")
        if not key.strip():
            raise SandboxError("no_key")
        scopes = self._scopes.get(key.strip())
        if scopes is None:
            raise SandboxError("auth")
        if endpoint in _OF_ANY_SCOPE and any(scope.startswith("inference.") for scope in scopes):
            return
        required = _SCOPES.get(endpoint, f"inference.{endpoint}")
        if scopes and not scopes & {"*", f"{required.partition('.')[0]}.*", required}:
            raise SandboxError(
                "scope",
                f"The API key lacks the scope '{required}', which this endpoint requires.",
                details={"required_scope": required},
            )
