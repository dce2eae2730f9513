"""Reads answers as results."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from melious.answers.meta import AttachedDocument, Meta
from melious.answers.results import ChatCompletion, Result
from melious.errors import ResponseDecodeError
from melious.errors.table import status_error, web_page
from melious.exchange.request import Response
from melious.wire import codec
from melious.wire.head import Head, without_cookies
from melious.wire.normalized import name_counts

if TYPE_CHECKING:
    from melious.exchange.opened import OpenStream

R = TypeVar("R", bound=Result)
_WRONG_ANSWER = "The server answered wrongly: try again, or use another model or server"


def json_of(response: Response, endpoint: str) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        ResponseDecodeError: It is something else.
        APIStatusError: It is an error object.
    """
    try:
        raw = codec.loads(response.body)
    except ValueError:
        raw = None
    if not isinstance(raw, dict):
        begins = response.body[:4000].decode("utf-8", "replace")
        shown = " ".join(begins[:200].split())
        page = web_page(begins)
        kind = page or f"content-type {response.content_type or 'missing'}, starting with {shown!r}"
        raise ResponseDecodeError(
            f"{endpoint}: the answer is not a JSON object: {kind}",
            status_code=response.status,
            request_id=response.request_id,
            body=shown,
        )
    return checked_object(raw, response, endpoint)


def checked_object(raw: dict[str, Any], response: Head, endpoint: str) -> dict[str, Any]:
    """A parsed answer with its counts under their usual names.

    Raises:
        APIStatusError: It is an error object.
    """
    if raw.get("error") or raw.get("object") == "error":
        raise status_error(None, raw, request_id=response.request_id, endpoint=endpoint)
    if isinstance(raw.get("usage"), dict):
        name_counts(raw["usage"])
    return raw


def wrong_answer(message: str, **details: Any) -> ResponseDecodeError:
    """The error for an answer in the right form that does not fit what was sent."""
    return ResponseDecodeError(message, advice=_WRONG_ANSWER, **details)


def wrong_index(endpoint: str, index: object, sent: str, count: int, *, repeated: bool) -> str:
    """Say what is wrong with the index of an item.

    Examples:
        >>> wrong_index("rerank", 0, "documents", 3, repeated=True)
        'rerank: index 0 came twice in the answer to 3 documents'
    """
    what = "came twice" if repeated else "does not exist"
    return f"{endpoint}: index {index!r:.40} {what} in the answer to {count} {sent}"


def read_as(model: type[R], raw: Any, response: Response, endpoint: str, fields: Any = None) -> R:
    """Make a result from a parsed answer, or from `fields`; `raw` is kept as `.raw`.

    Raises:
        ResponseDecodeError: The answer does not have the documented shape.
    """
    try:
        result = model.model_validate(raw if fields is None else fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ResponseDecodeError(
            f"{endpoint}: the answer has a wrong value at {place}: {first['msg']}",
            status_code=response.status,
            request_id=response.request_id,
            body=raw,
        ) from None
    set_source(result, raw, meta_of(response))
    return result


def meta_of(response: Response) -> Meta:
    """The metadata of an answer."""
    return Meta(response.request_id, without_cookies(response.headers), response.call)


def set_source(result: Result, raw: Any, meta: Meta) -> None:
    """Set the raw answer and the metadata of a result."""
    result._raw, result._meta = raw, meta  # noqa: SLF001 - the other half of the class


def note_documents(completion: ChatCompletion, documents: tuple[AttachedDocument, ...]) -> None:
    """Set the documents that were sent as text."""
    if documents:
        completion._meta = replace(completion.meta, documents=documents)  # noqa: SLF001 - as above


def completion_of(opened: OpenStream) -> ChatCompletion:
    """The received part of a stream as a whole answer.

    Raises:
        ResponseDecodeError: The chunks do not make up an answer.
    """
    head = opened.head
    whole = Response(head.status, head.headers, b"", opened.call)
    return read_as(ChatCompletion, opened.parser.partial.to_wire(), whole, "chat")


def is_trusted(answer: Result) -> bool:
    """Whether an answer may be cached: not if its location is about to raise an error."""
    residency = answer.meta.residency
    if residency is None or residency.mode != "raise":
        return True
    impact = answer.environment_impact
    return residency.allows(impact.location if impact else None) is True
