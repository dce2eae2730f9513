"""The exceptions, as one tree.

    MeliousError
    ├── ConfigurationError (ValueError)        no key, an unusable base URL
    ├── InvalidArgumentError (ValueError)      a wrong argument; nothing was sent
    ├── APIConnectionError (ConnectionError)   no answer: DNS, connect, TLS, broken connection
    │   └── StreamTruncatedError               a stream that stopped before its end
    ├── APITimeoutError (TimeoutError)         one attempt took too long
    │   └── DeadlineExceededError              the whole call took too long
    ├── ResponseDecodeError                    an answer that cannot be read
    ├── ModelRefusalError                      a model, or a filter, withheld the answer
    ├── BudgetExceededError                    an `ImpactBudget` is used up; nothing was sent
    ├── ResidencyError                         an answer from another country, or an unknown one
    └── APIStatusError                         an error answer, or an error inside a stream
        ├── BadRequestError                    400, 413, 422
        │   └── ContextLengthExceededError
        ├── AuthenticationError                401
        ├── PermissionDeniedError              403
        ├── InsufficientBalanceError           402, or 403 and 429 about money
        ├── NotFoundError                      404
        │   └── ModelNotFoundError
        ├── RateLimitError                     429
        ├── PageLimitError                     the pages of a day are used up
        └── ServerError                        5xx and other transient errors
            ├── ProviderError                  every provider of the model failed
            └── NoProvidersAvailableError      no provider matches the filters

`melious.errors.table` maps the service's answers to them.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Attempt(NamedTuple):
    """One failed attempt: its outcome, and its end in seconds since the call began."""

    outcome: str
    at: float
    request_id: str | None = None


class RetryEvent(NamedTuple):
    """A failed attempt that is about to be retried; the argument of `on_retry`.

    Attributes:
        attempt: The number of the attempt that failed, from 1.
        error: Its error.
        delay: Seconds until the next attempt.

    Examples:
        >>> from melious import MeliousClient
        >>> client = MeliousClient(api_key="sk-mel-...")
        >>> client.chat.create(  # doctest: +SKIP
        ...     model="glm-4.7", messages=[...], on_retry=lambda event: print(event.attempt, event.error)
        ... )
    """

    attempt: int
    error: MeliousError
    delay: float


class MeliousError(Exception):
    """Base class of this library's exceptions.

    Attributes:
        message: What happened, without the advice.
        status_code: HTTP status, if there was an answer.
        code: The service's error code, as sent.
        type: The service's error type, as sent.
        param: The request field at fault, if named.
        details: Further details from the service.
        request_id: The service's id of the (last) request.
        body: The answer's body: parsed JSON, or text.
        retry_after: Seconds that the service asks to wait.
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
        status = str(self.status_code) if self.status_code else ""
        # Many servers repeat the status as the code.
        words = (word for word in (self.code, self.type) if word and word != status)
        facts = [
            status,
            next(words, ""),
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
    """The client's configuration is missing something or is not valid."""


class InvalidArgumentError(MeliousError, ValueError):
    """An argument, named by the message, is not valid; nothing was sent."""


class APIConnectionError(MeliousError, ConnectionError):
    """No whole answer arrived: DNS, connecting, TLS, or a broken connection."""

    is_retryable = True
    advice = "Check the network, the proxy, and MELIOUS_BASE_URL"


class APITimeoutError(MeliousError, TimeoutError):
    """An attempt timed out. The service may have processed, and billed, the request."""

    is_retryable = True
    advice = "Raise `timeout`, shorten the request, or stream the answer"


class DeadlineExceededError(APITimeoutError):
    """The whole call, with waits and retries, took longer than its deadline."""

    advice = "Raise `deadline` or lower `max_retries`"


class ResponseDecodeError(MeliousError):
    """An answer is not JSON, or has the wrong form or content.

    Attributes:
        position: The place in the caller's list of the text whose vector is broken; None for other errors.
    """

    position: int | None = None
    advice = (
        "Check that the base URL is that of Melious and not of a proxy or a web page: it usually ends in /v1"
    )


class ModelRefusalError(MeliousError):
    """The model, or a content filter in front of it, withheld the answer or the rest of it.

    The answer was billed. The LangChain and LlamaIndex classes raise it; the client returns such answers with
    the `finish_reason` `content_filter`.

    Attributes:
        text: What came before the filter stepped in.
        raw_message: In LangChain, the message.
    """

    advice = "Rephrase the request, or use another model"

    def __init__(self, message: str, *, text: str = "", raw_message: Any = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.text = text
        self.raw_message = raw_message


class BudgetExceededError(MeliousError):
    """A budget is used up, or can no longer be enforced; the request was not sent.

    Attributes:
        budget: The `ImpactBudget`.
        spent: What had been spent, as `melious.impact.Totals`: reported figures only.
        limit: The name of the limit, such as `max_cost_eur`.
    """

    advice = "Raise the limit, or start a new ImpactBudget"

    def __init__(
        self, message: str, *, budget: Any = None, spent: Any = None, limit: str = "", **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.budget = budget
        self.spent = spent
        self.limit = limit


class ResidencyError(MeliousError):
    """An answer comes from outside `filters.countries`, or has no location.

    The answer is complete, and was billed.

    Attributes:
        answer: The answer: a `Result`; for a stream, what arrived.
        locations: The countries of unverified answers; None if unknown.
        countries: The countries that were allowed.
    """

    advice = "The answer is in `.answer`; a retry may run in the same place"

    def __init__(
        self,
        message: str,
        *,
        answer: Any = None,
        locations: tuple[str | None, ...] = (),
        countries: tuple[str, ...] = (),
        **details: Any,
    ) -> None:
        super().__init__(message, **details)
        self.answer = answer
        self.locations = locations
        self.countries = countries


class ResidencyWarning(UserWarning):
    """The warning of `verify_location="warn"`."""


class StreamTruncatedError(APIConnectionError):
    """A stream ended without a finish reason or `[DONE]`: the answer is incomplete."""

    advice = "What arrived is in `.partial`; send the request again for the whole answer"


class APIStatusError(MeliousError):
    """The service answered with an error."""


class BadRequestError(APIStatusError):
    """The request is not valid (400, 413, 422)."""

    advice = "Correct the request; it will fail again unchanged"


class ContextLengthExceededError(BadRequestError):
    """The input is too long for the model, or for the provider."""

    advice = "Shorten the input or use a model with a longer context"


class AuthenticationError(APIStatusError):
    """The key is missing, wrong, revoked or expired (401)."""

    advice = "Check MELIOUS_API_KEY, or create a key at https://melious.ai/account/api/keys"


class PermissionDeniedError(APIStatusError):
    """The key lacks the scope for this endpoint (403)."""

    advice = "Give the key the scope that this endpoint needs"


class InsufficientBalanceError(APIStatusError):
    """The account has run out of energy or credits; retries do not help."""

    advice = "Top up the account"


class NotFoundError(APIStatusError):
    """There is nothing at this URL (404)."""

    advice = "Check that the base URL is that of Melious: it usually ends in /v1"


class ModelNotFoundError(NotFoundError):
    """The model does not exist, or this key has no access to it."""

    advice = "List the models with `melious models`; an unknown `:flavor` counts as part of the name"


class RateLimitError(APIStatusError):
    """Too many requests (429)."""

    is_retryable = True
    advice = "Wait for `.retry_after` seconds or send fewer requests at a time"


class PageLimitError(APIStatusError):
    """The pages that a session may convert in a day are used up; API keys have no such limit.

    `details` has the limit and when it is reset, as far as the service says.
    """

    advice = "Convert fewer pages today, or use an API key, which has no daily limit"


class ServerError(APIStatusError):
    """The service, or something on the way to it, failed (5xx)."""

    is_retryable = True
    advice = "Try again later"


class ProviderError(ServerError):
    """Every provider of the model failed or was too slow."""

    advice = "Try again, or use another model, flavor or filter"


class NoProvidersAvailableError(ServerError):
    """No provider matches the request's filters."""

    is_retryable = False
    advice = "Relax `filters`, or use a model that more providers serve"
