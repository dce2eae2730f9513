"""What the doctor finds: a name, how it is, and what there is to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        said: What was found, for people.
        facts: The same for programs.
    """

    state: ClassVar[str]
    mark: ClassVar[str]

    name: str
    said: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The check as plain data."""
        return {"name": self.name, "state": self.state, "said": self.said, **self.facts}


class Passed(Check):
    """All is well with it."""

    __slots__ = ()
    state = "ok"
    mark = "ok"


class Noted(Check):
    """It may be as it should, and is worth a look."""

    __slots__ = ()
    state = "note"
    mark = "note"


class Failed(Check):
    """Requests will fail for it."""

    __slots__ = ()
    state = "failed"
    mark = "FAIL"


class Skipped(Check):
    """It was not looked at."""

    __slots__ = ()
    state = "skipped"
    mark = "-"
