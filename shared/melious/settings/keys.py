"""The key: where it comes from, what it must be, and how it stays out of the locals of frames."""

from __future__ import annotations

import os
from typing import Any

from pydantic import Secret, SecretStr

from melious.errors import ConfigurationError

KEY_VARIABLE = "MELIOUS_API_KEY"
KEYS_PAGE = "https://melious.ai/account/api/keys"


def hidden(key: Any) -> SecretStr | Secret[Any] | None:
    """A key, or what was given for one, so that no traceback shows it as the local of a frame."""
    if key is None or isinstance(key, SecretStr | Secret):
        return key
    return SecretStr(key) if isinstance(key, str) else Secret(key)


def hide_key(arguments: Any, name: str = "api_key") -> None:
    """Hide the key among arguments, in place: the first thing that every constructor does.

    Args:
        arguments: The arguments, a dict.
        name: The argument that is the key.
    """
    if arguments.get(name) is not None:
        arguments[name] = hidden(arguments[name])


def resolve_key(api_key: str | SecretStr | Secret[Any] | None) -> str:
    """Find and check the key; it is stripped, and never part of an error nor of its frames.

    Raises:
        ConfigurationError: There is none, or it holds characters that no header can carry.
    """
    api_key = hidden(api_key)
    source = "api_key" if api_key is not None else KEY_VARIABLE
    if isinstance(api_key, Secret):
        kind = type(api_key.get_secret_value()).__name__
        raise ConfigurationError(f"api_key: needs text, not {kind}")
    found = _stripped(api_key)
    if not found:
        raise ConfigurationError(
            f"No API key: pass api_key=... or set the environment variable {KEY_VARIABLE}",
            advice=_advice(),
        )
    if not _fits_a_header(found):
        raise ConfigurationError(
            f"{source}: the key holds a line break or another character that no header carries"
        )
    return found.get_secret_value()


def _advice() -> str:
    """What to do without a key: load the `.env` that has one, or create one."""
    from melious.settings.dotenv import file_that_sets, shown  # noqa: PLC0415 - only without a key

    file = file_that_sets(KEY_VARIABLE)
    if file is None:
        return f"Create a key at {KEYS_PAGE}"
    return f"{shown(file)} sets it, but is not loaded: call load_dotenv() of the package python-dotenv first"


def _stripped(api_key: SecretStr | None) -> SecretStr:
    """The key that was given, else the environment's."""
    key = os.environ.get(KEY_VARIABLE, "") if api_key is None else api_key.get_secret_value()
    return SecretStr(key.strip())


def _fits_a_header(key: SecretStr) -> bool:
    text = key.get_secret_value()
    return text.isascii() and text.isprintable()
