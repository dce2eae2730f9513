"""The requests of a job in the budgets: all or none, and those not submitted are given back."""

from __future__ import annotations

from collections.abc import Sequence

from melious.endpoints.batches import is_open
from melious.endpoints.common import budgets_of
from melious.errors import MeliousError
from melious.settings.config import ClientConfig


class Admission:
    """Admits the requests of a job to the active budgets.

    Args:
        config: The client's settings.
        counts: The requests of each batch that is to be made, in order.

    Raises:
        BudgetExceededError: A budget has no room for all of them.
    """

    def __init__(self, config: ClientConfig, counts: Sequence[int]) -> None:
        self._left = list(counts)
        self._budgets = budgets_of(config) if self._left else ()
        if self._budgets:
            from melious.impact.budget import admit  # noqa: PLC0415 - only needed with a budget

            admit(self._budgets, sum(self._left))

    def used(self) -> None:
        """The next batch was made."""
        del self._left[0]

    def failed(self, error: BaseException) -> None:
        """No further batch is made; the requests of one that may exist all the same stay counted."""
        if not isinstance(error, MeliousError) or is_open(error):
            del self._left[:1]
        if self._budgets and self._left:
            from melious.impact.budget import give_back  # noqa: PLC0415 - as above

            give_back(self._budgets, sum(self._left))
