"""A little of what ``python -m tests.fuzz`` does for minutes, always the same."""

from itertools import count

from fuzz.sandbox import sandbox


def test_hostile_requests_are_answered():
    asked = count()
    outcome = sandbox(10, lambda: next(asked) >= 300)
    assert outcome.inputs == 300
    assert outcome.escapes == []
