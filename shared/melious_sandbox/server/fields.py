"""Checks of single fields of a request body, each refusing in the words of the service."""

from collections.abc import Collection, Mapping
from typing import Any

from melious.catalogue import ModelCard, find
from melious.routing.filters import split_flavor
from melious_sandbox.server.call import Call
from melious_sandbox.service.errors import SandboxError


def model_card(call: Call, name: Any, kind: str) -> ModelCard:
    """Look up the model that a request names.

    Args:
        call: The request.
        name: The ``model`` field.
        kind: The type of model that the endpoint serves.

    Raises:
        SandboxError: No model, an unknown one, one of another type, or one that is listed but not served.
    """
    if name is None or name == "":
        raise missing("model")
    if not isinstance(name, str):
        raise SandboxError("invalid_value", "'model' must be a string.", param="model")
    card = find(name)
    if card is None and call.service.upstream is not None:
        # The server behind knows its models; nothing can be said about this one.
        return ModelCard(
            id=split_flavor(name)[0],
            type=kind,
            display_name=name,
            owned_by="upstream",
            input_modalities=("text", "image", "audio"),
        )
    if card is None:
        raise SandboxError("model_not_found", f"The model '{name}' does not exist.", param="model")
    if card.type != kind:
        raise SandboxError(
            "invalid_value",
            f"The model '{card.id}' is of type '{card.type}' and does not serve this endpoint.",
            param="model",
        )
    if not card.served and call.service.upstream is None and call.service.profile.name == "live":
        raise SandboxError("provider_error")
    return card


def missing(name: str) -> SandboxError:
    """The error for a required field that is not there."""
    return SandboxError(
        "missing_field", f"The field '{name}' is required.", param=name, details={"field": name}
    )


def text(body: Mapping[str, Any], name: str, *, required: bool = False) -> str | None:
    """Read a string; required ones must not be empty."""
    value = body.get(name)
    if value is None:
        if required:
            raise missing(name)
        return None
    if not isinstance(value, str):
        raise SandboxError("invalid_value", f"'{name}' must be a string.", param=name)
    if required and not value:
        raise SandboxError("empty_input", f"'{name}' must not be empty.", param=name)
    return value


def number(body: Mapping[str, Any], name: str, low: float, high: float) -> float | None:
    """Read a number between two limits."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise SandboxError(
            "invalid_value", f"'{name}' must be a number from {low:g} to {high:g}.", param=name
        )
    return value


def integer(
    body: Mapping[str, Any], name: str, low: int, high: int | None = None, *, default: int | None = None
) -> int | None:
    """Read a whole number of at least ``low``, and at most ``high`` where that is given."""
    value = body.get(name)
    if value is None:
        return default
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= low
    if not fits or (high is not None and value > high):
        scope = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise SandboxError("invalid_value", f"'{name}' must be an integer {scope}.", param=name)
    return int(value)


def flag(body: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    """Read a boolean."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise SandboxError("invalid_value", f"'{name}' must be true or false.", param=name)
    return value


def one_of(body: Mapping[str, Any], name: str, allowed: Collection[str], default: str) -> str:
    """Read a word out of a few."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, str) or value not in allowed:
        words = ", ".join(f"'{word}'" for word in sorted(allowed))
        raise SandboxError("invalid_value", f"'{name}' must be one of {words}.", param=name)
    return value
