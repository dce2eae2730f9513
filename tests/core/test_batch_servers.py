"""Batches of a server in OpenAI's shapes, and result files with lines that nobody expects."""

from __future__ import annotations

import json
import logging

import pytest

from melious import (
    BudgetExceededError,
    ChatCompletion,
    ImpactBudget,
    InvalidArgumentError,
    MeliousError,
    NotFoundError,
    ResidencyError,
    ResponseDecodeError,
    ServerError,
    track_impact,
)

from .openai_batches import ENDLESS, BatchServer, answer

POLL = 0.002
PATIENCE = 60.0


def question(text):
    return {"model": "gpt-oss-120b", "messages": [{"role": "user", "content": text}]}


ASKED = [question(name) for name in "abc"]


@pytest.fixture
def server():
    with BatchServer() as running:
        yield running


@pytest.fixture
def connect(clients, server):
    """A client of the server."""

    def connect(**options):
        kind = type(clients.client(_Address(server.base_url)))
        return kind(api_key="sk-mel-x", base_url=server.base_url, max_retries=0, **options)

    return connect


class _Address:
    """What `Clients.client` asks of a sandbox."""

    api_key = "sk-mel-x"

    def __init__(self, base_url):
        self.base_url = base_url


@pytest.fixture
def run(clients, connect):
    """Submit requests and read their results, with a ledger: the results and the ledger's sums."""

    def run(requests=ASKED, client=None, **params):
        client = client or connect()
        with track_impact() as ledger:
            job = clients.call(client, "batches.submit", requests, **params)
            clients.call(job, "wait", poll=POLL)
            return clients.call(job, "results"), ledger.total

    return run


def kinds(results):
    return {name: type(result).__name__ for name, result in results.items()}


def test_openais_words_and_counts(clients, connect, server):
    seen = []
    job = clients.call(connect(), "batches.submit", ASKED)
    clients.call(job, "wait", poll=POLL, progress=lambda job: seen.append((job.status, job.counts.total)))
    assert [word for word, _ in seen] == ["validating", "in_progress", "finalizing", "completed"]
    assert (job.counts.total, job.counts.succeeded, job.counts.failed) == (3, 3, 0)
    assert [result.answer.text for result in clients.items(job)] == ["re: a", "re: b", "re: c"]


@pytest.mark.parametrize("trailing", [b"", b"\n", b"\r\n\r\n"])
@pytest.mark.parametrize("compressed", [False, True])
def test_files_travel_in_every_form(run, server, trailing, compressed):
    server.trailing, server.compressed = trailing, compressed
    server.make = lambda lines: ([answer(line) for line in reversed(lines)], [])
    results, total = run()
    assert [answer.text for answer in results.values()] == ["re: a", "re: b", "re: c"]
    assert total.requests == 3


class TestLinesThatNobodyExpects:
    @pytest.mark.parametrize("named", [False, True])
    def test_a_line_that_came_twice_is_one_request(self, run, server, named):
        server.make = lambda lines: ([*map(answer, lines), answer(lines[0])], [answer(lines[1])])
        results, total = run(dict(zip("abc", ASKED, strict=True)) if named else ASKED)
        assert [answer.text for answer in results.values()] == ["re: a", "re: b", "re: c"]
        assert (total.requests, total.failed, total.input_tokens) == (3, 0, 15)

    @pytest.mark.parametrize("other", ["foreign", "request-9", "request-02", "request--1"])
    def test_a_line_of_somebody_else_hides_no_missing_one(self, run, server, other, caplog):
        caplog.set_level(logging.WARNING, "melious")
        server.make = lambda lines: ([answer(lines[2], custom_id=other), *map(answer, lines[:2])], [])
        results, total = run()
        assert kinds(results) == {
            "request-0": "ChatCompletion",
            "request-1": "ChatCompletion",
            "request-2": "ServerError",
        }
        assert (total.requests, total.failed) == (2, 1)
        assert repr(other) in caplog.text

    def test_nor_where_the_ids_are_the_callers(self, run, server):
        server.make = lambda lines: ([answer(lines[2], custom_id="other"), *map(answer, lines[:2])], [])
        results, _ = run(dict(zip("abc", ASKED, strict=True)))
        assert isinstance(results["c"], ServerError)
        assert results["c"].code == "batch_completed"
        assert list(results) == ["other", "a", "b", "c"]

    @pytest.mark.parametrize("line", [b"not JSON", b"[]", b'{"custom_id": null}', b"\xff\xfe"])
    def test_a_line_that_cannot_be_read_costs_one_result(self, run, server, line):
        server.make = lambda lines: ([answer(lines[0]), line, answer(lines[2])], [])
        results, total = run()
        assert kinds(results) == {
            "request-0": "ChatCompletion",
            "request-1": "ResponseDecodeError",
            "request-2": "ChatCompletion",
        }
        assert "Submit the requests without an answer again" in str(results["request-1"])
        assert (total.requests, total.failed) == (2, 1)

    def test_a_file_without_a_length_that_is_cut_is_an_error(self, clients, connect, server):
        server.make = lambda lines: ([answer(lines[0]), json.dumps(answer(lines[1])).encode()[:70]], [])
        server.trailing = b""
        job = clients.call(connect(), "batches.submit", ASKED)
        clients.call(job, "wait", poll=POLL)
        with pytest.raises(
            ResponseDecodeError, match=r"is not the result of a request.*Read the results again"
        ):
            clients.items(job)

    def test_what_is_missing_needs_no_download_where_the_ids_are_ours(self, run, server):
        server.make = lambda lines: ([answer(lines[1])], [])
        results, _ = run()
        assert [type(found) for found in results.values()] == [ServerError, ChatCompletion, ServerError]
        reads = [path for method, path in server.seen if method == "GET" and path.endswith("/content")]
        assert len(reads) == 1

    def test_the_second_batch_of_a_job_has_its_own_places(self, run, server):
        server.make = lambda lines: ([answer(line) for line in lines[1:]], [])
        results, _ = run([question(str(number)) for number in range(5)], max_lines=2)
        assert [name for name, found in results.items() if isinstance(found, MeliousError)] == [
            "request-0",
            "request-2",
            "request-4",
        ]


class TestOddFields:
    @pytest.mark.parametrize(
        "endpoint",
        [None, "", 5, ["x"], "/chat/completions", "chat/completions", "https://x/v1/chat/completions/"],
    )
    def test_answers_are_typed_however_the_endpoint_is_spelled(self, run, server, endpoint):
        server.made = {"endpoint": endpoint}
        assert set(kinds(run()[0]).values()) == {"ChatCompletion"}

    @pytest.mark.parametrize(
        "made",
        [
            {"created_at": True, "expires_at": [1]},
            {"created_at": "2026-04-01T10:00:00Z"},
            {"metadata": None},
            {"metadata": [1]},
            {"metadata": {"melious": 7, "melious_digest": ["x"]}},
            {"completion_window": {"hours": 24}},
            {"input_file_id": None},
            {"output_file_id": ""},
            {"request_counts": "none"},
            {"usage": 5},
        ],
    )
    def test_a_field_that_nothing_needs_may_be_anything(self, run, server, made):
        server.made = made
        assert set(kinds(run()[0]).values()) == {"ChatCompletion"}
        assert len(run()[0]) == 3, "it can be in a list too"

    @pytest.mark.parametrize("words", [["In Progress", "COMPLETED"], ["in-progress", "Completed "]])
    def test_words_in_another_spelling(self, clients, connect, server, words):
        server.words = words
        job = clients.call(connect(), "batches.submit", ASKED)
        clients.call(job, "wait", poll=POLL)
        assert (job.status, job.batches[0].succeeded, job.batches[0].known) == (words[1], True, True)

    @pytest.mark.parametrize("word", [None, ["completed"], {"is": "completed"}])
    def test_a_status_that_is_no_word_is_unknown(self, clients, connect, server, word):
        server.end = {"status": word}
        job = clients.call(connect(), "batches.submit", ASKED)
        clients.call(job, "wait", poll=POLL)
        assert (job.status, job.batches[0].known, job.done) == ("", False, True)
        assert len(clients.call(job, "results")) == 3


@pytest.mark.parametrize(
    ("said", "message", "note"),
    [
        (
            {"errors": {"object": "list", "data": [{"code": "x", "message": "Bad JSON.", "line": 4}]}},
            "Bad JSON.",
            "line 4 of the batch",
        ),
        ({"errors": ["Bad JSON."]}, "Bad JSON.", None),
        ({"errors": "Bad JSON."}, "Bad JSON.", None),
        ({"errors": {"message": "Bad JSON."}}, "Bad JSON.", None),
        ({"errors": {"data": []}}, "has no result for this request; its status is 'failed'", None),
    ],
)
def test_why_a_batch_failed_in_every_shape(run, server, said, message, note):
    server.words, server.end, server.make = ["validating", "failed"], said, lambda _: ([], [])
    results, _ = run()
    assert len(results) == 3
    for error in results.values():
        assert message in str(error)
        assert "Try again later" not in str(error)
        assert note is None or note in "".join(error.__notes__)


class TestLocations:
    @pytest.mark.parametrize("keeps", [True, False])
    def test_they_are_checked_though_the_service_keeps_no_metadata(self, run, connect, server, keeps):
        server.made = {} if keeps else {"metadata": None}
        client = connect(verify_location="raise", filters={"countries": ["DE"]})
        results, _ = run(client=client)
        assert {type(found) for found in results.values()} == {ResidencyError}

    def test_also_in_a_job_that_is_resumed(self, clients, connect, server):
        server.made = {"metadata": None}
        client = connect(verify_location="raise", filters={"countries": ["DE"]})
        job = clients.call(client, "batches.submit", ASKED)
        again = clients.call(client, "batches.resume", job.id)
        clients.call(again, "wait", poll=POLL)
        assert {type(found) for found in clients.call(again, "results").values()} == {ResidencyError}

    def test_a_job_that_was_submitted_without_a_check_is_not_taken_for_one_with_it(self, run, connect):
        filters = {"countries": ["DE"]}
        unchecked, _ = run(client=connect(filters=filters))
        assert set(kinds(unchecked).values()) == {"ChatCompletion"}
        checked, _ = run(client=connect(filters=filters, verify_location="raise"))
        assert set(kinds(checked).values()) == {"ResidencyError"}

    def test_too_many_countries_are_refused_before_anything_is_sent(self, clients, connect, server):
        from melious.routing.countries import names

        client = connect(verify_location="raise", filters={"countries": sorted(names())})
        with pytest.raises(
            InvalidArgumentError, match="verify_location: a batch cannot keep as many countries"
        ):
            clients.call(client, "batches.submit", ASKED)
        assert server.seen == []


class TestBudgets:
    @pytest.mark.parametrize("path", ["/v1/files", "/v1/batches"])
    def test_what_could_not_be_submitted_is_given_back(self, clients, connect, server, path):
        budget = ImpactBudget(max_requests=3)
        client = connect(budget=budget)
        server.refuses["POST", path] = 1
        with pytest.raises(ServerError):
            clients.call(client, "batches.submit", ASKED)
        assert budget.requests == 0
        clients.call(client, "batches.submit", ASKED)
        assert budget.requests == 3
        with pytest.raises(BudgetExceededError):
            clients.call(client, "batches.submit", [question("d")])

    def test_what_was_submitted_before_stays_counted(self, clients, connect, server):
        budget = ImpactBudget(max_requests=3)
        client = connect(budget=budget)
        real, server.refuses = server.create, {}

        def once(body):
            server.refuses["POST", "/v1/files"] = 1
            return real(body)

        server.create = once
        with pytest.raises(ServerError) as failed:
            clients.call(client, "batches.submit", ASKED, max_lines=1)
        assert budget.requests == 1
        assert "Submitted before: batch_" in "".join(failed.value.__notes__)
        server.create = real
        clients.call(client, "batches.submit", ASKED, max_lines=1)
        assert budget.requests == 3


def test_a_job_of_several_is_cancelled_as_far_as_possible(clients, connect, server):
    server.words = ["validating"] * 9
    job = clients.call(connect(), "batches.submit", ASKED, max_lines=1)
    gone = server.batches.pop(job.batches[0].id)
    with pytest.raises(MeliousError, match=gone["id"]):
        clients.call(job, "cancel")
    assert [path for _, path in server.seen if path.endswith("/cancel")] == [
        f"/v1/batches/{batch.id}/cancel" for batch in job.batches
    ]


def test_results_that_the_service_has_deleted(clients, connect, server):
    job = clients.call(connect(), "batches.submit", ASKED)
    clients.call(job, "wait", poll=POLL)
    server.files.clear()
    with pytest.raises(NotFoundError, match="submit the requests again, with reuse=False"):
        clients.items(job)


def test_an_id_that_is_named_twice_is_one_batch(clients, connect):
    client = connect()
    job = clients.call(client, "batches.submit", ASKED)
    assert clients.call(client, "batches.resume", f"{job.id}, {job.id}").id == job.id


def test_a_file_that_is_left_early_is_not_read_on(clients, connect, server):
    stream = connect().files.content(ENDLESS)
    assert clients.first(stream.lines()) == b'{"custom_id": "a"}'
    clients.call(stream, "aclose" if clients.asynchronous else "close")
    assert server.left.wait(PATIENCE)
