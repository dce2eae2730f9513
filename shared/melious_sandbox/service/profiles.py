"""What differs between the generations of the service: error codes, rate-limit headers, bill, streams.

Three profiles: ``live`` (how the service answers today, OpenAI-like codes in snake case), ``g1`` (the older
documentation, symbolic codes) and ``g2`` (the newer documentation, numeric codes).
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

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
REASONS: tuple[Reason, ...] = get_args(Reason)


class ErrorCode(NamedTuple):
    """How one profile answers for one reason."""

    status: int
    code: str
    type: str


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
    error_codes: Mapping[Reason, ErrorCode]
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


_INVALID = (400, "invalid_request_error")
_G1_INVALID = (400, "VALIDATION_INVALID_VALUE")
# The answers of live, g1 and g2. Seven codes of g1 are published; the rest follow their pattern.
_ANSWERS: Mapping[Reason, tuple[tuple[int, str], tuple[int, str], tuple[int, str]]] = {
    "no_key": ((401, "invalid_api_key"), (401, "AUTH_INVALID_API_KEY"), (401, "AUTH_1007")),
    "auth": ((401, "invalid_api_key"), (401, "AUTH_INVALID_API_KEY"), (401, "AUTH_1008")),
    "scope": ((403, "insufficient_permissions"), (403, "AUTH_INSUFFICIENT_PERMISSIONS"), (403, "AUTH_1015")),
    "rate_limit": ((429, "rate_limit_exceeded"), (429, "RATE_LIMIT_EXCEEDED"), (429, "AUTH_1028")),
    "insufficient_quota": (
        (429, "insufficient_quota"),
        (403, "BILLING_INSUFFICIENT_ENERGY"),
        (402, "BILLING_2003"),
    ),
    "invalid_value": (_INVALID, _G1_INVALID, (400, "VALIDATION_4001")),
    "missing_field": (_INVALID, (400, "VALIDATION_REQUIRED_FIELD"), (400, "VALIDATION_4002")),
    "empty_input": (_INVALID, _G1_INVALID, (400, "VALIDATION_4005")),
    "malformed": (_INVALID, _G1_INVALID, (400, "VALIDATION_4001")),
    "no_vision": (_INVALID, _G1_INVALID, (400, "INFERENCE_3201")),
    "context_length": (
        (400, "context_length_exceeded"),
        (400, "INFERENCE_CONTEXT_LENGTH_EXCEEDED"),
        (400, "INFERENCE_3207"),
    ),
    "model_not_found": (
        (404, "model_not_found"),
        (404, "INFERENCE_MODEL_NOT_FOUND"),
        (404, "INFERENCE_3001"),
    ),
    "payload_too_large": (
        (413, "payload_too_large"),
        (413, "VALIDATION_PAYLOAD_TOO_LARGE"),
        (413, "VALIDATION_4013"),
    ),
    "not_found": ((404, "not_found"), (404, "NOT_FOUND"), (404, "VALIDATION_4004")),
    "method_not_allowed": (
        (405, "method_not_allowed"),
        (405, "METHOD_NOT_ALLOWED"),
        (405, "VALIDATION_4006"),
    ),
    "provider_error": ((503, "provider_error"), (502, "INFERENCE_PROVIDER_ERROR"), (502, "INFERENCE_3103")),
    "provider_rate_limit": (
        (429, "rate_limit_exceeded"),
        (429, "INFERENCE_PROVIDER_RATE_LIMIT"),
        (429, "INFERENCE_3108"),
    ),
    "no_providers": (
        (503, "no_providers_available"),
        (503, "INFERENCE_NO_PROVIDERS_AVAILABLE"),
        (503, "INFERENCE_3104"),
    ),
    "upstream_timeout": (
        (504, "upstream_timeout"),
        (504, "INFERENCE_PROVIDER_TIMEOUT"),
        (504, "INFERENCE_3107"),
    ),
    "internal": ((500, "internal_error"), (500, "SYSTEM_INTERNAL_ERROR"), (500, "SYSTEM_9001")),
}
_TYPES: Mapping[Reason, str] = {
    "no_key": "authentication_error",
    "auth": "authentication_error",
    "scope": "authentication_error",
    "rate_limit": "rate_limit_error",
    "provider_rate_limit": "rate_limit_error",
    "insufficient_quota": "insufficient_quota",
    "provider_error": "server_error",
    "no_providers": "server_error",
    "upstream_timeout": "server_error",
    "internal": "server_error",
}


def _codes(position: int, types: Mapping[Reason, str]) -> dict[Reason, ErrorCode]:
    return {
        reason: ErrorCode(*answers[position], types.get(reason, "invalid_request_error"))
        for reason, answers in _ANSWERS.items()
    }


PROFILES: dict[ProfileName, Profile] = {
    "live": Profile(
        name="live",
        error_codes=_codes(0, _TYPES),
        error_body=_live_body,
        rate_headers=_epoch_headers,
        bill=lambda euros, energy: {"credits": euros, "energy": energy, "paid_with": "credits"},
        stream_impact=False,
        image_format="b64_json",
    ),
    "g1": Profile(
        name="g1",
        error_codes=_codes(1, {**_TYPES, "scope": "permission_error"}),
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
        error_codes=_codes(2, _TYPES),
        error_body=_g2_body,
        rate_headers=_delta_headers,
        bill=lambda _euros, energy: {"energy": energy, "credits": "0.0", "paid_with": "energy"},
        stream_impact=True,
        image_format="b64_json",
        image_formats=frozenset({"b64_json"}),
    ),
}
