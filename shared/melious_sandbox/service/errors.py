"""The errors that the sandbox answers with: a reason, which the profile turns into status, code and body."""

from collections.abc import Mapping
from typing import Any

from melious_sandbox.service.profiles import MESSAGES, Profile, Reason


class ClientGoneError(Exception):
    """The client closed its connection before it had its answer."""


class SandboxError(Exception):
    """An error answer: its reason, which the profile turns into status, code and type, and its text."""

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
        self.message = message or MESSAGES[reason]
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
