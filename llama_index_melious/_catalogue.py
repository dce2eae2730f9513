"""What models can do: what the shipped catalogue says, and else the live one, as far as it was fetched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from melious import catalogue
from melious.routing import split_flavor

if TYPE_CHECKING:
    from melious.results import Model

_live: dict[tuple[str | None, str], Mapping[str, Any]] = {}
"""What a service said of a model, by base URL and model."""


class Abilities(NamedTuple):
    """What is known of a model; None is what nobody says.

    Attributes:
        context_window: Tokens that it can read.
        calls_tools: Whether it calls tools.
        takes_video: Whether it takes videos.
    """

    context_window: int | None = None
    calls_tools: bool | None = None
    takes_video: bool | None = None

    def or_else(self, other: Abilities) -> Abilities:
        """The same, and what another one knows where this one does not."""
        return Abilities(
            self.context_window or other.context_window,
            other.calls_tools if self.calls_tools is None else self.calls_tools,
            other.takes_video if self.takes_video is None else self.takes_video,
        )


def abilities(base_url: str | None, model: str) -> Abilities:
    """What is known of a model, with or without a flavor; nothing is fetched."""
    return _shipped(model).or_else(_heard(base_url, model))


def remember(base_url: str | None, models: Iterable[Model]) -> None:
    """Keep what a service says of its models."""
    for model in models:
        if model.card:
            _live[base_url, model.id] = model.card


def is_chat_model(model: Model) -> bool:
    """Whether a model answers conversations, as far as it says what it is."""
    return model.card is None or model.card.get("type") in (None, "chat")


def _shipped(model: str) -> Abilities:
    card = catalogue.find(model)
    if card is None:
        return Abilities()
    return Abilities(card.context_length, card.supports("function_calling"), card.takes("video"))


def _heard(base_url: str | None, model: str) -> Abilities:
    meta = _live.get((base_url, model)) or _live.get((base_url, split_flavor(model)[0]))
    if meta is None:
        return Abilities()
    window, can, takes = meta.get("context_length"), meta.get("capabilities"), meta.get("input_modalities")
    return Abilities(
        window if isinstance(window, int) and window > 0 else None,
        bool(can.get("function_calling")) if isinstance(can, dict) else None,
        "video" in takes if isinstance(takes, list) else None,
    )
