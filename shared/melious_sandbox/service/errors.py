"""The errors that the sandbox answers with: a reason, which the profile turns into status, code and body."""

from collections.abc import Mapping
from typing import Any

from melious_sandbox.service.profiles import Profile, Reason

_MESSAGES: dict[Reason, str] = {
    "no_key": "No API key was given. Send it as 'Authorization: Bearer sk-mel-...'.",
    "auth": "The API key is not valid, or it was revoked or has expired.",
    "scope": "The API key lacks a scope that this endpoint requires.",
    "rate_limit": "Too many requests. Wait for the time given in Retry-After.",
    "insufficient_quota": "The balance of the account is empty. Top it up to continue.",
    "invalid_value": "A field of the request has a value that is not allowed.",
    "missing_field": "A required field is missing.",
    "empty_input": "The input is empty.",
    "malformed": (
        "The request was rejected as malformed. "
        "Check the message format, the tools schema or response_format."
    ),
    "no_vision": "The model does not accept this kind of input.",
    "context_length": "The input is longer than the context of the model.",
    "model_not_found": "The model does not exist.",
    "payload_too_large": "The body of the request is too large.",
    "not_found": "There is nothing at this path.",
    "method_not_allowed": "This path does not take this method.",
    "provider_error": "The model provider encountered an error. Please try again.",
    "provider_rate_limit": "The provider of the model limits the rate of requests. Please try again.",
    "no_providers": "No providers match the specified filters.",
    "upstream_timeout": "The model provider did not answer in time.",
    "internal": "An internal error happened.",
}


class ClientGoneError(Exception):
    """The client closed its connection before it had its answer."""


class SandboxError(Exception):
    """An error answer.

    Args:
        reason: The symbolic reason; the profile decides about status, code and type.
        message: The text for people; the reason's own text by default.
        param: The field that is wrong, if it is one field.
        details: Further facts; only the ``g2`` profile shows them.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        reason: Reason,
        message: str | None = None,
        *,
        param: str | None = None,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.reason: Reason = reason
        self.message = message or _MESSAGES[reason]
        self.param = param
        self.details = details
        self.headers = dict(headers or {})
        super().__init__(self.message)

    def render(self, profile: Profile) -> tuple[int, dict[str, Any]]:
        """Give the status and the body of this error in a profile."""
        code = profile.error_codes[self.reason]
        return code.status, profile.error_body(code, self.message, self.param, self.details)


def invalid(param: str, problem: str) -> SandboxError:
    """The error for a field whose value is not allowed: ``'param' must be ...``."""
    return SandboxError("invalid_value", f"'{param}' {problem}", param=param)


def empty(param: str) -> SandboxError:
    """The error for a field that must not be empty."""
    return SandboxError("empty_input", f"'{param}' must not be empty.", param=param)


def missing(param: str) -> SandboxError:
    """The error for a required field that is not there."""
    message = f"The field '{param}' is required."
    return SandboxError("missing_field", message, param=param, details={"field": param})
