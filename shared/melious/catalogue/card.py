"""One model of the catalogue, and how it is read from the `_meta` object of a service."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from melious._figures import known_amount

Prices = tuple[Decimal | None, Decimal | None, Decimal | None]

OTHER_WORDS = {
    "embedding": "embeddings",
    "images": "image",
    "reranker": "rerank",
    "speech": "audio",
    "transcription": "audio",
}
"""Other words for a model's type that appear in lists."""

_PRICES = ("input", "output", "cache_read")
_NO_REASONING = frozenset({"none", "non_reasoning", "non-reasoning"})
_WORTHLESS_OWNERS = frozenset({None, "", "melious"})
"""Lists may name the service itself instead of the lab."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model of the catalogue. An unpublished fact is None, never a guess.

    Attributes:
        id: The model's name in requests, without a flavor suffix.
        type: `chat`, `embeddings`, `rerank`, `image` or `audio`; the service may add words.
        display_name: The name for people.
        owned_by: The lab that made the model, if known.
        context_length: Tokens that the model can read; a provider may take fewer.
        max_output_tokens: Tokens that one answer may have.
        input_modalities: `text`, `image`, `audio`, `video`; empty if unknown.
        output_modalities: `text` or `image`; empty for embeddings and rerank.
        capabilities: Flags by name; an absent one is unknown.
        reasoning_type: `reasoning` (always reasons), `hybrid` (can be switched off), None (does
            not reason, or unknown).
        pricing: EUR per million tokens for input, output and cache reads.
        dimensions: Length of a vector, for embeddings.
        shortens: Whether an embeddings model takes `dimensions`.
        listed: Whether `GET /models` shows it; an unlisted one is an alias that requests may name.
        served: False for a listed model that no provider serves. True is no guarantee.
        reasoning_efforts: Values of `reasoning_effort` that it was measured to take; empty if unknown.
        refuses_images: Whether it refused images although the list says that it takes them.
        notes: Where sources disagree, and what callers measured.
        sources: Where the shipped facts come from: keys of the `sources` table in `models.json`.

    Examples:
        >>> from melious.catalogue import find
        >>> card = find("glm-4.7:eco")
        >>> card.id, card.context_length, card.tools, card.vision, card.input_cost
        ('glm-4.7', 131072, True, False, Decimal('0.8'))
    """

    id: str
    type: str | None
    display_name: str
    owned_by: str | None
    context_length: int | None = None
    max_output_tokens: int | None = None
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ()
    capabilities: Mapping[str, bool] = field(default_factory=dict, hash=False)
    reasoning_type: str | None = None
    pricing: Prices = (None, None, None)
    dimensions: int | None = None
    shortens: bool = False
    listed: bool = True
    served: bool = True
    reasoning_efforts: tuple[str, ...] = ()
    refuses_images: bool = False
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def takes(self, modality: str) -> bool:
        """Whether its list says that it takes `modality` (`text`, `image`, `audio`, `video`)."""
        flags = {"image": ("vision",), "audio": ("audio_input", "supports_audio")}.get(modality, ())
        return modality in self.input_modalities or any(self.supports(flag) for flag in flags)

    def supports(self, capability: str) -> bool:
        """Whether the flag `capability` is set, e.g. `function_calling` or `json_schema`."""
        return bool(self.capabilities.get(capability, False))

    @property
    def vision(self) -> bool | None:
        """Whether it takes images, by modality or by flag: few models carry the flag.

        None if it refused images although the list says that it takes them.
        """
        if self.takes("image"):
            return None if self.refuses_images else True
        return False if self.input_modalities else self.capabilities.get("vision")

    @property
    def tools(self) -> bool | None:
        """Whether it calls tools."""
        return self.capabilities.get("function_calling")

    @property
    def reasoning(self) -> bool | None:
        """Whether it reasons before it answers, by flag or by type: some models carry only one."""
        return True if self.reasoning_type is not None else self.capabilities.get("reasoning")

    @property
    def reasons(self) -> bool:
        """Whether it is known to reason before it answers."""
        return bool(self.reasoning)

    @property
    def input_cost(self) -> Decimal | None:
        """EUR per million tokens read."""
        return self.pricing[0]

    @property
    def output_cost(self) -> Decimal | None:
        """EUR per million tokens written."""
        return self.pricing[1]

    @property
    def cache_read_cost(self) -> Decimal | None:
        """EUR per million tokens read from the provider's prefix cache."""
        return self.pricing[2]

    def to_meta(self) -> dict[str, Any]:
        """The `_meta` object of `GET /models?include_meta=true`, without unknown facts."""
        meta: dict[str, Any] = {
            "type": self.type,
            "display_name": self.display_name,
            "input_modalities": list(self.input_modalities),
            "output_modalities": list(self.output_modalities),
            "capabilities": {name: True for name, has in self.capabilities.items() if has},
        }
        if self.context_length is not None:
            meta["context_length"] = self.context_length
        if self.type == "chat":
            meta["max_output_tokens"] = self.max_output_tokens
        if self.reasoning_type is not None:
            meta["reasoning_type"] = self.reasoning_type
        prices = {
            f"{kind}_cost_per_million_eur": float(price)
            for kind, price in zip(_PRICES, self.pricing, strict=True)
            if price is not None
        }
        if prices:
            meta["pricing"] = prices | {"currency": "EUR"}
        return meta

    def to_dict(self) -> dict[str, Any]:
        """The card as plain data for JSON: prices as decimal strings, unknown facts as null."""
        costs = (None if price is None else format(price, "f") for price in self.pricing)
        return {
            "id": self.id,
            "type": self.type,
            "display_name": self.display_name,
            "owned_by": self.owned_by,
            "context_length": self.context_length,
            "max_output_tokens": self.max_output_tokens,
            "input_modalities": list(self.input_modalities),
            "output_modalities": list(self.output_modalities),
            "vision": self.vision,
            "tools": self.tools,
            "reasoning": self.reasoning,
            "capabilities": dict(self.capabilities),
            "reasoning_type": self.reasoning_type,
            "reasoning_efforts": list(self.reasoning_efforts),
            "refuses_images": self.refuses_images,
            **dict(zip((f"{kind}_cost" for kind in _PRICES), costs, strict=True)),
            "dimensions": self.dimensions,
            "notes": list(self.notes),
        }


def card_of(
    model: str, owned_by: str | None, meta: Mapping[str, Any] | None, known: ModelCard | None
) -> ModelCard:
    """Overlay what a service reports of a model on its shipped card.

    Where the service reports nothing readable, the shipped facts stay: a flag missing from a live
    model does not remove an ability.

    Args:
        model: The model's id.
        owned_by: The owner in the service's list.
        meta: The `_meta` object, if any.
        known: The shipped card, if any.

    Examples:
        >>> meta = {"type": "embedding", "pricing": {"input_cost_per_million_eur": "0.02"}}
        >>> card = card_of("new-model", None, meta, None)
        >>> card.type, card.input_cost, card.output_cost, card.vision, card.context_length
        ('embeddings', Decimal('0.02'), None, None, None)
    """
    base = known or ModelCard(id=model, type=None, display_name=model, owned_by=None, input_modalities=())
    meta = meta or {}
    kind = _text(meta.get("type"))
    thinking = _text(meta.get("reasoning_type"))
    capabilities = _flags(meta.get("capabilities"))
    if thinking in _NO_REASONING:
        thinking, capabilities["reasoning"] = None, False
    elif capabilities.get("reasoning") is not False:
        thinking = thinking or base.reasoning_type
    return replace(
        base,
        type=OTHER_WORDS.get(kind, kind) if kind else base.type,
        display_name=_text(meta.get("display_name")) or base.display_name,
        owned_by=base.owned_by if owned_by in _WORTHLESS_OWNERS and base.owned_by else _text(owned_by),
        context_length=_count(meta.get("context_length")) or base.context_length,
        max_output_tokens=_count(meta.get("max_output_tokens")) or base.max_output_tokens,
        input_modalities=_words(meta.get("input_modalities")) or base.input_modalities,
        output_modalities=_words(meta.get("output_modalities")) or base.output_modalities,
        capabilities={**base.capabilities, **capabilities},
        reasoning_type=thinking,
        pricing=_prices(meta.get("pricing"), base.pricing),
        listed=True,
    )


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    """A number of tokens; None for zero, null and text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 1 <= value < math.inf else None


def _words(value: Any) -> tuple[str, ...]:
    return tuple(word for word in value if isinstance(word, str)) if isinstance(value, list) else ()


def _flags(value: Any) -> dict[str, bool]:
    """The reported flags. If any is reported, a missing flag for tools means that there are none.

    A missing flag for reasoning or vision says nothing: lists omit both on models that have them.
    """
    if not isinstance(value, Mapping):
        return {}
    flags = {name: flag for name, flag in value.items() if isinstance(name, str) and isinstance(flag, bool)}
    return {"function_calling": False, **flags} if flags else {}


def _prices(value: Any, base: Prices) -> Prices:
    if not isinstance(value, Mapping) or value.get("currency", "EUR") != "EUR":
        return base
    reported = [known_amount(value.get(f"{kind}_cost_per_million_eur")) for kind in _PRICES]
    input_, output, cached = (old if new is None else new for new, old in zip(reported, base, strict=True))
    return (input_, output, cached)
