"""What each model can do and costs: shipped data, overlaid by what the service reports.

`find` and `all_models` read the shipped data, one line a model in `models.json`: no request, no key.
`known` adds what the service reported in this process, also without a request; the adapters read profiles
and metadata from it. `client.models.find()` asks the service, and `Selection` chooses among any cards.
An unpublished fact is None, never a guess.

Examples:
    >>> from melious.catalogue import Selection, all_models
    >>> cheap = Selection(type="embeddings", max_input_cost="0.05").of(all_models())
    >>> [(card.id, card.dimensions) for card in cheap]
    [('bge-m3', 1024)]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from melious.catalogue.card import ModelCard
from melious.catalogue.live import known
from melious.catalogue.shipped import all_models, find

if TYPE_CHECKING:
    from melious.catalogue.found import ModelCards
    from melious.catalogue.selection import Selection

__all__ = ["ModelCard", "ModelCards", "Selection", "all_models", "find", "known"]


def __getattr__(name: str) -> Any:
    """What chooses among cards, loaded on first use: profiles need only `known`."""
    if name not in ("ModelCards", "Selection"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from melious.catalogue import selection  # noqa: PLC0415

    return getattr(selection, name)
