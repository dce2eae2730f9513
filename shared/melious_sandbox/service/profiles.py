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
    "internal",
]


class ErrorCode(NamedTuple):
    """How one profile answers for one reason."""

    status: int
    code: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """One generation of the service.

    Attributes:
        name: ``live``, ``g1`` or ``g2``.
        error_codes: Status, code and type of every reason.
        error_body: Builds the body of an error from code, message, parameter and details.
        rate_headers: Builds the rate-limit headers from limit, remaining and the epoch of the reset.
        bill: Builds ``billing_cost`` from euros and energy (decimal strings); None without a bill.
        stream_impact: Whether the last chunk of a stream carries impact and bill.
        image_format: Default ``response_format`` of images.
        image_formats: Formats of images that are accepted.
        image_count: Largest ``n`` of images.
        audio_formats: Response formats of transcriptions.
    """

    name: ProfileName
    error_codes: Mapping[str, ErrorCode]
    error_body: Callable[[ErrorCode, str, str | None, Mapping[str, Any] | None], dict[str, Any]]
    rate_headers: Callable[[int, int, float], list[tuple[str, str]]]
    bill: Callable[[str, str], dict[str, str] | None]
    stream_impact: bool
    image_format: str
    image_formats: frozenset[str] = frozenset({"b64_json", "url"})
    image_count: int = 10
    audio_formats: frozenset[str] = frozenset({"json", "text", "srt", "vtt", "verbose_json"})


def _live_body(code: ErrorCode, message: str, param: str | None, _details: object) -> dict[str, Any]:
    return {"error": {"message": message, "type": code.type, "param": param, "code": code.code}}


def _g1_body(code: ErrorCode, message: str, _param: object, _details: object) -> dict[str, Any]:
    return {"error": {"message": message, "type": code.type, "code": code.code}}


def _g2_body(
    code: ErrorCode, message: str, _param: object, details: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "error": {"code": code.code, "message": message} | ({"details": dict(details)} if details else {})
    }


def _epoch_headers(limit: int, remaining: int, reset: float) -> list[tuple[str, str]]:
    return [
        ("x-ratelimit-limit", str(limit)),
        ("x-ratelimit-remaining", str(remaining)),
        ("x-ratelimit-reset", str(math.ceil(reset))),
    ]


def _delta_headers(limit: int, remaining: int, reset: float) -> list[tuple[str, str]]:
    return [
        ("x-ratelimit-limit-requests", str(limit)),
        ("x-ratelimit-remaining-requests", str(remaining)),
        ("x-ratelimit-reset-requests", str(max(0, math.ceil(reset - time.time())))),
    ]


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
        error_body=_live_body,
        rate_headers=_epoch_headers,
        bill=lambda euros, energy: {"credits": euros, "energy": energy, "paid_with": "credits"},
        stream_impact=False,
        image_format="b64_json",
    ),
    "g1": Profile(
        name="g1",
        error_codes=_codes("g1"),
        error_body=_g1_body,
        rate_headers=_epoch_headers,
        bill=lambda _euros, _energy: None,
        stream_impact=True,
        image_format="url",
        image_count=4,
        audio_formats=frozenset({"json", "text", "srt", "vtt"}),
    ),
    "g2": Profile(
        name="g2",
        error_codes=_codes("g2"),
        error_body=_g2_body,
        rate_headers=_delta_headers,
        bill=lambda _euros, energy: {"energy": energy, "credits": "0.0", "paid_with": "energy"},
        stream_impact=True,
        image_format="b64_json",
        image_formats=frozenset({"b64_json"}),
    ),
}
