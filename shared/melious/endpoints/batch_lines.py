"""The lines of a batch: each request as the ordinary call sends it, and its answer as that reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from melious.answers.results import Result
from melious.endpoints import chat, embeddings, images
from melious.errors import InvalidArgumentError
from melious.errors.checks import check_one_of
from melious.exchange.request import Request, Response
from melious.settings.config import ClientConfig
from melious.settings.options import CallOptions
from melious.wire import codec

CHAT = "/v1/chat/completions"

BatchRequest: TypeAlias = Mapping[str, Any] | tuple[str, Mapping[str, Any]]
"""A request of a batch: a dict of the arguments of the ordinary call (`model`, `messages`, ...), a tuple of
an id and such a dict, or a line of a batch file (`custom_id` and `body`)."""

BatchRequests: TypeAlias = Iterable[BatchRequest] | Mapping[str, Mapping[str, Any]]
"""The requests of a batch: an iterable, which is consumed one at a time, or a mapping of ids to requests."""

_OF_CALLS = (frozenset(CallOptions.__annotations__) | {"routing_fallbacks", "stream_impact"}) - {"extra_body"}
"""Arguments of the ordinary call that a batch cannot honour: nothing is sent again, and nothing streamed."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An endpoint that batches can be for.

    Attributes:
        name: Its name, for ledgers and errors.
        make: Makes the request of a line from the arguments of the ordinary call.
        read: Reads a parsed answer.
    """

    name: str
    make: Callable[[ClientConfig, dict[str, Any]], Request]
    read: Callable[[dict[str, Any], Response], Result]


def _chat(config: ClientConfig, given: dict[str, Any]) -> Request:
    model, messages = given.pop("model", None), chat.rereadable(given.pop("messages", None))
    if chat.attachments_in(config, messages, given) is not None:  # type: ignore[arg-type]  # checked below
        raise InvalidArgumentError(
            "messages: documents are not converted in a batch",
            param="messages",
            advice="Convert them first with client.documents.convert, and send their text",
        )
    return chat.create(config, model, messages, given).request  # type: ignore[arg-type]  # checked there


def _embeddings(config: ClientConfig, given: dict[str, Any]) -> Request:
    model, texts = given.pop("model", None), given.pop("input", None)
    return embeddings.single(config, model, texts, given)  # type: ignore[arg-type]  # checked there


def _images(config: ClientConfig, given: dict[str, Any]) -> Request:
    model, prompt = given.pop("model", None), given.pop("prompt", None)
    return images.create(config, model, prompt, given).request  # type: ignore[arg-type]  # checked there


KINDS = {
    CHAT: Kind("chat", _chat, chat.read),
    "/v1/embeddings": Kind("embeddings", _embeddings, embeddings.read),
    "/v1/images/generations": Kind("images", _images, images.read),
}


def kind_of(endpoint: object) -> Kind:
    """The kind of an endpoint.

    Raises:
        InvalidArgumentError: `batches.submit` cannot write lines for it.
    """
    check_one_of("endpoint", endpoint, KINDS)
    return KINDS[endpoint]  # type: ignore[index]  # it is one of them


def kind_named(path: object, name: str | None) -> Kind | None:
    """The kind of an endpoint as a service spells it, or of the name that was kept with the batch.

    Examples:
        >>> kind_named("https://api.melious.ai/v1/embeddings/", None).name
        'embeddings'
        >>> kind_named(None, "chat").name
        'chat'
    """
    spelled = str(path or "").partition("?")[0].rstrip("/").rpartition("/v1/")[2].lstrip("/")
    kinds = {kind.name: kind for kind in KINDS.values()}
    return KINDS.get(f"/v1/{spelled.removeprefix('v1/')}") or kinds.get(name or "")


def items_of(requests: object) -> Iterator[Any]:
    """The requests one at a time: those of an iterable, or the pairs of a mapping."""
    if isinstance(requests, Mapping):
        if isinstance(requests.get("model"), str):
            raise InvalidArgumentError(
                "requests: must be an iterable of requests; put a single request into a list",
                param="requests",
            )
        return iter(requests.items())
    if isinstance(requests, str | bytes) or not isinstance(requests, Iterable):
        raise InvalidArgumentError(
            f"requests: must be an iterable of requests, or a mapping of ids to requests, "
            f"not {type(requests).__name__}",
            param="requests",
        )
    return iter(requests)


def parts_of(item: Any, place: int, endpoint: str) -> tuple[str | None, Mapping[str, Any]]:
    """The id of a request, if it was given, and its body."""
    where = f"requests[{place}]"
    name: Any = None
    body: Any = item
    named = False
    if isinstance(item, tuple | list) and len(item) == 2:  # noqa: PLR2004
        named, (name, body) = True, item
    elif isinstance(item, Mapping) and "custom_id" in item and "body" in item:
        named, name, body = True, item["custom_id"], item["body"]
        for field, only, what in (("url", endpoint, "endpoint"), ("method", "POST", "method")):
            if item.get(field) not in (None, only):
                raise InvalidArgumentError(
                    f"{where}: {field}: must be {only!r}, the {what} of the batch, not {item[field]!r:.80}",
                    param="requests",
                )
    if named and (not isinstance(name, str) or not name.strip()):
        raise InvalidArgumentError(
            f"{where}: the id must be non-empty text, not {name!r:.80}", param="requests"
        )
    if not isinstance(body, Mapping):
        raise InvalidArgumentError(
            f"{where}: must be a dict of a request, or a tuple of an id and such a dict, not {body!r:.80}",
            param="requests",
        )
    return name, body


def line_of(
    config: ClientConfig, kind: Kind, endpoint: str, name: str, body: Mapping[str, Any], place: int
) -> tuple[bytes, Request]:
    """The line of a request, and the request that the ordinary call would have sent.

    Raises:
        InvalidArgumentError: The ordinary call would not have sent it; its place is named.
    """
    for option in body:
        if not isinstance(option, str):
            raise InvalidArgumentError(
                f"requests[{place}]: the names of its arguments must be text, not {option!r:.80}",
                param="requests",
            )
        if option in _OF_CALLS and body[option] is not None:
            raise InvalidArgumentError(
                f"requests[{place}]: {option}: is an option of calls; the requests of a batch have none",
                param=option,
            )
    try:
        request = kind.make(config, dict(body))
        head = codec.dumps({"custom_id": name, "method": "POST", "url": endpoint})
    except InvalidArgumentError as error:
        raise _placed(error, place) from error.__cause__
    assert isinstance(request.body, bytes)  # noqa: S101 - these endpoints take JSON
    return b"".join((head[:-1], b',"body":', request.body, b"}\n")), request


def _placed(error: InvalidArgumentError, place: int) -> InvalidArgumentError:
    message = f"requests[{place}]: {error.message}"
    return InvalidArgumentError(
        message, param=error.param, details=error.details, advice=error.advice or None
    )
