"""Inputs made at random, by seed, for what reads bytes from outside: `python -m tests.fuzz`."""
