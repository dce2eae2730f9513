"""The line in the log for each call: what was asked, who answered, and what it cost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from melious._figures import counted
from melious.clients.outcomes import CallOutcome
from melious.errors import MeliousError
from melious.impact.totals import Entry, token_counts
from melious.impact.units import carbon, euro

logger = logging.getLogger("melious")

_MOST_SHOWN = 100


class CallLog:
    """Logs one call once it has ended.

    Args:
        stream: Whether the answer is streamed.
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, stream: bool, clock: Callable[[], float] = time.monotonic) -> None:  # noqa: FBT001
        self._stream = stream
        self._clock = clock
        self._began = clock()

    def opened(self) -> None:
        """The first chunk of a stream came."""

    def ended(self, outcome: CallOutcome) -> None:
        """The call ended."""
        logger.info("%s", call_line(outcome, self._clock() - self._began, stream=self._stream))


def call_line(outcome: CallOutcome, seconds: float, *, stream: bool = False) -> str:
    """One line on a call. It has no text of the request, the answer or the error.

    Example:
        >>> call_line(CallOutcome(Entry("chat", "glm-4.7", "eco"), {}, "req_1"), 0.25, stream=True)
        'chat glm-4.7 (eco) streamed: 250 ms; not reported: provider, tokens, cost, CO₂; id=req_1'
    """
    entry = outcome.entry
    subject = f"{entry.endpoint} {_plain(entry.model)}".rstrip()
    if entry.routing:
        subject += f" ({_plain(entry.routing)})"
    if stream:
        subject += " streamed"
    if outcome.error is not None:
        subject += f" failed with {_reason(outcome.error)}"
    facts = [f"{seconds * 1000:.0f} ms"]
    if outcome.attempts > 1:
        facts.append(f"{outcome.attempts} attempts")
    if entry.pages is not None:
        facts.append(counted(entry.pages, "page"))
    if entry.answered and entry.model:
        facts += _figures(entry)
    facts.append(f"id={_plain(outcome.request_id or '-')}")
    return f"{subject}: {'; '.join(facts)}"


def _figures(entry: Entry) -> Iterator[str]:
    """What was reported, and the names of what was not."""
    impact, cost = entry.impact, entry.cost
    place = None
    if impact is not None and impact.provider_id:
        place = _plain(impact.provider_id) + (f" in {_plain(impact.location)}" if impact.location else "")
    price = None
    if cost is not None and cost.eur is not None:
        price = euro(cost.eur)
    elif cost is not None and cost.charged is not None:
        price = f"{cost.charged:f} {_plain(cost.paid_with or '')}"
    grams = None if impact is None else impact.carbon_g_co2
    facts = {
        "provider": place,
        "tokens": _tokens(entry),
        "cost": price,
        "CO₂": None if grams is None else carbon(grams),
    }
    yield from (fact for fact in facts.values() if fact)
    missing = [name for name, fact in facts.items() if not fact]
    if missing:
        yield f"not reported: {', '.join(missing)}"
    if entry.simulated:
        yield "simulated"


def _tokens(entry: Entry) -> str | None:
    counts = token_counts(entry.usage or {})
    read, written = counts["input_tokens"], counts["output_tokens"]
    if read is None:
        return None if written is None else f"{counted(written, 'token')} out"
    return f"{counted(read, 'token')} in" + ("" if written is None else f", {written:,} out")


def _reason(error: BaseException) -> str:
    """The class of an error and the service's code; not its text, which may repeat what was sent."""
    facts = [error.status_code, error.code] if isinstance(error, MeliousError) else []
    said = " ".join(str(fact) for fact in facts if fact)
    return f"{type(error).__name__} ({_plain(said)})" if said else type(error).__name__


def _plain(text: str) -> str:
    """A text from outside, on one line and of bounded length."""
    return "".join(char if char.isprintable() else "�" for char in text[:_MOST_SHOWN])
