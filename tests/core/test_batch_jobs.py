"""A batch job in its caller's hands: waiting, ends of all kinds, cancelling, resuming."""

from __future__ import annotations

import pytest

from melious import (
    BadRequestError,
    ChatCompletion,
    DeadlineExceededError,
    InvalidArgumentError,
    NotFoundError,
    ResponseDecodeError,
    ServerError,
)
from melious.answers.batches import Batch, BatchCounts
from melious.endpoints.patience import UNKNOWN_SECONDS, Patience
from melious.sandbox import Fault, Reply

from .clients import CHAT
from .held_server import until

POLL = 0.002


def question(text="What is a lighthouse?"):
    return {"model": CHAT, "messages": [{"role": "user", "content": text}]}


@pytest.fixture
def held(clients, client, sandbox):
    """A job of three requests that waits for the test."""
    sandbox.batches.hold()
    return clients.call(client, "batches.submit", [question(name) for name in "abc"])


def until_answered(clients, job, count):
    """Look until so many requests are answered."""
    until(lambda: clients.call(job, "refresh").counts.succeeded == count)


class TestWaiting:
    def test_progress_is_told_to_a_function(self, clients, held, sandbox):
        seen = []

        def progress(job):
            seen.append(job.counts.succeeded)
            sandbox.batches.step()

        assert clients.call(held, "wait", progress=progress, poll=POLL) is held
        assert seen == sorted(seen)
        assert (seen[0], held.counts.succeeded, held.status) == (0, 3, "completed")

    def test_progress_is_a_line_on_standard_error(self, clients, held, sandbox, capsys):
        sandbox.batches.release()
        clients.call(held, "wait", progress=True, poll=POLL)
        out, err = capsys.readouterr()
        assert out == ""
        assert err.splitlines()[-1] == "completed: 3 of 3 requests"

    @pytest.mark.parametrize("clients", ["async"], indirect=True)
    def test_an_awaitable_result_is_awaited(self, clients, held, sandbox):
        seen = []

        async def progress(job):
            seen.append(job.id)

        sandbox.batches.release()
        clients.call(held, "wait", progress=progress, poll=POLL)
        assert set(seen) == {held.id}

    def test_zero_seconds_look_once(self, clients, held, sandbox):
        sandbox.requests.clear()
        with pytest.raises(DeadlineExceededError, match=r"has not ended within 0 s.*goes on"):
            clients.call(held, "wait", timeout=0)
        assert [request.path for request in sandbox.requests] == [f"/v1/batches/{held.id}"]

    def test_a_clock_that_is_handed_in(self, clients, held):
        now = [0.0]

        def progress(_):
            now[0] += 3600.0

        with pytest.raises(DeadlineExceededError, match="has not ended within 7200 s"):
            clients.call(held, "wait", progress=progress, poll=POLL, timeout=7200, clock=lambda: now[0])
        assert now[0] == 7200.0

    def test_a_job_that_has_ended_is_not_looked_at(self, clients, held, sandbox):
        sandbox.batches.release()
        clients.call(held, "wait", poll=POLL)
        sandbox.requests.clear()
        clients.call(held, "wait")
        assert not sandbox.requests

    def test_an_outage_does_not_end_the_wait(self, clients, client, held, sandbox):
        patient = clients.client(sandbox, max_retries=0)
        job = clients.call(patient, "batches.resume", held.id)
        sandbox.faults.add(Fault(endpoint="batches", status=503, times=4))
        sandbox.batches.release()
        assert clients.call(job, "wait", poll=POLL).status == "completed"

    @pytest.mark.parametrize(("code", "times"), [("auth", 1), ("provider_error", 10)])
    def test_a_failure_for_good_ends_it(self, clients, held, sandbox, code, times):
        job = clients.call(clients.client(sandbox, max_retries=0), "batches.resume", held.id)
        sandbox.requests.clear()
        sandbox.faults.add(Fault(endpoint="batches", code=code, times=None))
        with pytest.raises(Exception, match=r"key|provider"):
            clients.call(job, "wait", poll=POLL)
        assert len(sandbox.requests) == times

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"poll": 0}, "poll: must be a positive number of seconds"),
            ({"timeout": -1}, "timeout: must be zero or a positive number"),
            ({"progress": "yes"}, "progress: must be True, False or callable"),
            ({"clock": 5}, "clock: must be callable, not 5"),
        ],
    )
    def test_wrong_arguments(self, clients, held, params, message):
        with pytest.raises(InvalidArgumentError, match=message):
            clients.call(held, "wait", **params)

    @pytest.mark.usefixtures("no_wait_for_jobs")
    def test_iterating_waits_for_the_end(self, clients, held, sandbox):
        sandbox.batches.release()
        assert len(clients.items(held)) == 3
        assert held.done


class TestPatience:
    """The waits of `wait`, by values."""

    def test_they_grow_from_a_second_to_a_minute(self):
        patience = Patience(None, None, lambda: 0.0)
        waits = [patience.pause() for _ in range(14)]
        assert waits[:3] == [1.0, 1.5, 2.25]
        assert waits == sorted(waits)
        assert waits[-1] == 60.0

    def test_the_last_is_cut_at_the_timeout(self):
        now = [100.0]
        patience = Patience(4.0, 10.0, lambda: now[0])
        assert patience.pause() == 4.0
        now[0] = 108.0
        assert patience.pause() == 2.0
        now[0] = 110.0
        with pytest.raises(DeadlineExceededError, match="within 10 s"):
            patience.pause()

    def test_an_unknown_word_is_not_waited_for_for_ever(self):
        now = [0.0]
        patience = Patience(None, None, lambda: now[0])
        odd = [Batch(id="batch_1", status="pondering")]
        patience.looked(odd)
        now[0] = UNKNOWN_SECONDS - 1
        patience.looked(odd)
        now[0] = UNKNOWN_SECONDS
        with pytest.raises(ResponseDecodeError, match="status of batch_1 is 'pondering'"):
            patience.looked(odd)

    def test_a_known_word_in_between_starts_it_anew(self):
        now = [0.0]
        patience = Patience(None, None, lambda: now[0])
        patience.looked([Batch(id="batch_1", status="pondering")])
        patience.looked([Batch(id="batch_1", status="in_progress")])
        now[0] = UNKNOWN_SECONDS
        patience.looked([Batch(id="batch_1", status="pondering")])

    def test_failures_in_a_row(self):
        patience = Patience(None, None, lambda: 0.0)
        for _ in range(9):
            patience.failed(ServerError("down"))
        patience.looked([Batch(id="batch_1", status="in_progress")])
        for _ in range(9):
            patience.failed(ServerError("down"))
        with pytest.raises(ServerError):
            patience.failed(ServerError("down"))


@pytest.mark.parametrize(
    ("word", "more", "done", "succeeded"),
    [
        ("succeeded", {}, True, True),
        ("completed", {}, True, True),
        ("Completed", {}, True, True),
        ("failed", {}, True, False),
        ("expired", {}, True, False),
        ("cancelled", {}, True, False),
        ("canceled", {}, True, False),
        ("cancelling", {"output_file_id": "file_1"}, False, False),
        ("queued", {}, False, False),
        ("validating", {}, False, False),
        ("pondering", {}, False, False),
        ("ended", {"output_file_id": "file_1"}, True, False),
        ("ended", {"failed_at": 1_790_000_000}, True, False),
        (None, {}, False, False),
    ],
)
def test_end_words(word, more, done, succeeded):
    batch = Batch.model_validate({"id": "batch_1", "status": word, **more})
    assert (batch.done, batch.succeeded) == (done, succeeded)


@pytest.mark.parametrize(
    ("counts", "read"),
    [
        ({"total": 5, "completed": 2, "failed": 1}, (5, 2, 1, 2)),
        ({"processing": 2, "succeeded": 2, "errored": 1}, (5, 2, 1, 2)),
        ({"processing": 0, "succeeded": 2, "errored": 1, "expired": 2}, (5, 2, 3, 0)),
        ({"total": 5}, (5, None, None, None)),
        ({}, (None, None, None, None)),
        (None, (None, None, None, None)),
        ("5", (None, None, None, None)),
        ({"total": "many", "completed": -1}, (None, None, None, None)),
    ],
)
def test_counts_in_both_vocabularies(counts, read):
    assert BatchCounts.of(counts) == read
    assert Batch.model_validate({"id": "batch_1", "request_counts": counts}).counts == read


@pytest.mark.parametrize("word", ["cancelled", "canceled", "expired", "failed"])
def test_every_spelling_ends_a_job(clients, held, sandbox, word):
    said = {"id": held.id, "status": word, "endpoint": "/v1/chat/completions"}
    sandbox.replies.add(Reply(json=said), endpoint="batches")
    assert clients.call(held, "wait", poll=POLL).status == word


class TestEnds:
    def test_what_an_expired_batch_answered_stays_and_the_rest_is_named(self, clients, held, sandbox):
        sandbox.batches.step(2)
        until_answered(clients, held, 2)
        sandbox.batches.expire(held.id)
        clients.call(held, "wait", poll=POLL)
        found = clients.call(held, "results")
        assert [type(one) for one in found.values()] == [ChatCompletion, ChatCompletion, ServerError]
        lost = found["request-2"]
        assert (lost.code, lost.status_code, lost.is_retryable) == ("batch_expired", None, True)
        assert "its status is 'expired'" in str(lost)
        assert "again" in lost.advice

    def test_cancel(self, clients, held, sandbox):
        sandbox.batches.step()
        until_answered(clients, held, 1)
        assert clients.call(held, "cancel") is held
        assert clients.call(held, "wait", poll=POLL).status == "cancelled"
        found = clients.call(held, "results")
        assert sum(isinstance(one, ChatCompletion) for one in found.values()) == 1
        assert [one.code for one in found.values() if isinstance(one, ServerError)] == ["batch_cancelled"] * 2

    def test_cancelling_what_has_ended_meanwhile(self, clients, client, held, sandbox):
        mine = clients.call(client, "batches.resume", held.id)
        sandbox.batches.release()
        clients.call(mine, "wait", poll=POLL)
        assert clients.call(held, "cancel").status == "completed"
        sandbox.requests.clear()
        clients.call(held, "cancel")
        assert not sandbox.requests, "it is known to have ended"

    def test_a_batch_that_fails_as_a_whole(self, clients, client, sandbox):
        line = b'{"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {}}\n'
        file = clients.call(client, "files.create", file=("lines.jsonl", line))
        batch = clients.call(client, "batches.create", input_file_id=file.id, endpoint="/v1/chat/completions")
        job = clients.call(client, "batches.resume", batch.id)
        assert clients.call(job, "wait", poll=POLL).status == "failed"
        (result,) = clients.items(job)
        assert isinstance(result.error, BadRequestError)
        assert "'url' must be '/v1/chat/completions'" in result.error.message
        assert not result.error.is_retryable

    def test_several_batches_have_the_status_of_the_worst(self, clients, client, sandbox):
        sandbox.batches.hold()
        job = clients.call(client, "batches.submit", [question("a"), question("b")], max_lines=1)
        sandbox.batches.expire(job.batches[1].id)
        sandbox.batches.step()
        until(lambda: all(batch.ended for batch in sandbox.batches.all()))
        clients.call(job, "wait", poll=POLL)
        assert job.status == "expired"
        assert [batch.status for batch in job.batches] == ["completed", "expired"]
        assert list(clients.call(job, "results")) == ["request-0", "request-1"]

    def test_a_batch_of_somebody_else_has_no_facts_of_ours(self, clients, client, held, sandbox):
        batch = clients.call(
            client,
            "batches.create",
            input_file_id=held.batches[0].input_file_id,
            endpoint="/v1/chat/completions",
        )
        sandbox.batches.expire(batch.id)
        job = clients.call(client, "batches.resume", batch.id)
        clients.call(job, "wait", poll=POLL)
        assert [result.error.code for result in clients.items(job)] == ["batch_expired"] * 3


@pytest.mark.usefixtures("no_wait_for_jobs")
def test_resume_in_another_client(clients, held, sandbox):
    other = clients.call(clients.client(sandbox), "batches.resume", held.id)
    sandbox.batches.release()
    assert len(clients.items(other)) == 3
    assert not held.done, "until it is looked at"
    assert clients.call(held, "refresh").done


@pytest.mark.parametrize("name", ["batch_unknown", "batch_a/../../models"])
def test_resume_of_an_unknown_id(clients, client, name):
    with pytest.raises(NotFoundError, match=r"There is no batch|There is nothing") as caught:
        clients.call(client, "batches.resume", name)
    assert "client.batches.list()" in caught.value.advice


@pytest.mark.parametrize("name", ["", " ", None, 3])
def test_resume_of_no_id(clients, client, name):
    with pytest.raises(InvalidArgumentError, match="job_id: must be non-empty text"):
        clients.call(client, "batches.resume", name)


def test_a_result_file_that_is_something_else(clients, held, sandbox):
    sandbox.batches.release()
    clients.call(held, "wait", poll=POLL)
    sandbox.replies.add(Reply(json={"object": "file"}), endpoint="files")
    with pytest.raises(ResponseDecodeError, match="is not the result of a request"):
        clients.items(held)
    refused = {"error": {"message": "gone", "code": "invalid_request_error"}}
    sandbox.replies.add(Reply(json=refused), endpoint="files")
    with pytest.raises(BadRequestError, match="gone"):
        clients.items(held)
    passing = {"error": {"message": "busy", "code": "provider_error"}}
    sandbox.replies.add(Reply(json=passing), endpoint="files")
    assert len(clients.items(held)) == 3, "it was asked for again"


def test_results_that_are_left_early_close_their_connection(clients, client, sandbox):
    sandbox.replies.add(Reply(text="A tower with a lamp. " * 400), times=None)
    job = clients.call(client, "batches.submit", [question(f"{number}") for number in range(500)])
    clients.call(job, "wait", poll=POLL)
    before = sandbox.open_connections
    assert clients.first(job).answer.text
    until(lambda: sandbox.open_connections < before or sandbox.requests[-1].complete)
    assert len(clients.items(job)) == 500
