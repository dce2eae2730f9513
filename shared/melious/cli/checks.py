"""The results of the doctor's checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from melious._terminal import Style


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Attributes:
        name: What was checked.
        said: The result, for people.
        facts: The same for programs.
    """

    state: ClassVar[str]
    mark: ClassVar[str]
    style: ClassVar[tuple[Style, ...]]

    name: str
    said: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The check as plain data."""
        return {"name": self.name, "state": self.state, "said": self.said, **self.facts}


class Passed(Check):
    """It works."""

    __slots__ = ()
    state = "ok"
    mark = "ok"
    style = ("green",)


class Noted(Check):
    """It may be intended, but deserves a look."""

    __slots__ = ()
    state = "note"
    mark = "note"
    style = ("yellow",)


class Failed(Check):
    """Requests will fail because of it."""

    __slots__ = ()
    state = "failed"
    mark = "FAIL"
    style = ("red", "bold")


class Skipped(Check):
    """It was not checked."""

    __slots__ = ()
    state = "skipped"
    mark = "-"
    style = ("dim",)


def milliseconds(seconds: float) -> str:
    """A duration for people."""
    return f"{seconds * 1000:.0f} ms"
