"""Where answers were made, checked against the countries that their requests allowed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from melious._stacklevel import callers_level
from melious.answers.reading import completion_of
from melious.answers.results import Result
from melious.errors import ResidencyError, ResidencyWarning
from melious.exchange.opened import OpenStream
from melious.impact.totals import Verification, verification
from melious.routing.residency import ResidencyRule

_SHOWN = 5
_STREAM_ADVICE = (
    'Streams of the live service do not say where they ran: `stream_impact="buffer"` asks for the whole '
    "answer, which does. What arrived is in `.answer`"
)


def verification_of(answer: Result) -> Verification | None:
    """Whether an answer was made where it may be; None if its request named no country."""
    residency = answer.meta.residency
    return None if residency is None else verification(residency.allows(_location(answer)))


def verify(answer: Result, *, streamed: bool = False) -> None:
    """Warn of, or raise for, an answer that was not made where it may be.

    Args:
        answer: A whole answer.
        streamed: It came as a stream.

    Raises:
        ResidencyError: It was not, and the request said `raise`.
    """
    residency, found = answer.meta.residency, verification_of(answer)
    if residency is None or found == "verified":
        return
    location, allowed = _location(answer), ", ".join(residency.countries)
    if found == "outside":
        message = f"the answer was made in {location}, and only {allowed} may be"
    else:
        message = f"the answer does not say where it was made, so that {allowed} cannot be verified"
    advice = _STREAM_ADVICE if streamed and found == "unverified" else None
    _complain(residency, message, answer, (location,), advice)


def verify_stream(opened: OpenStream) -> None:
    """The same for a stream that is over."""
    answer = completion_of(opened)
    try:
        verify(answer, streamed=True)
    except ResidencyError as error:
        error.partial = opened.parser.partial
        raise


def verify_batches(whole: Result, answers: Sequence[Result]) -> None:
    """The same for a call of several requests: one complaint, which names those that are meant.

    Args:
        whole: What the call gives.
        answers: The answers it is made of, in the order of its `.batches`.
    """
    meant = [
        place for place, answer in enumerate(answers) if verification_of(answer) not in (None, "verified")
    ]
    if not meant:
        return
    if len(answers) == 1:
        verify(whole)
        return
    residency = answers[meant[0]].meta.residency
    assert residency is not None  # noqa: S101 - something was found against it
    message = (
        f"{len(meant)} of {len(answers)} requests were not verified to have run in "
        f"{', '.join(residency.countries)}: {'; '.join(_named(answers, meant))}"
    )
    locations = tuple(_location(answers[place]) for place in meant)
    _complain(residency, message, whole, locations)


def _named(answers: Sequence[Result], meant: Sequence[int]) -> Iterator[str]:
    for place in meant[:_SHOWN]:
        location = _location(answers[place])
        where = "does not say where" if location is None else f"ran in {location}"
        yield f"batches[{place}] (request {answers[place].request_id}) {where}"
    if len(meant) > _SHOWN:
        yield f"and {len(meant) - _SHOWN} more"


def _location(answer: Result) -> str | None:
    return None if answer.environment_impact is None else answer.environment_impact.location


def _complain(
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
