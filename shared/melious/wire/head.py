"""The head of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers (names in lower case) of an answer."""

    status: int
    headers: Mapping[str, str]

    @property
    def request_id(self) -> str | None:
        """The service's id for this request."""
        return self.headers.get("x-request-id")

    @property
    def content_type(self) -> str:
        """The media type, in lower case and without parameters."""
        return self.headers.get("content-type", "").split(";", 1)[0].strip().lower()


def without_cookies(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Headers without cookies, which are credentials, to show to callers."""
    if "set-cookie" not in headers:
        return headers
    return {name: value for name, value in headers.items() if name != "set-cookie"}
