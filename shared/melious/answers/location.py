"""Where answers were made, checked against the countries that their requests allowed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from melious._stacklevel import callers_level
from melious.answers.results import Result
from melious.errors import InvalidArgumentError, ResidencyError, ResidencyWarning
from melious.exchange.opened import OpenStream

VerifyLocation: TypeAlias = Literal["off", "warn", "raise"]
"""What becomes of an answer from outside `filters.countries`, or from nobody knows where."""

Finding: TypeAlias = Literal["verified", "unverified", "outside"]

_SHOWN = 5
_STREAM_ADVICE = (
    'Streams of the live service do not say where they ran: `stream_impact="buffer"` asks for the whole '
    "answer, which does. What arrived is in `.answer`"
)


@dataclass(frozen=True, slots=True)
class Residency:
    """The countries that a request allowed, and what to do about another one.

    Attributes:
        mode: `warn` or `raise`.
        countries: ISO 3166 alpha-2 codes, as they were asked for.

    Example:
        >>> residency = Residency("raise", ("DE", "fr"))
        >>> residency.finding("FR"), residency.finding("IT"), residency.finding(None)
        ('verified', 'outside', 'unverified')
    """

    mode: VerifyLocation
    countries: tuple[str, ...]

    @classmethod
    def asked(cls, mode: object, filters: object) -> Residency | None:
        """What a request with these filters asks for; None if there is nothing to verify.

        Raises:
            InvalidArgumentError: The mode is not known.
        """
        check_mode(mode)
        countries = filters.get("countries") if isinstance(filters, Mapping) else None
        if isinstance(countries, str):
            countries = [countries]
        if mode == "off" or not isinstance(countries, Sequence):
            return None
        named = tuple(country for country in countries if isinstance(country, str))
        return cls(mode, named) if named else None  # type: ignore[arg-type]  # it is a known word by now

    def finding(self, location: str | None) -> Finding:
        """Hold a location against the countries, whatever their case."""
        if location is None:
            return "unverified"
        allowed = {country.strip().upper() for country in self.countries}
        return "verified" if location.strip().upper() in allowed else "outside"


def check_mode(mode: object) -> None:
    """Refuse what is not one of the modes.

    Raises:
        InvalidArgumentError: It is something else.
    """
    if mode not in ("off", "warn", "raise"):
        raise InvalidArgumentError(f"verify_location: must be one of 'off', 'warn', 'raise', not {mode!r}")


def check_verifiable(mode: object, filters: object) -> None:
    """Refuse a mode that checks the location where no country is named to check it against.

    Args:
        mode: Any of the modes.
        filters: Those that are sent.

    Raises:
        InvalidArgumentError: The mode is not known, or there are no countries.
    """
    check_mode(mode)
    if mode != "off" and Residency.asked(mode, filters) is None:
        raise InvalidArgumentError(
            f"verify_location: {mode!r} needs countries to check answers against; give them as "
            "filters={'countries': [...]}, or turn it off with verify_location='off'"
        )


def finding_of(answer: Result) -> Finding | None:
    """What is to be said of an answer; None if its request asked for no country."""
    residency = answer.meta.residency
    return None if residency is None else residency.finding(_location(answer))


def verify(answer: Result, *, streamed: bool = False) -> None:
    """Warn of, or raise for, an answer that was not made where it may be.

    Args:
        answer: A whole answer.
        streamed: It came as a stream.

    Raises:
        ResidencyError: It was not, and the request said `raise`.
    """
    residency, finding = answer.meta.residency, finding_of(answer)
    if residency is None or finding == "verified":
        return
    location, allowed = _location(answer), ", ".join(residency.countries)
    if finding == "outside":
        message = f"the answer was made in {location}, and only {allowed} may be"
    else:
        message = f"the answer does not say where it was made, so that {allowed} cannot be verified"
    advice = _STREAM_ADVICE if streamed and finding == "unverified" else None
    _complain(residency, message, answer, (location,), advice)


def verify_stream(opened: OpenStream) -> None:
    """The same for a stream that is over."""
    from melious.clients.streams import completion_of  # noqa: PLC0415

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
    meant = [place for place, answer in enumerate(answers) if finding_of(answer) not in (None, "verified")]
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
    residency: Residency,
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
