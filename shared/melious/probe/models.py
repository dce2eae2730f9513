"""Which models the probe asks, cheapest first, and what a request to them costs at most."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from melious.catalogue import ModelCard, all_models
from melious.catalogue import find as shipped
from melious.catalogue.card import card_of

_MILLION = 1_000_000
_ASSUMED = Decimal(1), Decimal(5)
"""EUR per million tokens in and out, for a model without a known price."""
_ASSUMED_RECORDING = Decimal("0.0002")
"""EUR for one second of sound: no price of it is known."""
_BYTES_A_TOKEN = 2
"""A token has at least so many bytes of a body."""
_EACH = 2
"""How many models that reason, and how many others, are asked about their features."""
_KNOWN_TO_DEPART = ("deepseek-v4.1-flash",)
"""Models that callers measured to refuse or ignore what others take."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The models that the questions go to; None where the list has none of the kind.

    Attributes:
        chat: The chat model of a question.
        candidates: Chat models, cheapest first.
        features: The chat models whose features are asked.
        embeddings: An embeddings model.
        narrow: The embeddings model with the smallest context.
        rerank: A rerank model.
        audio: A model that transcribes.
    """

    chat: ModelCard | None
    candidates: tuple[ModelCard, ...] = ()
    features: tuple[ModelCard, ...] = ()
    embeddings: ModelCard | None = None
    narrow: ModelCard | None = None
    rerank: ModelCard | None = None
    audio: ModelCard | None = None

    def asking(self, chat: ModelCard) -> Choice:
        """The same choice with another chat model."""
        return replace(self, chat=chat)


def cards_in(listed: Any) -> tuple[ModelCard, ...]:
    """The models of a list of the service; those of the shipped catalogue if it has none."""
    data = listed.get("data") if isinstance(listed, Mapping) else None
    cards = [
        card_of(item["id"], item.get("owned_by"), _object(item.get("_meta")), shipped(item["id"]))
        for item in (data if isinstance(data, list) else ())
        if isinstance(item, dict) and isinstance(item.get("id"), str)
    ]
    return tuple(cards) or all_models()


def choose(cards: Sequence[ModelCard], wanted: Sequence[str] = ()) -> Choice:
    """Choose models, cheapest first.

    Args:
        cards: The models of the service.
        wanted: The chat models to ask instead; they need not be listed.
    """
    known = {card.id: card for card in cards}
    chat = sorted((card for card in cards if card.type == "chat" and card.served), key=_price)
    if wanted:
        chat = [known.get(name) or shipped(name) or card_of(name, None, {}, None) for name in wanted]
        features = chat
    else:
        plain = [card for card in chat if card.reasoning is False][:_EACH]
        thinking = [card for card in chat if card.reasons][:_EACH]
        departing = [known[name] for name in _KNOWN_TO_DEPART if name in known]
        features = sorted([*plain, *thinking, *departing], key=_price)
        chat.sort(key=lambda card: card.reasoning is not False)
    embeddings = _of_type(cards, "embeddings")
    narrow = sorted(
        (card for card in embeddings if card.context_length), key=lambda card: card.context_length or 0
    )
    audio = sorted(_of_type(cards, "audio"), key=lambda card: "whisper" not in card.id)
    return Choice(
        chat=chat[0] if chat else None,
        candidates=tuple(chat),
        features=tuple(dict.fromkeys(features)),
        embeddings=next(iter(embeddings), None),
        narrow=next(iter(narrow), None),
        rerank=next(iter(_of_type(cards, "rerank")), None),
        audio=next(iter(audio), None),
    )


def most_cost(card: ModelCard, body: Mapping[str, Any], most_tokens: int = 0) -> Decimal:
    """EUR that a request can cost at most, by the prices of the catalogue."""
    price_in, price_out, _ = card.pricing
    price_in = _ASSUMED[0] if price_in is None else price_in
    price_out = _ASSUMED[1] if price_out is None else price_out
    read = len(json.dumps(body)) // _BYTES_A_TOKEN
    return (read * price_in + most_tokens * price_out) / _MILLION


def most_cost_of_recording(seconds: float) -> Decimal:
    """EUR that a transcription can cost at most; an assumption."""
    return _ASSUMED_RECORDING * Decimal(str(max(1.0, seconds)))


def _of_type(cards: Sequence[ModelCard], kind: str) -> list[ModelCard]:
    return sorted((card for card in cards if card.type == kind and card.served), key=_price)


def _price(card: ModelCard) -> tuple[bool, Decimal, Decimal, str]:
    """Cheapest first; a model of unknown price comes last."""
    price_in, price_out, _ = card.pricing
    return price_in is None, price_in or Decimal(0), price_out or Decimal(0), card.id


def _object(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, dict) else None
