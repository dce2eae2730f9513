"""What a request asks of the service's routing."""

from __future__ import annotations

from dataclasses import dataclass

from melious.routing.residency import Residency


@dataclass(frozen=True, slots=True)
class RoutingTerms:
    """What a request asks of the routing, for whoever records it or reads its answer.

    Attributes:
        model: The model without its flavor.
        preference: The flavor, or else the preset.
        relaxed: The filters that were given up to find a provider, in order.
        residency: The countries that the answer must come from, where that is verified.
    """

    model: str = ""
    preference: str | None = None
    relaxed: tuple[str, ...] = ()
    residency: Residency | None = None


NO_TERMS = RoutingTerms()
