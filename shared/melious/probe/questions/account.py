"""Questions about key, limits, list of models and refusals; none of their requests is billed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from melious._figures import counted, known_figure
from melious.endpoints import chat
from melious.probe.asking import Ask, Seen
from melious.probe.judging import error_shape, refused
from melious.probe.models import Choice
from melious.probe.questions.question import REFUSED, Question
from melious.probe.questions.requests import free, listing, one, to_chat, to_embeddings
from melious.probe.verdicts import G1, G2, LIVE, NEW, UNCLEAR, Finding, found, short

_ACCOUNT, REFUSALS = "Account and list", "Refusals"
_EPOCH = 1e9
_TYPES = {"chat", "embeddings", "audio", "image", "rerank"}
_NO_MODEL = "melious-probe-no-such-model"


def _models(answers: Sequence[Seen]) -> Finding:
    entries = _entries(answers[0])
    metas = [meta for item in entries if isinstance(meta := item.get("_meta"), dict)]
    kinds = {str(meta["type"]) for meta in metas if "type" in meta}
    said = f"{len(entries)} models; types: {', '.join(sorted(kinds)) or 'none'}"
    if not kinds or kinds - _TYPES - {"guardrail"}:
        return found(said, NEW)
    return found(said, LIVE) if "guardrail" in kinds else found(said, G2, LIVE)


def _entries(seen: Seen) -> list[Mapping[str, Any]]:
    data = seen.fields.get("data")
    return [item for item in (data if isinstance(data, list) else ()) if isinstance(item, dict)]


def _owners(answers: Sequence[Seen]) -> Finding:
    owners = {str(item["owned_by"]) for item in _entries(answers[0]) if "owned_by" in item}
    if not owners:
        return found("no owners", NEW)
    if owners == {"melious"}:
        return found("melious", LIVE)
    return found(f"{counted(len(owners), 'name')}, such as {min(owners)}", G2)


def _vision(answers: Sequence[Seen]) -> Finding:
    metas = [meta for item in _entries(answers[0]) if isinstance(meta := item.get("_meta"), dict)]
    seeing = [meta for meta in metas if "image" in _words(meta.get("input_modalities"))]
    flagged = [
        meta for meta in seeing if isinstance(flags := meta.get("capabilities"), dict) and flags.get("vision")
    ]
    said = f"{len(flagged)} of {len(seeing)} models that take images have the flag"
    if not seeing:
        return found("no model takes images", UNCLEAR)
    return found(said, G2 if len(flagged) == len(seeing) else LIVE)


def _words(value: Any) -> list[str]:
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _rate_limit(answers: Sequence[Seen]) -> Finding:
    names = {name: value for name, value in answers[0].headers.items() if "ratelimit" in name}
    said = ", ".join(sorted(names))
    for suffix, generations in (("-requests", (G2,)), ("", (G1, LIVE))):
        reset = known_figure(names.get(f"x-ratelimit-reset{suffix}"))
        if reset is None:
            continue
        is_epoch = reset > _EPOCH
        fits = is_epoch is not bool(suffix) and f"x-ratelimit-limit{suffix}" in names
        said = f"{said}; reset is {'an epoch' if is_epoch else 'in seconds'}"
        return found(said, *(generations if fits else (NEW,)))
    return found(said or "no rate-limit headers", NEW)


def _request_id(answers: Sequence[Seen]) -> Finding:
    names = [name for name in answers[0].headers if "request-id" in name]
    if "x-request-id" in names:
        return found("x-request-id", LIVE)
    return found(", ".join(names) or "no request id", NEW if names else UNCLEAR)


def _compressed(answers: Sequence[Seen]) -> Finding:
    encoding = answers[0].headers.get("content-encoding", "identity")
    if encoding == "identity":
        return found("not compressed, though gzip was offered", G1, G2, LIVE)
    return found(f"compressed: {encoding}", NEW)


def _other_header(answers: Sequence[Seen]) -> Finding:
    seen = answers[0]
    return found(f"refused: {short(seen)}", G1) if seen.refusal else found("accepted", G2, LIVE)


def _too_long(choice: Choice) -> tuple[Ask, ...]:
    card = one(choice.narrow)
    words = "wind " * ((card.context_length or 0) + 100)
    ask = to_embeddings("embeddings too long", card, input=words)
    return (ask,)


QUESTIONS = (
    Question(
        name="models",
        topic=_ACCOUNT,
        asks="Which types of models does the list have?",
        sends=lambda _: (listing(),),
        judge=_models,
    ),
    Question(
        name="owners of models",
        topic=_ACCOUNT,
        asks="Does owned_by name the service or the lab?",
        sends=lambda _: (listing(),),
        judge=_owners,
    ),
    Question(
        name="vision flags",
        topic=_ACCOUNT,
        asks="Do models that take images have the flag vision?",
        sends=lambda _: (listing(),),
        judge=_vision,
    ),
    Question(
        name="rate-limit headers",
        topic=_ACCOUNT,
        asks="Which headers report the rate limit?",
        sends=lambda _: (listing(),),
        judge=_rate_limit,
    ),
    Question(
        name="request id",
        topic=_ACCOUNT,
        asks="Do answers have a request id?",
        sends=lambda _: (listing(),),
        judge=_request_id,
    ),
    Question(
        name="compression",
        topic=_ACCOUNT,
        asks="Are answers compressed where the client allows it?",
        sends=lambda _: (listing("models compressed", headers=(("accept-encoding", "gzip, deflate"),)),),
        judge=_compressed,
    ),
    Question(
        name="x-api-key",
        topic=_ACCOUNT,
        asks="Is the key taken from the header x-api-key?",
        sends=lambda _: (listing("models by x-api-key", query="", key="x-api-key"),),
        judge=_other_header,
        takes=frozenset({401, 403}),
    ),
    Question(
        name="bad key",
        topic=REFUSALS,
        asks="Which code does a bad key get?",
        sends=lambda _: (listing("models with a bad key", query="", key="wrong"),),
        judge=refused("401 AUTH_INVALID_API_KEY", "401 AUTH_1008", "401"),
        takes=frozenset({401, 403}),
    ),
    Question(
        name="error fields",
        topic=REFUSALS,
        asks="Which fields does an error have?",
        sends=lambda _: (free("chat without fields", "chat", chat.PATH, body={}),),
        judge=error_shape,
        takes=REFUSED,
    ),
    Question(
        name="missing field",
        topic=REFUSALS,
        asks="Which code does a missing field get?",
        sends=lambda _: (free("chat without fields", "chat", chat.PATH, body={}),),
        judge=refused("400 VALIDATION_REQUIRED_FIELD", "400 VALIDATION_4002", "400 invalid_request_error"),
        takes=REFUSED,
    ),
    Question(
        name="unknown model",
        topic=REFUSALS,
        asks="Which code does an unknown model get?",
        sends=lambda _: (
            free(
                "chat with an unknown model",
                "chat",
                chat.PATH,
                body={"model": _NO_MODEL, "messages": [{"role": "user", "content": "OK?"}], "max_tokens": 1},
            ),
        ),
        judge=refused("404", "404 INFERENCE_3001", "404 model_not_found"),
        takes=REFUSED,
    ),
    Question(
        name="unknown flavor",
        topic=REFUSALS,
        asks="Which code does an unknown flavor get?",
        sends=lambda choice: (
            to_chat("chat with an unknown flavor", one(choice.chat), model=f"{one(choice.chat).id}:nosuch"),
        ),
        judge=refused("404", "404 INFERENCE_3001", "404 model_not_found"),
        takes=REFUSED,
        needs="chat",
    ),
    Question(
        name="empty input",
        topic=REFUSALS,
        asks="Which code does an empty input get?",
        sends=lambda choice: (to_embeddings("embeddings of nothing", one(choice.embeddings), input=""),),
        judge=refused("400", "400 VALIDATION_4005", "400 invalid_request_error"),
        takes=REFUSED,
        needs="embeddings",
    ),
    Question(
        name="input too long",
        topic=REFUSALS,
        asks="Which code does an input over the context get?",
        sends=_too_long,
        judge=refused("400", "400 INFERENCE_3207", "400 context_length_exceeded"),
        takes=REFUSED,
        needs="narrow",
    ),
)
"""The questions in the order in which they are asked."""
