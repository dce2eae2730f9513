"""Checks of single fields of a request body, each refusing as the service does."""

from collections.abc import Collection, Mapping
from typing import Any

from melious.catalogue import ModelCard, find
from melious.routing.filters import split_flavor
from melious_sandbox.server.context import RequestContext
from melious_sandbox.service.errors import SandboxError, empty, invalid, missing


def model_card(context: RequestContext, name: Any, kind: str) -> ModelCard:
    """Look up the model that a request names, which must be of the type ``kind`` and be served."""
    if name is None or name == "":
        raise missing("model")
    if not isinstance(name, str):
        raise invalid("model", "must be a string.")
    card = find(name)
    has_upstream = context.service.upstream is not None
    if card is None and has_upstream:
        # Only the server behind knows what this model can do.
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
        message = f"The model '{card.id}' is of type '{card.type}' and does not serve this endpoint."
        raise SandboxError("invalid_value", message, param="model")
    if not card.served and not has_upstream and context.service.profile.name == "live":
        raise SandboxError("provider_error")
    return card


def check_length(card: ModelCard, input_tokens: int, param: str, message: str) -> None:
    """Check that an input fits into the context of a model."""
    if card.context_length is not None and input_tokens > card.context_length:
        details = {"context_length": card.context_length, "input_tokens": input_tokens}
        raise SandboxError("context_length", message, param=param, details=details)


def text(body: Mapping[str, Any], name: str) -> str | None:
    """Read a string."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(name, "must be a string.")
    return value


def required_text(body: Mapping[str, Any], name: str) -> str:
    """Read a string that must be there and must not be empty."""
    value = text(body, name)
    if value is None:
        raise missing(name)
    if not value:
        raise empty(name)
    return value


def required_list(body: Mapping[str, Any], name: str) -> list[Any]:
    """Read an array that must be there and must not be empty."""
    value = body.get(name)
    if value is None:
        raise missing(name)
    if not isinstance(value, list):
        raise invalid(name, "must be an array.")
    if not value:
        raise empty(name)
    return value


def check_number(body: Mapping[str, Any], name: str, low: float, high: float) -> None:
    """Check a number between two limits."""
    value = body.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and low <= value <= high):
        raise invalid(name, f"must be a number from {low:g} to {high:g}.")


def integer(body: Mapping[str, Any], name: str, low: int, high: int | None = None) -> int | None:
    """Read a whole number of at least ``low``, and at most ``high`` where that is given."""
    value = body.get(name)
    if value is None:
        return None
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= low
    if not fits or (high is not None and value > high):
        limits = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise invalid(name, f"must be an integer {limits}.")
    return int(value)


def flag(body: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    """Read a boolean."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise invalid(name, "must be true or false.")
    return value


def one_of(body: Mapping[str, Any], name: str, allowed: Collection[str], default: str) -> str:
    """Read one of a few words."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, str) or value not in allowed:
        words = ", ".join(f"'{word}'" for word in sorted(allowed))
        raise invalid(name, f"must be one of {words}.")
    return value
