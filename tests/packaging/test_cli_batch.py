"""`melious batch`, as it is typed."""

from __future__ import annotations

import io
import json
import sys

import pytest

from melious.cli import main
from melious.sandbox import Fault, Reply

BODY = {"model": "gemma-4-31b", "messages": [{"role": "user", "content": "What is a lighthouse?"}]}


@pytest.fixture
def batch(capsys, monkeypatch, sandbox):
    """Run the command with the sandbox's key; give status, output and errors."""

    def run(*arguments):
        monkeypatch.setenv("MELIOUS_BASE_URL", sandbox.base_url)
        monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
        status = main(["batch", *map(str, arguments)])
        said = capsys.readouterr()
        assert "sk-mel" not in said.out + said.err
        return status, said.out, said.err

    return run


@pytest.fixture
def file(tmp_path):
    def write(*lines):
        path = tmp_path / "requests.jsonl"
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return path

    return write


def results_in(text):
    return {line["custom_id"]: line for line in map(json.loads, text.splitlines())}


def test_submit_status_results(batch, file, sandbox):
    sandbox.replies.add(Reply(text="A tower."), when=lambda request: request.custom_id == "request-0")
    sandbox.faults.add(Fault(code="provider_error"), when=lambda request: request.custom_id == "request-1")
    sandbox.batches.hold()
    status, out, err = batch("submit", file(BODY, BODY))
    assert (status, err) == (0, "")
    name = out.strip()
    status, out, err = batch("results", name)
    assert (status, out) == (1, "")
    assert err.startswith(f"melious batch: {name} has not ended: ")
    assert "--wait" in err
    sandbox.batches.release()
    status, out, err = batch("results", name, "--wait")
    assert status == 1
    assert err.splitlines()[-1] == "1 request failed"
    found = results_in(out)
    assert found["request-0"]["answer"]["choices"][0]["message"]["content"] == "A tower."
    error = found["request-1"]["error"]
    assert (error["class"], error["status_code"], error["code"]) == ("ProviderError", 503, "provider_error")
    assert batch("status", name) == (0, f"{name}: completed: 2 of 2 requests, 1 of them failed\n", "")


def test_results_go_to_a_file(batch, file, tmp_path):
    out = tmp_path / "results.jsonl"
    status, said, _ = batch("submit", file({"custom_id": "a", "body": BODY}), "--wait", "--out", out)
    assert (status, len(said.splitlines())) == (0, 1)
    assert results_in(out.read_text())["a"]["error"] is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["requests.jsonl", "results.jsonl"]


def test_the_endpoint_of_whole_lines_is_theirs(batch, file, sandbox):
    line = {
        "custom_id": "a",
        "method": "POST",
        "url": "/v1/embeddings",
        "body": {"model": "bge-m3", "input": "a kettle"},
    }
    status, out, _ = batch("submit", file(line))
    assert status == 0
    assert sandbox.batches.get(out.strip()).endpoint == "/v1/embeddings"


def test_the_same_file_is_not_submitted_twice(batch, file):
    path = file(BODY)
    first, second, third = (batch("submit", path, *more)[1] for more in ([], [], ["--again"]))
    assert first == second != third


def test_from_standard_input(batch, monkeypatch):
    given = io.TextIOWrapper(io.BytesIO(json.dumps(BODY).encode()))
    monkeypatch.setattr(sys, "stdin", given)
    assert batch("submit", "-")[0] == 0


def test_cancel(batch, file, sandbox):
    sandbox.batches.hold()
    name = batch("submit", file(BODY))[1].strip()
    status, out, _ = batch("cancel", name)
    assert status == 0
    assert out.startswith(f"{name}: cancel")
    status, out, _ = batch("results", name, "--wait")
    assert status == 1
    assert results_in(out)["request-0"]["error"]["code"] == "batch_cancelled"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}\n", "bad.jsonl: line 1: messages: must be a list of at least one message"),
        (
            json.dumps(BODY) + "\n\n{}\n",
            "bad.jsonl: line 3: messages: must be a list",
        ),
        (json.dumps(BODY) + "\n" + "[" * 100_000 + "\n", "line 2 is not a JSON object"),
        (json.dumps(BODY) + "\nnonsense\n", "line 2 is not a JSON object"),
        ("", "bad.jsonl: must not be empty"),
    ],
)
def test_what_is_wrong_is_named(batch, tmp_path, text, said, sandbox):
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    status, out, err = batch("submit", path)
    assert (status, out) == (2, "")
    assert said in err
    assert not sandbox.requests


def test_a_wrong_endpoint_is_that_of_the_option(batch, file):
    status, _, err = batch("submit", file(BODY), "--endpoint", "/v1/rerank")
    assert status == 2
    assert err.startswith("melious batch: --endpoint: must be one of /v1/chat/completions")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--out", "results.jsonl"], "--out: there are no results to write without --wait"),
        (["--wait", "--out", "/nowhere/results.jsonl"], "--out: there is no folder '/nowhere'"),
        (["--wait", "--out", "."], "--out: '.' is a folder, not a file"),
    ],
)
def test_results_that_could_not_be_written_are_not_paid(batch, file, sandbox, options, said):
    status, out, err = batch("submit", file(BODY), *options)
    assert (status, out) == (2, "")
    assert err.startswith(f"melious batch: {said}")
    assert not sandbox.requests


@pytest.mark.parametrize("model", ["gemma-4-31b", "none"])
def test_the_status_of_submit_and_wait_says_whether_requests_failed(batch, file, model):
    status, out, _ = batch("submit", file(BODY, {**BODY, "model": model}), "--wait")
    assert (status, "1 of them failed" in out) == ((0, False) if model == BODY["model"] else (1, True))


def test_a_missing_file_and_an_unknown_id(batch, tmp_path):
    status, _, err = batch("submit", tmp_path / "none.jsonl")
    assert status == 2
    assert "none.jsonl: cannot be read: No such file" in err
    status, _, err = batch("status", "batch_unknown")
    assert status == 1
    assert "There is no batch 'batch_unknown'" in err
    assert "client.batches" not in err
