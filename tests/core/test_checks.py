"""Numbers that arguments must be: the error names the argument and says what is allowed."""

import math
import re
from decimal import Decimal
from typing import Any

import pytest

from melious import InvalidArgumentError, MeliousClient
from melious._figures import known_amount, known_figure
from melious.errors.checks import check_number, check_seconds, check_whole

KEY = "sk-mel-test"


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, True, "2", None, []])
def test_a_wait_that_is_not_zero_or_a_number_of_seconds_is_refused(value: Any) -> None:
    said = f"max_rate_limit_wait: must be zero or a positive number of seconds, not {value!r}"
    with pytest.raises(InvalidArgumentError, match=f"^{re.escape(said)}$"):
        MeliousClient(api_key=KEY, max_rate_limit_wait=value)


def test_a_wait_of_zero_is_allowed() -> None:
    with MeliousClient(api_key=KEY, max_rate_limit_wait=0):
        pass


@pytest.mark.parametrize("value", [0, -0.5, math.nan, math.inf, True, "2"])
def test_seconds_are_positive(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^wait: must be a positive number of seconds, not "):
        check_seconds("wait", value)


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, False, "2", 1j])
def test_numbers_are_finite_and_not_negative(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^limit: must be a number of at least 0, not "):
        check_number("limit", value)


@pytest.mark.parametrize("value", [0, 1.0, True, "2"])
def test_whole_numbers_have_a_least_value(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^size: must be a whole number of at least 1, not "):
        check_whole("size", value, least=1)


@pytest.mark.parametrize("value", [True, None, "", "much", -1, "-0.1", math.nan, "inf", [], 10**400])
def test_what_cannot_be_a_figure_is_unknown(value: Any) -> None:
    assert known_figure(value) is None
    assert known_amount(value) is None


def test_figures_are_read_from_text_and_amounts_exactly() -> None:
    assert known_figure("0.5") == 0.5
    assert known_amount(0.1) == Decimal("0.1")
