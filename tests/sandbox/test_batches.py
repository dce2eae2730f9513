"""/v1/files and /v1/batches of the sandbox, over plain HTTP."""

import json
import time

import pytest

from melious import InvalidArgumentError
from melious.sandbox import Fault, Reply, Sandbox

BODY = {"model": "gemma-4-31b", "messages": [{"role": "user", "content": "What is a lighthouse?"}]}


def until(condition):
    """Wait for what the sandbox does in its own thread."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.001)


def line(name="a", **changes):
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": BODY, **changes}


@pytest.fixture
def upload(http):
    def send(*lines, purpose="batch"):
        text = "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in lines)
        files = {"file": ("lines.jsonl", text.encode(), "application/jsonl")}
        return http.post("/files", data={"purpose": purpose}, files=files)

    return send


@pytest.fixture
def make(http, upload):
    def send(*lines, **fields):
        body = {"input_file_id": upload(*lines).json()["id"], "endpoint": "/v1/chat/completions", **fields}
        return http.post("/batches", json=body)

    return send


@pytest.fixture
def ended(http, sandbox):
    """Wait for a batch's end; gives it as the service shows it."""

    def wait(answer):
        batch = sandbox.batches.get(answer.json()["id"])
        until(lambda: batch.ended)
        return http.get(f"/batches/{batch.id}").json()

    return wait


@pytest.fixture
def lines_of(http):
    def read(file_id):
        answer = http.get(f"/files/{file_id}/content")
        assert answer.headers["content-type"] == "application/jsonl"
        assert int(answer.headers["content-length"]) == len(answer.content)
        return {one["custom_id"]: one for one in map(json.loads, answer.text.splitlines())}

    return read


class TestFiles:
    def test_upload_show_delete(self, http, upload):
        made = upload(line()).json()
        assert made["object"] == "file"
        assert made["id"].startswith("file_")
        assert (made["filename"], made["purpose"]) == ("lines.jsonl", "batch")
        assert http.get(f"/files/{made['id']}").json() == made
        assert len(http.get(f"/files/{made['id']}/content").content) == made["bytes"]
        gone = http.delete(f"/files/{made['id']}").json()
        assert gone == {"id": made["id"], "object": "file", "deleted": True}
        assert http.get(f"/files/{made['id']}").status_code == 404
        assert http.get(f"/files/{made['id']}/content").status_code == 404

    def test_list(self, http, upload):
        names = [upload(line()).json()["id"] for _ in range(3)]
        page = http.get("/files", params={"limit": 2}).json()
        assert ([file["id"] for file in page["data"]], page["has_more"]) == (names[:0:-1], True)
        page = http.get("/files", params={"after": names[1], "order": "desc"}).json()
        assert ([file["id"] for file in page["data"]], page["has_more"]) == (names[:1], False)
        page = http.get("/files", params={"order": "asc"}).json()
        assert [file["id"] for file in page["data"]] == names

    @pytest.mark.parametrize(
        "query", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"order": "up"}, {"after": "file_unknown"}]
    )
    def test_wrong_queries(self, http, query):
        answer = http.get("/files", params=query)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == next(iter(query))

    def test_what_is_no_upload(self, http, upload):
        assert upload(line(), purpose="assistants").json()["error"]["param"] == "purpose"
        assert upload().json()["error"]["message"] == "'file' is empty."
        assert http.post("/files", data={"purpose": "batch"}).status_code == 400
        assert http.put("/files").headers["allow"] == "GET, POST"


class TestBatches:
    def test_the_life_of_a_batch(self, sandbox, make, ended, lines_of):
        sandbox.replies.add(Reply(text="A tower."), when=lambda request: request.custom_id == "b")
        made = make(line("a"), line("b"), metadata={"project": "towers"}, completion_window="24h")
        batch = made.json()
        assert (batch["object"], batch["status"]) == ("batch", "validating")
        assert batch["metadata"] == {"project": "towers"}
        assert batch["expires_at"] - batch["created_at"] == 86_400
        batch = ended(made)
        assert (batch["status"], batch["errors"], batch["error_file_id"]) == ("completed", None, None)
        assert batch["request_counts"] == {"total": 2, "completed": 2, "failed": 0}
        assert batch["completed_at"] >= batch["in_progress_at"] >= batch["created_at"]
        found = lines_of(batch["output_file_id"])
        response = found["b"]["response"]
        assert (response["status_code"], found["b"]["error"]) == (200, None)
        assert response["body"]["choices"][0]["message"]["content"] == "A tower."
        assert response["body"]["environment_impact"]["simulated"]

    def test_lines_fail_one_by_one(self, sandbox, make, ended, lines_of):
        sandbox.faults.add(Fault(code="provider_error"), when=lambda request: request.custom_id == "b")
        wrong = line("c", body={"model": "gemma-4-31b"})
        streamed = line("d", body=BODY | {"stream": True})
        batch = ended(make(line("a"), line("b"), wrong, streamed))
        assert batch["status"] == "completed"
        assert batch["request_counts"] == {"total": 4, "completed": 1, "failed": 3}
        assert list(lines_of(batch["output_file_id"])) == ["a"]
        failed = lines_of(batch["error_file_id"])
        assert {name: one["response"]["status_code"] for name, one in failed.items()} == {
            "b": 503,
            "c": 400,
            "d": 400,
        }
        assert failed["b"]["response"]["body"]["error"]["code"] == "provider_error"

    @pytest.mark.parametrize(
        ("lines", "said"),
        [
            (["nonsense"], "not a JSON object"),
            ([line(), line()], "'a' is used more than once"),
            ([line("")], "'custom_id' must be a string"),
            ([line(method="GET")], "'method' must be 'POST'"),
            ([line(url="/v1/embeddings")], "'url' must be '/v1/chat/completions'"),
            ([line(body=None)], "'body' must be an object"),
        ],
    )
    def test_a_file_that_is_wrong_fails_as_a_whole(self, make, ended, lines, said):
        batch = ended(make(line("good"), *lines))
        assert (batch["status"], batch["output_file_id"]) == ("failed", None)
        assert batch["failed_at"]
        error = batch["errors"]["data"][0]
        assert said in error["message"]
        assert error["line"] == 1 + len(lines)

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"endpoint": "/v1/rerank"}, "endpoint"),
            ({"endpoint": None}, "endpoint"),
            ({"completion_window": "1h"}, "completion_window"),
            ({"metadata": []}, "metadata"),
            ({"metadata": {"a": 1}}, "metadata"),
            ({"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
        ],
    )
    def test_wrong_fields(self, make, fields, param):
        answer = make(line(), **fields)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == param

    def test_unknown_ids(self, http):
        body = {"input_file_id": "file_unknown", "endpoint": "/v1/chat/completions"}
        assert http.post("/batches", json=body).status_code == 404
        assert http.get("/batches/batch_unknown").status_code == 404
        assert http.post("/batches/batch_unknown/cancel").status_code == 404

    def test_list(self, http, make):
        names = [make(line()).json()["id"] for _ in range(3)]
        page = http.get("/batches", params={"limit": 2}).json()
        assert ([batch["id"] for batch in page["data"]], page["has_more"]) == (names[:0:-1], True)
        assert page["last_id"] == names[1]

    def test_cancelling_twice(self, http, sandbox, make, ended):
        sandbox.batches.hold()
        made = make(line())
        answer = http.post(f"/batches/{made.json()['id']}/cancel")
        assert answer.json()["status"] == "cancelling"
        assert ended(made)["status"] == "cancelled"
        assert http.post(f"/batches/{made.json()['id']}/cancel").status_code == 400


class TestPace:
    def test_step_by_step(self, http, sandbox, make, ended):
        sandbox.batches.hold()
        made = make(line("a"), line("b"), line("c"))
        batch = sandbox.batches.get(made.json()["id"])
        for count in (1, 2):
            sandbox.batches.step()
            until(lambda count=count: batch.succeeded == count)
        shown = http.get(f"/batches/{batch.id}").json()
        assert (shown["status"], shown["request_counts"]["completed"]) == ("in_progress", 2)
        sandbox.batches.release()
        assert ended(made)["request_counts"]["completed"] == 3

    def test_expiry(self, sandbox, make, ended, lines_of):
        sandbox.batches.hold()
        made = make(line("a"), line("b"))
        sandbox.batches.step()
        batch = sandbox.batches.get(made.json()["id"])
        until(lambda: batch.succeeded == 1)
        sandbox.batches.expire(batch.id)
        shown = ended(made)
        assert shown["status"] == "expired"
        assert shown["expired_at"]
        assert list(lines_of(shown["output_file_id"])) == ["a"]

    @pytest.mark.parametrize("name", ["batch_unknown", "", 5])
    def test_expiry_of_no_batch(self, sandbox, name):
        with pytest.raises(InvalidArgumentError, match="batch_id must be the id of a batch of this sandbox"):
            sandbox.batches.expire(name)

    def test_lines_per_second(self, client_of):
        with Sandbox(batch_pace=1000) as sandbox:
            http = client_of(sandbox)
            text = "".join(f"{json.dumps(line(str(n)))}\n" for n in range(5)).encode()
            file = http.post("/files", data={"purpose": "batch"}, files={"file": ("a", text)}).json()["id"]
            body = {"input_file_id": file, "endpoint": "/v1/chat/completions"}
            batch = sandbox.batches.get(http.post("/batches", json=body).json()["id"])
            until(lambda: batch.ended)
            assert batch.succeeded == 5

    @pytest.mark.parametrize("pace", [0, -1, "fast"])
    def test_wrong_paces(self, pace):
        with pytest.raises(InvalidArgumentError, match="batch_pace must be a number of lines per second"):
            Sandbox(batch_pace=pace)

    def test_wrong_steps(self, sandbox):
        with pytest.raises(InvalidArgumentError, match="lines must be"):
            sandbox.batches.step(0)

    def test_lines_count_against_no_limit(self, client_of):
        with Sandbox(rate_limit=2, rate_window=3600) as sandbox:
            http = client_of(sandbox)
            text = "".join(f"{json.dumps(line(str(n)))}\n" for n in range(20)).encode()
            file = http.post("/files", data={"purpose": "batch"}, files={"file": ("a", text)}).json()["id"]
            body = {"input_file_id": file, "endpoint": "/v1/chat/completions"}
            batch = sandbox.batches.get(http.post("/batches", json=body).json()["id"])
            until(lambda: batch.ended)
            assert (batch.succeeded, batch.failed) == (20, 0)
            assert http.get("/batches").status_code == 429


def test_the_counts_and_words_of_the_newer_documentation(client_of):
    with Sandbox("g2") as sandbox:
        http = client_of(sandbox)
        text = f"{json.dumps(line())}\n".encode()
        file = http.post("/files", data={"purpose": "batch"}, files={"file": ("a", text)}).json()["id"]
        made = http.post("/batches", json={"input_file_id": file, "endpoint": "/v1/chat/completions"}).json()
        assert made["status"] == "queued"
        batch = sandbox.batches.get(made["id"])
        until(lambda: batch.ended)
        shown = http.get(f"/batches/{batch.id}").json()
        assert shown["status"] == "succeeded"
        assert shown["request_counts"] == {"processing": 0, "succeeded": 1, "errored": 0}


def test_scopes(client_of):
    keys = {"sk-chat": ["inference.chat"], "sk-rerank": ["inference.rerank"], "sk-kit": ["kit.tools"]}
    with Sandbox(keys=keys) as sandbox:
        chat, rerank, kit = (client_of(sandbox, key) for key in keys)
        text = f"{json.dumps(line())}\n".encode()
        file = chat.post("/files", data={"purpose": "batch"}, files={"file": ("a", text)}).json()["id"]
        body = {"input_file_id": file, "endpoint": "/v1/chat/completions"}
        assert chat.post("/batches", json=body).status_code == 200
        assert rerank.post("/batches", json=body).status_code == 403
        assert rerank.get("/batches").status_code == 200
        assert kit.get("/batches").status_code == 403


def test_a_new_start_forgets_batches_and_files(http, sandbox, make):
    sandbox.batches.hold()
    make(line())
    sandbox.reset()
    assert http.get("/batches").json()["data"] == []
    assert http.get("/files").json()["data"] == []


def test_the_page_shows_batches_and_what_they_cost(http, sandbox, make, ended):
    ended(make(line("a"), line("b")))
    page = http.get(sandbox.page_url).text
    assert "lines.jsonl" in page
    assert "POST /v1/chat/completions" in page
    totals = sandbox.requests.totals()
    assert totals.output_tokens > 0
    assert totals.euros > 0
    assert not sandbox.requests.to("chat"), "lines are not requests of a client"
