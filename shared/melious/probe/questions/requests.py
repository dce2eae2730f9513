"""The requests that questions send."""

from __future__ import annotations

import io
import wave
from typing import Any

from melious.catalogue import ModelCard
from melious.endpoints import audio, chat, embeddings, models, rerank
from melious.probe.asking import Ask, Form
from melious.probe.models import Choice, most_cost, most_cost_of_recording

FEW_TOKENS = 16
_ROOM_TO_THINK = 300
_SECONDS = 1.0
_FRAMES = 8_000
_AGAIN = ("again", "once more")
EVENTS = (("accept", "text/event-stream"),)
_TEXTS = ["The wind farm stands in the North Sea.", "Bread is baked from flour and water."]


def one(model: ModelCard | None) -> ModelCard:
    """The model that a question needs; the runner asks no question that has none."""
    assert model is not None  # noqa: S101 - see `Question.needs`
    return model


def to_chat(name: str, card: ModelCard, text: str = "Reply with the word OK.", **fields: Any) -> Ask:
    """A chat request; a model that reasons gets room for it.

    Args:
        name: What is asked; the name of the model is added.
        card: The model.
        text: The user's message.
        **fields: Further fields of the body; None leaves a usual one out.
    """
    body: dict[str, Any] = {
        "model": card.id,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": FEW_TOKENS,
    }
    if card.reasons:
        effort = "none" if "none" in card.reasoning_efforts else "low"
        body |= {"max_tokens": _ROOM_TO_THINK, "reasoning_effort": effort}
    body |= fields
    body = {name: value for name, value in body.items() if value is not None}
    tokens = int(body.get("max_tokens") or _ROOM_TO_THINK)
    return Ask(
        name=f"{name} {card.id}",
        endpoint="chat",
        path=chat.PATH,
        body=body,
        headers=EVENTS if body.get("stream") else (),
        most_cost=most_cost(card, body, tokens),
        proof="choices",
    )


def plain_chat(choice: Choice) -> tuple[Ask, ...]:
    """The plainest chat request."""
    return (to_chat("chat", one(choice.chat)),)


def chats_without_wish(choice: Choice) -> tuple[Ask, ...]:
    """Chat requests that all ask for the same: what differs in their answers differs by itself."""
    card = one(choice.chat)
    return (*plain_chat(choice), *(to_chat(f"chat {word}", card) for word in _AGAIN))


def to_embeddings(name: str, card: ModelCard, **fields: Any) -> Ask:
    """An embeddings request."""
    body = {"model": card.id, "input": _TEXTS, "encoding_format": "float"} | fields
    return Ask(
        name=name,
        endpoint="embeddings",
        path=embeddings.PATH,
        body=body,
        most_cost=most_cost(card, body),
        proof="data",
    )


def plain_embeddings(choice: Choice) -> tuple[Ask, ...]:
    """The plainest embeddings request."""
    return (to_embeddings("embeddings", one(choice.embeddings)),)


def embeddings_without_wish(choice: Choice) -> tuple[Ask, ...]:
    """Embeddings requests that all ask for the same."""
    card = one(choice.embeddings)
    return (*plain_embeddings(choice), *(to_embeddings(f"embeddings {word}", card) for word in _AGAIN))


def plain_rerank(choice: Choice) -> tuple[Ask, ...]:
    """The plainest rerank request."""
    card = one(choice.rerank)
    body = {"model": card.id, "query": "Where is electricity made?", "documents": _TEXTS}
    return (
        Ask(
            name="rerank",
            endpoint="rerank",
            path=rerank.PATH,
            body=body,
            most_cost=most_cost(card, body) * len(_TEXTS),
            proof="results",
        ),
    )


def transcription(choice: Choice, form: str) -> Ask:
    """A transcription of one second of silence."""
    fields = {"model": one(choice.audio).id, "language": "en", "response_format": form}
    return Ask(
        name=f"transcription {form}",
        endpoint="audio",
        path=audio.PATH,
        form=Form(fields, ("silence.wav", "audio/wav", _silence())),
        most_cost=most_cost_of_recording(_SECONDS),
        proof="text",
    )


def listing(name: str = "models", *, query: str = "?include_meta=true", **details: Any) -> Ask:
    """A request for the list of models, which is free."""
    return Ask(name=name, endpoint="models", path=models.PATH + query, method="GET", **details)


def free(name: str, endpoint: str, path: str, **details: Any) -> Ask:
    """A request that is never billed."""
    return Ask(name=name, endpoint=endpoint, path=path, **details)


def _silence() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_FRAMES)
        sound.writeframes(bytes(int(2 * _FRAMES * _SECONDS)))
    return file.getvalue()
