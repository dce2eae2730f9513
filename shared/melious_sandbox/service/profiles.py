"""What differs between the generations of the service: words for errors, rate-limit headers, bill, streams.

Three profiles: ``live`` (how the service answers today, OpenAI-like codes in snake case), ``g1`` (the older
documentation, symbolic codes) and ``g2`` (the newer documentation, numeric codes).
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

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


@dataclass(frozen=True, slots=True)
class Word:
    """How one profile says one reason."""

    status: int
    code: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """One generation of the service.

    Attributes:
        name: ``live``, ``g1`` or ``g2``.
        words: Status, code and type of every reason.
        error_body: Builds the body of an error from word, message, parameter and details.
        rate_headers: Builds the rate-limit headers from limit, remaining and the epoch of the reset.
        bill: Builds ``billing_cost`` from euros and energy (decimal strings), or gives None.
        stream_impact: Whether the last chunk of a stream carries impact and bill.
        image_format: Default ``response_format`` of images.
        image_formats: Formats of images that are accepted.
        image_count: Largest ``n`` of images.
        audio_formats: Response formats of transcriptions.
    """

    name: ProfileName
    words: Mapping[Reason, Word]
    error_body: Callable[[Word, str, str | None, Mapping[str, Any] | None], dict[str, Any]]
    rate_headers: Callable[[int, int, float], list[tuple[str, str]]]
    bill: Callable[[str, str], dict[str, str] | None]
    stream_impact: bool
    image_format: str
    image_formats: frozenset[str]
    image_count: int
    audio_formats: frozenset[str] = field(
        default=frozenset({"json", "text", "srt", "vtt", "verbose_json"}),
    )


def _live_body(word: Word, message: str, param: str | None, _details: object) -> dict[str, Any]:
    return {"error": {"message": message, "type": word.type, "param": param, "code": word.code}}


def _g1_body(word: Word, message: str, _param: object, _details: object) -> dict[str, Any]:
    return {"error": {"message": message, "type": word.type, "code": word.code}}


def _g2_body(word: Word, message: str, _param: object, details: Mapping[str, Any] | None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": word.code, "message": message}
    if details:
        error["details"] = dict(details)
    return {"error": error}


def _epoch_headers(limit: int, remaining: int, reset: float) -> list[tuple[str, str]]:
    return [
        ("x-ratelimit-limit", str(limit)),
        ("x-ratelimit-remaining", str(remaining)),
        ("x-ratelimit-reset", str(math.ceil(reset))),
    ]


def _delta_headers(limit: int, remaining: int, reset: float) -> list[tuple[str, str]]:
    seconds = max(0, math.ceil(reset - time.time()))
    return [
        ("x-ratelimit-limit-requests", str(limit)),
        ("x-ratelimit-remaining-requests", str(remaining)),
        ("x-ratelimit-reset-requests", str(seconds)),
    ]


def _bill_both(euros: str, energy: str) -> dict[str, str]:
    return {"credits": euros, "energy": energy, "paid_with": "credits"}


def _bill_energy(_euros: str, energy: str) -> dict[str, str]:
    return {"energy": energy, "credits": "0.0", "paid_with": "energy"}


def _no_bill(_euros: str, _energy: str) -> None:
    return None


_INVALID = "invalid_request_error"
_LIVE: dict[Reason, Word] = {
    "no_key": Word(401, "invalid_api_key", "authentication_error"),
    "auth": Word(401, "invalid_api_key", "authentication_error"),
    "scope": Word(403, "insufficient_permissions", "authentication_error"),
    "rate_limit": Word(429, "rate_limit_exceeded", "rate_limit_error"),
    "insufficient_quota": Word(429, "insufficient_quota", "insufficient_quota"),
    "invalid_value": Word(400, _INVALID, _INVALID),
    "missing_field": Word(400, _INVALID, _INVALID),
    "empty_input": Word(400, _INVALID, _INVALID),
    "malformed": Word(400, _INVALID, _INVALID),
    "no_vision": Word(400, _INVALID, _INVALID),
    "context_length": Word(400, "context_length_exceeded", _INVALID),
    "model_not_found": Word(404, "model_not_found", _INVALID),
    "payload_too_large": Word(413, "payload_too_large", _INVALID),
    "not_found": Word(404, "not_found", _INVALID),
    "method_not_allowed": Word(405, "method_not_allowed", _INVALID),
    "provider_error": Word(503, "provider_error", "server_error"),
    "provider_rate_limit": Word(429, "rate_limit_exceeded", "rate_limit_error"),
    "no_providers": Word(503, "no_providers_available", "server_error"),
    "upstream_timeout": Word(504, "upstream_timeout", "server_error"),
    "internal": Word(500, "internal_error", "server_error"),
}
# Seven codes of the older generation are published; the rest follow their pattern.
_G1: dict[Reason, Word] = {
    "no_key": Word(401, "AUTH_INVALID_API_KEY", "authentication_error"),
    "auth": Word(401, "AUTH_INVALID_API_KEY", "authentication_error"),
    "scope": Word(403, "AUTH_INSUFFICIENT_PERMISSIONS", "permission_error"),
    "rate_limit": Word(429, "RATE_LIMIT_EXCEEDED", "rate_limit_error"),
    "insufficient_quota": Word(403, "BILLING_INSUFFICIENT_ENERGY", "insufficient_quota"),
    "invalid_value": Word(400, "VALIDATION_INVALID_VALUE", _INVALID),
    "missing_field": Word(400, "VALIDATION_REQUIRED_FIELD", _INVALID),
    "empty_input": Word(400, "VALIDATION_INVALID_VALUE", _INVALID),
    "malformed": Word(400, "VALIDATION_INVALID_VALUE", _INVALID),
    "no_vision": Word(400, "VALIDATION_INVALID_VALUE", _INVALID),
    "context_length": Word(400, "INFERENCE_CONTEXT_LENGTH_EXCEEDED", _INVALID),
    "model_not_found": Word(404, "INFERENCE_MODEL_NOT_FOUND", _INVALID),
    "payload_too_large": Word(413, "VALIDATION_PAYLOAD_TOO_LARGE", _INVALID),
    "not_found": Word(404, "NOT_FOUND", _INVALID),
    "method_not_allowed": Word(405, "METHOD_NOT_ALLOWED", _INVALID),
    "provider_error": Word(502, "INFERENCE_PROVIDER_ERROR", "server_error"),
    "provider_rate_limit": Word(429, "INFERENCE_PROVIDER_RATE_LIMIT", "rate_limit_error"),
    "no_providers": Word(503, "INFERENCE_NO_PROVIDERS_AVAILABLE", "server_error"),
    "upstream_timeout": Word(504, "INFERENCE_PROVIDER_TIMEOUT", "server_error"),
    "internal": Word(500, "SYSTEM_INTERNAL_ERROR", "server_error"),
}
_G2: dict[Reason, Word] = {
    "no_key": Word(401, "AUTH_1007"),
    "auth": Word(401, "AUTH_1008"),
    "scope": Word(403, "AUTH_1015"),
    "rate_limit": Word(429, "AUTH_1028"),
    "insufficient_quota": Word(402, "BILLING_2003"),
    "invalid_value": Word(400, "VALIDATION_4001"),
    "missing_field": Word(400, "VALIDATION_4002"),
    "empty_input": Word(400, "VALIDATION_4005"),
    "malformed": Word(400, "VALIDATION_4001"),
    "no_vision": Word(400, "INFERENCE_3201"),
    "context_length": Word(400, "INFERENCE_3207"),
    "model_not_found": Word(404, "INFERENCE_3001"),
    "payload_too_large": Word(413, "VALIDATION_4013"),
    "not_found": Word(404, "VALIDATION_4004"),
    "method_not_allowed": Word(405, "VALIDATION_4006"),
    "provider_error": Word(502, "INFERENCE_3103"),
    "provider_rate_limit": Word(429, "INFERENCE_3108"),
    "no_providers": Word(503, "INFERENCE_3104"),
    "upstream_timeout": Word(504, "INFERENCE_3107"),
    "internal": Word(500, "SYSTEM_9001"),
}

PROFILES: dict[ProfileName, Profile] = {
    "live": Profile(
        name="live",
        words=_LIVE,
        error_body=_live_body,
        rate_headers=_epoch_headers,
        bill=_bill_both,
        stream_impact=False,
        image_format="b64_json",
        image_formats=frozenset({"b64_json", "url"}),
        image_count=10,
    ),
    "g1": Profile(
        name="g1",
        words=_G1,
        error_body=_g1_body,
        rate_headers=_epoch_headers,
        bill=_no_bill,
        stream_impact=True,
        image_format="url",
        image_formats=frozenset({"b64_json", "url"}),
        image_count=4,
        audio_formats=frozenset({"json", "text", "srt", "vtt"}),
    ),
    "g2": Profile(
        name="g2",
        words=_G2,
        error_body=_g2_body,
        rate_headers=_delta_headers,
        bill=_bill_energy,
        stream_impact=True,
        image_format="b64_json",
        image_formats=frozenset({"b64_json"}),
        image_count=10,
    ),
}
