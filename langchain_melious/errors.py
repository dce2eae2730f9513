"""The errors of Melious as LangChain knows them.

Each class here is both the error of `melious.errors` with the same name and the
`langchain_core.exceptions` class for the same condition, so that `except`
clauses of either family match, and so that agents' retry and summarization
middleware decide rightly. Everything an error carries (`status_code`, `code`,
`request_id`, `partial`, ...) is documented on `melious.errors.MeliousError`.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from langchain_core import exceptions as langchain

from melious import errors as core


class ErrorResponse:
    """What LangChain writes into a trace about an answer that was an error."""

    def __init__(self, error: core.MeliousError) -> None:
        self.status_code: int | None = error.status_code
        self.headers: dict[str, str] = {"x-request-id": error.request_id} if error.request_id else {}
        self._body = error.body

    def json(self) -> Any:
        """The body of the answer, parsed where it was JSON."""
        return self._body


class ConfigurationError(core.ConfigurationError, langchain.ModelError):
    """The client cannot be made from what it was given."""


class InvalidArgumentError(core.InvalidArgumentError, langchain.ModelInvalidRequestError):
    """An argument was refused before anything was sent."""


class APIConnectionError(core.APIConnectionError, langchain.ModelConnectionError):
    """No answer came."""


class StreamTruncatedError(APIConnectionError, core.StreamTruncatedError):
    """A stream ended before the answer did."""


class APITimeoutError(core.APITimeoutError, langchain.ModelTimeoutError):
    """An attempt took too long."""


class DeadlineExceededError(APITimeoutError, core.DeadlineExceededError):
    """The call as a whole took too long."""


class ResponseDecodeError(core.ResponseDecodeError, langchain.ModelAPIError):
    """An answer that cannot be read."""


class BudgetExceededError(core.BudgetExceededError, langchain.ModelError):
    """A budget is used up; nothing was sent."""


class ResidencyError(core.ResidencyError, langchain.ModelError):
    """An answer was not made where it may be, or does not say where."""


class APIStatusError(core.APIStatusError, langchain.ModelError):
    """The service answered with an error."""

    @property
    def response(self) -> ErrorResponse:
        """Status, body and request id, in the shape that tracers read."""
        return ErrorResponse(self)


class BadRequestError(APIStatusError, core.BadRequestError, langchain.ModelInvalidRequestError):
    """The request is not valid as it is."""


class ContextLengthExceededError(
    BadRequestError, core.ContextLengthExceededError, langchain.ContextOverflowError
):
    """The input is longer than the model takes."""


class AuthenticationError(APIStatusError, core.AuthenticationError, langchain.ModelAuthenticationError):
    """The key is missing, wrong, revoked or expired."""


class PermissionDeniedError(APIStatusError, core.PermissionDeniedError, langchain.ModelPermissionDeniedError):
    """The key lacks the scope for this endpoint."""


class InsufficientBalanceError(
    APIStatusError, core.InsufficientBalanceError, langchain.ModelPermissionDeniedError
):
    """The account has run out of energy or credits."""


class NotFoundError(APIStatusError, core.NotFoundError, langchain.ModelNotFoundError):
    """There is nothing at this address."""


class ModelNotFoundError(NotFoundError, core.ModelNotFoundError):
    """The model does not exist, or is not open to this key."""


class RateLimitError(APIStatusError, core.RateLimitError, langchain.ModelRateLimitError):
    """Too many requests."""


class ServerError(APIStatusError, core.ServerError, langchain.ModelAPIError):
    """The service, or something on the way to it, is in trouble."""


class ProviderError(ServerError, core.ProviderError):
    """Every provider of the model failed or was too slow."""


class NoProvidersAvailableError(ServerError, core.NoProvidersAvailableError):
    """No provider fits what the request allows."""


_OURS: dict[type[core.MeliousError], type[core.MeliousError]] = {
    getattr(core, name): kind
    for name, kind in list(globals().items())
    if isinstance(kind, type) and issubclass(kind, core.MeliousError)
}
"""The class of this module for each class of the core, which has the same name."""


def for_langchain(error: core.MeliousError) -> core.MeliousError:
    """Give an error of the core as the class here that corresponds to it, with all it carries.

    Example:
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
    """A with block whose errors of the core leave it as errors of this module. Has no state: share it."""

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
    """Refuse an async call where no asyncio event loop runs, before LangChain's own steps fail for it.

    Raises:
        ConfigurationError: None runs: the code is under trio or curio, or outside of any loop.
    """
    from melious.http.asyncio_only import running_loop  # noqa: PLC0415 - blocking code does without

    with langchain_errors:
        running_loop()
