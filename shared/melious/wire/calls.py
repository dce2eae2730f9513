"""The identity of tool calls: each has an id of its own, by which its result refers to it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import uuid4


def new_call_id() -> str:
    """An id for a call to which the server gave none, or that of another call."""
    return f"call_{uuid4().hex}"


def identify(calls: Iterable[Any]) -> None:
    """Give each of the calls of a whole answer an id, unique in the answer.

    Args:
        calls: Calls in the wire's form; what is not a dict is left alone.

    Examples:
        >>> calls = [{"id": "a"}, {"id": "a"}, {"id": ""}]
        >>> identify(calls)
        >>> calls[0]["id"], len({call["id"] for call in calls})
        ('a', 3)
    """
    taken: set[str] = set()
    for call in calls:
        if not isinstance(call, dict):
            continue
        given = call.get("id")
        call_id = "" if given is None or isinstance(given, bool | dict | list) else str(given)
        if not call_id.strip() or call_id in taken:
            call_id = new_call_id()
        call["id"] = call_id
        taken.add(call_id)
