"""What each model can do: shipped data, one line a model in ``models.json``.

The catalogue answers without a request: which endpoint a model belongs to, what it takes and gives, its
limits and its prices. ``MeliousClient.models.list(include_meta=True)`` is the fresher source where a network
is there. A fact nobody published is ``None``, never a guess.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from melious.routing import split_flavor

__all__ = ["ModelCard", "all_models", "find"]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model of the catalogue.

    Attributes:
        id: The name a request gives, without a flavor suffix.
        type: ``chat``, ``embeddings``, ``rerank``, ``image`` or ``audio``; the service may add words.
        display_name: The name a person reads.
        owned_by: The lab that made the model.
        context_length: Tokens the weights can read, or None where nobody says.
        max_output_tokens: Tokens one answer may have, or None where nobody says.
        input_modalities: ``text``, ``image``, ``audio``, ``video``.
        output_modalities: ``text`` or ``image``; empty for embeddings and rerank.
        capabilities: Flags by name. A key that does not apply is absent.
        reasoning_type: ``reasoning`` (always thinks), ``hybrid`` (can be told not to), None (does not think).
        pricing: EUR per million tokens for input, output and cache reads, each None where unknown.
        dimensions: Length of a vector, for embeddings.
        shortens: Whether an embeddings model takes ``dimensions``.
        listed: Whether ``GET /models`` shows it; an unlisted one is an alias that requests may still name.
        served: Whether requests reach a provider; the live list holds names that none serves.
        sources: Keys of the ``sources`` table in ``models.json``.

    Example:
        >>> from melious.catalogue import find
        >>> card = find("glm-4.7:eco")
        >>> card.id, card.context_length, card.supports("function_calling"), card.takes("image")
        ('glm-4.7', 131072, True, False)
    """

    id: str
    type: str
    display_name: str
    owned_by: str
    context_length: int | None = None
    max_output_tokens: int | None = None
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ()
    capabilities: Mapping[str, bool] = field(default_factory=dict, hash=False)
    reasoning_type: str | None = None
    pricing: tuple[Decimal | None, Decimal | None, Decimal | None] = (None, None, None)
    dimensions: int | None = None
    shortens: bool = False
    listed: bool = True
    served: bool = True
    sources: tuple[str, ...] = ()

    def takes(self, modality: str) -> bool:
        """Whether a request may carry ``modality`` (``text``, ``image``, ``audio``, ``video``).

        The service tells images and audio in two places, and either one counts.
        """
        flags = {"image": ("vision",), "audio": ("audio_input", "supports_audio")}.get(modality, ())
        return modality in self.input_modalities or any(self.supports(flag) for flag in flags)

    def supports(self, capability: str) -> bool:
        """Whether the flag ``capability`` is set, e.g. ``function_calling`` or ``json_schema``."""
        return bool(self.capabilities.get(capability, False))

    @property
    def reasons(self) -> bool:
        """Whether the model thinks before it answers: by its flag or by its type, as some carry only one."""
        return self.reasoning_type is not None or self.supports("reasoning")

    def to_meta(self) -> dict[str, Any]:
        """The ``_meta`` object of ``GET /models?include_meta=true``. Unknown facts are absent."""
        meta: dict[str, Any] = {
            "type": self.type,
            "display_name": self.display_name,
            "input_modalities": list(self.input_modalities),
            "output_modalities": list(self.output_modalities),
            "capabilities": dict(self.capabilities),
        }
        if self.context_length is not None:
            meta["context_length"] = self.context_length
        if self.type == "chat":
            meta["max_output_tokens"] = self.max_output_tokens
        if self.reasoning_type is not None:
            meta["reasoning_type"] = self.reasoning_type
        prices = {
            f"{kind}_cost_per_million_eur": float(price)
            for kind, price in zip(("input", "output", "cache_read"), self.pricing, strict=True)
            if price is not None
        }
        if prices:
            meta["pricing"] = prices | {"currency": "EUR"}
        return meta


def find(model: str) -> ModelCard | None:
    """The card of ``model``, with or without a flavor suffix; None when the catalogue does not know it."""
    return _cards().get(split_flavor(model)[0])


def all_models() -> tuple[ModelCard, ...]:
    """Every listed model, in the order of the file."""
    return tuple(card for card in _cards().values() if card.listed)


@cache
def _cards() -> dict[str, ModelCard]:
    text = resources.files(__name__).joinpath("models.json").read_text(encoding="utf-8")
    return {entry["id"]: _card(entry) for entry in json.loads(text)["models"]}


def _card(entry: dict[str, Any]) -> ModelCard:
    return ModelCard(
        **{name: entry[name] for name in _PLAIN_FIELDS if name in entry},
        input_modalities=tuple(entry["input"]),
        output_modalities=tuple(entry["output"]),
        capabilities=dict.fromkeys(entry["capabilities"], True),
        pricing=_prices(entry.get("pricing")),
        sources=tuple(entry["sources"]),
    )


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


def _prices(values: list[str | None] | None) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    if values is None:
        return (None, None, None)
    given, answered, cached = (None if value is None else Decimal(value) for value in values)
    return (given, answered, cached)
