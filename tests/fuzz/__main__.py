"""Run every target for its share of the time, print what came of it, and fail if anything escaped."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz import adapters, parsers, sandbox
from tests.fuzz.kit import place_of

TARGETS = [*parsers.TARGETS, *adapters.TARGETS, *sandbox.TARGETS]
"""Each is called with a seed and with what says when to stop."""

_SHOWN = 10


def main() -> int:
    """The command; gives its exit code."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    options.add_argument(
        "--seed", type=int, default=time.time_ns() % 1_000_000, help="makes the same inputs again"
    )
    given = options.parse_args()
    say = sys.stdout.write
    say(f"seed {given.seed}\n{'target':<16}{'inputs':>10}{'escapes':>10}{'places':>8}\n")
    escapes: list[str] = []
    for target in TARGETS:
        end = time.monotonic() + given.seconds / len(TARGETS)
        outcome = target(given.seed, lambda end=end: time.monotonic() >= end)
        places = {place_of(line): line for line in reversed(outcome.escapes)}
        say(f"{outcome.target:<16}{outcome.inputs:>10}{len(outcome.escapes):>10}{len(places):>8}\n")
        escapes += list(places.values())[:_SHOWN]
    for line in escapes:
        say(f"  {line}\n")
    return 1 if escapes else 0


if __name__ == "__main__":
    sys.exit(main())
