"""Copying, comparing and pickling of settings: clients are not copied, derived values are recomputed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, PrivateAttr

from langchain_melious.errors import langchain_errors
from melious.settings.config import reject_unknown
from melious.settings.fields import regular_options
from melious.settings.keys import hide_key
from melious.settings.options import OPTION

_NOT_PICKLED = ("http_client", "async_http_client")
_SHARED_BY_COPIES = (*_NOT_PICKLED, "verify")


class Copies(BaseModel):
    """Settings whose copies create their own clients; pickles leave out injected HTTP clients."""

    _clients: dict[str, tuple[dict[str, Any], Any]] = PrivateAttr(default_factory=dict)

    def __setattr__(self, name: str, value: Any) -> None:
        """Change a setting; a wrong value of an option is an error, as in the constructor."""
        changed = {name: value}
        hide_key(changed)
        if name in OPTION:
            with langchain_errors:
                changed = regular_options(changed)
        super().__setattr__(name, changed[name])
        self.__dict__.pop("_serialized", None)  # LangChain's copy of the arguments, for caches and traces

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Make a copy with some settings changed.

        Raises:
            InvalidArgumentError: A name in `update` is unknown, or the value of an option is wrong.
        """
        changes = dict(update or {})
        with langchain_errors:
            reject_unknown(changes, type(self).model_fields, type(self).__name__)
        copied = super().model_copy(deep=deep)
        for name, value in changes.items():
            setattr(copied, name, value)
        return copied

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        fields = {**state["__dict__"], **dict.fromkeys(_NOT_PICKLED)}
        private = {**(state["__pydantic_private__"] or {}), "_clients": {}}
        return {**state, "__dict__": fields, "__pydantic_private__": private}

    def __eq__(self, other: object) -> bool:
        """Whether all settings are equal; whether either was used already does not matter."""
        return type(other) is type(self) and all(
            getattr(self, name) == getattr(other, name) for name in type(self).model_fields
        )

    __hash__ = None  # type: ignore[assignment]  # it is mutable

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied._clients = {}  # noqa: SLF001 - its own class
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        memo = {} if memo is None else memo
        memo[id(self._clients)] = {}
        for name in _SHARED_BY_COPIES:
            shared = getattr(self, name)
            if shared is not None:
                memo[id(shared)] = shared
        return super().__deepcopy__(memo)
