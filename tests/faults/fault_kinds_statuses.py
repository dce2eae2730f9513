"""Refusals: every status, odd bodies, odd words about waiting, redirects."""

import json

from fault_kinds_connection import EVERY, WIDE
from fault_server import Ask, Kind, Outcome, Play
from faults_kit import head

from melious import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    InsufficientBalanceError,
    MeliousError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ServerError,
)

AGAIN = "retry-after: 0"
PAGE = b"<html><head><title>Bad gateway</title></head><body>cloudflare</body></html>"


def refusal(status: str, *lines: str, body: bytes | None = None) -> Play:
    """Refuse with a status; by default with an error object."""
    content = json.dumps({"error": {"message": "the service said no"}}).encode() if body is None else body
    return lambda ask: ask.whole(content, *lines, status=status)


def _passing(status: str, error: Outcome, on: tuple[str, ...] = ("chat",)) -> Kind:
    return Kind(refusal(status, AGAIN), (error,), on, sent=2)


def _final(status: str, error: Outcome, on: tuple[str, ...] = ("chat",)) -> Kind:
    return Kind(refusal(status), (error,), on, sent=1)


def _waits(value: str, *, sent: int, name: str = "retry-after", on: tuple[str, ...] = ("chat",)) -> Kind:
    return Kind(
        refusal("429 Too Many Requests", f"{name}: {value}"), (RateLimitError,), on, sent=sent, shuts=True
    )


def _redirect(status: str) -> Kind:
    return Kind(
        refusal(status, "location: http://127.0.0.1:9/v1/elsewhere", body=b""),
        (APIStatusError,),
        ("chat", "models"),
        sent=1,
    )


def _body_never_comes(ask: Ask) -> None:
    ask.begin("content-length: 500", status="401 Unauthorized")
    ask.send(b'{"error')
    ask.close()


def _body_without_end(ask: Ask) -> None:
    ask.begin("content-length: 99999999999", status="400 Bad Request")
    ask.until_over(b"x" * 65536)


def _one_then_another(ask: Ask) -> None:
    """A refusal that another answer stands behind: the retry must not get it."""
    refused = head("503 Unavailable", AGAIN, "content-type: application/json", "content-length: 2")
    # In one piece: a retry may be sent before a second piece arrives, and nothing can tell the two apart then.
    ask.send(refused + b"{}" + head("200 OK", "content-length: 2") + b"{}")


def _object(value: object) -> bytes:
    return json.dumps(value).encode()


STATUSES = {
    "400": _final("400 Bad Request", BadRequestError, WIDE),
    "401": _final("401 Unauthorized", AuthenticationError, EVERY),
    "402": _final("402 Payment Required", InsufficientBalanceError),
    "403": _final("403 Forbidden", PermissionDeniedError),
    "404": _final("404 Not Found", NotFoundError, WIDE),
    "405": _final("405 Method Not Allowed", APIStatusError),
    "408": _passing("408 Request Timeout", ServerError),
    "409": _passing("409 Conflict", ServerError),
    "413": _final("413 Content Too Large", BadRequestError, ("chat", "stream", "audio")),
    "418": _final("418 I'm a teapot", APIStatusError),
    "422": _final("422 Unprocessable", BadRequestError),
    "425": _passing("425 Too Early", ServerError),
    "429": _passing("429 Too Many Requests", RateLimitError, EVERY),
    "500": _passing("500 Internal Server Error", ServerError, EVERY),
    "502": _passing("502 Bad Gateway", ProviderError, WIDE),
    "503": _passing("503 Service Unavailable", ServerError, WIDE),
    "504": _passing("504 Gateway Timeout", ProviderError),
    "520": _passing("520 Web Server Returned an Unknown Error", ServerError),
    "529": _passing("529 Site is overloaded", ServerError),
    "599": _passing("599 Network Connect Timeout", ServerError),
    "301": _redirect("301 Moved Permanently"),
    "302": _redirect("302 Found"),
    "303": _redirect("303 See Other"),
    "307": _redirect("307 Temporary Redirect"),
    "308": _redirect("308 Permanent Redirect"),
    "201": Kind(refusal("201 Created", body=None), (MeliousError,)),
    # --- odd bodies
    "a page with status 502": Kind(
        refusal("502 Bad Gateway", AGAIN, body=PAGE), (ProviderError,), WIDE, sent=2
    ),
    "a page with status 403": Kind(refusal("403 Forbidden", body=PAGE), (PermissionDeniedError,), sent=1),
    "an empty 500": Kind(refusal("500 Oops", AGAIN, body=b""), (ServerError,), WIDE, sent=2),
    "a 400 that is a text": Kind(refusal("400 Bad", body=b"no\xff\xfe"), (BadRequestError,), sent=1),
    "a 400 that is a list": Kind(
        refusal("400 Bad", body=_object([{"error": "no"}, 1])), (BadRequestError,), sent=1
    ),
    "a 400 that is null": Kind(refusal("400 Bad", body=b"null"), (BadRequestError,), sent=1),
    "a 400 with an error of a number": Kind(
        refusal("400 Bad", body=_object({"error": 7})), (BadRequestError,), sent=1
    ),
    "a 400 with a message of an object": Kind(
        refusal("400 Bad", body=_object({"error": {"message": {"a": [None]}, "code": ["x"], "type": {}}})),
        (BadRequestError,),
        sent=1,
    ),
    "a 400 that is 100,000 deep": Kind(refusal("400 Bad", body=b"[" * 100_000), (BadRequestError,), sent=1),
    "a 400 with a lone surrogate": Kind(
        refusal("400 Bad", body=b'{"error": {"message": "\\ud800", "code": "\\udfff"}}'),
        (BadRequestError,),
        sent=1,
    ),
    "a 400 in UTF-16": Kind(
        refusal("400 Bad", body='{"error": "no"}'.encode("utf-16")), (BadRequestError,), sent=1
    ),
    "a 401 whose body never comes": Kind(_body_never_comes, (AuthenticationError,), WIDE, sent=1),
    "a 400 whose body has no end": Kind(_body_without_end, (BadRequestError,), sent=1, seconds=10),
    "a 503 and an answer behind": Kind(_one_then_another, (ServerError,), WIDE, sent=2),
    # --- odd words about waiting
    "wait soon": _waits("soon", sent=2),
    "wait -5": _waits("-5", sent=2),
    "wait 1e400": _waits("1e400", sent=2),
    "wait nan": _waits("nan", sent=2),
    "wait nothing": _waits("", sent=2),
    "wait 0": _waits("0", sent=2),
    "wait until a moment that is past": _waits("Wed, 21 Oct 2015 07:28:00 GMT", sent=2),
    "wait three years": _waits("99999999", sent=2),
    "wait a month": _waits("2592000", sent=1, on=WIDE),
    "wait until the year 9999": _waits("Fri, 31 Dec 9999 23:59:59 GMT", sent=2),
    "wait 0 milliseconds": _waits("0", sent=2, name="retry-after-ms"),
    "do not try again": Kind(refusal("503 Unavailable", "x-should-retry: false"), (ServerError,), sent=1),
    "do try again": Kind(refusal("400 Bad", "x-should-retry: true", AGAIN), (BadRequestError,), sent=2),
    "money under status 429": Kind(
        refusal(
            "429 Too Many Requests",
            body=_object({"error": {"message": "top up", "code": "insufficient_quota"}}),
        ),
        (InsufficientBalanceError,),
        EVERY,
        sent=1,
    ),
}
