"""Whether a model fits an endpoint, as far as the catalogue knows: before a request, and after a refusal.

The exact name of another kind of model is refused before it is sent. A name that is only near a known one
causes a warning, since it may be that of a new model. Both happen only where the catalogue speaks for the
server: where it has listed its models in this process, at Melious itself, and on this machine, where a test
server stands in for it. Elsewhere names may mean anything.
"""

from __future__ import annotations

from collections.abc import Iterable

from melious._stacklevel import warn_once
from melious.catalogue import ModelCard, all_models, known
from melious.catalogue.live import listed
from melious.catalogue.names import fold, misspelt, near_names
from melious.catalogue.quirks import quirks_of
from melious.errors import APIStatusError, BadRequestError, InvalidArgumentError, ModelNotFoundError
from melious.routing.filters import split_flavor
from melious.settings.base_url import is_of_service

_KINDS = {"audio": "audio", "chat": "chat", "embeddings": "embeddings", "images": "image", "rerank": "rerank"}
"""The type of the models of each endpoint."""
_CLASSES = {
    "audio": "MeliousAudioParser (LangChain), MeliousAudioReader (LlamaIndex) or client.audio.transcribe",
    "chat": "ChatMelious (LangChain), Melious (LlamaIndex) or client.chat.create",
    "embeddings": "MeliousEmbeddings (LangChain), MeliousEmbedding (LlamaIndex) or client.embeddings.create",
    "image": "MeliousImageGenerator (LangChain), MeliousToolSpec (LlamaIndex) or client.images.generate",
    "rerank": "MeliousRerank (LangChain and LlamaIndex) or client.rerank.create",
}
"""What to use for each type of model."""
_LISTS = "`melious models`, `client.models.list()` and `available_models()` list the models"
_SUFFIX = "an unknown `:flavor` counts as part of the name"
_MOST = 3


def check_model_fits(model: str, endpoint: str, base_url: str) -> None:
    """Refuse a model of another kind, and warn about a name that is nearly that of a known model.

    Raises:
        InvalidArgumentError: The model is of another kind.
    """
    cards = listed(base_url)
    if cards is None and not is_of_service(base_url):
        return
    card = known(model, base_url)
    if card is not None:
        if is_of_service(base_url) or card in (cards or ()):
            _check_kind(model, card, endpoint, cards)
        return
    kind = _KINDS[endpoint]
    if ":" in split_flavor(model)[0]:  # routing has its own hint for a misspelt flavor
        return
    meant = misspelt(model, (one.id for one in cards or all_models() if one.type in (kind, None)))
    if meant is not None:
        near = near_names(model, _names(cards, kind)) or [meant]
        warn_once(f"model: {model!r} is not a known model; did you mean {_any_of(map(repr, near))}?")
        return
    for other in cards or all_models():
        if fold(other.id) == fold(split_flavor(model)[0]) and not _fits(other, kind):
            warn_once(
                f"model: {model!r} is not a known model; did you mean {other.id!r}, which is "
                f"{_described(other)}?"
            )


def check_effort(model: str, effort: object, base_url: str) -> None:
    """Refuse a `reasoning_effort` that a model is known to refuse.

    Raises:
        InvalidArgumentError: It is one that was refused whenever it was tried.
    """
    refused = quirks_of(model).refused_efforts
    if not isinstance(effort, str) or effort not in refused or not _is_known_at(model, base_url):
        return
    card = known(model, base_url)
    taken = _any_of(map(repr, card.reasoning_efforts if card is not None else ()))
    raise InvalidArgumentError(
        f"reasoning_effort: {model} refuses {effort!r}" + (f"; it takes {taken}" if taken else ""),
        param="reasoning_effort",
        advice=f"To send it anyway, use extra_body={{'reasoning_effort': {effort!r}}}",
    )


def warn_about_images(model: str, base_url: str) -> None:
    """Warn once about images for a model that has refused them although it lists them."""
    if not _is_known_at(model, base_url):
        return
    others = _names(listed(base_url), "chat", vision=True)
    examples = _any_of([name for name in others if not quirks_of(name).seen_failing][:_MOST])
    warn_once(
        f"{model} is listed as a model for images, but refused them when it was tried"
        + (f"; models that take images are, for example, {examples}" if examples else "")
    )


def advice_for(error: APIStatusError, model: str, endpoint: str, base_url: str) -> str | None:
    """The advice for an error that may be due to the model; None keeps that of its class."""
    kind = _KINDS.get(endpoint)
    cards = listed(base_url)
    if isinstance(error, ModelNotFoundError):
        near = near_names(model, _names(cards, kind)) or near_names(model, _names(cards, None))
        meant = f"Did you mean {_any_of(near)}? " if near else ""
        return f"{meant}{_LISTS}; {_SUFFIX}"
    card = known(model, base_url)
    if isinstance(error, BadRequestError) and card is not None and kind and not _fits(card, kind):
        return f"{model} is {_described(card)}: use {_CLASSES[str(card.type)]}"
    return None


def _check_kind(model: str, card: ModelCard, endpoint: str, cards: Iterable[ModelCard] | None) -> None:
    kind = _KINDS[endpoint]
    if _fits(card, kind):
        return
    examples = _names(cards, kind)[:_MOST]
    raise InvalidArgumentError(
        f"model: {model} is {_described(card)}, not {_kind_of(kind)}",
        param="model",
        advice=f"Use {_CLASSES[str(card.type)]} with it"
        + (f"; for this request use a model such as {_any_of(examples)}" if examples else "")
        + f". To send it anyway, use extra_body={{'model': {model!r}}}",
    )


def _fits(card: ModelCard, kind: str) -> bool:
    """Whether a model may serve an endpoint; types that the service adds may fit any."""
    return card.type == kind or card.type not in _CLASSES or (kind == "audio" and card.takes("audio"))


def _described(card: ModelCard) -> str:
    return _kind_of(str(card.type))


def _kind_of(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} model"


def _is_known_at(model: str, base_url: str) -> bool:
    """Whether the catalogue speaks for the server and knows the model there."""
    name = split_flavor(model)[0]
    return is_of_service(base_url) or any(card.id == name for card in listed(base_url) or ())


def _names(cards: Iterable[ModelCard] | None, kind: str | None, *, vision: bool = False) -> list[str]:
    """The served models of a type, those of the current documentation first; all types for None."""
    found = [
        card
        for card in (all_models() if cards is None else cards)
        if card.served and kind in (None, card.type) and (not vision or card.vision)
    ]
    return [card.id for card in sorted(found, key=lambda card: "docs-g2" not in card.sources)]


def _any_of(names: Iterable[str]) -> str:
    *most, last = [*names] or [""]
    return f"{', '.join(most)} or {last}" if most else last
