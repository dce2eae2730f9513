"""Checks where answers were made against the countries that their requests allowed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from melious._stacklevel import callers_level
from melious.answers.reading import completion_of
from melious.answers.results import Result
from melious.errors import ResidencyError, ResidencyWarning
from melious.impact.totals import Verification, verification
from melious.routing.residency import ResidencyRule

if TYPE_CHECKING:
    from melious.exchange.opened import OpenStream

_SHOWN = 5
_STREAM_ADVICE = (
    'Streams of the live service do not report their location: `stream_impact="buffer"` requests the whole '
    "answer, which does. What arrived is in `.answer`"
)


def verification_of(answer: Result) -> Verification | None:
    """Whether an answer was made in an allowed country; None if its request named none."""
    residency = answer.meta.residency
    return None if residency is None else verification(residency.allows(_location(answer)))


def verify(answer: Result, *, streamed: bool = False) -> None:
    """Warn of an answer that is not from an allowed country, or raise `ResidencyError`."""
    residency, found = answer.meta.residency, verification_of(answer)
    if residency is None or found == "verified":
        return
    location, allowed = _location(answer), ", ".join(residency.countries)
    if found == "outside":
        message = f"the answer was made in {location}; only {allowed} is allowed"
    else:
        message = f"the answer does not report where it was made, so {allowed} cannot be verified"
    advice = _STREAM_ADVICE if streamed and found == "unverified" else None
    _warn_or_raise(residency, message, answer, (location,), advice)


def verify_stream(opened: OpenStream) -> None:
    """The same for a finished stream."""
    answer = completion_of(opened)
    try:
        verify(answer, streamed=True)
    except ResidencyError as error:
        error.partial = opened.parser.partial
        raise


def verify_batches(whole: Result, answers: Sequence[Result]) -> None:
    """The same for a call of several requests: one warning or error for all of its `.batches`."""
    found = [
        place for place, answer in enumerate(answers) if verification_of(answer) not in (None, "verified")
    ]
    if not found:
        return
    if len(answers) == 1:
        verify(whole)
        return
    residency = answers[found[0]].meta.residency
    assert residency is not None  # noqa: S101 - it was checked against
    message = (
        f"{len(found)} of {len(answers)} requests could not be verified to have run in "
        f"{', '.join(residency.countries)}: {'; '.join(_described(answers, found))}"
    )
    locations = tuple(_location(answers[place]) for place in found)
    _warn_or_raise(residency, message, whole, locations)


def _described(answers: Sequence[Result], places: Sequence[int]) -> Iterator[str]:
    for place in places[:_SHOWN]:
        location = _location(answers[place])
        where = "did not report where" if location is None else f"ran in {location}"
        yield f"batches[{place}] (request {answers[place].request_id}) {where}"
    if len(places) > _SHOWN:
        yield f"and {len(places) - _SHOWN} more"


def _location(answer: Result) -> str | None:
    return None if answer.environment_impact is None else answer.environment_impact.location


def _warn_or_raise(
    residency: ResidencyRule,
    message: str,
    answer: Any,
    locations: tuple[str | None, ...],
    advice: str | None = None,
) -> None:
    if residency.mode == "warn":
        warnings.warn(message, ResidencyWarning, stacklevel=callers_level())
        return
    error = ResidencyError(
        message,
        answer=answer,
        locations=locations,
        countries=residency.countries,
        request_id=answer.request_id,
        advice=advice,
    )
    error.attempts, error.elapsed = answer.attempts, answer.elapsed
    raise error
