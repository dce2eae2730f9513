"""What each model can do and costs: shipped data, overlaid by what the service says.

`find` and `all_models` are the shipped data, one line a model in `models.json`: no request, no key.
`known` adds what the service said in this process, and makes no request either: it is where the adapters
read profiles and metadata. `client.models.find()` asks the service, and `Selection` chooses among any
cards. A fact that nobody published is None, never a guess.

Example:
    >>> from melious.catalogue import Selection, all_models
    >>> cheap = Selection(type="embeddings", max_input_cost="0.05").of(all_models())
    >>> [(card.id, card.dimensions) for card in cheap]
    [('bge-m3', 1024)]
"""

from melious.catalogue.card import ModelCard
from melious.catalogue.heard import known
from melious.catalogue.selection import Selection
from melious.catalogue.shipped import all_models, find

__all__ = ["ModelCard", "Selection", "all_models", "find", "known"]
