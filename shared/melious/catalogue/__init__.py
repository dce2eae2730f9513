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

from melious.catalogue.card import ModelCard
from melious.catalogue.found import ModelCards
from melious.catalogue.live import known
from melious.catalogue.selection import Selection
from melious.catalogue.shipped import all_models, find

__all__ = ["ModelCard", "ModelCards", "Selection", "all_models", "find", "known"]
