"""What hangs on a request beside the sending: another request instead, admission, and who takes the cost."""

import json

from melious import BadRequestError, BudgetExceededError, MeliousError
from melious.exchange.request import Otherwise, Request, Response
from melious.exchange.retry import Phase

from .exchanges import Answer, Lost, play, request_with

OK = Answer(body=b'{"ok": true}')
REFUSED = Answer(400, json.dumps({"error": {"code": "bad", "message": "no such field"}}).encode())


def without_body(request: Request, error: MeliousError) -> Otherwise | None:
    """Leaves the body empty, once."""
    if request.body == b"" or not isinstance(error, BadRequestError):
        return None
    return Otherwise(request._replace(body=b""), "trying again without the body")


# --- another request instead -------------------------------------------------------------------------------


def test_what_a_hook_gives_is_sent_instead_and_is_no_retry() -> None:
    played = play(request_with(otherwise=without_body, max_retries=0), [REFUSED, OK])
    assert isinstance(played.outcome, Response)
    assert played.outcome.call.attempts == 2
    assert [each.request.body for each in played.instead] == [b""]
    assert (played.sleeps, played.told) == ([], [])


def test_another_request_has_another_idempotency_key_and_the_same_history() -> None:
    played = play(request_with(otherwise=without_body), [REFUSED, Answer(503), REFUSED])
    keys = [dict(send.headers)["idempotency-key"] for send in played.sends]
    assert keys[0] != keys[1] == keys[2]
    assert [dict(send.headers).get("x-retry-count") for send in played.sends] == [None, None, "1"]
    assert isinstance(played.error, BadRequestError)
    assert [attempt.outcome.split(":")[0] for attempt in played.error.history] == [
        "BadRequestError",
        "ServerError",
    ]


def test_a_hook_with_nothing_to_offer_leaves_the_error_as_it_is() -> None:
    played = play(request_with(otherwise=lambda _request, _error: None), [REFUSED])
    assert isinstance(played.error, BadRequestError)
    assert (played.error.attempts, played.instead) == (1, [])


def test_a_hook_can_end_the_call_with_another_error() -> None:
    first = BadRequestError("the first refusal")
    played = play(request_with(otherwise=lambda _request, _error: first), [Answer(503)])
    assert played.error is first
    assert (first.attempts, first.elapsed) == (1, played.seconds)


def test_what_is_sent_instead_says_how_it_was_routed() -> None:
    def relaxed(request: Request, error: MeliousError) -> Otherwise | None:
        found = without_body(request, error)
        if found is None:
            return None
        routing = request.routing._replace(relaxed=("countries",))
        return found._replace(request=found.request._replace(routing=routing))

    played = play(request_with(otherwise=relaxed), [REFUSED, OK])
    assert isinstance(played.outcome, Response)
    assert played.outcome.call.routing.relaxed == ("countries",)


# --- admission ---------------------------------------------------------------------------------------------


def test_a_call_is_admitted_once_however_many_attempts_it_takes() -> None:
    admitted: list[None] = []
    request = request_with(admit=lambda: admitted.append(None), otherwise=without_body)
    played = play(request, [Lost(Phase.CONNECT), Answer(503), REFUSED, OK])
    assert (played.error, len(admitted)) == (None, 1)


def test_what_is_not_admitted_is_not_sent() -> None:
    refusal = BudgetExceededError("not sent", budget=None, spent=None, limit="max_requests")

    def refuse() -> None:
        raise refusal

    played = play(request_with(admit=refuse), [])
    assert (played.error, played.sends) == (refusal, [])
