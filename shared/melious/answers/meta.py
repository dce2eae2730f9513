"""The metadata of a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from melious.exchange.ratelimit import RateLimit
from melious.exchange.request import NO_SUMMARY, CallSummary
from melious.routing.residency import ResidencyRule


class AttachedDocument(NamedTuple):
    """A document of a message that was sent as text.

    Attributes:
        name: Its file name.
        pages: How many pages it has.
        from_cache: Whether it had been converted for an earlier call.
    """

    name: str
    pages: int
    from_cache: bool = False


@dataclass(frozen=True, slots=True)
class Meta:
    """The metadata of a result.

    Attributes:
        request_id: The service's id of the request.
        headers: The headers of the answer.
        call: What it took to get the answer.
        documents: The documents of the messages that were sent as text.
    """

    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    call: CallSummary = NO_SUMMARY
    documents: tuple[AttachedDocument, ...] = ()

    @property
    def rate_limit(self) -> RateLimit | None:
        """The account's rate limit, as the answer reported it."""
        return self.call.rate_limit

    @property
    def attempts(self) -> int:
        """How many requests it took."""
        return self.call.attempts

    @property
    def elapsed(self) -> float:
        """Seconds from the call to the whole answer."""
        return self.call.elapsed

    @property
    def relaxed(self) -> tuple[str, ...]:
        """The filters that were relaxed to find a provider, in order."""
        return self.call.routing.relaxed

    @property
    def residency(self) -> ResidencyRule | None:
        """The countries that the request allowed, if they are verified."""
        return self.call.routing.residency

    @property
    def routing(self) -> str | None:
        """The flavor, or else the preset, that the request asked for."""
        return self.call.routing.preference
