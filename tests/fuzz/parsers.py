"""The parsers of the core: what they are given is odd, and what they hand on is in one regular form."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

from melious import BillingCost, EnvironmentImpact, ResponseDecodeError
from melious.answers.reading import completion_of
from melious.answers.results import ChatCompletion, Result
from melious.catalogue.live import LiveModels
from melious.endpoints import audio as audio_endpoint
from melious.endpoints import chat as chat_endpoint
from melious.endpoints import embeddings as embeddings_endpoint
from melious.endpoints import images as images_endpoint
from melious.endpoints import models as models_endpoint
from melious.endpoints import rerank as rerank_endpoint
from melious.endpoints.whole_as_chunks import chunks_of
from melious.errors.table import status_error
from melious.exchange.opened import OpenStream
from melious.exchange.request import NO_SUMMARY, Response
from melious.impact import Entry, ImpactLedger
from melious.wire import codec
from melious.wire.chunks import ChatStreamParser
from melious.wire.head import Head
from melious.wire.sse import ServerSentEvent, SSEDecoder

from . import samples
from .kit import Outcome, Until, cuts, encoded, mutated, run

JSON = {"content-type": "application/json", "x-request-id": "req_1"}


def _response(body: bytes, kind: str = "application/json") -> Response:
    return Response(200, {**JSON, "content-type": kind}, body)


# --- server-sent events -------------------------------------------------------------------------------

_LINES = (b"data: ", b"data:", b"event: error", b"id: 1", b"retry: 5", b": c", b"{}", b"[DONE]", b"x", b"")
_ENDS = (b"\n", b"\r\n", b"\r", b"\n\n", b"\xef\xbb\xbf", b"\xff", b"\x00", b"\xe2\x80\xa8")


def _events(pieces: list[bytes]) -> list[ServerSentEvent]:
    decoder = SSEDecoder(max_event_bytes=300)
    events: list[ServerSentEvent] = []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.close()
    except ResponseDecodeError:
        events.append(ServerSentEvent("too large"))
    return events


def sse(seed: int, until: Until) -> Outcome:
    """Cuts never change the events."""

    def attempt(chance: Random) -> None:
        parts = [
            chance.choice((chance.choice(_LINES), chance.choice(_ENDS), chance.randbytes(3)))
            for _ in range(chance.randint(0, 40))
        ]
        data = b"".join(parts)
        whole, cut = _events([data] if data else []), _events(cuts(chance, data))
        if ServerSentEvent("too large") not in (*whole, *cut):
            assert whole == cut, (data, whole, cut)

    return run("sse", seed, until, attempt)


# --- chat ---------------------------------------------------------------------------------------------


def is_count(value: Any) -> bool:
    """Whether a value can be a number of tokens."""
    return type(value) is int or (type(value) is float and math.isfinite(value))


def check_chunk(chunk: dict[str, Any]) -> None:
    """Hold a chunk against the regular form that the parser promises."""
    assert type(chunk["choices"]) is list, chunk
    for choice in chunk["choices"]:
        delta = choice["delta"]
        assert type(delta) is dict, choice
        assert type(choice["index"]) is int, choice
        for name in ("role", "content", "reasoning_content", "refusal"):
            assert delta.get(name) is None or type(delta[name]) is str, (name, delta)
        assert choice.get("finish_reason") is None or type(choice["finish_reason"]) is str, choice
        assert choice.get("logprobs") is None or type(choice["logprobs"]) is dict, choice
        assert delta.get("tool_calls") is None or type(delta["tool_calls"]) is list, delta
        for call in delta.get("tool_calls") or ():
            assert type(call["index"]) is int, call
            assert type(call["function"]["arguments"]) is str, call
            for value in (call.get("id"), call["function"].get("name")):
                assert value is None or type(value) is str, call
    for name in ("usage", "environment_impact", "billing_cost"):
        assert chunk.get(name) is None or type(chunk[name]) is dict, chunk
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        usage = chunk.get("usage") or {}
        assert usage.get(name) is None or is_count(usage[name]), usage


def _check_partial(parser: ChatStreamParser, head: Head) -> None:
    """What has come can be told to a ledger, and read as an answer, whatever it was."""
    partial = parser.partial
    assert partial.usage is None or type(partial.usage) is dict, partial.usage
    impact, cost = partial.environment_impact, partial.billing_cost
    ledger = ImpactLedger()
    ledger.record(
        Entry(
            "chat",
            "glm-4.7",
            usage=partial.usage,
            impact=EnvironmentImpact.model_validate(impact) if impact else None,
            cost=BillingCost.model_validate(cost) if cost else None,
        )
    )
    if parser.error is not None:
        assert parser.error.partial is partial
        assert parser.error.request_id == "req_1"
        str(parser.error)
        return
    _use(completion_of(OpenStream(parser, (), head, NO_SUMMARY, 0.0)))


def _use(answer: Result) -> None:
    """Look at everything that an answer offers."""
    repr(answer)
    if isinstance(answer, ChatCompletion):
        assert isinstance(answer.text + answer.reasoning, str)
        for call in answer.tool_calls:
            assert type(call["function"]) is dict, call
    if answer.usage is not None:
        assert answer.usage.cached_tokens is None or is_count(answer.usage.cached_tokens)
        assert answer.usage.reasoning_tokens is None or is_count(answer.usage.reasoning_tokens)
    if answer.billing_cost is not None:
        assert answer.billing_cost.eur is None or answer.billing_cost.eur.is_finite()
    ledger = ImpactLedger()
    usage = answer.raw.get("usage") if isinstance(answer.raw, dict) else None
    usage = usage if isinstance(usage, dict) else None
    ledger.record(Entry("chat", "m", usage=usage, impact=answer.environment_impact, cost=answer.billing_cost))


def stream_bytes(chance: Random) -> tuple[str, bytes]:
    """The type and the body of a stream: mutated chunks, framed more or less as they should be."""
    chunks = [chance.choice(samples.CHUNKS) for _ in range(chance.randint(1, 5))]
    if chance.random() < 0.15:
        whole = chance.choice((samples.CHAT, samples.ERROR, *samples.CHUNKS))
        kind = chance.choice(("application/json", "text/event-stream", ""))
        return kind, encoded(chance, mutated(chance, whole))
    body = b""
    for chunk in chunks:
        if chance.random() < 0.1:
            body += chance.choice((b"event: error\n", b"event: ping\n", b"event: message\n"))
        if chance.random() < 0.05:
            body += b"error: " + encoded(chance, mutated(chance, samples.ERROR)) + b"\n"
        body += b"data: " + encoded(chance, mutated(chance, chunk)) + chance.choice((b"\n\n", b"\r\n\r\n"))
    return "text/event-stream", body + chance.choice((b"data: [DONE]\n\n", b""))


def chat_stream(seed: int, until: Until) -> Outcome:
    """Streams, and whole answers in their place: the chunks are regular, errors hold what had come."""

    def attempt(chance: Random) -> None:
        kind, body = stream_bytes(chance)
        head = Head(200, {**JSON, "content-type": kind})
        parser = ChatStreamParser(head)
        for piece in [body] if chance.random() < 0.5 else cuts(chance, body):
            for chunk in parser.feed(piece):
                check_chunk(chunk)
            if parser.ended:
                break
        for chunk in parser.close():
            check_chunk(chunk)
        _check_partial(parser, head)

    return run("chat stream", seed, until, attempt)


def chat_replay(seed: int, until: Until) -> Outcome:
    """Whole answers that are handed out as streams."""

    def attempt(chance: Random) -> None:
        raw = chat_endpoint.parse(_response(encoded(chance, mutated(chance, samples.CHAT)))).raw
        head = Head(200, JSON)
        parser = ChatStreamParser(head)
        for chunk in parser.replay(raw, chunks_of(raw, usage=True)):
            check_chunk(chunk)
        _check_partial(parser, head)

    return run("chat replay", seed, until, attempt)


# --- whole answers ------------------------------------------------------------------------------------


def _whole(name: str, sample: dict[str, Any], parse: Callable[[Response], Any]) -> Any:
    def target(seed: int, until: Until) -> Outcome:
        def attempt(chance: Random) -> None:
            parse(_response(encoded(chance, mutated(chance, sample))))

        return run(name, seed, until, attempt)

    target.__name__ = name.replace(" ", "_")
    target.__doc__ = f"Whole answers of {name}."
    return target


def _embeddings(response: Response) -> None:
    vectors, answer = embeddings_endpoint._parse(response, 2)
    assert len(vectors) == 2
    assert all(math.isfinite(sum(vector)) for vector in vectors)
    _use(answer)


def _rerank(response: Response) -> None:
    answer = rerank_endpoint._parse(response, 2)
    assert all(math.isfinite(item.relevance_score) for item in answer.results)
    _use(answer)


def _models(response: Response) -> None:
    answer = models_endpoint._list(response)
    for model in answer.data:
        _use(model)
    for card in LiveModels("fuzz").update(models_endpoint.listed_models(answer)):
        repr((card, card.vision, card.tools, card.reasoning, card.input_cost, card.to_meta()))


chat = _whole("chat", samples.CHAT, lambda response: _use(chat_endpoint.parse(response)))
embeddings = _whole("embeddings", samples.EMBEDDINGS, _embeddings)
rerank = _whole("rerank", samples.RERANK, _rerank)
images = _whole("images", samples.IMAGES, lambda response: _use(images_endpoint._parse(response)))
models = _whole("models", samples.MODELS, _models)


def audio(seed: int, until: Until) -> Outcome:
    """Transcriptions, as objects and as text, under any type."""

    def attempt(chance: Random) -> None:
        sample: Any = chance.choice((samples.AUDIO, samples.AUDIO, "1\n00:00 --> 00:01\nHi"))
        body = encoded(chance, mutated(chance, sample))
        kind = chance.choice(("application/json", "text/plain", "text/html", "text/vtt", ""))
        answer = audio_endpoint._parse(_response(body, kind), plain=chance.random() < 0.5)
        assert type(answer.text) is str
        _use(answer)

    return run("audio", seed, until, attempt)


def error_bodies(seed: int, until: Until) -> Outcome:
    """What the service has against a request, in any shape, under any status."""

    def attempt(chance: Random) -> None:
        data = encoded(chance, mutated(chance, samples.ERROR))
        try:
            body = codec.loads(data)
        except ValueError:
            body = data.decode("utf-8", "replace")
        status = chance.choice((None, 400, 401, 402, 403, 404, 413, 422, 429, 500, 503, 520, 307))
        error = status_error(status, body, request_id="req_1", endpoint="chat")
        assert type(error.message) is str
        str(error)
        raise error

    return run("error bodies", seed, until, attempt)


TARGETS = (
    sse,
    chat_stream,
    chat_replay,
    chat,
    embeddings,
    rerank,
    images,
    audio,
    models,
    error_bodies,
)
