"""The first part of an answer: its status and headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """The first part of an answer: its status and headers (names in lower case)."""

    status: int
    headers: Mapping[str, str]

    @property
    def request_id(self) -> str | None:
        """The service's id for this request."""
        return self.headers.get("x-request-id")


def without_cookies(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Headers for callers to see and keep: cookies are credentials."""
    if "set-cookie" not in headers:
        return headers
    return {name: value for name, value in headers.items() if name != "set-cookie"}
