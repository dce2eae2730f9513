"""One call with its attempts, driven by values: what is sent again, when, and what comes of it."""

import json

import pytest

from melious import (
    APIConnectionError,
    APITimeoutError,
    BadRequestError,
    DeadlineExceededError,
    NoProvidersAvailableError,
    ProviderError,
    RateLimitError,
    ServerError,
)
from melious.exchange.effects import Failure
from melious.exchange.request import Response
from melious.exchange.retry import Phase, RetryBudget, delay_before_retry
from melious.settings.config import Timeout

from .exchanges import Answer, Clock, Lost, play, policy_with, request_with

pytestmark = pytest.mark.usefixtures("backoff")


def _error_body(code: str | None = None, message: str = "words", type_: str | None = None) -> bytes:
    return json.dumps({"error": {"code": code, "message": message, "type": type_}}).encode()


pytestmark = pytest.mark.usefixtures("backoff")

OK = Answer(body=b'{"ok": true}')
RETRYABLE = [408, 409, 425, 429, 500, 502, 503, 504, 507, 520, 529, 599]


@pytest.mark.parametrize("retries", [0, 1, 2, 5])
@pytest.mark.parametrize("status", RETRYABLE)
def test_attempts_are_one_and_the_retries(status: int, retries: int) -> None:
    played = play(request_with(max_retries=retries), [Answer(status)] * (retries + 1))
    assert played.error is not None
    assert played.error.status_code == status
    assert (played.error.attempts, len(played.error.history)) == (retries + 1, retries)
    assert played.error.elapsed == pytest.approx(played.seconds)
    assert len(played.sleeps) == retries


@pytest.mark.parametrize("status", RETRYABLE)
def test_a_retry_that_works_is_a_success(status: int) -> None:
    played = play(request_with(), [Answer(status), OK])
    assert isinstance(played.outcome, Response)
    assert (played.outcome.body, played.outcome.call.attempts) == (b'{"ok": true}', 2)
    assert played.outcome.call.elapsed == pytest.approx(played.seconds)


TERMINAL = [
    Answer(400),
    Answer(401),
    Answer(402),
    Answer(403),
    Answer(404),
    Answer(405),
    Answer(413),
    Answer(422),
    Answer(307),
    Answer(501),
    Answer(505),
    Answer(508),
    Answer(511),
    Answer(429, _error_body("429", type_="budget_exceeded")),
    Answer(429, _error_body("insufficient_quota")),
    Answer(429, _error_body(type_="insufficient_quota")),
    Answer(429, _error_body("BILLING_2003")),
    Answer(403, _error_body("BILLING_INSUFFICIENT_ENERGY", type_="insufficient_quota")),
    Answer(402, _error_body("BILLING_2001")),
    Answer(429, _error_body("insufficient_quota"), {"retry-after": "1"}),
    Answer(402, b"", {"x-should-retry": "true"}),
    Answer(400, _error_body("context_length_exceeded")),
    Answer(413, _error_body(message="maximum context length is 8192")),
    Answer(429, _error_body("context_length_exceeded")),
]


@pytest.mark.parametrize("answer", TERMINAL, ids=lambda answer: f"{answer.status} {answer.body!r:.60}")
def test_money_keys_and_wrong_requests_are_never_sent_again(answer: Answer) -> None:
    played = play(request_with(max_retries=5), [answer])
    assert played.error is not None
    assert (played.error.attempts, played.sleeps) == (1, [])


@pytest.mark.parametrize(
    ("status", "wish", "attempts"),
    [
        (400, "true", 2),
        (404, "true", 2),
        (501, "true", 2),
        (503, "false", 1),
        (429, "false", 1),
        (503, "perhaps", 2),
    ],
)
def test_what_the_service_wishes_is_done(status: int, wish: str, attempts: int) -> None:
    first = Answer(status, headers={"x-should-retry": wish})
    played = play(request_with(), [first, OK][:attempts])
    assert (played.error is None) == (attempts == 2)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "60"}, 60.0),
        ({"retry-after": "Tue, 14 Nov 2023 21:13:40 GMT", "date": "Tue, 14 Nov 2023 21:13:20 GMT"}, 20.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(status: int, headers: dict[str, str], seconds: float) -> None:
    played = play(request_with(), [Answer(status, headers=headers), OK])
    assert played.error is None
    assert played.sleeps == [pytest.approx(seconds * 1.05)]


@pytest.mark.parametrize("status", [429, 503])
def test_a_moment_is_reached_by_this_clock_where_both_clocks_agree(status: int) -> None:
    asks = {"retry-after": "Tue, 14 Nov 2023 22:13:40 GMT", "date": "Tue, 14 Nov 2023 22:13:20 GMT"}
    played = play(request_with(), [Answer(status, headers=asks, takes=0.5), OK])
    assert played.sleeps == [pytest.approx(19.5 * 1.05)]


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_nobody_should_sit_through_is_left_to_the_caller(status: int) -> None:
    played = play(request_with(), [Answer(status, headers={"retry-after": "61"})])
    assert played.error is not None
    assert (played.error.retry_after, played.sleeps) == (61.0, [])


@pytest.mark.parametrize(
    "value", ["nan", "inf", "-10", "1e35", "Fri, 31 Dec 9999 23:59:59 GMT", "1700000060"]
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_that_is_none_means_backoff(status: int, value: str) -> None:
    played = play(request_with(), [Answer(status, headers={"retry-after": value}), OK])
    assert played.error is None
    assert played.sleeps == [0.25]


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    played = play(request_with(deadline=5.0), [Answer(503, headers={"retry-after": "5"})])
    assert isinstance(played.error, ServerError)
    assert played.error.retry_after == 5.0
    assert (played.sleeps, played.error.attempts) == ([], 1)


def test_a_limit_that_says_when_it_ends_is_waited_for() -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9"}
    played = play(request_with(), [Answer(429, headers=headers), OK])
    assert played.sleeps == [pytest.approx(9.0 * 1.05)]


def test_backoff_is_full_jitter_under_a_growing_cap() -> None:
    error = ServerError("words")
    drawn: list[tuple[float, float]] = []

    def highest(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    delays = [delay_before_retry(error, attempts, highest) for attempts in range(1, 9)]
    assert delays == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0]
    assert all(low == 0.0 for low, _ in drawn)
    assert delay_before_retry(error, 2000, highest) == 8.0, "no overflow either"


def test_what_the_server_asks_for_is_a_little_exceeded_and_never_undercut() -> None:
    error = RateLimitError("words", retry_after=10.0)
    assert delay_before_retry(error, 1, lambda low, _: low) == 10.0
    assert delay_before_retry(error, 1, lambda _, high: high) == 11.0


# --- the transport's failures --------------------------------------------------------------------------


@pytest.mark.parametrize("timed_out", [False, True])
def test_a_connection_that_never_stood_is_tried_again(timed_out: bool) -> None:
    played = play(request_with(), [Lost(timed_out=timed_out), Lost(timed_out=timed_out), OK])
    assert played.error is None
    played = play(request_with(), [Lost(timed_out=timed_out)] * 3)
    assert isinstance(played.error, APITimeoutError if timed_out else APIConnectionError)
    assert (played.error.attempts, len(played.error.history)) == (3, 2)


def test_an_answer_that_took_too_long_is_asked_for_again_only_where_that_is_cheap() -> None:
    lost = Lost(Phase.SENT, timed_out=True, takes=60.0)
    chat = play(request_with(), [lost])
    assert isinstance(chat.error, APITimeoutError)
    assert (chat.error.attempts, chat.error.elapsed) == (1, 60.0)
    assert play(request_with(retry_timeouts=True), [lost, OK]).error is None


def test_a_cut_connection_is_tried_again_unless_the_gateway_itself_may_have_cut_it() -> None:
    assert play(request_with(), [Lost(Phase.SENT, takes=3.0), OK]).error is None
    assert isinstance(play(request_with(), [Lost(Phase.SENT, takes=56.0)]).error, APIConnectionError)
    assert play(request_with(), [Answer(504, takes=3.0), OK]).error is None
    assert isinstance(play(request_with(), [Answer(504, takes=56.0)]).error, ProviderError)


def test_a_body_that_breaks_off_is_asked_for_again() -> None:
    cut = Answer(
        body=Failure(Phase.ANSWER, timed_out=False, message="cut"), headers={"x-request-id": "req_1"}
    )
    assert play(request_with(), [cut, OK]).error is None
    played = play(request_with(max_retries=0), [cut])
    assert isinstance(played.error, APIConnectionError)
    assert played.error.request_id == "req_1"


def test_the_body_of_an_error_may_break_off() -> None:
    cut = Answer(503, Failure(Phase.ANSWER, timed_out=False, message="cut"))
    assert play(request_with(), [cut, OK]).error is None


@pytest.mark.parametrize("retries", [0, 1, 2, 5])
def test_whatever_was_sent_is_counted(retries: int) -> None:
    played = play(request_with(max_retries=retries), [Lost(Phase.SENT)] * (retries + 1))
    assert isinstance(played.error, APIConnectionError)
    assert (played.error.attempts, len(played.sends)) == (retries + 1, retries + 1)


# --- special cases ---------------------------------------------------------------------------------------

MALFORMED = Answer(400, _error_body("invalid_request_error", "The request was rejected as malformed."))


def test_what_is_called_malformed_is_tried_once_more() -> None:
    assert play(request_with(retry_malformed=True), [MALFORMED, OK]).error is None
    played = play(request_with(retry_malformed=True, max_retries=5), [MALFORMED, MALFORMED])
    assert isinstance(played.error, BadRequestError)
    assert play(request_with(retry_malformed=True, max_retries=0), [MALFORMED]).error is not None
    assert play(request_with(), [MALFORMED]).error is not None
    other = Answer(400, _error_body("invalid_request_error", "temperature must be a number"))
    assert play(request_with(retry_malformed=True), [other]).error is not None


# --- an error with status 200 ------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "provider_error"])
def test_an_error_object_with_status_200_is_tried_again(code: str) -> None:
    reported = Answer(200, _error_body(code), headers={"retry-after": "3"})
    played = play(request_with(), [reported, OK])
    assert isinstance(played.outcome, Response)
    assert (played.outcome.call.attempts, played.outcome.body) == (2, OK.body)
    assert played.sleeps == [pytest.approx(3.0 * 1.05)]


def test_a_stream_that_begins_with_one_heeds_the_same_headers() -> None:
    event = b"data: " + _error_body("rate_limit_exceeded") + b"\n\n"
    answer = Answer(200, headers={"content-type": "text/event-stream", "retry-after": "3"}, reads=(event,))
    played = play(request_with(stream=True, max_retries=1), [answer, answer])
    assert isinstance(played.error, RateLimitError)
    assert (played.error.retry_after, played.error.attempts) == (3.0, 2)


@pytest.mark.parametrize("code", ["insufficient_quota", "model_not_found", "invalid_api_key"])
def test_one_that_no_retry_helps_is_raised_at_once(code: str) -> None:
    played = play(request_with(), [Answer(200, _error_body(code))])
    assert played.error is not None
    assert (played.error.code, played.error.status_code, played.error.attempts) == (code, None, 1)


@pytest.mark.parametrize(
    "body", [b'{"error": null, "data": []}', b'{"error": {}}', b'["error"]', b'"error"', b'"error', b"\xff"]
)
def test_what_only_looks_like_one_is_an_answer(body: bytes) -> None:
    assert isinstance(play(request_with(), [Answer(200, body)]).outcome, Response)


NOBODY = Answer(503, _error_body("no_providers_available"))


def test_no_provider_is_tried_once_more_where_no_filter_was_sent() -> None:
    assert play(request_with(), [NOBODY, OK]).error is None
    played = play(request_with(max_retries=5), [NOBODY, NOBODY])
    assert isinstance(played.error, NoProvidersAvailableError)
    assert isinstance(play(request_with(retry_no_providers=False), [NOBODY]).error, NoProvidersAvailableError)


def test_the_idempotency_key_is_the_same_on_each_attempt_and_another_for_each_call() -> None:
    played = play(request_with(), [Answer(503), Answer(503), OK])
    headers = [dict(send.headers) for send in played.sends]
    assert len({header["idempotency-key"] for header in headers}) == 1
    assert [header.get("x-retry-count") for header in headers] == [None, "1", "2"]
    other = play(request_with(), [OK])
    assert dict(other.sends[0].headers)["idempotency-key"] != headers[0]["idempotency-key"]
    get = play(request_with(method="GET", body=None), [Answer(503), OK])
    assert [dict(send.headers) for send in get.sends] == [{}, {"x-retry-count": "1"}]


# --- deadline --------------------------------------------------------------------------------------------


def test_every_attempt_ends_at_the_deadline_or_before() -> None:
    request = request_with(deadline=10.0, timeout=Timeout(answer=4.0), retry_timeouts=True)
    lost = Lost(Phase.SENT, timed_out=True, takes=4.0)
    played = play(request, [lost, lost, Lost(Phase.SENT, timed_out=True, takes=10.0)])
    assert played.sends[0].until == 1004.0
    assert all(send.until is not None and send.until <= 1010.0 for send in played.sends)
    assert isinstance(played.error, DeadlineExceededError)
    assert "10 s" in str(played.error)
    assert played.error.attempts == 3


def test_without_a_deadline_only_the_timeout_counts() -> None:
    played = play(request_with(deadline=None, timeout=Timeout(answer=None)), [OK])
    assert played.sends[0].until is None
    assert play(request_with(deadline=None), [OK]).sends[0].until == 1300.0


# --- the budget ------------------------------------------------------------------------------------------


def test_an_outage_uses_the_budget_up_and_then_nothing_is_sent_again() -> None:
    clock = Clock()
    policy = policy_with(clock)
    sent = 0
    while True:
        attempts = 3 if policy.budget.tokens >= 28 else 2 if policy.budget.tokens >= 14 else 1
        played = play(request_with(), [Answer(503)] * attempts, policy)
        sent += 1
        assert played.error is not None
        if attempts == 1:
            break
    assert sent == 19, "500 tokens, 28 for a call with two retries"
    assert any("too many requests" in note for note in played.error.__notes__)
    assert isinstance(play(request_with(), [OK], policy).outcome, Response), "first attempts are always made"


def test_success_fills_the_budget_and_never_beyond_its_size() -> None:
    budget = RetryBudget()
    assert budget.take(480)
    assert not budget.take(21)
    assert budget.tokens == 20
    for _ in range(1000):
        budget.refund()
    assert budget.tokens == RetryBudget.CAPACITY == 500


def test_a_throttled_retry_costs_less() -> None:
    clock = Clock()
    policy = policy_with(clock)
    play(request_with(), [Answer(429), OK], policy)
    assert policy.budget.tokens == 500 - 5 + 1
    play(request_with(), [Answer(503), OK], policy)
    assert policy.budget.tokens == 500 - 5 + 1 - 14 + 1
