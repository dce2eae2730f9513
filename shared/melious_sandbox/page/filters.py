"""Which requests the page is asked to show."""

import re
from dataclasses import dataclass
from html import escape, unescape
from typing import get_args
from urllib.parse import parse_qsl

from melious_sandbox.page.rows import outcome_of
from melious_sandbox.service.faults import Endpoint
from melious_sandbox.service.records import RecordedRequest

ENDPOINTS: tuple[str, ...] = get_args(Endpoint)
OUTCOMES = ("done", "refused", "broken off", "in progress")


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that a request must meet; an empty one is met by all."""

    endpoint: str = ""
    outcome: str = ""
    text: str = ""

    @classmethod
    def of(cls, query: str) -> "Filter":
        """Read a query string; what it does not understand does not limit."""
        given = dict(parse_qsl(query))
        endpoint, outcome = given.get("endpoint", ""), given.get("outcome", "")
        return cls(
            endpoint if endpoint in ENDPOINTS else "",
            outcome if outcome in OUTCOMES else "",
            given.get("text", "").strip()[:200],
        )

    @property
    def limits(self) -> bool:
        """Whether there is any condition."""
        return self != Filter()

    def may_show(self, request: RecordedRequest) -> bool:
        """Whether a request meets the conditions on endpoint and outcome."""
        return self.endpoint in ("", request.endpoint) and self.outcome in ("", outcome_of(request))

    def is_in(self, row: str) -> bool:
        """Whether the text stands in a row, as a reader sees it."""
        return not self.text or self.text.casefold() in unescape(re.sub(r"<[^>]*>", " ", row)).casefold()

    def fields(self) -> dict[str, str]:
        """Give the form's parts with what is chosen, for the template."""
        return {
            "endpoints": _options("All endpoints", ENDPOINTS, self.endpoint),
            "outcomes": _options("All outcomes", OUTCOMES, self.outcome),
            "text": escape(self.text),
        }


def _options(every: str, words: tuple[str, ...], chosen: str) -> str:
    return f'<option value="">{every}</option>' + "".join(
        f"<option{' selected' if word == chosen else ''}>{word}</option>" for word in words
    )
