"""Which countries answers may come from, and what to do about other answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

from melious.errors import InvalidArgumentError
from melious.errors.checks import check_one_of

VerifyLocation: TypeAlias = Literal["off", "warn", "raise"]
"""What to do about an answer from outside `filters.countries`, or without a location."""


class ResidencyRule(NamedTuple):
    """The countries that a request allows, and what to do about other answers.

    Attributes:
        mode: `warn` or `raise`.
        countries: ISO 3166 alpha-2 codes, as the caller wrote them.

    Examples:
        >>> residency = ResidencyRule("raise", ("DE", "fr"))
        >>> residency.allows("FR"), residency.allows("IT"), residency.allows(None)
        (True, False, None)
    """

    mode: VerifyLocation
    countries: tuple[str, ...]

    @classmethod
    def of(cls, mode: object, filters: object) -> ResidencyRule | None:
        """The rule for a request with these filters; None if there is nothing to verify.

        Raises:
            InvalidArgumentError: The mode is unknown.
        """
        check_mode(mode)
        countries = filters.get("countries") if isinstance(filters, Mapping) else None
        if isinstance(countries, str):
            countries = [countries]
        if mode == "off" or not isinstance(countries, Sequence):
            return None
        named = tuple(country for country in countries if isinstance(country, str))
        return cls(mode, named) if named else None  # type: ignore[arg-type]  # it is a known word by now

    def allows(self, location: str | None) -> bool | None:
        """Whether a location is one of the countries; None if it is unknown."""
        if location is None:
            return None
        return location.strip().upper() in {country.strip().upper() for country in self.countries}


def check_mode(mode: object) -> None:
    """Check a mode.

    Raises:
        InvalidArgumentError: It is unknown.
    """
    check_one_of("verify_location", mode, get_args(VerifyLocation))


def check_verifiable(mode: object, filters: object) -> None:
    """Check that filters name countries, unless the mode is `off`.

    Raises:
        InvalidArgumentError: They do not, or the mode is unknown.
    """
    check_mode(mode)
    if mode != "off" and ResidencyRule.of(mode, filters) is None:
        raise InvalidArgumentError(
            f"verify_location: {mode!r} needs countries to check answers against; give them as "
            "filters={'countries': [...]}, or turn it off with verify_location='off'"
        )
