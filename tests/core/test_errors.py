"""What the service says in its three vocabularies, as exceptions; and exceptions as values."""

import copy
import pickle
from typing import Any

import pytest

import melious
from melious import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContextLengthExceededError,
    DeadlineExceededError,
    InsufficientBalanceError,
    InvalidArgumentError,
    MeliousError,
    ModelNotFoundError,
    NoProvidersAvailableError,
    NotFoundError,
    PageLimitError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ServerError,
    StreamTruncatedError,
)
from melious.errors import Attempt
from melious.errors.table import status_error
from melious.wire.completion import PartialCompletion

G1, G2, LIVE = "g1", "g2", "live"


def _body(shape: str, code: str | None, type_: str | None, message: str = "words") -> dict[str, Any]:
    if shape == G2:
        return {"error": {"code": code, "message": message, "details": {"request": 1}}}
    error: dict[str, Any] = {"message": message, "type": type_, "code": code}
    return {"error": error | ({"param": None} if shape == LIVE else {})}


TABLE = [
    (401, G1, "AUTH_INVALID_API_KEY", "authentication_error", AuthenticationError),
    (401, G2, "AUTH_1007", None, AuthenticationError),
    (401, G2, "AUTH_1008", None, AuthenticationError),
    (401, LIVE, "invalid_api_key", "authentication_error", AuthenticationError),
    (401, LIVE, None, "invalid_request_error", AuthenticationError),
    (401, LIVE, "key_expired", "invalid_request_error", AuthenticationError),
    (403, G1, "AUTH_INSUFFICIENT_PERMISSIONS", "permission_error", PermissionDeniedError),
    (403, G2, "AUTH_1015", None, PermissionDeniedError),
    (403, LIVE, "insufficient_permissions", "authentication_error", PermissionDeniedError),
    (403, LIVE, "never_seen", "whatever", PermissionDeniedError),
    (429, G1, "RATE_LIMIT_EXCEEDED", "rate_limit_error", RateLimitError),
    (429, G2, "AUTH_1028", None, RateLimitError),
    (429, G2, "KIT_6220", None, PageLimitError),
    (403, LIVE, "KIT_6220", "rate_limit_error", PageLimitError),
    (429, G2, "INFERENCE_3108", None, RateLimitError),
    (429, LIVE, "rate_limit_exceeded", "rate_limit_error", RateLimitError),
    (429, LIVE, None, None, RateLimitError),
    (403, G1, "BILLING_INSUFFICIENT_ENERGY", "insufficient_quota", InsufficientBalanceError),
    (402, G2, "BILLING_2001", None, InsufficientBalanceError),
    (402, G2, "BILLING_2003", None, InsufficientBalanceError),
    (403, G2, "BILLING_2999", None, InsufficientBalanceError),
    (429, G2, "BILLING_2003", None, InsufficientBalanceError),
    (429, LIVE, "insufficient_quota", "insufficient_quota", InsufficientBalanceError),
    (429, LIVE, None, "insufficient_quota", InsufficientBalanceError),
    (403, LIVE, "never_seen", "insufficient_quota", InsufficientBalanceError),
    (402, LIVE, "never_seen", None, InsufficientBalanceError),
    (429, LIVE, "429", "budget_exceeded", InsufficientBalanceError),
    (400, LIVE, "400", "budget_exceeded", InsufficientBalanceError),
    (400, G1, "VALIDATION_INVALID_VALUE", "invalid_request_error", BadRequestError),
    (400, G1, "VALIDATION_REQUIRED_FIELD", "invalid_request_error", BadRequestError),
    (400, G2, "VALIDATION_4002", None, BadRequestError),
    (400, G2, "VALIDATION_4999", None, BadRequestError),
    (400, G2, "INFERENCE_3201", None, BadRequestError),
    (400, LIVE, "invalid_request_error", "invalid_request_error", BadRequestError),
    (413, LIVE, "payload_too_large", "invalid_request_error", BadRequestError),
    (422, LIVE, None, None, BadRequestError),
    (400, G2, "INFERENCE_3207", None, ContextLengthExceededError),
    (400, LIVE, "context_length_exceeded", "invalid_request_error", ContextLengthExceededError),
    (404, G2, "INFERENCE_3001", None, ModelNotFoundError),
    (404, LIVE, "model_not_found", "invalid_request_error", ModelNotFoundError),
    (404, LIVE, "not_found", "invalid_request_error", NotFoundError),
    (404, LIVE, None, None, NotFoundError),
    (502, G1, "INFERENCE_PROVIDER_ERROR", "server_error", ProviderError),
    (502, G2, "INFERENCE_3103", None, ProviderError),
    (504, G2, "INFERENCE_3107", None, ProviderError),
    (503, LIVE, "provider_error", "server_error", ProviderError),
    (502, LIVE, None, None, ProviderError),
    (504, LIVE, "never_seen", None, ProviderError),
    (503, G1, "INFERENCE_NO_PROVIDERS_AVAILABLE", "server_error", NoProvidersAvailableError),
    (503, G2, "INFERENCE_3104", None, NoProvidersAvailableError),
    (503, LIVE, "no_providers_available", "server_error", NoProvidersAvailableError),
    (500, G2, "SYSTEM_9001", None, ServerError),
    (500, LIVE, "internal_error", "server_error", ServerError),
    (500, LIVE, None, "invalid_request_error", ServerError),
    (503, LIVE, None, None, ServerError),
    (529, LIVE, "overloaded", None, ServerError),
    (599, LIVE, None, None, ServerError),
    (501, LIVE, "501", "not_supported_error", ServerError),
    (408, LIVE, None, None, ServerError),
    (409, LIVE, "never_seen", None, ServerError),
    (425, LIVE, None, None, ServerError),
    (418, LIVE, "teapot", None, APIStatusError),
    (None, LIVE, "provider_error", "server_error", ProviderError),
    (None, LIVE, "insufficient_quota", "insufficient_quota", InsufficientBalanceError),
    (None, LIVE, "invalid_request_error", "invalid_request_error", BadRequestError),
    (None, G2, "AUTH_1028", None, RateLimitError),
    (None, LIVE, "429", None, RateLimitError),
    (None, LIVE, "400", None, BadRequestError),
    (None, LIVE, "never_seen", None, ServerError),
    (None, LIVE, None, None, ServerError),
]


@pytest.mark.parametrize(("status", "shape", "code", "type_", "kind"), TABLE)
def test_the_table(status: int | None, shape: str, code: Any, type_: Any, kind: type[MeliousError]) -> None:
    body = _body(shape, code, type_)
    error = status_error(status, body, request_id="req_1")
    assert type(error) is kind
    assert (error.status_code, error.code, error.message) == (status, code, "words")
    assert error.type == (None if shape == G2 else type_)
    assert error.details == ({"request": 1} if shape == G2 else None)
    assert (error.request_id, error.body) == ("req_1", body)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (503, "No providers match the specified filters", NoProvidersAvailableError),
        (400, "no provider available for this request", NoProvidersAvailableError),
        (
            400,
            "the request exceeds the available context size, try increasing it",
            ContextLengthExceededError,
        ),
        (422, "Input is too long for requested model.", ContextLengthExceededError),
        (400, "This model's maximum context length is 8192 tokens.", ContextLengthExceededError),
        (400, "The prompt is too long: 250000 tokens", ContextLengthExceededError),
        (413, "Input exceeds the model's context window", ContextLengthExceededError),
        (400, "max_tokens exceeds the limit", BadRequestError),
        (404, "The model `gpt-9` does not exist", ModelNotFoundError),
        (404, "Nothing here", NotFoundError),
    ],
)
def test_where_there_is_no_code_the_words_decide(status: int, message: str, kind: type[MeliousError]) -> None:
    assert type(status_error(status, {"error": {"message": message}})) is kind


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("maximum context length is 8192 tokens", ContextLengthExceededError),
        ("no providers match the specified filters", NoProvidersAvailableError),
    ],
)
def test_the_words_of_a_code_that_says_little_decide_too(message: str, kind: type[MeliousError]) -> None:
    body = _body(LIVE, "invalid_request_error", "invalid_request_error", message)
    assert type(status_error(400, body)) is kind


NO_PROVIDERS = "No providers match the specified filters"


@pytest.mark.parametrize("status", [None, 400, 403, 404, 422, 429, 500, 502, 503])
@pytest.mark.parametrize("code", ["provider_error", "model_not_found", "INFERENCE_3103", "SYSTEM_9001", None])
def test_that_no_provider_matches_is_known_by_its_words(status: int | None, code: str | None) -> None:
    body = {"error": {"message": f"{NO_PROVIDERS} for model `glm-5.3`", "code": code, "type": "server_error"}}
    assert type(status_error(status, body)) is NoProvidersAvailableError


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("No provider matches the filters.", NoProvidersAvailableError),
        ("no available providers match your filters", NoProvidersAvailableError),
        ("No matching providers", NoProvidersAvailableError),
        ("No eligible provider for this request", NoProvidersAvailableError),
        ("No providers could meet max_carbon_intensity", NoProvidersAvailableError),
        ("None of the providers match the filters", NoProvidersAvailableError),
        ("No provider could be found with these filters", NoProvidersAvailableError),
        ("Unable to find a provider that fits", NoProvidersAvailableError),
        ("Your filters excluded every provider", NoProvidersAvailableError),
        ("the provider failed; no providers are available right now", ProviderError),
        ("The provider does not match the expected format", ProviderError),
        ("no provider answered in time", ProviderError),
    ],
)
def test_other_words_of_the_same_meaning_count_and_others_do_not(
    message: str, kind: type[MeliousError]
) -> None:
    assert type(status_error(503, {"error": {"message": message, "code": "provider_error"}})) is kind


def test_a_text_that_is_a_code_is_read_as_one() -> None:
    assert type(status_error(429, {"error": "insufficient_quota"})) is InsufficientBalanceError


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"error": "the text alone"}, "the text alone", None),
        ({"error": "Input validation error", "error_type": "validation"}, "Input validation error", None),
        ({"message": "the text alone"}, "the text alone", None),
        ({"detail": "the text alone"}, "the text alone", None),
        ({"detail": [{"loc": ["body", "model"], "msg": "field required"}]}, "field required", None),
        ({"message": "flat", "code": "provider_error", "type": "server_error"}, "flat", "provider_error"),
        ({"error": {"message": {"nested": "words"}}}, "words", None),
        ({"error": {"code": 503, "message": "numeric"}}, "numeric", "503"),
        ([{"error": {"code": 503, "message": "in a list"}}], "in a list", "503"),
        ({"error": {"code": None, "message": ""}}, "chat answered 500", None),
        ({"error": None}, "chat answered 500", None),
        ({}, "chat answered 500", None),
        ([], "chat answered 500", None),
        (None, "chat answered 500", None),
        ("", "chat answered 500", None),
        ("  \n ", "chat answered 500", None),
        ("<html>\n  <h1>Bad\n gateway</h1></html>", "chat answered 500 with a web page, 'Bad gateway'", None),
        ("x" * 100_000, "x" * 500, None),
    ],
)
def test_any_body_makes_an_error_that_says_something(body: Any, message: str, code: Any) -> None:
    error = status_error(500, body, endpoint="chat")
    assert message in error.message
    assert len(error.message) <= 600
    assert error.code == code
    assert error.body == body


@pytest.mark.parametrize(
    ("kind", "bases"),
    [
        (ConfigurationError, [ValueError]),
        (InvalidArgumentError, [ValueError]),
        (APIConnectionError, [ConnectionError]),
        (StreamTruncatedError, [APIConnectionError, ConnectionError]),
        (APITimeoutError, [TimeoutError]),
        (DeadlineExceededError, [APITimeoutError, TimeoutError]),
        (ContextLengthExceededError, [BadRequestError]),
        (ModelNotFoundError, [NotFoundError]),
        (ProviderError, [ServerError]),
        (NoProvidersAvailableError, [ServerError]),
    ],
)
def test_the_tree(kind: type[MeliousError], bases: list[type]) -> None:
    assert all(issubclass(kind, base) for base in [*bases, MeliousError, Exception])


KINDS = sorted(
    (
        kind
        for kind in (getattr(melious, name) for name in melious.__all__)
        if isinstance(kind, type) and issubclass(kind, MeliousError)
    ),
    key=lambda kind: kind.__name__,
)


def test_every_error_is_public() -> None:
    assert len(KINDS) == 24


def _laden(kind: type[MeliousError]) -> MeliousError:
    error = kind(
        "it failed",
        status_code=503,
        code="provider_error",
        type="server_error",
        param="model",
        details={"a": [1]},
        request_id="req_1",
        body={"error": {"message": "it failed"}},
        retry_after=1.5,
    )
    error.attempts, error.elapsed = 3, 2.25
    error.history = (Attempt("ProviderError: 503 it failed", 0.5, "req_0"),)
    error.partial = PartialCompletion()
    error.partial.choice(0).content.append("half an ans")
    error.partial.choice(0).merge_calls([{"id": "t1", "function": {"name": "get", "arguments": "{}"}}])
    error.is_retryable = True
    error.add_note("a note")
    return error


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("way", ["pickle 2", "pickle", "copy", "deepcopy"])
def test_an_error_survives_being_copied(kind: type[MeliousError], way: str) -> None:
    error = _laden(kind)
    if way.startswith("pickle"):
        twin = pickle.loads(pickle.dumps(error, 2 if way.endswith("2") else pickle.HIGHEST_PROTOCOL))
    else:
        twin = getattr(copy, way)(error)
    assert type(twin) is kind
    assert str(twin) == str(error)
    assert twin.args == error.args
    assert twin.partial.text == "half an ans"
    assert twin.partial.tool_calls == error.partial.tool_calls
    plain = {name: value for name, value in vars(error).items() if name != "partial"}
    assert {name: value for name, value in vars(twin).items() if name != "partial"} == plain


def test_str_says_what_where_how_often_and_what_to_do() -> None:
    error = status_error(503, _body(LIVE, "provider_error", "server_error", "It broke"), request_id="req_9")
    error.attempts, error.elapsed = 3, 4.25
    assert str(error) == (
        "It broke (503, provider_error, request req_9, 3 attempts in 4.2 s). "
        "Try again, or use another model, flavor or filter"
    )
    assert str(MeliousError("It broke")) == "It broke"


@pytest.mark.parametrize(
    ("status", "code", "type_", "said"),
    [
        (400, 400, None, "It broke (400)."),
        (400, "400", "invalid_request_error", "It broke (400, invalid_request_error)."),
        (500, "500", "500", "It broke (500)."),
        (401, "401", "auth_error", "It broke (401, auth_error)."),
        (503, "529", "overloaded_error", "It broke (503, 529)."),
        (None, 503, "server_error", "It broke (503)."),
    ],
)
def test_a_code_that_repeats_the_status_is_said_once(
    status: int | None, code: Any, type_: str | None, said: str
) -> None:
    error = status_error(status, {"error": {"message": "It broke", "code": code, "type": type_}})
    assert str(error).startswith(said)
    assert error.code == str(code)


UNSUPPORTED = [(501, "does not support"), (505, "HTTP/1.1"), (508, "circle"), (511, "login")]


@pytest.mark.parametrize(("status", "advice"), UNSUPPORTED)
@pytest.mark.parametrize("in_stream", [False, True])
def test_what_no_retry_changes_gets_other_advice(status: int, advice: str, in_stream: bool) -> None:
    body = {"error": {"message": "No", "code": status, "type": "not_supported_error"}}
    error = status_error(None if in_stream else status, body)
    assert type(error) is ServerError
    assert not error.is_retryable
    assert advice in error.advice
    assert status_error(500, {}).is_retryable


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_advice_is_a_sentence_without_an_end(kind: type[MeliousError]) -> None:
    assert not kind.advice.endswith(".")
