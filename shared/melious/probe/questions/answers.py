"""Questions about impact, bill and shape of answers, and where they are made."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from melious.probe.asking import Ask, Seen
from melious.probe.judging import bill, countries, has_effect, impact, impossible_filter
from melious.probe.models import Choice
from melious.probe.questions.question import REFUSED, Question
from melious.probe.questions.requests import (
    chats_without_wish,
    embeddings_without_wish,
    one,
    plain_chat,
    plain_embeddings,
    plain_rerank,
    to_chat,
    to_embeddings,
    transcription,
)
from melious.probe.verdicts import G1, G2, LIVE, NEW, Finding, found, short

_REPORTED, _ROUTING, _SHAPES = "Impact and bill", "Routing", "Shapes of answers"
_DOCUMENTED = (G1, G2, LIVE)
_COUNTRIES = ("DE", "FI")
_FLOAT = 4
_WEIGHTS = ("price", "speed", "quality", "environment")


def _stream(choice: Choice) -> tuple[Ask, ...]:
    asked: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
    return (to_chat("stream with usage", one(choice.chat), **asked),)


def _stream_without_usage(choice: Choice) -> tuple[Ask, ...]:
    return (to_chat("stream without usage", one(choice.chat), stream=True),)


def _transcription(choice: Choice) -> tuple[Ask, ...]:
    return (transcription(choice, "json"),)


def _in(choice: Choice, country: str) -> Ask:
    return to_chat(f"chat in {country}", one(choice.chat), filters={"countries": [country]})


def _preset(choice: Choice, word: str) -> Ask:
    return to_chat(f"chat preset {word}", one(choice.chat), preset=word)


def _flavored(choice: Choice, word: str) -> Ask:
    card = one(choice.chat)
    return to_chat(f"chat flavor {word}", card, model=f"{card.id}:{word}")


def _usage_asked(answers: Sequence[Seen]) -> Finding:
    events = answers[0].events
    with_usage = [event for event in events if isinstance(event.get("usage"), dict)]
    if not with_usage:
        return found("no usage", NEW)
    if with_usage == events[-1:] and not events[-1].get("choices"):
        return found("in a last chunk without choices", G2, LIVE)
    return found(f"in {len(with_usage)} of {len(events)} chunks", NEW)


def _usage_not_asked(answers: Sequence[Seen]) -> Finding:
    return found("usage all the same", NEW) if answers[0].usage else found("no usage", LIVE)


def _cached(answers: Sequence[Seen]) -> Finding:
    usage = answers[0].usage
    details = usage.get("prompt_tokens_details")
    places = {
        "prompt_tokens_details.cached_tokens": isinstance(details, dict) and "cached_tokens" in details,
        "cached_tokens": "cached_tokens" in usage,
    }
    names = [name for name, is_there in places.items() if is_there]
    return found(" and ".join(names) or f"not counted: {', '.join(sorted(usage))}", LIVE if names else NEW)


def _events(answers: Sequence[Seen]) -> Finding:
    seen = answers[0]
    kind = seen.kind
    done = b"data: [DONE]" in seen.body
    comments = f"; comments: {', '.join(seen.comments[:3])}" if seen.comments else ""
    said = f"{kind}, {len(seen.events)} chunks, {'[DONE]' if done else 'no [DONE]'}{comments}"
    usual = (
        kind == "text/event-stream"
        and done
        and seen.events
        and not any(name in comment for comment in seen.comments for name in ("energy", "cost", "carbon"))
    )
    return found(said, *(_DOCUMENTED if usual else (NEW,)))


def _base64(answers: Sequence[Seen]) -> Finding:
    seen = answers[0]
    if seen.refusal is not None:
        return found(f"refused: {short(seen)}", NEW)
    vectors = _vectors(seen)
    if not all(isinstance(vector, str) for vector in vectors):
        return found("answered with numbers", NEW)
    try:
        lengths = sorted({len(base64.b64decode(vector, validate=True)) for vector in vectors})
    except ValueError:
        return found("text that is not base64", NEW)
    if len(lengths) != 1 or lengths[0] % _FLOAT:
        return found(f"base64 of {', '.join(map(str, lengths)) or 'no'} bytes", NEW)
    return found(f"base64 of {lengths[0] // _FLOAT} numbers", G2)


def _vectors(seen: Seen) -> list[Any]:
    data = seen.fields.get("data")
    return [
        item.get("embedding") for item in (data if isinstance(data, list) else ()) if isinstance(item, dict)
    ]


def _rerank(answers: Sequence[Seen]) -> Finding:
    results = answers[0].fields.get("results")
    if not isinstance(results, list) or not results or not isinstance(results[0], dict):
        return found(f"fields: {', '.join(sorted(answers[0].fields))}", NEW)
    document = results[0].get("document")
    shown = "no document" if document is None else f"document as {type(document).__name__}"
    said = f"{', '.join(sorted(results[0]))}; {shown}"
    usual = {"index", "relevance_score"} <= set(results[0]) <= {"index", "relevance_score", "document"}
    return found(said, *((G1, G2) if usual else (NEW,)))


def _verbose(answers: Sequence[Seen]) -> Finding:
    seen = answers[0]
    if seen.refusal is not None:
        return found(f"refused: {short(seen)}", G1)
    segments = isinstance(seen.fields.get("segments"), list)
    return found(", ".join(sorted(seen.fields)), G2 if segments else NEW)


QUESTIONS = (
    Question(
        name="impact of chat",
        topic=_REPORTED,
        asks="Does a chat answer report its impact?",
        sends=plain_chat,
        judge=impact(_DOCUMENTED, (NEW,)),
        needs="chat",
    ),
    Question(
        name="bill of chat",
        topic=_REPORTED,
        asks="Which amounts does the bill fill?",
        sends=plain_chat,
        judge=bill((G1,)),
        needs="chat",
    ),
    Question(
        name="impact of a stream",
        topic=_REPORTED,
        asks="Does a stream report its impact?",
        sends=_stream,
        judge=impact((G2,), (LIVE, G2)),
        needs="chat",
    ),
    Question(
        name="bill of a stream",
        topic=_REPORTED,
        asks="Does a stream report its bill?",
        sends=_stream,
        judge=bill((G1, LIVE)),
        needs="chat",
    ),
    Question(
        name="impact of embeddings",
        topic=_REPORTED,
        asks="Do embeddings report their impact?",
        sends=plain_embeddings,
        judge=impact((G1, G2), (NEW,)),
        needs="embeddings",
    ),
    Question(
        name="bill of embeddings",
        topic=_REPORTED,
        asks="Do embeddings report their bill?",
        sends=plain_embeddings,
        judge=bill((G1,)),
        needs="embeddings",
    ),
    Question(
        name="impact of rerank",
        topic=_REPORTED,
        asks="Does a ranking report its impact?",
        sends=plain_rerank,
        judge=impact((G2,), (NEW,)),
        needs="rerank",
    ),
    Question(
        name="bill of rerank",
        topic=_REPORTED,
        asks="Does a ranking report its bill?",
        sends=plain_rerank,
        judge=bill((G1,)),
        needs="rerank",
    ),
    Question(
        name="impact of a transcription",
        topic=_REPORTED,
        asks="Does a transcription report its impact?",
        sends=_transcription,
        judge=impact((G2, LIVE), (LIVE,)),
        needs="audio",
    ),
    Question(
        name="bill of a transcription",
        topic=_REPORTED,
        asks="Does a transcription report its bill?",
        sends=_transcription,
        judge=bill((G1, LIVE)),
        needs="audio",
    ),
    Question(
        name="events of a stream",
        topic=_SHAPES,
        asks="Which events does a stream have?",
        sends=_stream,
        judge=_events,
        needs="chat",
    ),
    Question(
        name="usage asked for",
        topic=_SHAPES,
        asks="Where is the usage of a stream that asks for it?",
        sends=_stream,
        judge=_usage_asked,
        needs="chat",
    ),
    Question(
        name="usage not asked for",
        topic=_SHAPES,
        asks="Does a stream report usage unasked?",
        sends=_stream_without_usage,
        judge=_usage_not_asked,
        needs="chat",
    ),
    Question(
        name="cached tokens",
        topic=_SHAPES,
        asks="Where are cached tokens counted?",
        sends=plain_chat,
        judge=_cached,
        needs="chat",
    ),
    Question(
        name="base64 vectors",
        topic=_SHAPES,
        asks="Are vectors sent in base64?",
        sends=lambda choice: (
            to_embeddings("embeddings in base64", one(choice.embeddings), encoding_format="base64"),
        ),
        judge=_base64,
        takes=REFUSED,
        needs="embeddings",
    ),
    Question(
        name="results of rerank",
        topic=_SHAPES,
        asks="Which fields do the results of a ranking have?",
        sends=plain_rerank,
        judge=_rerank,
        needs="rerank",
    ),
    Question(
        name="verbose transcription",
        topic=_SHAPES,
        asks="Is there a transcription with segments?",
        sends=lambda choice: (transcription(choice, "verbose_json"),),
        judge=_verbose,
        takes=REFUSED,
        needs="audio",
    ),
    Question(
        name="filters: countries",
        topic=_ROUTING,
        asks="Does the country that filters ask for answer?",
        sends=lambda choice: tuple(_in(choice, country) for country in _COUNTRIES),
        judge=countries,
        takes=REFUSED | {503},
        needs="chat",
    ),
    Question(
        name="filters: none can match",
        topic=_ROUTING,
        asks="What becomes of a limit that no provider can keep?",
        sends=lambda choice: (
            to_chat("chat under 1 gram", one(choice.chat), filters={"max_carbon_intensity": 1}),
        ),
        judge=impossible_filter,
        takes=REFUSED | {503},
        needs="chat",
    ),
    Question(
        name="preset, older words",
        topic=_ROUTING,
        asks="Do the presets environment and speed matter in chat?",
        sends=lambda choice: (
            *chats_without_wish(choice),
            _preset(choice, "environment"),
            _preset(choice, "speed"),
        ),
        judge=has_effect(G1, refused=(NEW,)),
        takes=REFUSED,
        needs="chat",
    ),
    Question(
        name="preset, newer words",
        topic=_ROUTING,
        asks="Do the presets reasoning and non_reasoning matter in chat?",
        sends=lambda choice: (
            *chats_without_wish(choice),
            _preset(choice, "reasoning"),
            _preset(choice, "non_reasoning"),
        ),
        judge=has_effect(G2, refused=(G1,)),
        takes=REFUSED,
        needs="chat",
    ),
    Question(
        name="flavors",
        topic=_ROUTING,
        asks="Do the flavors eco and speed matter?",
        sends=lambda choice: (
            *chats_without_wish(choice),
            _flavored(choice, "eco"),
            _flavored(choice, "speed"),
        ),
        judge=has_effect(G2, LIVE, refused=(G1,)),
        takes=REFUSED,
        needs="chat",
    ),
    Question(
        name="mode in chat",
        topic=_ROUTING,
        asks="Do the modes environment and speed matter in chat?",
        sends=lambda choice: (
            *chats_without_wish(choice),
            *(to_chat(f"chat mode {word}", one(choice.chat), mode=word) for word in ("environment", "speed")),
        ),
        judge=has_effect(NEW, refused=(NEW,)),
        takes=REFUSED,
        needs="chat",
    ),
    Question(
        name="preset for embeddings",
        topic=_ROUTING,
        asks="Does the preset quality matter for embeddings?",
        sends=lambda choice: (
            *embeddings_without_wish(choice),
            to_embeddings("embeddings preset quality", one(choice.embeddings), preset="quality"),
        ),
        judge=has_effect(G2, wishes=1, refused=(G1,)),
        takes=REFUSED,
        needs="embeddings",
    ),
    Question(
        name="mode",
        topic=_ROUTING,
        asks="Do the modes environment and speed matter for embeddings?",
        sends=lambda choice: (
            *embeddings_without_wish(choice),
            *(
                to_embeddings(f"embeddings mode {word}", one(choice.embeddings), mode=word)
                for word in ("environment", "speed")
            ),
        ),
        judge=has_effect(G1, refused=(G2,)),
        takes=REFUSED,
        needs="embeddings",
    ),
    Question(
        name="custom_weights",
        topic=_ROUTING,
        asks="Do the weights of price and environment matter for embeddings?",
        sends=lambda choice: (
            *embeddings_without_wish(choice),
            *(
                to_embeddings(
                    f"embeddings by {word}",
                    one(choice.embeddings),
                    custom_weights=dict.fromkeys(_WEIGHTS, 0) | {word: 1},
                )
                for word in ("price", "environment")
            ),
        ),
        judge=has_effect(G1, refused=(NEW,)),
        takes=REFUSED,
        needs="embeddings",
    ),
)
