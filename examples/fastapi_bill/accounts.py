"""What each user has spent: a file of rows for each, from which the bill and the budget are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from melious import ImpactBudget, ImpactLedger, track_impact


class Account:
    """One user's requests; they survive a restart.

    Args:
        user: The name of the user, which is the name of the file.
        folder: Where the files are.
        max_cost_eur: What the user may spend.
    """

    def __init__(self, user: str, folder: Path, max_cost_eur: str) -> None:
        self._rows = folder / f"{user}.jsonl"
        self._rows.touch()
        # The service reports no cost for streams: the budget estimates it from whole answers.
        self.budget = ImpactBudget(max_cost_eur=max_cost_eur, on_unreported="estimate")
        for row in self.bill().rows:
            self.budget.record(row.entry)

    @contextmanager
    def charged(self) -> Iterator[None]:
        """Every request inside the block is the user's."""
        with track_impact(self.budget, rows_file=self._rows):
            yield

    def bill(self) -> ImpactLedger:
        """All requests so far; unreported costs are estimated, in separate columns."""
        return ImpactLedger.from_rows(self._rows, estimate=True)
