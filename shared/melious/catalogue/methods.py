"""The methods by which models are asked for objects, and which of them a model has refused here."""

from __future__ import annotations

import logging
from typing import Final, Literal, TypeAlias, get_args

from melious.catalogue.live import known
from melious.catalogue.quirks import quirks_of
from melious.routing.filters import split_flavor

Method: TypeAlias = Literal["json_schema", "forced_tool", "auto_tool", "json_object"]
METHODS: tuple[Method, ...] = get_args(Method)
"""From the one that binds a model most to the one that nearly every model takes."""

STRICT: Final = "strict"
"""The field of a function that makes a server enforce its schema; some servers refuse it."""

_MOST_MODELS = 1024
_logger = logging.getLogger("melious")
_refused: dict[tuple[str, str], frozenset[str]] = {}
_obeying: set[tuple[str, str]] = set()


def first_method(model: str, base_url: str) -> Method:
    """The method that a model should take by its card; `forced_tool` if nothing is known of it.

    Examples:
        >>> first_method("glm-4.7", "https://api.melious.ai/v1")
        'forced_tool'
    """
    card = known(model, base_url)
    if card is not None and card.supports("json_schema"):
        return "json_schema"
    return "json_object" if card is not None and card.tools is False else "forced_tool"


def methods_from(first: Method, model: str, base_url: str) -> tuple[Method, ...]:
    """The methods to try, `first` and those after it, without any that the model is known to refuse."""
    card = known(model, base_url)
    without_tools = card is not None and card.tools is False
    found = [
        method
        for method in METHODS[METHODS.index(first) :]
        if not is_refused(method, model, base_url) and not (without_tools and method.endswith("_tool"))
    ]
    return tuple(found) or (METHODS[-1],)


def is_refused(method: Method | Literal["strict"], model: str, base_url: str) -> bool:
    """Whether a model has refused a method here, or is known to."""
    return method in _refused.get(_place(model, base_url), ()) or method in quirks_of(model).refused_methods


def note_refusal(method: Method | Literal["strict"], model: str, base_url: str, why: str) -> None:
    """Remember that a model refuses a method, and log it once."""
    place = _place(model, base_url)
    already = _refused.get(place, frozenset())
    if method not in already:
        _make_room()
        _refused[place] = already | {method}
        _logger.warning("%s does not take %s at %s (%s); using the next method", model, method, base_url, why)


def note_obedience(model: str, base_url: str) -> None:
    """Remember that a model calls the tool that it is forced to call."""
    _make_room()
    _obeying.add(_place(model, base_url))


def obeys(model: str, base_url: str) -> bool:
    """Whether a model has been seen to call the tool that it was forced to call."""
    return _place(model, base_url) in _obeying


def forget_methods() -> None:
    """Forget all that was noted in this process."""
    _refused.clear()
    _obeying.clear()


def _place(model: str, base_url: str) -> tuple[str, str]:
    return base_url, split_flavor(model)[0]


def _make_room() -> None:
    if len(_refused) >= _MOST_MODELS or len(_obeying) >= _MOST_MODELS:
        forget_methods()
