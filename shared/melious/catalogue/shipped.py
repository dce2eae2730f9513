"""The shipped data: one line a model in `models.json`, read at first use."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from melious._figures import known_amount
from melious.catalogue.card import ModelCard, Prices
from melious.catalogue.quirks import quirks_of
from melious.routing.filters import split_flavor

_PLAIN_FIELDS = (
    "id",
    "type",
    "display_name",
    "owned_by",
    "context_length",
    "max_output_tokens",
    "reasoning_type",
    "dimensions",
    "shortens",
    "listed",
    "served",
)


def find(model: str) -> ModelCard | None:
    """The shipped card of `model`, with or without a flavor suffix; None if it is not in the file."""
    return _cards().get(split_flavor(model)[0])


def all_models() -> tuple[ModelCard, ...]:
    """All listed models, in the order of the file."""
    return tuple(card for card in _cards().values() if card.listed)


@cache
def _cards() -> dict[str, ModelCard]:
    from importlib import resources  # noqa: PLC0415 - imported with the file

    text = resources.files(__package__ or "").joinpath("models.json").read_text(encoding="utf-8")
    return {entry["id"]: _card(entry) for entry in json.loads(text)["models"]}


def _card(entry: dict[str, Any]) -> ModelCard:
    return ModelCard(
        **{name: entry[name] for name in _PLAIN_FIELDS if name in entry},
        input_modalities=tuple(entry["input"]),
        output_modalities=tuple(entry["output"]),
        capabilities=_capabilities(entry),
        pricing=_prices(entry.get("pricing")),
        reasoning_efforts=tuple(entry.get("efforts", ())),
        refuses_images=quirks_of(entry["id"]).refuses_images,
        notes=tuple(entry.get("notes", ())),
        sources=tuple(entry["sources"]),
    )


def _capabilities(entry: dict[str, Any]) -> dict[str, bool]:
    """The flags in the file; without a flag for tools or reasoning there is neither, unless it is unknown."""
    flags = dict.fromkeys(entry["capabilities"], True)
    missing = {"function_calling", "reasoning"} - set(entry.get("unknown", ()))
    if entry["type"] == "chat" and entry.get("reasoning_type") is not None:
        missing.discard("reasoning")
    return dict.fromkeys(sorted(missing), False) | flags


def _prices(values: list[str | None] | None) -> Prices:
    input_, output, cached = (known_amount(value) for value in values or (None, None, None))
    return (input_, output, cached)
