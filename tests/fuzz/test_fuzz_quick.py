"""A few hundred odd inputs for every target: the same ones each time. `make fuzz` tries more."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from . import adapters, parsers, sandbox
from .kit import Outcome, Until, mutated, place_of, run, times

INPUTS = 300
TARGETS = [*parsers.TARGETS, *adapters.TARGETS, *sandbox.TARGETS]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
def test_nothing_escapes(target: Callable[[int, Until], Outcome]) -> None:
    outcome = target(20, times(INPUTS))
    assert (outcome.inputs, outcome.escapes) == (INPUTS, [])


def test_what_escapes_is_told_once_and_can_be_made_again() -> None:
    def attempt(chance: Random) -> None:
        if chance.random() < 0.5:
            raise KeyError("odd")

    outcome = run("broken", 1, times(50), attempt)
    assert 10 < len(outcome.escapes) < 40
    assert len({place_of(line) for line in outcome.escapes}) == 1
    assert outcome == run("broken", 1, times(50), attempt)
    first = outcome.escapes[0]
    assert first.startswith("KeyError at test_fuzz_quick.py:")
    with pytest.raises(KeyError):
        attempt(Random(first.rpartition("seed ")[2].rstrip(")")))


def test_the_mutator_changes_a_copy() -> None:
    sample = {"a": [1, {"b": "c"}]}
    made = [mutated(Random(seed), sample) for seed in range(50)]
    assert sample == {"a": [1, {"b": "c"}]}
    assert sum(one != sample for one in made) > 25
