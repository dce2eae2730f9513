"""Changed, copied, compared, pickled: what is not shared is left out, what was derived is made anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, PrivateAttr, SecretStr

from langchain_melious.errors import langchain_errors
from melious.settings.config import reject_unknown

_LEFT_BEHIND = ("http_client", "async_http_client")
_CARRIED_ALONG = (*_LEFT_BEHIND, "verify")


class Copies(BaseModel):
    """Settings whose copies hold no clients of others; a pickle leaves injected HTTP clients behind."""

    _clients: dict[str, tuple[dict[str, Any], Any]] = PrivateAttr(default_factory=dict)

    def __setattr__(self, name: str, value: Any) -> None:
        """Change an argument. A key stays a secret; what was made from the old value is made anew."""
        super().__setattr__(name, SecretStr(value) if name == "api_key" and isinstance(value, str) else value)
        self.__dict__.pop("_serialized", None)  # LangChain's memory of the arguments: keys of caches, traces

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Make a copy, with other values for some of the arguments.

        Raises:
            InvalidArgumentError: There is no such argument.
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
        fields = {**state["__dict__"], **dict.fromkeys(_LEFT_BEHIND)}
        private = {**(state["__pydantic_private__"] or {}), "_clients": {}}
        return {**state, "__dict__": fields, "__pydantic_private__": private}

    def __eq__(self, other: object) -> bool:
        """Whether the arguments are the same; whether one of the two has been used does not matter."""
        return type(other) is type(self) and all(
            getattr(self, name) == getattr(other, name) for name in type(self).model_fields
        )

    __hash__ = None  # type: ignore[assignment]  # its fields can change

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied._clients = {}  # noqa: SLF001 - its own class
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        memo = {} if memo is None else memo
        memo[id(self._clients)] = {}
        for name in _CARRIED_ALONG:
            shared = getattr(self, name)
            if shared is not None:
                memo[id(shared)] = shared
        return super().__deepcopy__(memo)
