"""`client.batches.submit`: what is checked, what is sent, and what comes back."""

from __future__ import annotations

import json

import pytest

from melious import (
    BadRequestError,
    ChatCompletion,
    EmbeddingsResult,
    ImagesResult,
    InvalidArgumentError,
    MeliousError,
    ProviderError,
)
from melious.sandbox import Fault, Reply, Sandbox

from .clients import CHAT, EMBEDDINGS, IMAGES, TOOL


def question(text: str = "What is a lighthouse?", **params):
    return {"model": CHAT, "messages": [{"role": "user", "content": text}], **params}


@pytest.fixture
def run(clients, client):
    """Submit requests and wait for the end; gives the job."""

    def run(requests, **params):
        job = clients.call(client, "batches.submit", requests, **params)
        return clients.call(job, "wait", poll=0.002)

    return run


@pytest.fixture
def lines(clients, client):
    """The lines of a job's input files."""

    def lines(job):
        found = []
        for batch in job.batches:
            stream = client.files.content(batch.input_file_id)
            found += [json.loads(line) for line in clients.items(stream.lines())]
        return found

    return lines


def posts(sandbox, path):
    return [request for request in sandbox.requests if (request.method, request.path) == ("POST", path)]


def test_a_list_of_requests_gets_ids_by_place_and_typed_answers(clients, run, sandbox):
    sandbox.replies.add(Reply(text="A tower."), Reply(text="A ship."))
    job = run([question("What is a lighthouse?"), question("What is a frigate?")])
    assert (job.status, job.done, job.endpoint) == ("completed", True, "chat")
    assert job.counts == (2, 2, 0, 0)
    first, second = clients.items(job)
    assert (first.custom_id, first.index, second.custom_id) == ("request-0", 0, "request-1")
    assert isinstance(first.answer, ChatCompletion)
    assert (first.answer.text, second.unwrap().text) == ("A tower.", "A ship.")
    assert first.answer.usage.prompt_tokens > 0
    assert first.answer.request_id.startswith("req_")
    assert first.raw["custom_id"] == "request-0"


def test_results_are_in_the_order_of_the_list(clients, run):
    job = run([question(str(number)) for number in range(12)], max_lines=5)
    found = clients.call(job, "results")
    assert list(found) == [f"request-{number}" for number in range(12)]
    assert all(f'"{number}"' in found[f"request-{number}"].text for number in range(12))


@pytest.mark.parametrize(
    "requests",
    [
        {"a": question(), "b": question("And a frigate?")},
        [("a", question()), ("b", question("And a frigate?"))],
        [{"custom_id": "a", "body": question()}, {"custom_id": "b", "body": question("And a frigate?")}],
        lambda: iter([("a", question()), ("b", question("And a frigate?"))]),
    ],
    ids=["mapping", "pairs", "lines", "iterator"],
)
def test_ids_of_the_caller(clients, run, requests):
    given = requests() if callable(requests) else requests
    assert list(clients.call(run(given), "results")) == ["a", "b"]


def test_requests_are_built_as_the_ordinary_call_builds_them(clients, sandbox, lines):
    client = clients.client(sandbox, filters={"countries": ["FR"]}, extra_body={"user": "me"})
    given = question(tools=[TOOL], temperature=0.5, preset="environment", extra_body={"min_p": 0.1})
    clients.call(client, "chat.create", **given)
    job = clients.call(client, "batches.submit", [given, question(flavor="batch")])
    first, second = (line["body"] for line in lines(job))
    assert first == sandbox.requests.to("chat")[0].body
    assert first["filters"] == {"countries": ["FR"]}
    assert second["model"] == f"{CHAT}:batch"
    assert [line["url"] for line in lines(job)] == ["/v1/chat/completions"] * 2


def test_embeddings(clients, run, lines):
    requests = [
        {"model": EMBEDDINGS, "input": ["a heat pump", "a kettle", "a heat pump"]},
        {"model": EMBEDDINGS, "input": "one"},
        {"model": EMBEDDINGS, "input": "two", "encoding_format": "base64"},
    ]
    job = run(requests, endpoint="/v1/embeddings")
    found = clients.call(job, "results")
    assert all(isinstance(answer, EmbeddingsResult) for answer in found.values())
    assert [len(answer.embeddings) for answer in found.values()] == [3, 1, 1]
    vectors = found["request-0"].embeddings
    assert vectors[0] == vectors[2] != vectors[1]
    assert {len(answer.embeddings[0]) for answer in found.values()} == {1024}
    assert [line["body"]["encoding_format"] for line in lines(job)] == ["float", "float", "base64"]


def test_a_batch_gives_the_vectors_of_the_ordinary_call(clients, client, run):
    texts = ["a heat pump", "a kettle"]
    ordinary = clients.call(client, "embeddings.create", model=EMBEDDINGS, input=texts)
    job = run([{"model": EMBEDDINGS, "input": texts}], endpoint="/v1/embeddings")
    assert clients.items(job)[0].answer.embeddings == ordinary.embeddings


def test_images(clients, run):
    job = run([{"model": IMAGES, "prompt": "a lighthouse"}], endpoint="/v1/images/generations")
    (result,) = clients.items(job)
    assert isinstance(result.answer, ImagesResult)
    assert result.answer.data[0].to_bytes().startswith(b"\x89PNG")


def test_a_line_that_fails_is_an_error_of_its_class(clients, run, sandbox):
    sandbox.faults.add(Fault(code="provider_error"), when=lambda request: request.custom_id == "b")
    sandbox.faults.add(Fault(code="model_not_found"), when=lambda request: request.custom_id == "c")
    job = run({name: question(name) for name in "abc"})
    assert (job.status, job.counts) == ("completed", (3, 1, 2, 0))
    found = clients.call(job, "results")
    assert isinstance(found["a"], ChatCompletion)
    assert isinstance(found["b"], ProviderError)
    assert (found["b"].status_code, found["b"].code, found["b"].attempts) == (503, "provider_error", 1)
    assert found["b"].request_id.startswith("req_")
    assert found["c"].status_code == 404
    failed = next(result for result in clients.items(job) if result.custom_id == "b")
    with pytest.raises(ProviderError):
        failed.unwrap()


def test_a_batch_in_which_every_line_fails_has_no_answers(clients, run, sandbox):
    sandbox.faults.add(Fault(endpoint="chat", code="malformed", times=None))
    job = run([question("a"), question("b")])
    assert job.batches[0].output_file_id is None
    assert [type(result.error) for result in clients.items(job)] == [BadRequestError] * 2


def test_a_scripted_reply_for_one_line(clients, run, sandbox):
    sandbox.replies.add(Reply(text="Scripted."), when=lambda request: request.custom_id == "b")
    found = clients.call(run({"a": question(), "b": question()}), "results")
    assert found["b"].text == "Scripted." != found["a"].text


class TestArguments:
    """What is refused before anything is sent, with its place."""

    @pytest.mark.parametrize(
        ("requests", "message"),
        [
            ([], "requests: must not be empty"),
            ("hello", "requests: must be an iterable of requests"),
            (7, "requests: must be an iterable of requests"),
            (question(), "requests: .* put a single request into a list"),
            ([question(), "hello"], r"requests\[1\]: must be a dict of a request"),
            ([question(), {"messages": []}], r"requests\[1\]: messages: must be a list of at least one"),
            ([question(), {"messages": question()["messages"]}], r"requests\[1\]: model: must be the name"),
            ([question(), question(temprature=1)], r"requests\[1\]: .*temprature.*did you mean"),
            ([question(), question(timeout=5)], r"requests\[1\]: timeout: is an option of calls"),
            ([question(), question(stream=True)], r"requests\[1\]: stream: is not an argument"),
            ([question(), question(filters={"countries": ["XX"]})], r"requests\[1\]: .*XX"),
            ([question(), question(extra_body={"stream": True})], r"requests\[1\]: extra_body: must not ask"),
            ([question(), question(temperature=float("nan"))], r"requests\[1\]: temperature: cannot be sent"),
            ([question(), {"model": EMBEDDINGS, "messages": [{"role": "user"}]}], r"requests\[1\]: model"),
            ([("a", question()), ("a", question())], r"requests\[1\]: the id 'a' was given before"),
            ([("", question())], r"requests\[0\]: the id must be non-empty text"),
            ([(3, question())], r"requests\[0\]: the id must be non-empty text, not 3"),
            (
                [{"custom_id": "a", "url": "/v1/embeddings", "body": question()}],
                r"requests\[0\]: url: must be '/v1/chat/completions'",
            ),
            (
                [{"custom_id": "a", "method": "GET", "body": question()}],
                r"requests\[0\]: method: must be 'POST'",
            ),
            (
                [{"custom_id": None, "body": question()}],
                r"requests\[0\]: the id must be non-empty text, not N",
            ),
            ([question(), {**question(), 5: 1}], r"requests\[1\]: the names of its arguments must be text"),
        ],
    )
    def test_requests(self, clients, client, sandbox, requests, message):
        with pytest.raises(InvalidArgumentError, match=message):
            clients.call(client, "batches.submit", requests)
        assert not sandbox.requests

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({"model": EMBEDDINGS, "input": []}, "input: must not be empty"),
            ({"model": EMBEDDINGS, "input": ["a", " "]}, r"input\[1\]: must not be blank"),
            ({"model": EMBEDDINGS, "input": ["a"] * 2049}, "input: must have at most 2,048 texts"),
            ({"model": EMBEDDINGS, "input": "a", "batch_size": 4}, "batch_size: has no effect on a request"),
            (
                {"model": EMBEDDINGS, "input": "a", "encoding_format": "hex"},
                "encoding_format: must be one of",
            ),
        ],
    )
    def test_embeddings(self, clients, client, sandbox, body, message):
        good = {"model": EMBEDDINGS, "input": "a"}
        with pytest.raises(InvalidArgumentError, match=rf"requests\[1\]: {message}"):
            clients.call(client, "batches.submit", [good, body], endpoint="/v1/embeddings")
        assert not sandbox.requests

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"endpoint": "/v1/audio/speech"}, "endpoint: must be one of /v1/chat/completions"),
            ({"completion_window": ""}, "completion_window: must be non-empty text"),
            ({"max_lines": 0}, "max_lines: must be a whole number of at least 1"),
            ({"max_bytes": 200_000_000}, "max_bytes: must be a whole number from 1"),
            ({"max_bytes": 20}, r"requests\[0\]: has \d+ bytes; a batch takes at most 20"),
            ({"metadata": {"a": 1}}, "metadata: 'a' must be text"),
            ({"metadata": {str(n): "x" for n in range(14)}}, r"metadata: must have at most 13 pairs \(3 of"),
            ({"metadata": {"melious_request": "x"}}, "metadata: 'melious_request' is used here"),
            ({"reuse": "no"}, "reuse: must be True or False"),
            ({"extra_body": {"a": 1}}, "extra_body: is not sent with files and batches"),
            ({"timeuot": 3}, "timeuot"),
        ],
    )
    def test_of_the_call(self, clients, client, sandbox, params, message):
        with pytest.raises(InvalidArgumentError, match=message):
            clients.call(client, "batches.submit", [question()], **params)
        assert not sandbox.requests

    def test_a_disk_without_room_is_named(self, clients, client, sandbox, monkeypatch, tmp_path):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
        with pytest.raises(MeliousError, match="cannot be written to a temporary file: No such file"):
            clients.call(client, "batches.submit", [question()])
        assert not sandbox.requests

    def test_a_generator_that_fails_sends_nothing(self, clients, client, sandbox):
        def requests():
            yield question()
            raise KeyError("no more")

        with pytest.raises(KeyError):
            clients.call(client, "batches.submit", requests())
        assert not sandbox.requests


class TestSplitting:
    """One job of several batches of the service."""

    def test_by_lines(self, clients, run, sandbox):
        job = run((question(str(number)) for number in range(5)), max_lines=2)
        assert [batch.counts.total for batch in job.batches] == [2, 2, 1]
        assert job.id == ",".join(batch.id for batch in job.batches)
        assert job.counts == (5, 5, 0, 0)
        assert len(clients.items(job)) == 5
        assert len(posts(sandbox, "/v1/files")) == len(posts(sandbox, "/v1/batches")) == 3

    def test_by_bytes(self, clients, run, sandbox):
        job = run([question("x" * 500) for _ in range(5)], max_bytes=1500)
        sizes = [request.body["file"]["size"] for request in posts(sandbox, "/v1/files")]
        assert len(job.batches) == 3
        assert all(size <= 1500 for size in sizes)
        assert len(clients.items(job)) == 5

    def test_a_job_of_several_is_resumed_by_its_id(self, clients, client, run):
        job = run([question(str(number)) for number in range(3)], max_lines=1)
        again = clients.call(client, "batches.resume", job.id)
        assert (again.id, again.done) == (job.id, True)
        assert list(clients.call(again, "results")) == ["request-0", "request-1", "request-2"]


class TestReuse:
    """The same requests are not paid twice."""

    def test_the_same_requests_give_the_same_job(self, clients, client, run, sandbox):
        job = run([question("a"), question("b")])
        again = clients.call(client, "batches.submit", [question("a"), question("b")])
        assert again.id == job.id
        assert len(posts(sandbox, "/v1/batches")) == 1

    @pytest.mark.parametrize(
        "other",
        [
            [question("b"), question("a")],
            {"a": question("a"), "b": question("b")},
            [question("a"), question("b", temperature=0.1)],
        ],
        ids=["order", "ids", "parameters"],
    )
    def test_others_do_not(self, clients, client, run, sandbox, other):
        job = run([question("a"), question("b")])
        assert clients.call(client, "batches.submit", other).id != job.id
        assert len(posts(sandbox, "/v1/batches")) == 2

    def test_it_can_be_turned_off(self, clients, client, run, sandbox):
        job = run([question("a")])
        sandbox.requests.clear()
        assert clients.call(client, "batches.submit", [question("a")], reuse=False).id != job.id
        assert [request.method for request in sandbox.requests] == ["POST", "POST"]

    def test_one_that_expired_is_submitted_again(self, clients, client, sandbox):
        sandbox.batches.hold()
        job = clients.call(client, "batches.submit", [question()])
        sandbox.batches.expire()
        assert clients.call(job, "wait", poll=0.002).status == "expired"
        assert clients.call(client, "batches.submit", [question()]).id != job.id

    def test_what_was_stopped_halfway_goes_on(self, clients, client, sandbox):
        requests = [question(str(number)) for number in range(3)]
        sandbox.faults.add(Fault(endpoint="files", code="scope", after=1))
        with pytest.raises(Exception, match="scope") as caught:
            clients.call(client, "batches.submit", requests, max_lines=1)
        (first,) = posts(sandbox, "/v1/batches")
        assert "Submit the same again to go on" in caught.value.__notes__[0]
        job = clients.call(client, "batches.submit", requests, max_lines=1)
        assert len(posts(sandbox, "/v1/batches")) == 3
        assert job.batches[0].input_file_id == first.body["input_file_id"]

    def test_it_is_found_on_a_later_page(self, clients, client, run, sandbox):
        job = run([question("wanted")])
        file = job.batches[0].input_file_id
        for _ in range(101):
            clients.call(client, "batches.create", input_file_id=file, endpoint="/v1/chat/completions")
        sandbox.requests.clear()
        assert clients.call(client, "batches.submit", [question("wanted")]).id == job.id
        assert [request.query for request in sandbox.requests] == [
            "limit=100",
            f"limit=100&after={sandbox.batches.all()[99].id}",
        ]


@pytest.mark.parametrize("profile", ["live", "g1", "g2"])
def test_every_generation_of_the_service(clients, profile):
    with Sandbox(profile) as sandbox:
        client = clients.client(sandbox)
        sandbox.faults.add(
            Fault(code="provider_error"), when=lambda request: request.custom_id == "request-1"
        )
        job = clients.call(client, "batches.submit", [question("a"), question("b")])
        clients.call(job, "wait", poll=0.002)
        assert job.status == ("succeeded" if profile == "g2" else "completed")
        assert job.counts == (2, 1, 1, 0)
        found = clients.call(job, "results")
        assert found["request-0"].text
        assert isinstance(found["request-1"], ProviderError)
