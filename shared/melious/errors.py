"""What can go wrong, as one tree, and the one table that reads the service's answers.

    MeliousError
    ├── ConfigurationError (ValueError)        no key, an unusable base URL
    ├── InvalidArgumentError (ValueError)      refused here, before anything was sent
    ├── APIConnectionError (ConnectionError)   no answer: DNS, connect, TLS, cut connection
    │   └── StreamTruncatedError               a stream that stopped without saying it was done
    ├── APITimeoutError (TimeoutError)         one attempt took too long
    │   └── DeadlineExceededError              the whole call took too long
    ├── ResponseDecodeError                    an answer that is not what the endpoint promises
    └── APIStatusError                         the service said no, with a status or inside a stream
        ├── BadRequestError                    400, 413, 422
        │   └── ContextLengthExceededError
        ├── AuthenticationError                401
        ├── PermissionDeniedError              403
        ├── InsufficientBalanceError           402, or 403 and 429 that are about money
        ├── NotFoundError                      404
        │   └── ModelNotFoundError
        ├── RateLimitError                     429
        └── ServerError                        5xx and the other passing troubles
            ├── ProviderError                  every provider of the model failed
            └── NoProvidersAvailableError      the filters left no provider

Three generations of error codes are in use (symbolic `AUTH_INVALID_API_KEY`,
numeric `AUTH_1008`, snake_case `insufficient_quota`); `status_error` knows all
of them and falls back to the status for any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_BODY_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a call that failed: what came of it, and when (seconds since the call began)."""

    outcome: str
    at: float
    request_id: str | None = None


class MeliousError(Exception):
    """Root of everything this library raises on purpose.

    Attributes:
        message: What happened, without the advice.
        status_code: HTTP status, where there was an answer.
        code: The service's own code, as sent.
        type: The service's error type, as sent.
        param: The request field the service complains about, where it names one.
        details: Whatever the service sends beside the message.
        request_id: The service's id of the (last) request.
        body: The answer's body: parsed JSON, or text.
        retry_after: Seconds the service asks to wait, where it says so.
        attempts: How many requests were sent.
        elapsed: Seconds from the start of the call to the error.
        history: The earlier failed attempts, oldest first.
        partial: For an error inside a stream, what had arrived: a
            `PartialCompletion` with `text`, `reasoning`, `tool_calls`, `usage`.
        advice: What to do about it.
    """

    advice = ""
    is_retryable: bool = False
    """Whether the same request may succeed later."""

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        code: str | None = None,
        type: str | None = None,  # noqa: A002 - the wire's word
        param: str | None = None,
        details: Any = None,
        request_id: str | None = None,
        body: Any = None,
        retry_after: float | None = None,
        advice: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.code = code
        self.type = type
        self.param = param
        self.details = details
        self.request_id = request_id
        self.body = body
        self.retry_after = retry_after
        self.attempts = 0
        self.elapsed = 0.0
        self.history: tuple[Attempt, ...] = ()
        self.partial: Any = None
        if advice is not None:
            self.advice = advice

    def __str__(self) -> str:
        facts = [
            str(self.status_code) if self.status_code else "",
            self.code or self.type or "",
            f"request {self.request_id}" if self.request_id else "",
            f"{self.attempts} attempts in {self.elapsed:.1f} s" if self.attempts > 1 else "",
        ]
        said = ", ".join(fact for fact in facts if fact)
        text = f"{self.message} ({said})" if said else self.message
        return f"{text}. {self.advice}" if self.advice else text

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.__class__, self.args, self.__dict__)


def _rebuild(cls: type[MeliousError], args: tuple[Any, ...], state: dict[str, Any]) -> MeliousError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(MeliousError, ValueError):
    """The client cannot be made from what it was given."""


class InvalidArgumentError(MeliousError, ValueError):
    """An argument was refused before anything was sent; the message names it and its position."""


class APIConnectionError(MeliousError, ConnectionError):
    """No answer came: the name, the connection, TLS, or a cut in the middle."""

    is_retryable = True
    advice = "Check the network, a proxy, and MELIOUS_BASE_URL"


class APITimeoutError(MeliousError, TimeoutError):
    """An attempt took longer than its timeout. The service may have worked on, and billed, the request."""

    is_retryable = True
    advice = "Raise `timeout`, shorten the request, or stream the answer"


class DeadlineExceededError(APITimeoutError):
    """The call as a whole, waits and retries included, took longer than its deadline."""

    advice = "Raise `deadline` or lower `max_retries`"


class ResponseDecodeError(MeliousError):
    """An answer that cannot be read: no JSON, a wrong shape, or not what was asked for."""

    advice = "Check that the base URL is that of Melious and not of a proxy or a web page"


class StreamTruncatedError(APIConnectionError):
    """A stream that ended without a finish reason and without `[DONE]`: the answer is not whole."""

    advice = "What arrived is in `.partial`; send the request again for a whole answer"


class APIStatusError(MeliousError):
    """The service answered with an error."""


class BadRequestError(APIStatusError):
    """The request is not valid as it is (400, 413, 422)."""

    advice = "Correct the request; sending it again as it is will fail again"


class ContextLengthExceededError(BadRequestError):
    """The input is longer than the model, or the provider that would serve it, takes."""

    advice = "Shorten the input or take a model with a longer context"


class AuthenticationError(APIStatusError):
    """The key is missing, wrong, revoked or expired (401)."""

    advice = "Check MELIOUS_API_KEY, or make a key at https://melious.ai/account/api/keys"


class PermissionDeniedError(APIStatusError):
    """The key lacks the scope for this endpoint (403)."""

    advice = "Give the key the scope that this endpoint needs"


class InsufficientBalanceError(APIStatusError):
    """The account has run out of energy or credits; no retry will help."""

    advice = "Top up the balance of the account"


class NotFoundError(APIStatusError):
    """There is nothing at this address (404)."""


class ModelNotFoundError(NotFoundError):
    """The model does not exist, or is not open to this key."""

    advice = "List the models with `client.models.list()`; an unknown `:flavor` counts as part of the name"


class RateLimitError(APIStatusError):
    """Too many requests (429)."""

    is_retryable = True
    advice = "Wait for `.retry_after` seconds or send fewer requests at a time"


class ServerError(APIStatusError):
    """The service, or something on the way to it, is in trouble (5xx)."""

    is_retryable = True
    advice = "Try again later"


class ProviderError(ServerError):
    """Every provider of the model failed or was too slow."""

    advice = "Try again, or take another model, flavor or filter"


class NoProvidersAvailableError(ServerError):
    """No provider fits what the request allows."""

    is_retryable = False
    advice = "Loosen `filters`, or take a model that more providers serve"


# --- the table -------------------------------------------------------------------------------------

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
    "BILLING_INSUFFICIENT_ENERGY": InsufficientBalanceError,
    "insufficient_quota": InsufficientBalanceError,
    "VALIDATION_INVALID_VALUE": BadRequestError,
    "VALIDATION_REQUIRED_FIELD": BadRequestError,
    "invalid_request_error": BadRequestError,
    "INFERENCE_3201": BadRequestError,
    "INFERENCE_3001": ModelNotFoundError,
    "model_not_found": ModelNotFoundError,
    "INFERENCE_3207": ContextLengthExceededError,
    "context_length_exceeded": ContextLengthExceededError,
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

_MONEY_STATUSES = frozenset({402, 403, 429})
_NO_PROVIDERS = re.compile(r"no providers? (?:match|available|fit)", re.IGNORECASE)
_CONTEXT = re.compile(
    r"maximum context length|context[ _]?(?:length|window|size|limit)[^.]{0,40}exceed"
    r"|exceeds?[^.]{0,40}context (?:length|window|size|limit)|exceeds the maximum number of tokens"
    r"|(?:prompt|input) is too long|reduce the length of",
    re.IGNORECASE,
)


def error_class(
    status: int | None, code: str | None, type_: str | None, message: str
) -> type[APIStatusError]:
    """Pick the class for what the service said: its code first, then its type, then the status.

    Args:
        status: HTTP status; None for an error inside a stream.
        code: `error.code`, in any of the three vocabularies.
        type_: `error.type`.
        message: The service's own words, for what it sends without a code.
    """
    for word in (code, type_):
        if word is None:
            continue
        known = _BY_CODE.get(word) or next(
            (cls for prefix, cls in _BY_PREFIX if word.startswith(prefix)), None
        )
        if known is None or not _fits(known, status):
            continue
        if known is not BadRequestError:
            return known
        if _CONTEXT.search(message):
            return ContextLengthExceededError
        return NoProvidersAvailableError if _NO_PROVIDERS.search(message) else known
    if _NO_PROVIDERS.search(message):
        return NoProvidersAvailableError
    if status is None:
        status = int(code) if code is not None and code.isdecimal() and len(code) == 3 else 500  # noqa: PLR2004
    if status in (400, 413, 422, 429) and _CONTEXT.search(message):
        return ContextLengthExceededError
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return ServerError if status >= 500 else APIStatusError  # noqa: PLR2004


def _fits(known: type[APIStatusError], status: int | None) -> bool:
    """Whether a word that is used loosely means under this status what it says."""
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
    retry_after: float | None = None,
    endpoint: str = "",
) -> APIStatusError:
    """Make the exception for an error answer.

    Args:
        status: HTTP status; None for an error inside a stream.
        body: The parsed JSON body, or text where it was no JSON. All of
            `{"error": {...}}`, `{"error": "text"}`, `{"message": "text"}`,
            a bare error object and plain text are understood.
        request_id: The answer's `x-request-id`.
        retry_after: Seconds the answer asks to wait.
        endpoint: The endpoint's name, for the message of an answer that says nothing.
    """
    fields = _error_fields(body)
    message = fields["message"] or f"{endpoint or 'the service'} answered {status or 'an error'}"
    code, type_ = fields["code"], fields["type"]
    cls = error_class(status, code, type_, message)
    if status == 404 and "model" in message.lower():  # noqa: PLR2004
        cls = ModelNotFoundError
    return cls(
        message,
        status_code=status,
        code=code,
        type=type_,
        param=fields["param"],
        details=fields["details"],
        request_id=request_id,
        body=body,
        retry_after=retry_after,
    )


def _error_fields(body: Any) -> dict[str, Any]:
    """Find message, code, type, param and details in any of the shapes an error body has."""
    fields: dict[str, Any] = {"message": "", "code": None, "type": None, "param": None, "details": None}
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if isinstance(body, str):
        fields["message"] = " ".join(body.split())[:_BODY_SHOWN]
        return fields
    if not isinstance(body, dict):
        return fields
    error = body.get("error", body)
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
    """A code as text: servers send strings, numbers, and the word None."""
    if value in (None, "", "None") or isinstance(value, bool):
        return None
    return value if isinstance(value, str) else str(value)
