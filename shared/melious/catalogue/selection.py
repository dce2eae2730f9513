"""Chooses models by what they can do and cost, among any cards."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Any, Literal, TypeAlias, get_args

from melious._figures import known_amount
from melious.catalogue.card import OTHER_WORDS, ModelCard
from melious.catalogue.found import ModelCards
from melious.errors import InvalidArgumentError
from melious.errors.checks import check_optional_bool, check_whole

Order: TypeAlias = Literal["price", "input_cost", "output_cost", "context", "max_output", "name"]
"""What to order models by; a leading `-` reverses the order."""

_TYPES = frozenset({"audio", "chat", "embeddings", "guardrail", "image", "rerank"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which models are wanted, and in which order; None means no preference.

    An unknown fact never matches: a model without a known price passes no limit on prices, and one
    of unknown vision matches neither `vision=True` nor `vision=False`. Models known not to be served
    are left out.

    Attributes:
        type: `chat`, `embeddings`, `rerank`, `image`, `audio`, or another type of the service.
        vision: Whether it takes images.
        tools: Whether it calls tools.
        reasoning: Whether it reasons before it answers.
        min_context: Tokens that it must be able to read.
        max_input_cost: The most EUR per million tokens read.
        order_by: `price` (cheapest input first, then cheapest output), `input_cost`, `output_cost`,
            `context` (longest first), `max_output` (longest first) or `name`; a leading `-` reverses
            the order. Models with an unknown figure come last either way, ties are ordered by
            name. By default the order of the list.

    Raises:
        InvalidArgumentError: A value is wrong.

    Examples:
        >>> from melious.catalogue import Selection, all_models
        >>> wanted = Selection(type="chat", vision=True, tools=True, max_input_cost="0.15", order_by="price")
        >>> [(card.id, card.input_cost) for card in wanted.of(all_models())][:1]
        [('glm-5.3-flash', Decimal('0.1'))]
    """

    type: str | None = None
    vision: bool | None = None
    tools: bool | None = None
    reasoning: bool | None = None
    min_context: int | None = None
    max_input_cost: Decimal | float | str | None = None
    order_by: Order | str | None = None

    def __post_init__(self) -> None:
        if self.type is not None and not isinstance(self.type, str):
            raise InvalidArgumentError(f"type: must be text, not {self.type!r}")
        for name in ("vision", "tools", "reasoning"):
            check_optional_bool(name, getattr(self, name))
        if self.min_context is not None:
            check_whole("min_context", self.min_context)
        if self.max_input_cost is not None and known_amount(self.max_input_cost) is None:
            raise InvalidArgumentError(
                f"max_input_cost: must be an amount in EUR per million tokens, not {self.max_input_cost!r}"
            )
        if self.order_by is not None:
            _check_order(self.order_by)

    def of(self, cards: Iterable[ModelCard]) -> ModelCards:
        """Choose among models.

        Raises:
            InvalidArgumentError: `type` looks like a misspelt type.
        """
        cards = [card for card in cards if card.served]
        self._check_type(cards)
        found = [card for card in cards if self._wants(card)]
        if self.order_by is None:
            return ModelCards(found)
        figures, falling = _ORDERS[self.order_by.removeprefix("-")]
        # Sorting is stable: the least important figure goes first.
        for figure in (_name, *reversed(figures)):
            unknown = [card for card in found if figure(card) is None]
            found = [card for card in found if figure(card) is not None]
            found.sort(key=figure, reverse=figure in figures and falling != self.order_by.startswith("-"))
            found += unknown
        return ModelCards(found)

    def _wants(self, card: ModelCard) -> bool:
        kind = OTHER_WORDS.get(self.type, self.type) if self.type is not None else None
        limit = known_amount(self.max_input_cost)
        return (
            (kind is None or card.type == kind)
            and all(
                wanted is None or getattr(card, name) is wanted
                for name, wanted in (
                    ("vision", self.vision),
                    ("tools", self.tools),
                    ("reasoning", self.reasoning),
                )
            )
            and (
                not self.min_context
                or (card.context_length is not None and card.context_length >= self.min_context)
            )
            and (limit is None or (card.input_cost is not None and card.input_cost <= limit))
        )

    def _check_type(self, cards: list[ModelCard]) -> None:
        """Refuse a misspelt type; a word unlike any known type may be a new one."""
        known = _TYPES | OTHER_WORDS.keys() | {card.type for card in cards if card.type}
        if self.type is not None and self.type not in known:
            near = difflib.get_close_matches(self.type, sorted(known), n=1)
            if near:
                raise InvalidArgumentError(
                    f"type: no model is of type {self.type!r}; did you mean {near[0]!r}?"
                )


def tokens_of(text: str) -> int:
    """Read a number of tokens as people write it.

    Raises:
        ValueError: It is not a number.

    Examples:
        >>> tokens_of("131072"), tokens_of("128k"), tokens_of("1M"), tokens_of("1,000,000")
        (131072, 128000, 1000000, 1000000)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([km]?)", text.strip().lower().replace(",", "").replace("_", ""))
    if match is None:
        raise ValueError(f"{text!r} is not a number of tokens such as 131072, 128k or 1M")
    return int(Decimal(match[1]) * {"": 1, "k": 1000, "m": 1_000_000}[match[2]])


def _name(card: ModelCard) -> str:
    return card.id


_ORDERS: dict[str, tuple[tuple[Callable[[ModelCard], Any], ...], bool]] = {
    "price": ((attrgetter("input_cost"), attrgetter("output_cost")), False),
    "input_cost": ((attrgetter("input_cost"),), False),
    "output_cost": ((attrgetter("output_cost"),), False),
    "context": ((attrgetter("context_length"),), True),
    "max_output": ((attrgetter("max_output_tokens"),), True),
    "name": ((_name,), False),
}
"""The sort keys of each order, most important first, and whether the largest comes first."""


def _check_order(order_by: object) -> None:
    words = get_args(Order)
    if not isinstance(order_by, str) or order_by.removeprefix("-") not in words:
        near = difflib.get_close_matches(str(order_by).removeprefix("-"), words, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; it must be one of {', '.join(words)}"
        raise InvalidArgumentError(f"order_by: unknown order {order_by!r}{hint}")
