"""The errors of Melious as LangChain errors.

Each class is both the `melious.errors` class of the same name and the
`langchain_core.exceptions` class for the same condition, so `except` clauses of
either family match and agent middleware reacts correctly. Attributes
(`status_code`, `code`, `request_id`, `partial`, ...) are documented on
`melious.errors.MeliousError`.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from langchain_core import exceptions as langchain

from melious import errors as core

if TYPE_CHECKING:
    from langchain_core.exceptions import ModelRefusalError as _Refusal
else:
    _Refusal = getattr(langchain, "ModelRefusalError", langchain.ModelError)  # its class is that of 1.7.5


class ErrorResponse:
    """What LangChain writes into a trace about an error response."""

    def __init__(self, error: core.MeliousError) -> None:
        self.status_code: int | None = error.status_code
        self.headers: dict[str, str] = {"x-request-id": error.request_id} if error.request_id else {}
        self._body = error.body

    def json(self) -> Any:
        """The response body, parsed if it was JSON."""
        return self._body


class ConfigurationError(core.ConfigurationError, langchain.ModelError):
    """The client cannot be created from these settings."""


class InvalidArgumentError(core.InvalidArgumentError, langchain.ModelInvalidRequestError):
    """An argument is invalid; nothing was sent."""


class APIConnectionError(core.APIConnectionError, langchain.ModelConnectionError):
    """The service could not be reached, or did not answer."""


class StreamTruncatedError(APIConnectionError, core.StreamTruncatedError):
    """A stream ended before the answer was complete."""


class APITimeoutError(core.APITimeoutError, langchain.ModelTimeoutError):
    """An attempt took too long."""


class DeadlineExceededError(APITimeoutError, core.DeadlineExceededError):
    """The whole call took too long."""


class ResponseDecodeError(core.ResponseDecodeError, langchain.ModelAPIError):
    """The response cannot be read."""


class ModelRefusalError(core.ModelRefusalError, _Refusal):
    """The model, or a content filter, withheld the answer or the rest of it."""


class BudgetExceededError(core.BudgetExceededError, langchain.ModelError):
    """A budget is used up; nothing was sent."""


class ResidencyError(core.ResidencyError, langchain.ModelError):
    """An answer came from outside the allowed countries, or its country is unknown."""


class APIStatusError(core.APIStatusError, langchain.ModelError):
    """The service answered with an error."""

    @property
    def response(self) -> ErrorResponse:
        """Status, body and request id, in the shape that tracers read."""
        return ErrorResponse(self)


class BadRequestError(APIStatusError, core.BadRequestError, langchain.ModelInvalidRequestError):
    """The request is invalid."""


class ContextLengthExceededError(
    BadRequestError, core.ContextLengthExceededError, langchain.ContextOverflowError
):
    """The input is longer than the model's context."""


class AuthenticationError(APIStatusError, core.AuthenticationError, langchain.ModelAuthenticationError):
    """The key is missing, invalid, revoked or expired."""


class PermissionDeniedError(APIStatusError, core.PermissionDeniedError, langchain.ModelPermissionDeniedError):
    """The key lacks the scope for this endpoint."""


class InsufficientBalanceError(
    APIStatusError, core.InsufficientBalanceError, langchain.ModelPermissionDeniedError
):
    """The account is out of energy or credits."""


class NotFoundError(APIStatusError, core.NotFoundError, langchain.ModelNotFoundError):
    """The resource does not exist."""


class ModelNotFoundError(NotFoundError, core.ModelNotFoundError):
    """The model does not exist, or this key may not use it."""


class RateLimitError(APIStatusError, core.RateLimitError, langchain.ModelRateLimitError):
    """Too many requests."""


class PageLimitError(APIStatusError, core.PageLimitError, langchain.ModelPermissionDeniedError):
    """The pages of a day are used up."""


class ServerError(APIStatusError, core.ServerError, langchain.ModelAPIError):
    """The service, or a proxy in front of it, failed."""


class ProviderError(ServerError, core.ProviderError):
    """Every provider of the model failed or was too slow."""


class NoProvidersAvailableError(ServerError, core.NoProvidersAvailableError):
    """No provider matches the routing of the request."""


_OURS: dict[type[core.MeliousError], type[core.MeliousError]] = {
    getattr(core, name): kind
    for name, kind in list(globals().items())
    if isinstance(kind, type) and issubclass(kind, core.MeliousError)
}
"""The class of this module for each class of the core, which has the same name."""


def for_langchain(error: core.MeliousError) -> core.MeliousError:
    """Convert an error of the core to the class here with the same name, attributes included.

    Examples:
        >>> for_langchain(core.RateLimitError("slow down", status_code=429)).is_retryable
        True
    """
    ours = next((_OURS[cls] for cls in type(error).__mro__ if cls in _OURS), None)
    if ours is None or isinstance(error, langchain.ModelError):
        return error
    adapted = ours.__new__(ours, *error.args)
    adapted.args = error.args
    adapted.__dict__.update(error.__dict__)
    return adapted


class LangChainErrors:
    """A context manager that converts errors of the core to errors of this module. Stateless, so shared."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, core.MeliousError):
            adapted = for_langchain(error)
            if adapted is not error:
                raise adapted.with_traceback(trace) from error.__cause__


langchain_errors: LangChainErrors = LangChainErrors()


def needs_asyncio() -> None:
    """Check that an asyncio event loop is running, before LangChain's own code fails less clearly.

    Raises:
        ConfigurationError: None is running: the code runs under trio or curio, or outside any loop.
    """
    from melious.http.asyncio_only import running_loop  # noqa: PLC0415 - blocking code does not need it

    with langchain_errors:
        running_loop()
