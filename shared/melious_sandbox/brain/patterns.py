"""A string for a regular expression: what JSON schemas use of them, read from left to right."""

import re

__all__ = ["matching"]

_COMMON = "aA10 bB-_./@#9zZ"
_CLASS_ESCAPES = frozenset("dDwWsS")
_CONTROL = {"n": "\n", "t": "\t", "r": "\r"}
_QUANTIFIER = re.compile(r"\*|\+|\?|\{(\d+)(?:,\d*)?\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")


def matching(pattern: str) -> str:
    """A short string that ``pattern`` finds, as far as its grammar is plain.

    Alternatives give their first branch, classes their first common character, repeats their least number,
    and one where none is needed. Look-arounds and back-references give nothing.

    >>> matching("^[A-Z]{2}-[0-9]+(?:/(a|b))?$")
    'AA-1/a'
    """
    return _Reader(pattern).alternatives()


class _Reader:
    """Goes through a pattern once."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def alternatives(self) -> str:
        first = self._sequence()
        while self._next("|"):
            self._sequence()
        return first

    def _next(self, text: str) -> bool:
        if self.pattern.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def _sequence(self) -> str:
        made = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            atom = self._atom()
            made.append(atom * self._times())
        return "".join(made)

    def _times(self) -> int:
        found = _QUANTIFIER.match(self.pattern, self.at)
        if found is None:
            return 1
        self.at = found.end()
        if not self._next("?"):
            self._next("+")
        return int(found.group(1)) if found.group(1) else 1

    def _atom(self) -> str:
        if self._next("("):
            return self._group()
        if (found := _CLASS.match(self.pattern, self.at)) is not None:
            self.at = found.end()
            return _first_of(found.group())
        sign = self.pattern[self.at]
        self.at += 1
        if sign == "\\" and self.at < len(self.pattern):
            self.at += 1
            return _escaped(self.pattern[self.at - 1])
        return {"^": "", "$": "", ".": "a"}.get(sign, sign)

    def _group(self) -> str:
        silent = any(self._next(mark) for mark in ("?=", "?!", "?<=", "?<!"))
        if not silent and not self._next("?:") and (named := re.match(r"\?P?<\w+>", self.pattern[self.at :])):
            self.at += named.end()
        inner = self.alternatives()
        self._next(")")
        return "" if silent else inner


def _escaped(letter: str) -> str:
    if letter in _CLASS_ESCAPES:
        return _first_of(f"\\{letter}")
    return "" if letter in "bBAZz" or letter.isdigit() else _CONTROL.get(letter, letter)


def _first_of(characters: str) -> str:
    """The first common character of a class, else any at all of it."""
    known = re.compile(characters)
    everything = (*_COMMON, *map(chr, range(33, 0x250)))
    return next((sign for sign in everything if known.fullmatch(sign)), "")
