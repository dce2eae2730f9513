"""The routing that a request asks for."""

from __future__ import annotations

from typing import NamedTuple

from melious.routing.residency import ResidencyRule


class RoutingTerms(NamedTuple):
    """The routing that a request asks for, to record it and to verify its answer.

    Attributes:
        model: The model without its flavor.
        preference: The flavor, or else the preset.
        relaxed: The filters that were relaxed to find a provider, in order.
        residency: The countries that the answer must come from, if that is to be verified.
    """

    model: str = ""
    preference: str | None = None
    relaxed: tuple[str, ...] = ()
    residency: ResidencyRule | None = None


NO_TERMS = RoutingTerms()
