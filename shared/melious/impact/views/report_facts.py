"""What every report says of its figures, and what its pages need of a report."""

from __future__ import annotations

from typing import Protocol

from melious.impact.periods import Period
from melious.impact.sums import Sums
from melious.impact.totals import Totals
from melious.impact.views.sci import SCI

SCOPE = "Scope 3, category 1 (purchased goods and services)"
ACCOUNTING = "location-based"
METHOD = (
    "The service calls its figures estimates. Energy is the tokens in and out times the measured energy of "
    "the model per token at the provider, times the overhead of the data centre (PUE).",
    "CO₂ is energy times the carbon intensity of the grid: the national average of that hour by Electricity "
    "Maps. It is location-based; contracts for renewable electricity do not change it.",
    "Water is energy times a factor of the provider for its cooling water.",
    "Embodied emissions, such as those of making hardware, are not part of the figures.",
    "Cost is what the service billed, in euro, where it reported it.",
    "Only what the service reported is summed. What it did not report is missing, not zero; each table says "
    "how many requests reported CO₂.",
    "Months begin and end in UTC, and a request counts when it ended.",
)


class ReportLike(Protocol):
    """A report, as its pages read it."""

    @property
    def title(self) -> str:
        """Its heading."""

    @property
    def period(self) -> Period:
        """The period."""

    @property
    def sums(self) -> Sums:
        """The sums of the period."""

    @property
    def total(self) -> Totals:
        """The sums over all requests of the period."""

    @property
    def sci(self) -> SCI:
        """The Software Carbon Intensity."""

    @property
    def notes(self) -> list[str]:
        """What is simulated, missing or estimated."""

    def tables(self) -> dict[str, dict[str | None, Totals]]:
        """The sums by dimension."""
