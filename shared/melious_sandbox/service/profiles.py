"""What differs between the generations of the service: error codes, rate-limit headers, bill, streams.

Three profiles: ``live`` (how the service answers today, OpenAI-like codes in snake case), ``g1`` (the older
documentation, symbolic codes) and ``g2`` (the newer documentation, numeric codes).
"""

import csv
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal, NamedTuple

ProfileName = Literal["live", "g1", "g2"]

Reason = Literal[
    "no_key",
    "auth",
    "scope",
    "rate_limit",
    "insufficient_quota",
    "invalid_value",
    "missing_field",
    "empty_input",
    "malformed",
    "no_vision",
    "context_length",
    "model_not_found",
    "payload_too_large",
    "not_found",
    "method_not_allowed",
    "provider_error",
    "provider_rate_limit",
    "no_providers",
    "upstream_timeout",
    "page_limit",
    "internal",
]


class ErrorCode(NamedTuple):
    """How one profile answers for one reason."""

    status: int
    code: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """One generation of the service."""

    name: ProfileName
    error_codes: Mapping[str, ErrorCode]
    error_fields: tuple[str, ...]
    bill: Callable[[str, str], dict[str, str] | None]  # of euros and energy, both as decimal strings
    stream_impact: bool  # whether the last chunk of a stream carries impact and bill
    image_format: str
    image_formats: frozenset[str] = frozenset({"b64_json", "url"})
    image_count: int = 10
    audio_formats: frozenset[str] = frozenset({"json", "text", "srt", "vtt", "verbose_json"})
    document_field: str = "data"  # the field of the form that holds documents
    rate_suffix: str = ""
    rate_reset_is_epoch: bool = True
    batch_start: str = "validating"
    batch_end: str = "completed"
    batch_counts: tuple[str, ...] = ("total", "completed", "failed")

    def error_body(
        self, code: ErrorCode, message: str, param: str | None, details: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Build the body of an error."""
        known = {"code": code.code, "message": message, "type": code.type, "param": param}
        found: dict[str, Any] = {name: known[name] for name in self.error_fields if name in known}
        if details and ("details" in self.error_fields or code.code.startswith("KIT_")):
            found["details"] = dict(details)
        return {"error": found}

    def rate_headers(self, limit: int, remaining: int, reset: float) -> list[tuple[str, str]]:
        """Build the rate-limit headers; ``reset`` is in epoch seconds."""
        until = reset if self.rate_reset_is_epoch else max(0, reset - time.time())
        values = {"limit": limit, "remaining": remaining, "reset": math.ceil(until)}
        return [(f"x-ratelimit-{name}{self.rate_suffix}", str(value)) for name, value in values.items()]


# Of g1, seven codes are published; the rest follow their pattern.
with files(__package__).joinpath("errors.csv").open("r", encoding="utf-8") as _table:
    _ERRORS = list(csv.DictReader(_table))

MESSAGES: Mapping[str, str] = {row["reason"]: row["message"] for row in _ERRORS}


def _codes(profile: ProfileName) -> dict[str, ErrorCode]:
    cells = {row["reason"]: row[profile].split() for row in _ERRORS}
    return {reason: ErrorCode(int(status), *words) for reason, (status, *words) in cells.items()}


PROFILES: dict[ProfileName, Profile] = {
    "live": Profile(
        name="live",
        error_codes=_codes("live"),
        error_fields=("message", "type", "param", "code"),
        bill=lambda euros, energy: {"credits": euros, "energy": energy, "paid_with": "credits"},
        stream_impact=False,
        image_format="b64_json",
    ),
    "g1": Profile(
        name="g1",
        error_codes=_codes("g1"),
        error_fields=("message", "type", "code"),
        bill=lambda _euros, _energy: None,
        stream_impact=True,
        image_format="url",
        image_count=4,
        audio_formats=frozenset({"json", "text", "srt", "vtt"}),
        document_field="files",
    ),
    "g2": Profile(
        name="g2",
        error_codes=_codes("g2"),
        error_fields=("code", "message", "details"),
        bill=lambda _euros, energy: {"energy": energy, "credits": "0.0", "paid_with": "energy"},
        stream_impact=True,
        image_format="b64_json",
        image_formats=frozenset({"b64_json"}),
        rate_suffix="-requests",
        rate_reset_is_epoch=False,
        batch_start="queued",
        batch_end="succeeded",
        batch_counts=("processing", "succeeded", "errored"),
    ),
}
