"""Maps error answers to exceptions, by code and status.

Three generations of codes are in use: symbolic (`AUTH_INVALID_API_KEY`), numeric
(`AUTH_1008`) and snake_case (`insufficient_quota`). Other codes fall back to the status.
"""

from __future__ import annotations

import re
from typing import Any

from melious.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ContextLengthExceededError,
    InsufficientBalanceError,
    ModelNotFoundError,
    NoProvidersAvailableError,
    NotFoundError,
    PageLimitError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ServerError,
)
from melious.errors.context_overflow import is_overflow

_BODY_SHOWN = 500
_TITLE_SHOWN = 100
_PAGE = re.compile(r"\s*<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_WORDS_READ = 4000

_BY_CODE: dict[str, type[APIStatusError]] = {
    "AUTH_INVALID_API_KEY": AuthenticationError,
    "AUTH_1007": AuthenticationError,
    "AUTH_1008": AuthenticationError,
    "invalid_api_key": AuthenticationError,
    "AUTH_INSUFFICIENT_PERMISSIONS": PermissionDeniedError,
    "AUTH_1015": PermissionDeniedError,
    "insufficient_permissions": PermissionDeniedError,
    "AUTH_1028": RateLimitError,
    "rate_limit_exceeded": RateLimitError,
    "rate_limit_error": RateLimitError,
    "INFERENCE_3108": RateLimitError,
    "KIT_6220": PageLimitError,
    "BILLING_INSUFFICIENT_ENERGY": InsufficientBalanceError,
    "insufficient_quota": InsufficientBalanceError,
    "budget_exceeded": InsufficientBalanceError,
    "VALIDATION_INVALID_VALUE": BadRequestError,
    "VALIDATION_REQUIRED_FIELD": BadRequestError,
    "invalid_request_error": BadRequestError,
    "INFERENCE_3201": BadRequestError,
    "INFERENCE_3001": ModelNotFoundError,
    "model_not_found": ModelNotFoundError,
    "INFERENCE_3207": ContextLengthExceededError,
    "context_length_exceeded": ContextLengthExceededError,
    "context_window_exceeded": ContextLengthExceededError,
    "model_context_window_exceeded": ContextLengthExceededError,
    "exceed_context_size_error": ContextLengthExceededError,
    "model_max_prompt_tokens_exceeded": ContextLengthExceededError,
    "tokens_limit_reached": ContextLengthExceededError,
    "INFERENCE_PROVIDER_ERROR": ProviderError,
    "INFERENCE_3103": ProviderError,
    "INFERENCE_3107": ProviderError,
    "provider_error": ProviderError,
    "INFERENCE_NO_PROVIDERS_AVAILABLE": NoProvidersAvailableError,
    "INFERENCE_3104": NoProvidersAvailableError,
    "no_providers_available": NoProvidersAvailableError,
}

_BY_PREFIX: tuple[tuple[str, type[APIStatusError]], ...] = (
    ("BILLING_", InsufficientBalanceError),
    ("VALIDATION_", BadRequestError),
    ("SYSTEM_", ServerError),
)

_BY_STATUS: dict[int, type[APIStatusError]] = {
    **dict.fromkeys((400, 413, 422), BadRequestError),
    401: AuthenticationError,
    402: InsufficientBalanceError,
    403: PermissionDeniedError,
    404: NotFoundError,
    **dict.fromkeys((408, 409, 425), ServerError),
    429: RateLimitError,
    **dict.fromkeys((502, 504), ProviderError),
}

UNSUPPORTED: dict[int, str] = {
    501: "This server does not support this endpoint, or not for this model: use another server or model",
    505: "A server or proxy on the way does not speak HTTP/1.1: check the base URL and the proxy",
    508: "The request goes round in a circle between servers: check the base URL and the proxy",
    511: "This network wants a login first: log in with a browser, or set a proxy",
}
"""Advice for statuses from 500 on that no retry changes."""
_MONEY_STATUSES = frozenset({400, 402, 403, 429})
_NO_PROVIDER_FITS = re.compile(
    r"(?:\bno(?:ne of the)?|find an?y?) (?:\w+ )?providers? (?:\w+ ){0,2}?(?:match|fit|satisf|meet)"
    r"|no (?:matching|eligible|suitable) providers?\b"
    r"|\bno providers? (?:\w+ ){0,5}?(?:filters?|constraints?|countr(?:y|ies))\b"
    r"|\bfilters? exclude[sd]? (?:every|all)\b",
    re.IGNORECASE,
)
"""No provider matches the filters, said under any code and status."""
_NO_PROVIDERS = re.compile(r"no providers? (?:are |is )?available", re.IGNORECASE)
"""Said about outages too; a known code decides which is meant."""
_OVERFLOW_STATUSES = frozenset({None, 400, 413, 422, 429})
_LOOSE = (BadRequestError, RateLimitError)
"""Classes whose codes are used for many things; the message decides."""


def error_class(
    status: int | None, code: str | None, type_: str | None, message: str
) -> type[APIStatusError]:
    """Pick the class of an error: by its code, else its type, else the status.

    The message decides where codes are not reliable. Inside a stream there is no status.
    """
    if _NO_PROVIDER_FITS.search(message[:_WORDS_READ]):
        return NoProvidersAvailableError
    said = _status_in(code) if status is None else status
    overflow = said in _OVERFLOW_STATUSES and is_overflow(message[:_WORDS_READ])
    for word in (code, type_):
        if word is None:
            continue
        known = _BY_CODE.get(word) or next(
            (cls for prefix, cls in _BY_PREFIX if word.startswith(prefix)), None
        )
        if known is None or not _fits(known, status):
            continue
        if known in _LOOSE and overflow:
            return ContextLengthExceededError
        if known is BadRequestError and _NO_PROVIDERS.search(message):
            return NoProvidersAvailableError
        return known
    if _NO_PROVIDERS.search(message):
        return NoProvidersAvailableError
    if overflow:
        return ContextLengthExceededError
    if said is None:
        return ServerError
    if said in _BY_STATUS:
        return _BY_STATUS[said]
    return ServerError if said >= 500 else APIStatusError  # noqa: PLR2004


def _status_in(code: str | None) -> int | None:
    """The HTTP status that some servers send as the code inside a stream."""
    return int(code) if code is not None and code.isdecimal() and len(code) == 3 else None  # noqa: PLR2004


def _fits(known: type[APIStatusError], status: int | None) -> bool:
    """Whether a code that is used loosely can be trusted with this status."""
    if status is None:
        return True
    if known is InsufficientBalanceError:
        return status in _MONEY_STATUSES
    if known is BadRequestError:
        # `invalid_request_error` is also the type of a missing key, path or model.
        return status < 500 and _BY_STATUS.get(status, known) is known  # noqa: PLR2004
    return True


def status_error(
    status: int | None,
    body: Any,
    *,
    request_id: str | None = None,
    endpoint: str = "",
) -> APIStatusError:
    """Make the exception for an error answer.

    Args:
        status: HTTP status; None for an error inside a stream.
        body: The parsed JSON body, or text: `{"error": {...}}`, `{"error": "text"}`,
            `{"message": "text"}`, a bare error object, or plain text.
        request_id: The answer's `x-request-id`.
        endpoint: The endpoint's name, for an answer without a message.
    """
    fields = _error_fields(body)
    answered = f"{endpoint or 'the service'} answered {status or 'an error'}"
    message = fields["message"] or answered
    code, type_ = fields["code"], fields["type"]
    cls = error_class(status, code, type_, message)
    page = web_page(body) if isinstance(body, str) else None
    if cls is NotFoundError and page is None and "model" in message.lower():
        cls = ModelNotFoundError
    error = cls(
        message if page is None else f"{answered} with {page}",
        status_code=status,
        code=code,
        type=type_,
        param=fields["param"],
        details=fields["details"],
        request_id=request_id,
        body=body,
    )
    said = status or _status_in(code)
    if said in UNSUPPORTED and cls is ServerError:
        error.advice, error.is_retryable = UNSUPPORTED[said], False
    return error


def web_page(text: str) -> str | None:
    """How to mention a web page: with its title, or else its first words; None for other texts."""
    if _PAGE.match(text) is None:
        return None
    from html import unescape  # noqa: PLC0415 - a table of entities, for errors of other servers

    text = text[:_WORDS_READ]
    found = _TITLE.search(text)
    words = " ".join(unescape(_MARKUP.sub(" ", text) if found is None else found[2]).split())[:_TITLE_SHOWN]
    return f"a web page, {words!r}" if words else "a web page"


def _error_fields(body: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"message": "", "code": None, "type": None, "param": None, "details": None}
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if isinstance(body, str):
        fields["message"] = " ".join(body.split())[:_BODY_SHOWN]
        return fields
    if not isinstance(body, dict):
        return fields
    error = body.get("error", body)
    while isinstance(error, dict) and "message" not in error and error.get("error"):
        error = error["error"]
    if isinstance(error, str):
        fields["message"] = error
        fields["type"] = _text(body.get("error_type")) or (error if error in _BY_CODE else None)
        return fields
    if not isinstance(error, dict):
        error = body
    message = error.get("message") or error.get("detail") or body.get("message") or body.get("detail")
    fields["message"] = message if isinstance(message, str) else str(message or "")
    fields["code"] = _text(error.get("code"))
    fields["type"] = _text(error.get("type"))
    fields["param"] = _text(error.get("param"))
    fields["details"] = error.get("details")
    return fields


def _text(value: Any) -> str | None:
    """A code as text: servers send strings, numbers and the word None."""
    if value in (None, "", "None") or isinstance(value, bool):
        return None
    return value if isinstance(value, str) else str(value)
