"""How components are written, for `from_dict` and for the keys of ingestion caches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_written: ContextVar[object] = ContextVar("melious_written_component", default=None)
"""The component that is being written itself, and not as a part of another one."""


class ComponentDict(dict[str, Any]):
    """What `to_dict` returns: all settings, of which its text shows only those that can change an answer.

    The text is the key of LlamaIndex's ingestion cache, so another timeout does not embed everything anew.

    Examples:
        >>> written = ComponentDict({"model": "bge-m3", "timeout": 60}, operational=frozenset({"timeout"}))
        >>> written["timeout"], str(written)
        (60, "{'model': 'bge-m3'}")
    """

    def __init__(self, settings: dict[str, Any], *, operational: frozenset[str]) -> None:
        super().__init__(settings)
        self._operational = operational

    def __repr__(self) -> str:
        return repr({name: value for name, value in self.items() if name not in self._operational})


@contextmanager
def writing(component: object) -> Iterator[None]:
    """Write a component with all its settings."""
    token = _written.set(component)
    try:
        yield
    finally:
        _written.reset(token)


def is_part(component: object) -> bool:
    """Whether a component is written as a part of another one."""
    return _written.get() is not component
